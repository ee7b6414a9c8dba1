"""Several inferences of one image, and which of them take it apart in the same way: section 4.4.

Of any image: nothing needs to be known of what it shows. `multistability` looks at stimuli whose
valid readings are known.
"""

import dataclasses

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from iodine.evaluation import ari

# Runs count as one reading if their segmentations agree by an ARI of this, on average.
SAME = 0.8
_DECIDED = 0.5  # what the largest mask has of a pixel that belongs to a slot


@dataclasses.dataclass(frozen=True)
class Reading:
    """A distinct way in which runs take the image apart.

    Attributes:
        runs: numbers of the runs, ascending.
        medoid: the run that agrees most with the others.
        orders: how many different slots its segments lie in, over its runs.
    """

    runs: list[int]
    medoid: int
    orders: int


def counted_pixels(masks: np.ndarray, true_masks: np.ndarray | None = None) -> np.ndarray:
    """Which pixels tell readings apart, bool [H, W].

    Those of the true foreground where that is known; else those that in most runs belong to one
    slot by more than half, because a background that is divided among all slots says nothing. All
    pixels where that leaves none.

    Args:
        masks: of all runs, [R, K, H, W].
        true_masks: of the image, [L, H, W], entity 0 the background.
    """
    if true_masks is not None:
        counted = np.asarray(true_masks)[1:].any(axis=0)
    else:
        counted = np.median(masks.max(axis=1), axis=0) > _DECIDED
    return counted if counted.any() else np.ones_like(counted)


def agreement(masks: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Adjusted Rand index of each two runs' segmentations over the counted pixels, [R, R]."""
    num_slots = masks.shape[1]
    labels = masks.argmax(axis=1)[:, counted]  # [R, N]
    one_hot = labels[:, np.newaxis] == np.arange(num_slots)[:, np.newaxis]  # [R, K, N]
    return np.stack(
        [
            ari.adjusted_rand_index(
                np.repeat(of_run[np.newaxis, :, np.newaxis], len(labels), axis=0),
                labels[:, np.newaxis],
                num_slots,
            )
            for of_run in one_hot
        ]
    )


def readings(masks: np.ndarray, agreements: np.ndarray, counted: np.ndarray) -> list[Reading]:
    """The distinct readings, the most frequent first.

    Clusters of runs by average linkage, joined while they agree by `SAME` on average.

    Args:
        masks: of all runs, [R, K, H, W].
        agreements: [R, R], see `agreement`.
        counted: bool [H, W].
    """
    clusters = np.zeros(len(masks), int)
    if len(masks) > 1:
        clusters = AgglomerativeClustering(
            None, metric="precomputed", linkage="average", distance_threshold=1 - SAME
        ).fit_predict(1 - agreements)
    labels = masks.argmax(axis=1)[:, counted]
    found = []
    for cluster in np.unique(clusters):
        runs = np.flatnonzero(clusters == cluster)
        medoid = runs[agreements[np.ix_(runs, runs)].sum(axis=1).argmax()]
        found.append(Reading(runs.tolist(), int(medoid), _orders(labels[runs], labels[medoid])))
    return sorted(found, key=lambda reading: (-len(reading.runs), reading.runs[0]))


def _orders(labels: np.ndarray, reference: np.ndarray) -> int:
    """In how many ways the segments of a reference run [N] lie in slots, over runs [R, N]."""
    segments = [reference == slot for slot in np.unique(reference)]
    orders = {tuple(np.bincount(run[s]).argmax() for s in segments) for run in labels}
    return len(orders)
