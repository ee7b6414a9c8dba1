"""Scenes that a figure shows: their decompositions, scores, and rows of pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.evaluation import ari as metrics
from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.evaluation.matching import FOUND, found_objects
from iodine.figures import decompositions as plots
from iodine.figures.grids import Block
from iodine.reproduction.framework.context import Run

_SCORES = ("fg_ari", "objects", "found", "found in foreground")


def decompose(
    run: Run, images: np.ndarray, seed: int, num_slots: int | None = None
) -> list[Decomposition]:
    """Decompositions of images [B, H, W, 3], one a step of inference, as arrays."""
    # Not as a graph: building one takes longer than running it once.
    results = inference.decompose_iterations(run.model, tf.constant(images), seed, num_slots)
    return [result.each(np.asarray) for result in results]


def scene_scores(scenes: dict[str, Any], masks: np.ndarray) -> list[dict[str, Any]]:
    """Foreground ARI, number of objects and of those found, of each scene.

    Args:
        scenes: with `mask` [B, L, H, W]; without it there is nothing to score against.
        masks: the model's, [B, K, H, W].

    Returns:
        Dictionaries with `scene`, its number; `fg_ari`, None without foreground; `objects`; of
        these `found` and `found in foreground`, see `found_objects`. All but the number are None
        without true masks.
    """
    num_slots = masks.shape[1]
    labels = np.argmax(masks, axis=1)
    if "mask" not in scenes:
        return [{"scene": i, **dict.fromkeys(_SCORES)} for i in range(len(labels))]
    scores = metrics.adjusted_rand_index(scenes["mask"], labels, num_slots, foreground_only=True)
    present, found = found_objects(scenes["mask"], labels, num_slots)
    _, in_foreground = found_objects(scenes["mask"], labels, num_slots, foreground_only=True)
    columns = [
        [None if np.isnan(score) else float(score) for score in scores],
        *(counts.sum(axis=1).tolist() for counts in (present, found, in_foreground)),
    ]
    return [
        {"scene": i, **dict(zip(_SCORES, values, strict=True))}
        for i, values in enumerate(zip(*columns, strict=True))
    ]


def in_words(scores: Sequence[dict[str, Any]]) -> str:
    """One clause on shown scenes with masks."""
    objects, found, in_foreground = (sum(s[key] for s in scores) for key in _SCORES[1:])
    aris = [score["fg_ari"] for score in scores if score["fg_ari"] is not None]
    mean = f"foreground ARI {np.mean(aris):.3f}" if aris else "no foreground"
    return (
        f"{found} of {objects} objects in {len(scores)} shown scenes have a slot of their own "
        f"(intersection over union above {FOUND}), {in_foreground} if the background does not "
        f"count, {mean}"
    )


def compare_by_task(rows: Sequence[dict[str, Any]]) -> str:
    """A clause for each data set that was run; rows as those of the CSV files."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(row["data set"], []).append(row)
    return "; ".join(f"{task}: {in_words(r)}" for task, r in by_task.items())


def decomposition_block(
    heading: str, images: np.ndarray, result: Decomposition, is_masked: bool = True
) -> Block:
    """Rows in the manner of Figure 4: image, reconstruction, segmentation, each slot.

    Args:
        heading: of the block.
        images: [B, H, W, 3].
        result: arrays with the same B.
        is_masked: whether a slot's picture is black where its mask is 0 (Figure 4), or all that
            the slot paints (Figure 23).
    """
    rows = [[image, *slot_pictures(result, b, is_masked)] for b, image in enumerate(images)]
    return slots_block(heading, ["image", "reconstruction", "segmentation"], rows)


def slots_block(
    heading: str,
    titles: Sequence[str],
    rows: Sequence[Sequence[np.ndarray | None]],
    labels: Sequence[str] = (),
    slots: Sequence[int] | None = None,
) -> Block:
    """Columns with titles, then one for each slot with its colour as border.

    Args:
        heading: of the block.
        titles: of the first columns.
        rows: of pictures.
        labels: left of the rows.
        slots: which ones the other columns show; all in their order by default.
    """
    if slots is None:
        slots = range(len(rows[0]) - len(titles))
    return Block(
        heading,
        [*titles, *(f"slot {k + 1}" for k in slots)],
        rows,
        [*[None] * len(titles), *(plots.slot_color(k) for k in slots)],
        labels,
    )


def slot_pictures(result: Decomposition, b: int, is_masked: bool = True) -> list[np.ndarray]:
    """Reconstruction, segmentation and each slot of image b; finite also of a bad model."""
    masks, slots = np.nan_to_num(result.masks[b]), np.nan_to_num(result.components[b])
    if is_masked:
        slots = masks[..., np.newaxis] * slots  # [K, H, W, 3]
    return [result.reconstruction[b], plots.segmentation(masks), *slots]
