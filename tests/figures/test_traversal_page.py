"""The page of traversals: what is in the file, and what a browser shows of it."""

import types

import numpy as np
import pytest
import small_models
import tensorflow as tf
from browsing import drawn, settle, style
from html_pages import as_bytes, assert_needs_nothing_else, data_of, elements, pixels

from iodine.analysis.traversals import Traversal
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.figures import decompositions as plots
from iodine.figures import traversal_page
from iodine.figures.traversal_page import Scene
from iodine.models.interface import Spec
from iodine.models.registry import preset

SIDE, SLOTS, SCENES = 5, 3, 2
LATENTS, VALUES, NUM_LATENTS = (6, 0, 3), (-2.0, -0.5, 1.0, 2.5), 8
KL = np.array([2.0, 0, 0, 1.25, 0, 0, 4.0, 0])


def random_scene(seed):
    """Every picture differs from every other, and some go beyond [0, 1]."""
    generator = np.random.default_rng(seed)

    def pictures(*shape):
        return generator.uniform(-0.1, 1.1, size=(*shape, SIDE, SIDE, 3))

    by_slot = []
    for slot in range(SLOTS):
        shape = len(LATENTS), len(VALUES)
        masks = np.moveaxis(generator.dirichlet(np.ones(SLOTS), (*shape, SIDE, SIDE)), -1, 2)
        found = generator.uniform(-3, 3, size=len(LATENTS))
        latents, values = np.array(LATENTS), np.array(VALUES)
        by_slot.append(
            Traversal(slot, latents, values, found, pictures(*shape), pictures(*shape), masks)
        )
    return Scene(pictures(), pictures(SLOTS), by_slot)


