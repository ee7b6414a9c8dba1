"""What traversals are said to do, of scenes drawn by hand and of a decoder made by hand."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.analysis import traversals
from iodine.analysis.traversal_effects import effects, moved_pixels
from iodine.analysis.traversals import Traversal
from iodine.models.parts.distributions import tfd

SIDE = 8
# Objects of 4, 6 and 2 pixels, by rows and columns.
OBJECTS = ((slice(0, 2), slice(0, 2)), (slice(3, 5), slice(3, 6)), (slice(7, 8), slice(6, 8)))


def object_masks():
    masks = np.zeros([len(OBJECTS), SIDE, SIDE])
    for mask, place in zip(masks, OBJECTS, strict=True):
        mask[place] = 1
    return masks


class Painter:
    """One latent for a scene: z0 paints the first object, z1 all three, z2 nothing, z3 the ground.

    z4 paints the second object and one pixel of the third, z5 only faintly the third.
    """

    prior = tfd.Normal(0.0, 1.0)

    def decode(self, latents):
        first, second, third = (tf.constant(m, tf.float32) for m in object_masks())
        ground = 1 - first - second - third
        corner = np.zeros([SIDE, SIDE], np.float32)
        corner[7, 7] = 1
        pictures = [first, first + second + third, 0 * first, ground, second + corner, 0.02 * third]
        gray = tf.einsum("bkz,zhw->bkhw", latents, 0.1 * tf.stack(pictures))
        return tf.repeat(gray[..., tf.newaxis], 3, axis=-1), tf.zeros_like(gray)


def test_moved_pixels_of_a_hand_made_decoder():
    traversal = traversals.traverse(Painter(), np.zeros([1, 6]), 0, range(6), (-1.0, 0.0, 1.0))
    moved = moved_pixels(traversal, object_masks())
    np.testing.assert_array_equal(moved.areas, [4, 6, 2])
    np.testing.assert_array_equal(
        moved.counts, [[4, 0, 0], [4, 6, 2], [0, 0, 0], [0, 0, 0], [0, 6, 1], [0, 0, 0]]
    )
    np.testing.assert_array_equal(moved.own, [0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(moved.others, [0, 6, 0, 0, 1, 0])
    np.testing.assert_allclose(moved.share_of_own, [1, 1, 0, 0, 1, 0])
    np.testing.assert_allclose(moved.share_of_others, [0, 1, 0, 0, 1 / 6, 0])


@pytest.mark.parametrize(("threshold", "count"), [(0.19, 4), (0.21, 0), (0.001, 4)])
def test_pixels_move_whose_range_is_above_the_threshold(threshold, count):
    """z0 from -1 to 1 changes its object by 0.2; one channel alone is enough."""
    traversal = traversals.traverse(Painter(), np.zeros([1, 6]), 0, [0], (-1.0, 1.0))
    only_green = traversal.reconstructions * np.array([0, 1, 0])
    traversal = traversal._replace(reconstructions=only_green)
    assert moved_pixels(traversal, object_masks(), threshold).counts[0, 0] == count


def test_without_other_objects_there_is_no_share_of_them():
    traversal = traversals.traverse(Painter(), np.zeros([1, 6]), 0, [0], (-1.0, 1.0))
    moved = moved_pixels(traversal, object_masks()[:1])
    np.testing.assert_array_equal(moved.others, [0])
    assert np.isnan(moved.share_of_others).all()


def moving_square():
    """Latent 5 moves a red square of 2 x 2 to the right; latent 7 turns it from red to blue."""
    values = np.array([-1.0, 0.0, 1.0])
    mask = np.zeros((2, 3, 2, SIDE, SIDE))  # [L, V, K, H, W], slot 1 the square's
    color = np.zeros((2, 3, 3))
    color[0, :, 0] = 1
    color[1] = [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]
    for v in range(3):
        mask[0, v, 1, 3:5, 1 + 2 * v : 3 + 2 * v] = 1
        mask[1, v, 1, 3:5, 3:5] = 1
    mask[:, :, 0] = 1 - mask[:, :, 1]
    components = mask[:, :, 1, ..., np.newaxis] * color[:, :, np.newaxis, np.newaxis]
    return Traversal(
        slot=1,
        latents=np.array([5, 7]),
        values=values,
        found=np.zeros(2),
        reconstructions=components,
        components=components,
        masks=mask,
    )


def test_effects_of_a_traversal_by_hand():
    moves, recolors = effects(moving_square())
    assert moves == pytest.approx(
        {"row_shift": 0, "column_shift": 4, "color_change": 0, "elsewhere": 0}
    )
    assert recolors == pytest.approx(
        {"row_shift": 0, "column_shift": 0, "color_change": 1, "elsewhere": 0}
    )


def test_changes_outside_of_the_slot_are_seen():
    traversal = moving_square()
    traversal.reconstructions[1, :, 0, 0] = [[0.0], [0.3], [0.6]]
    # One of the 60 pixels that the square never covers changes by 0.2 on average.
    _, changed = effects(traversal)
    assert changed["elsewhere"] == pytest.approx(0.2 / 60)


def test_a_square_that_passes_over_another_object_moves_its_pixels():
    """The other object is where the square arrives: half of it is covered."""
    traversal = moving_square()
    here, there = np.zeros([2, SIDE, SIDE])
    here[3:5, 3:5] = 1
    there[3:5, 6:8] = 1
    moved = moved_pixels(traversal, [here, there])
    np.testing.assert_array_equal(moved.counts, [[4, 2], [4, 0]])
    np.testing.assert_allclose(moved.share_of_others, [0.5, 0])
