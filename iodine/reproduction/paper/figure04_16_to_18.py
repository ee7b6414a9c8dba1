"""Figures that show decompositions: 4 and 16 to 18."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.evaluation import ari as metrics
from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.panels import Block, blocks_figure
from iodine.reproduction.framework.workloads import Budget, Training

TASKS = (workloads.CLEVR6, workloads.MULTI_DSPRITES, workloads.TETRIS)
FOUND = 0.5  # intersection over union above which a slot has an object to itself


def trainings(budget: Budget) -> list[Training]:
    """The three data sets of the paper's decompositions, labelled as the tasks."""
    return [budget.training(task, task) for task in TASKS]


def decompose(
    run: Run, images: np.ndarray, seed: int, num_slots: int | None = None
) -> list[Decomposition]:
    """Decompositions of images [B, H, W, 3], one an iteration, as arrays."""
    # Not as a graph: building one takes longer than running it once.
    results = inference.decompose_iterations(run.model, tf.constant(images), seed, num_slots)
    return [Decomposition(*map(np.asarray, result)) for result in results]


def found_objects(
    true_masks: np.ndarray, labels: np.ndarray, num_slots: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which objects are there, and which have a slot to themselves.

    Args:
        true_masks: one-hot [B, L, H, W], entity 0 the background.
        labels: the slot of each pixel, [B, H, W].
        num_slots: K.

    Returns:
        bool [B, L - 1]: objects with at least one pixel; and those whose intersection over union
        with a slot is above `FOUND`, which can be so for one object of a slot only.
    """
    table = metrics.contingency(true_masks, labels, num_slots)  # [B, L, K]
    areas = table.sum(axis=2)[:, 1:]  # [B, L - 1]
    shared = table[:, 1:]
    union = areas[..., np.newaxis] + table.sum(axis=1)[:, np.newaxis] - shared
    return areas > 0, (shared > FOUND * union).any(axis=2)


def scene_scores(scenes: dict[str, Any], masks: np.ndarray) -> list[dict[str, Any]]:
    """Foreground ARI, number of objects and of those found, of each scene.

    Args:
        scenes: with `mask` [B, L, H, W]; without it there is nothing to score against.
        masks: the model's, [B, K, H, W].
    """
    num_slots = masks.shape[1]
    labels = np.argmax(masks, axis=1)
    if "mask" not in scenes:
        return [
            {"scene": i, "fg_ari": None, "objects": None, "found": None} for i in range(len(labels))
        ]
    scores = metrics.adjusted_rand_index(scenes["mask"], labels, num_slots, foreground_only=True)
    present, found = found_objects(scenes["mask"], labels, num_slots)
    return [
        {"scene": i, "fg_ari": float(s), "objects": int(p.sum()), "found": int(f.sum())}
        for i, (s, p, f) in enumerate(zip(scores, present, found, strict=True))
    ]


def in_words(scores: Sequence[dict[str, Any]]) -> str:
    """One clause on shown scenes with masks."""
    objects, found = (sum(score[key] for score in scores) for key in ("objects", "found"))
    mean = np.mean([score["fg_ari"] for score in scores])
    return (
        f"{found} of {objects} objects in {len(scores)} shown scenes have a slot of their own "
        f"(intersection over union above {FOUND}), foreground ARI {mean:.3f}"
    )


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
    num_slots = result.masks.shape[1]
    return Block(
        heading,
        ["image", "reconstruction", "segmentation", *slot_titles(num_slots)],
        rows,
        [None] * 3 + slot_borders(num_slots),
    )


def slot_pictures(result: Decomposition, b: int, is_masked: bool = True) -> list[np.ndarray]:
    """Reconstruction, segmentation and each slot of image b; finite also of a bad model."""
    masks, slots = np.nan_to_num(result.masks[b]), np.nan_to_num(result.components[b])
    if is_masked:
        slots = masks[..., np.newaxis] * slots  # [K, H, W, 3]
    return [result.reconstruction[b], plots.segmentation(masks), *slots]


def slot_titles(num_slots: int) -> list[str]:
    """Above the slots' columns."""
    return [f"slot {k + 1}" for k in range(num_slots)]


def slot_borders(num_slots: int) -> list[np.ndarray]:
    """The colours that the slots have in segmentations."""
    return [plots.slot_color(k) for k in range(num_slots)]


def _blocks(context: Context, num_images: int) -> tuple[dict[str, Block], list[dict[str, Any]]]:
    """By task, run or not, a block of the first test scenes; and their scores."""
    blocks = {label: Block(label, not_run=reason) for label, reason in context.missing.items()}
    rows = []
    for label, run in context.runs.items():
        scenes = context.scenes(run.config.data.dataset, num_images)
        result = decompose(run, scenes["image"], context.seed)[-1]
        blocks[label] = decomposition_block(label, scenes["image"], result)
        rows += [{"data set": label, **score} for score in scene_scores(scenes, result.masks)]
    return {task: blocks[task] for task in TASKS}, rows


def compare_by_task(rows: Sequence[dict[str, Any]]) -> str:
    """A clause for each data set that was run; rows as those of the CSV files."""
    by_task = {task: [r for r in rows if r["data set"] == task] for task in TASKS}
    return "; ".join(f"{task}: {in_words(r)}" for task, r in by_task.items() if r)


def _make_figure4(context: Context) -> Findings:
    blocks, rows = _blocks(context, context.budget.choose(smoke=2, cpu=3, paper=3))
    return Findings(
        comparison=f"{compare_by_task(rows)}; in the paper each object has a slot of its own",
        numbers={"scenes": rows},
        table=rows,
        figures={"figure4": blocks_figure(list(blocks.values()))},
    )


def _make_figure16_18(context: Context) -> Findings:
    blocks, rows = _blocks(context, context.budget.choose(smoke=2, cpu=8, paper=8))
    names = ("figure16", "figure17", "figure18")
    return Findings(
        comparison=f"{compare_by_task(rows)}; in the paper nearly every object has a slot of its "
        "own",
        numbers={"scenes": rows},
        table=rows,
        figures={n: blocks_figure([blocks[task]]) for n, task in zip(names, TASKS, strict=True)},
    )


FIGURE4 = Artifact(
    name="figure4",
    title="Segmentations and object reconstructions",
    claim="each object of a scene is in a slot of its own, on all three data sets",
    make=_make_figure4,
    trainings=trainings,
)
FIGURE16_18 = Artifact(
    name="figure16-18",
    title="More segmentations and object reconstructions",
    claim="as Figure 4, for more scenes of CLEVR6 (16), Multi-dSprites (17) and Tetris (18)",
    make=_make_figure16_18,
    trainings=trainings,
)
