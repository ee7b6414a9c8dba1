"""The page of `iodine-decompose --html` in a browser, used by keyboard and mouse.

The model is the shipped one, and what the page has to show is computed from it here.
"""

import re

import numpy as np
import pytest
import tensorflow as tf
from browsing import drawn, settle, style
from html_pages import as_bytes
from PIL import Image

from iodine.analysis import traversals
from iodine.datasets.tetromino_generator import generate_scene
from iodine.evaluation import inference
from iodine.figures import decompositions as plots
from iodine.training import checkpoints

RUN = "pretrained:tetrominoes_fast"
NAMES = ("one", "two")
ITERATIONS = 4  # fewer than it was trained with, for speed


class Viewer:
    """The page that the program wrote, and what the model itself says of the pictures."""

    def __init__(self, program, folder):
        scenes = [generate_scene(1, "test", i)["image"] for i in range(len(NAMES))]
        for name, scene in zip(NAMES, scenes, strict=True):
            Image.fromarray(scene).save(folder / f"{name}.png")
        flags = [f"--image={folder / name}.png" for name in NAMES]
        flags += [f"--run={RUN}", f"--output={folder / 'out'}", f"--num_iterations={ITERATIONS}"]
        flags += ["--html", "--traversals=3"]
        self.outcome = program("decompose", *flags)
        self.path = folder / "out" / "viewer.html"
        _, self.model = checkpoints.load_model(RUN, "latest")
        images = tf.constant(np.stack(scenes), tf.float32) / 255
        steps = inference.decompose_iterations(self.model, images, num_iterations=ITERATIONS)
        self.steps = [step.each(np.asarray) for step in steps]
        self.last = len(self.steps) - 1


@pytest.fixture(scope="module")
def viewer(program, tmp_path_factory):
    found = Viewer(program, tmp_path_factory.mktemp("viewer"))
    assert found.outcome.code == 0, found.outcome.err
    assert f"page with 2 of the images: {found.path}" in found.outcome.out
    return found


def press(page, key, times=1):
    for _ in range(times):
        page.keyboard.press(key)
    settle(page)


def assert_drawn(page, selector, expected, tolerance=1):
    shown = drawn(page, selector).astype(int)
    np.testing.assert_allclose(shown, as_bytes(expected).astype(int), atol=tolerance)


def assert_step(page, viewer, step, image=0):
    """The scene after an iteration: pictures are exact to 8 bits, mixed ones nearly."""
    result = viewer.steps[step]
    assert_drawn(page, "#reconstruction", result.reconstruction[image])
    assert_drawn(page, "#segmentation", plots.segmentation(result.masks[image]), 2)
    assert page.text_content("#step-label") == f"{step} of {viewer.last}"
    assert page.text_content("#elbo") == f"ELBO {round(float(result.elbo[image])):,} nats"
    for k, mask in enumerate(result.masks[image]):
        masked = mask[..., np.newaxis] * np.clip(result.components[image, k], 0, 1)
        assert_drawn(page, f"label:has(#slot-{k}) canvas", masked, 2)


def assert_slot(page, viewer, step, slot, image=0):
    """What is told of a slot: mask, component, share of the pixels, KL."""
    result = viewer.steps[step]
    mask = result.masks[image, slot]
    assert page.text_content("#slot-name") == f"Slot {slot + 1}"
    assert_drawn(page, "#mask", np.repeat(mask[..., np.newaxis], 3, axis=-1))
    assert_drawn(page, "#component", result.components[image, slot])
    share = (result.masks[image].argmax(axis=0) == slot).mean()
    kl = traversals.latent_kl(viewer.model, result)[image, slot].sum()
    facts = re.fullmatch(
        r"largest mask in (.+) % of the pixels, KL (.+) nats", page.text_content("#slot-facts")
    )
    assert float(facts[1]) == pytest.approx(100 * share, abs=0.5)
    assert float(facts[2]) == pytest.approx(kl, abs=0.06)
    color = ", ".join(map(str, as_bytes(plots.slot_color(slot))))
    assert style(page, "#mask", "borderTopColor") == f"rgb({color})"


