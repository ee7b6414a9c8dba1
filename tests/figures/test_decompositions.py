"""Colours and places in the figures, looked up in the rendered pixels."""

import numpy as np
import pytest

from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots

SLOTS, SIDE = 4, 8
PIXELS = 150 * plots._INCHES  # side of a picture in a saved figure


def decomposition(num_images=2):
    """Slot k holds quarter k of the image and paints it in gray level (k + 1) / 4."""
    masks = np.zeros((num_images, SLOTS, SIDE, SIDE), np.float32)
    masks[:, 0, :4, :4] = masks[:, 1, :4, 4:] = masks[:, 2, 4:, :4] = masks[:, 3, 4:, 4:] = 1
    levels = (np.arange(SLOTS) + 1) / SLOTS
    components = np.broadcast_to(levels[:, None, None, None], (num_images, SLOTS, SIDE, SIDE, 3))
    reconstruction = (masks[..., None] * components).sum(axis=1)
    return Decomposition(masks, components, reconstruction, None, None, None)


def render(figure):
    figure.set_dpi(150)
    return plots.as_array(figure).astype(float) / 255


def origin(row, column, left=plots._GAP):
    """Upper left corner of a picture, in pixels (y, x)."""
    step = 1 + plots._GAP
    return (0.22 + step * row) * PIXELS, (left + step * column) * PIXELS


def pixel(rendered, row, column, y, x, **kwargs):
    """The colour at (y, x), in sides of the picture."""
    top, left = origin(row, column, **kwargs)
    return rendered[int(top + y * PIXELS), int(left + x * PIXELS)]


QUARTERS = [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)]


def test_borders_have_the_colours_of_the_segmentation():
    images = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 3))
    rendered = render(plots.decomposition_figure(images, decomposition()))
    for row in range(2):
        for slot, place in enumerate(QUARTERS):
            color = plots.slot_color(slot)
            np.testing.assert_allclose(pixel(rendered, row, 2, *place), color, atol=0.01)
            top, left = origin(row, 3 + slot)
            for y, x in ((-2, 60), (PIXELS + 1, 60), (60, -2), (60, PIXELS + 1)):
                border = rendered[round(top + y), round(left + x)]
                np.testing.assert_allclose(border, color, atol=0.02)


def test_pictures_are_in_their_columns():
    images = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 3))
    rendered = render(plots.decomposition_figure(images, decomposition()))
    for y, x in ((0, 0), (3, 5), (7, 7)):
        place = ((y + 0.5) / SIDE, (x + 0.5) / SIDE)
        for row in range(2):
            np.testing.assert_allclose(
                pixel(rendered, row, 0, *place), images[row, y, x], atol=0.01
            )
    for slot, place in enumerate(QUARTERS):
        np.testing.assert_allclose(pixel(rendered, 1, 1, *place), (slot + 1) / 4, atol=0.01)
        for other in range(SLOTS):  # black outside its mask
            level = (slot + 1) / 4 if other == slot else 0
            np.testing.assert_allclose(pixel(rendered, 0, 3 + other, *place), level, atol=0.01)


def test_masks_are_drawn_white_on_black():
    images = np.zeros((2, SIDE, SIDE, 3))
    rendered = render(plots.masks_figure(images, decomposition()))
    for slot, place in enumerate(QUARTERS):
        for other in range(SLOTS):
            np.testing.assert_allclose(
                pixel(rendered, 1, 1 + other, *place), float(other == slot), atol=0.01
            )


def test_iterations_go_down():
    first, last = decomposition(), decomposition()
    first = first._replace(reconstruction=np.zeros_like(first.reconstruction))
    figure = plots.iterations_figure(np.ones((SIDE, SIDE, 3)), [first, last])
    rendered = render(figure)
    np.testing.assert_allclose(pixel(rendered, 0, 1, 0.75, 0.75, left=0.5), 0, atol=0.01)
    np.testing.assert_allclose(pixel(rendered, 1, 1, 0.75, 0.75, left=0.5), 1, atol=0.01)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:3] == ["t = 0", "t = 1", "image"]


def test_segmentation_mixes_colours_by_the_masks():
    masks = np.zeros((2, 1, 1))
    masks[:, 0, 0] = 0.25, 0.75
    expected = 0.25 * plots.slot_color(0) + 0.75 * plots.slot_color(1)
    np.testing.assert_allclose(plots.segmentation(masks)[0, 0], expected)


def test_colours_are_apart_for_the_colour_blind():
    """Simulated protanopia and deuteranopia (Vienot et al., 1999) keep seven slots apart."""
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    protan = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    deutan = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    linear = plots.SLOT_COLORS[:7] ** 2.2
    for loss in (np.eye(3), protan, deutan):
        seen = linear @ to_lms.T @ loss.T @ np.linalg.inv(to_lms).T
        seen = np.clip(seen, 0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(7)
        assert distances.min() > 0.12


def test_more_slots_than_colours():
    count = len(plots.SLOT_COLORS)
    np.testing.assert_array_equal(plots.slot_color(count + 1), plots.slot_color(1))
    assert len({tuple(color) for color in plots.SLOT_COLORS}) == count
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(plots.slot_color(0), plots.slot_color(1))
