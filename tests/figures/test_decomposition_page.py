"""The page of decompositions as a file; tests/launch/test_viewer.py looks at it in a browser."""

import numpy as np
import pytest
import scipy.special
import small_models
import tensorflow as tf
from browsing import drawn, settle
from html_pages import as_bytes, assert_needs_nothing_else, data_of, elements, pixels

from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.figures import decomposition_page
from iodine.figures import decompositions as plots
from iodine.models import registry

SIDE, SLOTS = small_models.SIDE, small_models.SLOTS
NAMES = ["first", "</script> & <b>"]
VALUES = (-2.0, 0.5, 1.0)


class Case:
    """A small model, what it makes of two images, and the page."""

    def __init__(self, folder):
        self.model = small_models.build_model(small_models.small_config())
        self.images = small_models.random_images(len(NAMES)).numpy()
        self.results = inference.decompose_iterations(self.model, tf.constant(self.images))
        self.scenes = list(
            decomposition_page.page_scenes(
                self.model, NAMES, self.images, self.results, num_latents=2, values=VALUES
            )
        )
        self.path = folder / "new" / "viewer.html"
        decomposition_page.write_page(self.path, iter(self.scenes), "Of </script> & <b>")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("page"))


def tiles(picture, *shape):
    """A table of pictures as [rows, columns, side, side, ...]."""
    rows, columns = shape
    assert picture.shape[:2] == (rows * SIDE, columns * SIDE)
    return picture.reshape(rows, SIDE, columns, SIDE, -1).swapaxes(1, 2).squeeze()


def test_page_is_self_contained_and_its_names_are_text(case):
    assert_needs_nothing_else(case.path)
    found = elements(case.path)
    assert found.texts["title"][0] == found.texts["h1"][0] == "Of </script> & <b>"
    assert [tag for tag, _ in found.tags].count("script") == 2
    assert [scene["name"] for scene in data_of(case.path)["scenes"]] == NAMES


def test_every_control_and_picture_is_labelled(case):
    tags = elements(case.path).tags
    labelled = {a["for"] for tag, a in tags if tag == "label"}
    assert {a["id"] for tag, a in tags if tag == "input"} == labelled == {"step"}
    assert all(a["role"] == "img" for tag, a in tags if tag == "canvas")
    ids = {a.get("id") for _, a in tags}
    assert {a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a} <= ids


def test_pictures_and_numbers_are_those_of_every_step(case):
    results = [result.each(np.asarray) for result in case.results]
    steps = len(results)
    for b, stored in enumerate(data_of(case.path)["scenes"]):
        np.testing.assert_array_equal(pixels(stored["image"]), as_bytes(case.images[b]))
        shown = {
            "components": tiles(pixels(stored["components"]), steps, SLOTS),
            "masks": tiles(pixels(stored["masks"]), steps, SLOTS),
            "reconstruction": tiles(pixels(stored["reconstructions"]), 1, steps),
        }
        for name, pictures in shown.items():
            expected = np.stack([getattr(result, name)[b] for result in results])
            np.testing.assert_array_equal(pictures, as_bytes(expected))
        mean, scale = (
            np.stack([getattr(r, f"latent_{x}")[b] for r in results]) for x in ("mean", "scale")
        )
        kl = 0.5 * (scale**2 + mean**2 - 1) - np.log(scale)
        for name, expected in (("mean", mean), ("scale", scale), ("kl", kl)):
            np.testing.assert_allclose(stored[name], expected, rtol=6e-4, atol=1e-6)
        np.testing.assert_allclose(stored["elbo"], [r.elbo[b] for r in results], rtol=6e-4)


def test_latents_with_most_kl_in_object_slots_can_be_moved(case):
    last = case.results[-1].each(np.asarray)
    kl = 0.5 * (last.latent_scale**2 + last.latent_mean**2 - 1) - np.log(last.latent_scale)
    area = np.stack([(last.masks.argmax(1) == k).mean((1, 2)) for k in range(SLOTS)], axis=1)
    is_object = (area >= 0.01) & (area < area.max(axis=1, keepdims=True))  # not the background
    assert is_object.any()
    data = data_of(case.path)
    assert data["latents"] == np.argsort(-kl[is_object].mean(axis=0))[:2].tolist()
    assert data["value_labels"] == ["-2 SD", "+0.5 SD", "+1 SD"]


