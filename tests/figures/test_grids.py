"""Sizes of the page and places of pictures, looked up in the rendered pixels."""

import warnings

import numpy as np
import pytest

from iodine.figures import decompositions as plots
from iodine.figures import grids
from iodine.figures.grids import Block, blocks_figure

DPI = 200
RED, BLUE = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


def render(figure):
    figure.set_dpi(DPI)
    return plots.as_array(figure).astype(float) / 255


def uniform(color):
    return np.broadcast_to(color, (4, 4, 3))


def block(columns, rows, **kwargs):
    return Block("heading", ["title"] * columns, [[uniform(RED)] * columns] * rows, **kwargs)


@pytest.mark.parametrize(("columns", "rows"), [(14, 5), (9, 16), (3, 2), (10, 8), (6, 30)])
def test_fits_on_a_page_with_square_pictures(columns, rows):
    figure = blocks_figure([block(columns, rows, labels=["t"] * rows)])
    width, height = figure.get_size_inches()
    assert width <= grids.WIDTH + 1e-6
    assert height <= grids.HEIGHT + 1e-6
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert right - left == pytest.approx(bottom - top)
    assert all(text.get_fontsize() >= 6 for text in figure.axes[0].texts)


def test_pictures_and_empty_places_are_where_their_row_and_column_are():
    gray = np.full((4, 4), 0.5)
    rows = [[uniform(RED), gray], [None, uniform(BLUE)]]
    figure = blocks_figure([Block("", ["a", "b"], rows)])
    shown = render(figure)
    extents = [image.get_extent() for image in figure.axes[0].images]
    centres = [((e[0] + e[1]) / 2, (e[2] + e[3]) / 2) for e in extents]
    (left, upper), (right, _), (_, lower) = centres
    assert len(extents) == 3
    for x, y, color in (
        (left, upper, RED),
        (right, upper, [0.5] * 3),
        (right, lower, BLUE),
        (left, lower, [1, 1, 1]),
    ):
        np.testing.assert_allclose(shown[int(y * DPI), int(x * DPI)], color, atol=0.01)


def test_a_border_surrounds_its_column():
    figure = blocks_figure([block(2, 1, borders=[None, BLUE])])
    shown = render(figure)
    first, second = (np.array(image.get_extent()) * DPI for image in figure.axes[0].images)
    for extent, color in ((first, [1, 1, 1]), (second, BLUE)):
        left, right, bottom, top = extent
        middle = int((top + bottom) / 2)
        for x in (left - 2, right + 1):
            np.testing.assert_allclose(shown[middle, round(x)], color, atol=0.05)


def test_a_border_surrounds_its_row():
    figure = blocks_figure([block(2, 2, row_borders=[None, BLUE])])
    shown = render(figure)
    for number, image in enumerate(figure.axes[0].images):
        left, _, bottom, top = np.array(image.get_extent()) * DPI
        color = [1, 1, 1] if number < 2 else BLUE
        np.testing.assert_allclose(
            shown[int((top + bottom) / 2), round(left - 2)], color, atol=0.05
        )


def test_labels_have_the_space_that_they_need():
    figure = blocks_figure([block(16, 2, labels=["predicted", "t"])])
    render(figure)
    labels = [text for text in figure.axes[0].texts if text.get_text() in ("predicted", "t")]
    assert len(labels) == 2
    assert all(label.get_window_extent().x0 >= 0 for label in labels)


def test_what_was_not_run_is_said():
    figure = blocks_figure([Block("CLEVR6", not_run="no data"), block(3, 1)])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:2] == ["CLEVR6", "not run: no data"]
    assert blocks_figure([Block("CLEVR6", not_run="no data")]).get_figwidth() > 3


def test_values_that_are_not_finite_are_drawn_without_a_warning():
    picture = np.full((4, 4, 3), np.nan, np.float32)
    picture[0] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(blocks_figure([Block("", ["a"], [[picture]])]))