ALL_SCENES = [random_scene(seed) for seed in range(SCENES)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "new" / "traversals.html"
    traversal_page.write_page(path, ALL_SCENES, KL, "Of </script> & <b>")
    return path


def shown_by(traversal, latent, value):
    """Reconstruction, component and segmentation, as the page has to show them."""
    return (
        as_bytes(traversal.reconstructions[latent, value]),
        as_bytes(traversal.components[latent, value]),
        as_bytes(plots.segmentation(traversal.masks[latent, value])),
    )


def test_page_refers_to_nothing_outside(page):
    assert_needs_nothing_else(page)


def test_title_is_text_and_cannot_end_the_script(page):
    found = elements(page)
    assert found.texts["title"][0] == found.texts["h1"][0] == "Of </script> & <b>"
    assert [tag for tag, _ in found.tags].count("script") == 2


def test_controls_have_labels(page):
    """Those that the page is written with; the radio buttons lie within their labels."""
    tags = elements(page).tags
    labelled = {a["for"] for tag, a in tags if tag == "label"}
    assert {a["id"] for tag, a in tags if tag == "input"} == labelled == {"value"}
    assert all(a["role"] == "img" for tag, a in tags if tag == "canvas")
    names = [tag for tag, _ in tags]
    assert names.count("fieldset") == names.count("legend") == 3


def test_pictures_in_the_page_are_exact(page):
    data = data_of(page)
    for scene, stored in zip(ALL_SCENES, data["scenes"], strict=True):
        parts = np.concatenate([scene.image, *scene.components], axis=1)
        np.testing.assert_array_equal(pixels(stored["parts"]), as_bytes(parts))
        for traversal, slot in zip(scene.traversals, stored["slots"], strict=True):
            sprite = pixels(slot["sprite"])
            assert sprite.shape == (3 * len(LATENTS) * SIDE, len(VALUES) * SIDE, 3)
            tiles = sprite.reshape(len(LATENTS), 3, SIDE, len(VALUES), SIDE, 3)
            for latent, value in np.ndindex(len(LATENTS), len(VALUES)):
                for kind, picture in enumerate(shown_by(traversal, latent, value)):
                    np.testing.assert_array_equal(tiles[latent, kind, :, value], picture)
    assert [latent["kl"] for latent in data["latents"]] == [4.0, 2.0, 1.25]


def test_no_scenes_are_refused(tmp_path):
    with pytest.raises(UserError, match="at least one image"):
        traversal_page.write_page(tmp_path / "page.html", [], KL)


def test_scenes_hold_the_components_and_all_slots():
    model = small_models.build_model(small_models.small_config())
    images = small_models.random_images(2)
    result = inference.decompose_iterations(model, images)[-1]
    scenes = traversal_page.traverse_scenes(model, images.numpy(), result, (2, 0), VALUES)
    for b, scene in enumerate(scenes):
        np.testing.assert_array_equal(scene.image, images[b])
        np.testing.assert_allclose(
            scene.components.sum(axis=0), result.reconstruction[b], rtol=1e-5, atol=1e-6
        )
        assert [traversal.slot for traversal in scene.traversals] == [0, 1, 2]
        for slot, traversal in enumerate(scene.traversals):
            np.testing.assert_allclose(
                traversal.found, tf.gather(result.latent_mean[b, slot], (2, 0)), rtol=1e-6
            )


@pytest.mark.parametrize(
    ("name", "num_scenes", "expected"),
    [("tetrominoes_small", 4, 16), ("clevr6", 1, 12), ("clevr6", 4, 3), ("clevr6", 50, 3)],
)
def test_large_pages_have_fewer_latents(name, num_scenes, expected):
    config = preset(name)
    side, slots = config.data.image_size, config.model.num_slots
    spec = Spec((side, side, 3), config.model.latent_size, slots, 5, True, True)
    model = types.SimpleNamespace(spec=spec)
    assert traversal_page.affordable_latents(model, num_scenes, slots) == expected


def nearest_value(scene, slot, latent):
    found = ALL_SCENES[scene].traversals[slot].found[latent]
    return int(np.abs(np.array(VALUES) - found).argmin())


def slide(value):
    return lambda visited: visited.fill("#value", str(value))


def click(choice):
    return lambda visited: visited.click(f"label:has(#{choice})")


STEPS = [  # what is done, and the scene, slot, latent, value then; None: nearest to what was found
    (lambda visited: None, (0, 0, 0, None)),
    (slide(3), (0, 0, 0, 3)),
    (click("slot-2"), (0, 2, 0, None)),
    (slide(0), (0, 2, 0, 0)),
    (click("latent-1"), (0, 2, 1, None)),
    (slide(2), (0, 2, 1, 2)),
    (click("scene-1"), (1, 2, 1, None)),
    (slide(1), (1, 2, 1, 1)),
]


def test_browser_shows_what_is_chosen(page, open_page):
    visited = open_page(page)
    for step, (scene, slot, latent, value) in STEPS:
        step(visited)
        settle(visited)
        value = nearest_value(scene, slot, latent) if value is None else value
        assert_pictures(visited, scene, slot, latent, value)
        assert_words(visited, scene, slot, latent, value)
    assert visited.locator("#latents label").all_text_contents() == [
        "z6KL 4.0",
        "z0KL 2.0",
        "z3KL 1.3",
    ]
    legend = visited.text_content("#latents-legend")
    assert legend.startswith(f"{len(LATENTS)} of {NUM_LATENTS} latents")
    assert style(visited, "#image", "imageRendering") == "pixelated"


def assert_pictures(visited, scene, slot, latent, value):
    expected = shown_by(ALL_SCENES[scene].traversals[slot], latent, value)
    for name, picture in zip(
        ("reconstruction", "component", "segmentation"), expected, strict=True
    ):
        np.testing.assert_array_equal(drawn(visited, f"#{name}"), picture)
    np.testing.assert_array_equal(drawn(visited, "#image"), as_bytes(ALL_SCENES[scene].image))
    for k, picture in enumerate(ALL_SCENES[scene].components):
        shown = drawn(visited, f"label:has(#slot-{k}) canvas")
        np.testing.assert_array_equal(shown, as_bytes(picture))


def assert_words(visited, scene, slot, latent, value):
    name = f"z{LATENTS[latent]} of slot {slot + 1}"
    label = ["-2 SD", "-0.5 SD", "+1 SD", "+2.5 SD"][value]
    assert visited.text_content("#latent-name") == name
    assert visited.text_content("#value-label") == label
    assert visited.get_attribute("#value", "aria-valuetext") == label
    described = visited.get_attribute("#component", "aria-label")
    assert described == f"masked component with {name} at {label}"
    found = ALL_SCENES[scene].traversals[slot].found[latent]
    assert visited.text_content("#found") == f"{found:+.2f} SD"
    color = ", ".join(map(str, as_bytes(plots.slot_color(slot))))
    assert style(visited, "#component", "borderTopColor") == f"rgb({color})"
    checked = visited.eval_on_selector_all(":checked", "(all) => all.map((input) => input.id)")
    assert checked == [f"slot-{slot}", f"latent-{latent}", f"scene-{scene}"]
