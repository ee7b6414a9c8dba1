"""True objects and the slots that hold them, by the pixels that they share."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from iodine.evaluation.ari import contingency

FOUND = 0.5  # intersection over union above which a slot has an object to itself


def intersection_over_union(shared: np.ndarray) -> np.ndarray:
    """Of each entity and segment, in [0, 1], from the pixels [B, L, K] that they share."""
    union = shared.sum(axis=2, keepdims=True) + shared.sum(axis=1, keepdims=True) - shared
    return shared / np.maximum(union, 1)


def best_slots(true_masks: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each entity the slot whose mask overlaps it most, as for `factor_regression.py`.

    Args:
        true_masks: one-hot [B, L, H, W]; a pixel whose column is all zero is not counted.
        masks: predicted [B, K, H, W] in [0, 1], summing to 1 over K.

    Returns:
        The slots, int64 [B, L], and float64 [B, L] in [0, 1]: the intersection over union of the
        entity with that slot's segment, the pixels where its mask is the largest. Several entities
        may have one slot; an entity without pixels has slot 0 and 0.
    """
    slots = np.einsum("blhw,bkhw->blk", true_masks, masks, optimize=True).argmax(axis=2)
    iou = intersection_over_union(contingency(true_masks, masks.argmax(axis=1), masks.shape[1]))
    return slots, np.take_along_axis(iou, slots[..., np.newaxis], axis=2)[..., 0]


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
    overlap = intersection_over_union(shared[:, 1:] if foreground_only else shared)
    if not foreground_only:
        overlap = overlap[:, 1:]
    return shared[:, 1:].any(axis=2), (overlap > FOUND).any(axis=2)


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