def test_stored_pictures_of_moved_latents_are_the_decoder_s(case):
    data = data_of(case.path)
    for b, scene in enumerate(data["scenes"]):
        mean = case.results[-1].latent_mean[b].numpy()
        components, logits = (x[0].numpy() for x in case.model.decode(mean[np.newaxis]))
        stored = scene["movable"]
        np.testing.assert_allclose(stored["found"], mean[:, data["latents"]], rtol=6e-4)
        shown = tiles(pixels(stored["components"]), 1, SLOTS)
        np.testing.assert_allclose(shown, as_bytes(components), atol=1)
        high, low, _ = np.moveaxis(tiles(pixels(stored["logits"]), 1, SLOTS).astype(int), -1, 0)
        shares = scipy.special.softmax(-(256 * high + low) / data["logit_steps"], axis=0)
        np.testing.assert_allclose(shares, scipy.special.softmax(logits, axis=0), atol=0.002)
        for slot, latent, value in np.ndindex(SLOTS, 2, len(VALUES)):
            z = mean.copy()
            z[slot, data["latents"][latent]] = VALUES[value]
            components, logits = (x[0].numpy() for x in case.model.decode(z[np.newaxis]))
            masks = scipy.special.softmax(logits, axis=0)
            of_slot = stored["slots"][slot]
            shown = tiles(pixels(of_slot["components"]), 2, len(VALUES))[latent, value]
            np.testing.assert_allclose(shown, as_bytes(components[slot]), atol=1)
            shown = tiles(pixels(of_slot["masks"]), 2, len(VALUES))[latent, value]
            np.testing.assert_allclose(shown.astype(int), as_bytes(masks[slot]), atol=1)


def test_what_cannot_be_is_refused(case, tmp_path):
    def scenes(**arguments):
        return list(
            decomposition_page.page_scenes(
                case.model, NAMES, case.images, case.results, **arguments
            )
        )

    with pytest.raises(UserError, match="5 latents cannot be moved: the model has 4"):
        scenes(num_latents=5)
    with pytest.raises(UserError, match="at least one image"):
        decomposition_page.write_page(tmp_path / "page.html", [], "title")
    assert scenes()[0].movable is None


@pytest.mark.parametrize(
    ("shape", "steps", "slots", "latents", "expected"),
    [((35, 35, 3), 9, 4, 0, 453), ((128, 128, 3), 6, 7, 6, 2), ((512, 512, 3), 6, 11, 6, 1)],
)
def test_large_pages_have_fewer_scenes(shape, steps, slots, latents, expected):
    count = decomposition_page.affordable_scenes(shape, steps, slots, latents)
    assert count == expected


@pytest.mark.parametrize("kind", registry.kinds())
def test_every_kind_of_model_is_shown(kind, tmp_path, open_page):
    """Without a posterior there are neither deviations nor sliders, with one step no iterations."""
    model = registry.build(small_models.smallest_preset(kind))
    spec = model.spec
    image = np.random.default_rng(0).uniform(size=(1, *spec.image_shape)).astype(np.float32)
    rounds = 2 if spec.free_iterations else None
    results = inference.decompose_iterations(model, tf.constant(image), num_iterations=rounds)
    has_posterior = results[-1].latent_scale is not None
    scenes = decomposition_page.page_scenes(model, [kind], image, results, int(has_posterior))
    decomposition_page.write_page(tmp_path / "page.html", scenes, kind)
    visited = open_page(tmp_path / "page.html")
    masks = results[-1].masks[0].numpy()
    expected = as_bytes(plots.segmentation(masks)).astype(int)
    np.testing.assert_allclose(drawn(visited, "#segmentation"), expected, atol=3)
    assert visited.locator("#slots label").count() == len(masks)
    assert visited.is_visible("#steps") == (len(results) > 1)
    assert visited.is_visible("#moving") == has_posterior
    assert ("KL" in visited.text_content("#slot-facts")) == has_posterior
    if has_posterior:
        visited.fill("#latent-0", "0")
        settle(visited)
        assert_moved(visited, model, results[-1].latent_mean[0].numpy())


def assert_moved(visited, model, mean):
    """The page's only movable latent of slot 1 is 2 deviations below the prior's mean."""
    latent = int(visited.text_content('label[for="latent-0"]').split()[0][1:])
    mean[0, latent] = (model.prior.mean() - 2 * model.prior.stddev()).numpy()
    components, logits = (x[0].numpy() for x in model.decode(mean[np.newaxis]))
    masks = scipy.special.softmax(logits, axis=0)
    np.testing.assert_allclose(drawn(visited, "#component"), as_bytes(components[0]), atol=1)
    shown = drawn(visited, "#reconstruction").astype(int)
    expected = (masks[..., np.newaxis] * np.clip(components, 0, 1)).sum(axis=0)
    np.testing.assert_allclose(shown, as_bytes(expected), atol=4)
