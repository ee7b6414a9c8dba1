"""Figure 6: what a traversal is said to do is what it does."""

import numpy as np
import pytest

from iodine.analysis.traversals import Traversal
from iodine.reproduction.paper import figure06_30_to_32 as latent_traversals


def moving_square():
    """Latent 5 moves a red square of 2 x 2 to the right; latent 7 turns it from red to blue."""
    side, values = 8, np.array([-1.0, 0.0, 1.0])
    mask = np.zeros((2, 3, 2, side, side))  # [L, V, K, H, W], slot 1 the square's
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
    moves, recolors = latent_traversals.effects(moving_square())
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
    _, changed = latent_traversals.effects(traversal)
    assert changed["elsewhere"] == pytest.approx(0.2 / 60)