def test_iterations_are_dragged_by_keyboard(viewer, open_page):
    page = open_page(viewer.path)
    assert_step(page, viewer, viewer.last)
    page.focus("#step")
    press(page, "ArrowLeft", 3)
    assert_step(page, viewer, viewer.last - 3)
    assert_slot(page, viewer, viewer.last - 3, 0)
    press(page, "Home")
    assert_step(page, viewer, 0)
    assert page.get_attribute("#step", "aria-valuetext") == "iteration 0"


def test_every_control_is_reached_by_tab_and_choices_by_arrows(viewer, open_page):
    page = open_page(viewer.path)
    reached = []
    for _ in range(9):
        press(page, "Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.localName")
        )
    sliders = ["latent-0", "latent-1", "latent-2"]
    assert [name for name in reached if name != "scenes"][:7] == [
        *("scene-0", "step", "slot-0", "summary"),
        *sliders,
    ]
    page.focus("#scene-0")
    press(page, "ArrowRight")
    assert_step(page, viewer, viewer.last, image=1)
    assert page.get_attribute("#image", "aria-label") == "image of two"
    page.focus("#slot-0")
    press(page, "ArrowRight", 2)
    assert_slot(page, viewer, viewer.last, 2, image=1)


def test_a_slot_is_shown_while_it_is_pointed_at_and_kept_by_a_click(viewer, open_page):
    page = open_page(viewer.path)
    assert_slot(page, viewer, viewer.last, 0)
    page.hover("label:has(#slot-2)")
    settle(page)
    assert_slot(page, viewer, viewer.last, 2)
    page.hover("h1")
    settle(page)
    assert_slot(page, viewer, viewer.last, 0)
    page.click("label:has(#slot-2)")
    page.hover("h1")
    settle(page)
    assert_slot(page, viewer, viewer.last, 2)


def test_the_slot_of_a_pixel_is_shown_when_it_is_pointed_at(viewer, open_page):
    page = open_page(viewer.path)
    labels = viewer.steps[-1].masks[0].argmax(axis=0)
    box = page.locator("#image").bounding_box()
    border = int(style(page, "#image", "borderTopWidth").removesuffix("px"))
    pixel = (box["width"] - 2 * border) / labels.shape[0]
    found = set()
    for row, column in ((2, 3), (10, 30), (17, 17), (25, 8), (30, 20), (33, 33)):
        x, y = (border + (place + 0.5) * pixel for place in (column, row))
        page.mouse.move(box["x"] + x, box["y"] + y)
        settle(page)
        assert page.text_content("#slot-name") == f"Slot {labels[row, column] + 1}"
        found.add(labels[row, column])
    assert len(found) > 1
    page.mouse.click(box["x"] + x, box["y"] + y)
    settle(page)
    assert page.is_checked(f"#slot-{labels[row, column]}")


def test_latents_are_read_from_chart_and_table(viewer, open_page):
    page = open_page(viewer.path)
    result = viewer.steps[-1]
    page.click("summary")
    rows = page.locator("#table-body tr").all_text_contents()
    assert len(rows) == result.latent_mean.shape[-1]
    kl = traversals.latent_kl(viewer.model, result)[0, 0]
    for i in (0, 7, 31):
        mean, scale = result.latent_mean[0, 0, i], result.latent_scale[0, 0, i]
        page.hover(f"#chart > div:nth-child({i + 1})")
        shown = re.fullmatch(
            rf"z{i}: (.+) ± (.+), KL (.+) nats", page.text_content("#reading")
        ).groups()
        np.testing.assert_allclose(np.float64(shown), (mean, scale, kl[i]), atol=0.006)
        assert rows[i] == f"z{i}" + "".join(shown)
    dot = page.locator("#chart > div:nth-child(32) b").bounding_box()
    middle = page.locator("#chart").bounding_box()
    is_above = dot["y"] + dot["height"] / 2 < middle["y"] + middle["height"] / 2
    assert is_above == (result.latent_mean[0, 0, 31] > 0)


