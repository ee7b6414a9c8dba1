"""How well predicted segments overlap with true objects, in NumPy: mIoU, mBO, covering.

The ARI (`ari.py`) counts pairs of pixels; these count shared area, object by object. All leave
out the true background as an object, but a segment that spills over into it is punished.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from iodine.evaluation.ari import contingency
from iodine.evaluation.matching import intersection_over_union


class SegmentOverlap(NamedTuple):
    """Figures of each image, float64 [B] in [0, 1]; NaN for an image without objects."""

    miou: np.ndarray  # mean intersection over union, objects and segments matched one to one
    mbo: np.ndarray  # mean best overlap: each object with the segment that fits it best
    covering: np.ndarray  # segmentation covering: like mBO, objects weighted by their area


def segment_overlap(true_masks: np.ndarray, labels: np.ndarray, num_labels: int) -> SegmentOverlap:
    """Compares segments with the objects that have at least one pixel.

    The matching is the one of largest total intersection over union (the Hungarian method). An
    object that is left without a segment, where there are more objects than segments, scores 0.

    Args:
        true_masks: one-hot [B, L, H, W], entity 0 the background; a pixel whose column is all
            zero is not counted.
        labels: predicted segments [B, H, W]: the arg max over slots of the predicted masks.
        num_labels: number of segments that can occur, K.
    """
    shared = contingency(true_masks, labels, num_labels)  # [B, L, K]
    areas = shared.sum(axis=2)[:, 1:]  # [B, L - 1]
    overlap = intersection_over_union(shared)[:, 1:]  # [B, L - 1, K]
    return SegmentOverlap(
        *(np.array(values) for values in zip(*map(_of_image, overlap, areas), strict=True))
    )


def _of_image(overlap: np.ndarray, areas: np.ndarray) -> tuple[float, float, float]:
    """The three figures of intersections over union [L - 1, K] and areas [L - 1]."""
    present = areas > 0
    if not present.any():
        return np.nan, np.nan, np.nan
    overlap, areas = overlap[present], areas[present]
    best = overlap.max(axis=1)
    matched = overlap[linear_sum_assignment(overlap, maximize=True)].sum() / len(overlap)
    return matched, best.mean(), np.average(best, weights=areas)
