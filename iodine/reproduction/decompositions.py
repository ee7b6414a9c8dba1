"""Figures that show decompositions: 4, 16 to 18, 20 to 22."""

from typing import Any

import numpy as np
import tensorflow as tf

from iodine import inference, metrics, plots
from iodine.inference import Decomposition
from iodine.reproduction import workloads
from iodine.reproduction.artifact import Artifact, Findings
from iodine.reproduction.context import Context, Run
from iodine.reproduction.workloads import Budget, Training

_TASKS = (workloads.CLEVR6, workloads.MULTI_DSPRITES, workloads.TETRIS)


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(task, task) for task in _TASKS]


def decompose(context: Context, run: Run, num_images: int) -> tuple[dict[str, Any], Decomposition]:
    """The first test scenes of what a run was trained on, and the model's last iteration."""
    scenes = context.scenes(run.config.data.dataset, num_images)
    infer = tf.function(inference.decompose_iterations, autograph=False)
    return scenes, infer(run.model, tf.constant(scenes["image"]), context.seed)[-1]


def foreground_ari(scenes: dict[str, Any], result: Decomposition) -> np.ndarray:
    """[B], of the slot with the largest mask."""
    labels = np.argmax(result.masks, axis=1)
    num_slots = result.masks.shape[1]
    return metrics.adjusted_rand_index(scenes["mask"], labels, num_slots, foreground_only=True)


def _make_figure4(context: Context) -> Findings:
    figures, rows = {}, []
    for label, run in context.runs.items():
        scenes, result = decompose(context, run, context.budget.choose(smoke=2, cpu=3, paper=3))
        name = f"figure4_{label.lower().replace('-', '_')}"
        figures[name] = plots.decomposition_figure(scenes["image"], result)
        scores = foreground_ari(scenes, result)
        rows += [
            {"data set": label, "scene": i, "fg_ari": float(score)}
            for i, score in enumerate(scores)
        ]
    mean = np.mean([row["fg_ari"] for row in rows])
    return Findings(
        comparison=f"foreground ARI of the {len(rows)} shown scenes {mean:.3f}; in the paper each "
        "object has a slot of its own",
        numbers={"scenes": rows},
        table=rows,
        figures=figures,
    )


FIGURE4 = Artifact(
    name="figure4",
    title="Segmentations and object reconstructions",
    claim="each object of a scene is in a slot of its own, on all three data sets",
    make=_make_figure4,
    trainings=_trainings,
)
