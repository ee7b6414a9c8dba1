"""Projections against the singular value decomposition, and what their figures show."""

import matplotlib
import numpy as np
import pytest

from iodine.analysis.factors import Factor
from iodine.analysis.projections import project
from iodine.errors import UserError
from iodine.figures.decompositions import SLOT_COLORS, as_array
from iodine.figures.projections import projection_figure

N = 60


def test_principal_components_equal_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    latents = (rng.normal(size=[N, 5]) @ rng.normal(size=[5, 5]) + 7).astype(np.float32)
    centred = latents.astype(np.float64) - latents.astype(np.float64).mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    actual, expected = project(latents, "pca"), u[:, :2] * s[:2]
    signs = np.sign(np.sum(actual * expected, axis=0))
    np.testing.assert_allclose(actual, expected * signs, atol=1e-9)


@pytest.mark.parametrize("count", [4, 5, 40])
def test_tsne_is_reproducible_and_keeps_groups_together(count):
    rng = np.random.default_rng(0)
    group = np.arange(count) % 2
    latents = (100 * group[:, np.newaxis] + rng.normal(size=[count, 3])).astype(np.float32)
    points = project(latents, "tsne", seed=1)
    np.testing.assert_array_equal(project(latents, "tsne", seed=1), points)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()
    if count == 40:
        distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1)
        np.fill_diagonal(distances, np.inf)
        np.testing.assert_array_equal(group[distances.argmin(axis=1)], group)


@pytest.mark.parametrize(
    ("shape", "method", "message"),
    [
        ((N, 3), "umap", "unknown projection 'umap'; known: pca, tsne"),
        ((3, 3), "pca", "3 objects with 3 latents cannot be projected"),
        ((N, 1), "tsne", "60 objects with 1 latents cannot be projected"),
        ((N, 3), "pca", "the latents of all objects are the same"),
    ],
)
def test_what_cannot_be_projected(shape, method, message):
    with pytest.raises(UserError, match=message):
        project(np.ones(shape, np.float32), method)


def test_latents_that_diverged():
    latents = np.random.default_rng(0).normal(size=[N, 3])
    latents[5, 0] = np.inf
    with pytest.raises(UserError, match="1 of 60 objects are not finite"):
        project(latents, "pca")


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return {
        "x": rng.uniform(2, 5, N),
        "orientation": rng.uniform(-7, 7, N),
        "shape": np.arange(N) % 19 + 1,
        "color": rng.random([N, 3]),
        "pixel_coords": rng.normal(size=[N, 2]),
    }


FACTORS = [
    Factor("x", "scalar"),
    Factor("orientation", "angle"),
    Factor("shape", "categorical"),
    Factor("color", "scalar"),
    Factor("pixel_coords", "scalar"),
]


@pytest.fixture
def panels(values):
    """The axes of a drawn figure by title, and the points that they show."""
    points = np.random.default_rng(1).normal(size=[N, 2])
    figure = projection_figure(points, FACTORS, values)
    assert as_array(figure).std() > 0
    return {axes.get_title(): axes for axes in figure.axes}, points


def test_a_panel_for_each_factor_in_readable_print(panels):
    by_title, _ = panels
    titles = ["x", "orientation", "shape", "color", "pixel_coords[0]", "pixel_coords[1]"]
    assert list(by_title) == titles
    for axes in by_title.values():
        texts = [axes.title, *(axes.get_legend().get_texts() if axes.get_legend() else ())]
        texts += [label for bar in axes.child_axes for label in bar.get_yticklabels()]
        assert min(text.get_size() for text in texts) >= 7


def test_numbers_have_the_colours_of_their_bars(panels, values):
    by_title, points = panels
    x, angle = values["x"], np.mod(values["orientation"], 2 * np.pi)
    expected = {
        "x": ("cividis", (x - x.min()) / np.ptp(x)),
        "orientation": ("twilight", angle / (2 * np.pi)),
    }
    for title, (name, position) in expected.items():
        [dots] = by_title[title].collections
        np.testing.assert_array_equal(dots.get_offsets(), points)
        colors = matplotlib.colormaps[name](position)
        np.testing.assert_allclose(dots.get_facecolors(), colors, atol=1e-6)
        assert len(by_title[title].child_axes) == 1


def test_colours_are_shown_as_they_are(panels, values):
    by_title, points = panels
    [dots] = by_title["color"].collections
    np.testing.assert_array_equal(dots.get_offsets(), points)
    np.testing.assert_allclose(dots.get_facecolors()[:, :3], values["color"])


def test_categories_have_a_look_each_and_a_legend(panels, values):
    by_title, points = panels
    axes = by_title["shape"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        str(shape) for shape in range(1, 20)
    ]
    looks = set()
    for shape, dots in zip(range(1, 20), axes.collections, strict=True):
        np.testing.assert_array_equal(dots.get_offsets(), points[values["shape"] == shape])
        [color] = dots.get_facecolors()
        np.testing.assert_allclose(color[:3], SLOT_COLORS[(shape - 1) % len(SLOT_COLORS)])
        [outline] = dots.get_paths()
        looks.add((*color, len(outline.vertices)))
    assert len(looks) == 19  # more than there are colours