def test_a_latent_is_moved_by_keyboard(viewer, open_page):
    page = open_page(viewer.path)
    slot, place, presses = 1, 1, 3
    page.click(f"label:has(#slot-{slot})")
    latent = int(page.text_content(f'label[for="latent-{place}"]').split()[0][1:])
    mean = viewer.steps[-1].latent_mean[0]
    traversal = traversals.traverse(viewer.model, mean, slot, [latent])
    assert page.text_content(f'output[for="latent-{place}"]') == f"{traversal.found[0]:+.2f} SD"
    nearest = int(np.abs(traversal.values - traversal.found[0]).argmin())
    key, value = (
        ("ArrowRight", nearest + presses) if nearest < 5 else ("ArrowLeft", nearest - presses)
    )
    page.focus(f"#latent-{place}")
    press(page, key, presses)
    label = f"{traversal.values[value]:+.3g} SD" if traversal.values[value] else "0 SD"
    assert page.text_content(f'output[for="latent-{place}"]') == label
    assert page.get_attribute(f"#latent-{place}", "aria-valuetext") == label
    assert page.text_content("#elbo") == f"with z{latent} of slot {slot + 1} at {label}"
    masks = traversal.masks[0, value]
    assert np.abs(masks - viewer.steps[-1].masks[0]).max() > 0.3  # it makes a difference
    assert_drawn(page, "#reconstruction", traversal.reconstructions[0, value], 3)
    assert_drawn(page, "#segmentation", plots.segmentation(masks), 3)
    assert_drawn(page, "#masked", traversal.components[0, value], 3)
    page.hover("label:has(#slot-3)")
    settle(page)
    assert_drawn(page, "#mask", np.repeat(masks[3][..., np.newaxis], 3, axis=-1), 2)
    page.hover("h1")
    page.click("#reset")
    settle(page)
    assert_step(page, viewer, viewer.last)
    assert page.is_disabled("#reset")


def test_one_latent_is_moved_at_a_time_and_only_at_the_last_iteration(viewer, open_page):
    page = open_page(viewer.path)
    found = page.text_content('output[for="latent-0"]')
    page.focus("#step")
    press(page, "ArrowLeft")
    page.focus("#latent-0")
    press(page, "Home")
    assert page.text_content('output[for="latent-0"]') == "-2 SD"
    assert page.text_content("#step-label") == f"{viewer.last} of {viewer.last}"
    page.focus("#latent-1")
    press(page, "End")
    assert page.text_content('output[for="latent-0"]') == found
    assert page.text_content('output[for="latent-1"]') == "+2 SD"
    page.focus("#step")
    press(page, "ArrowLeft")
    assert_step(page, viewer, viewer.last - 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_the_screen_and_its_text_stands_out(viewer, open_page, width, scheme):
    page = open_page(viewer.path, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    side = page.locator("#mask").bounding_box()["width"]
    assert side > (90 if width == 390 else 130)
    ground, text = (luminance(style(page, "body", name)) for name in ("backgroundColor", "color"))
    assert (ground > text) == (scheme == "light")
    quiet = luminance(style(page, "#elbo", "color"))
    raised = luminance(style(page, "#steps", "backgroundColor"))
    assert contrast(text, ground) > 7
    assert contrast(quiet, raised) > 4.5


def luminance(color):
    """Relative luminance by WCAG 2, of "rgb(r, g, b)"."""
    channels = np.array(re.findall(r"[\d.]+", color)[:3], float) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(*luminances):
    low, high = sorted(luminances)
    return (high + 0.05) / (low + 0.05)


def test_sliders_need_the_page_and_latents_that_there_are(program, viewer, tmp_path):
    flags = (f"--run={RUN}", f"--image={viewer.path.parent.parent / 'one.png'}")

    def refused(*more):
        return program("decompose", *flags, *more, f"--output={tmp_path / 'o'}").error()

    assert "--traversals makes sliders for the page of --html" in refused("--traversals=2")
    assert "33 latents cannot be moved: the model has 32" in refused("--html", "--traversals=33")
    assert not (tmp_path / "o").exists()
