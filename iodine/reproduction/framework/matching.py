"""True objects and the slots that hold them, by the pixels that they share."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from iodine.evaluation.ari import contingency

FOUND = 0.5  # intersection over union above which a slot has an object to itself


def found_objects(
    true_masks: np.ndarray, labels: np.ndarray, num_slots: int, foreground_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which objects are there, and which have a slot to themselves.

    Args:
        true_masks: one-hot [B, L, H, W], entity 0 the background.
        labels: the slot of each pixel, [B, H, W].
        num_slots: K.
        foreground_only: leave out the pixels of the true background, as the foreground ARI does: a
            model that divides the background among all slots has no object to itself otherwise.

    Returns:
        bool [B, L - 1]: objects with at least one pixel; and those whose intersection over union
        with a slot is above `FOUND`, which can be so for one object of a slot only.
    """
    shared = contingency(true_masks, labels, num_slots)  # [B, L, K]
    objects = shared[:, 1:]
    of_slots = (objects if foreground_only else shared).sum(axis=1, keepdims=True)
    areas = objects.sum(axis=2, keepdims=True)
    found = (objects > FOUND * (areas + of_slots - objects)).any(axis=2)
    return areas[..., 0] > 0, found


def holding_slots(true_masks: np.ndarray, masks: np.ndarray) -> dict[int, int]:
    """The slot of each entity, one to one, so that they share the most in all.

    What a pair shares counts as part of the entity and as part of the image: so a small object goes
    before a background that is divided among slots, and a background that has a slot before an
    object that the model has overlooked.

    Args:
        true_masks: one-hot [L, H, W].
        masks: the model's, [K, H, W].

    Returns:
        By number of the entity; entities that share no pixel with a slot of their own have none.
    """
    labels = np.argmax(masks, axis=0)
    shared = contingency(true_masks[np.newaxis], labels[np.newaxis], len(masks))[0]  # [L, K]
    areas = np.maximum(shared.sum(axis=1, keepdims=True), 1)
    worth = shared / areas + shared / labels.size
    pairs = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
    return {int(entity): int(slot) for entity, slot in pairs if shared[entity, slot] > 0}
