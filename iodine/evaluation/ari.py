"""The adjusted Rand index, in NumPy."""

import numpy as np


def contingency(true_masks: np.ndarray, labels: np.ndarray, num_labels: int) -> np.ndarray:
    """Counts pixels by true entity and predicted label.

    Args:
        true_masks: one-hot [B, L, H, W]; a pixel whose column is all zero is not counted.
        labels: predicted segment of every pixel, integers in [0, num_labels), [B, H, W].
        num_labels: M.

    Returns:
        float64 [B, L, M].
    """
    one_hot = labels[:, np.newaxis] == np.arange(num_labels)[:, np.newaxis, np.newaxis]
    return np.einsum(
        "blp,bmp->blm",
        true_masks.reshape(*true_masks.shape[:2], -1).astype(np.float64),
        one_hot.reshape(*one_hot.shape[:2], -1).astype(np.float64),
    )


def adjusted_rand_index(
    true_masks: np.ndarray, labels: np.ndarray, num_labels: int, foreground_only: bool = False
) -> np.ndarray:
    """ARI (Hubert & Arabie, 1985) of each image, as in section 4.1 and Table 1.

    Args:
        true_masks: one-hot [B, L, H, W], entity 0 the background.
        labels: predicted segments [B, H, W]: the arg max over slots of the predicted masks.
        num_labels: number of segments that can occur, K.
        foreground_only: leave out the pixels of the true background, as the paper does.

    Returns:
        float64 [B]: 1 for the same partition, about 0 by chance. Where both partitions are a
        single cluster, or both are all singletons, the index is 0 / 0 and taken as 1. An image
        none of whose pixels count, for instance without foreground, has no index: NaN.
    """
    if foreground_only:
        true_masks = true_masks[:, 1:]
    table = contingency(true_masks, labels, num_labels)  # [B, L, M]
    pairs = _pairs(table).sum(axis=(1, 2))
    true_pairs = _pairs(table.sum(axis=2)).sum(axis=1)
    predicted_pairs = _pairs(table.sum(axis=1)).sum(axis=1)
    all_pairs = _pairs(table.sum(axis=(1, 2)))
    expected = true_pairs * predicted_pairs / np.maximum(all_pairs, 1)
    maximum = (true_pairs + predicted_pairs) / 2
    degenerate = maximum == expected
    index = np.where(
        degenerate, 1.0, (pairs - expected) / np.where(degenerate, 1, maximum - expected)
    )
    return np.where(table.any(axis=(1, 2)), index, np.nan)


def _pairs(count: np.ndarray) -> np.ndarray:
    return count * (count - 1) / 2
