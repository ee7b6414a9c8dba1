"""Figure 11: data that are hard to segment, Textured MNIST, ImageNet and grayscale CLEVR6."""

import numpy as np

from iodine.evaluation import spread
from iodine.evaluation.summary import left_out, mean_over_images
from iodine.figures.grids import Block, blocks_figure
from iodine.reproduction.framework import shown_scenes, tasks, wording
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

_PARTS = {
    tasks.TEXTURED_MNIST: "a) Textured MNIST",
    tasks.IMAGENET: "b) ImageNet",
    tasks.CLEVR6_GRAYSCALE: "c) grayscale CLEVR6",
}
_METRICS = ("fg_ari", "mse")
_PAPER = {
    tasks.TEXTURED_MNIST: "in the paper the digits are not captured",
    tasks.IMAGENET: "in the paper regions of similar colour, not objects (no true masks)",
    tasks.CLEVR6_GRAYSCALE: "in the paper the objects are found",
}


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(task, task) for task in _PARTS]


def _make(context: Context) -> Findings:
    blocks = {task: Block(_PARTS[task], not_run=reason) for task, reason in context.missing.items()}
    shown, rows = [], []
    for task, run in context.runs.items():
        num_images = context.budget.choose(smoke=2, cpu=3, paper=4)
        scenes = context.scenes(run.config.data.dataset, num_images)
        result = shown_scenes.decompose(run, scenes["image"], context.seed)[-1]
        blocks[task] = shown_scenes.decomposition_block(_PARTS[task], scenes["image"], result)
        scores = shown_scenes.scene_scores(scenes, result.masks)
        shown += [{"data set": task, **score} for score in scores]
        values = context.evaluate(run, may_diverge=True)
        # Without true masks there is nothing to compare a segmentation with.
        means = {n: float(mean_over_images(n, values[n])[-1]) for n in _METRICS if n in values}
        omitted = left_out(values).get("fg_ari", 0)
        rows.append(
            {
                "data set": task,
                **{name: spread.json_number(means.get(name, np.nan)) for name in _METRICS},
                "images without foreground": omitted,
            }
        )
    return Findings(
        comparison="; ".join(_comparison(row) for row in rows),
        numbers={"summary": rows, "scenes": shown},
        table=rows,
        figures={"figure11": blocks_figure([blocks[task] for task in _PARTS])},
    )


def _comparison(row: dict) -> str:
    scores = []
    if row["fg_ari"] is not None:
        omitted = wording.without_foreground(row["images without foreground"])
        scores.append(f"foreground ARI {row['fg_ari']:.3f}{omitted}")
    mse = "not finite" if row["mse"] is None else f"{row['mse']:.4f}"
    scores.append(f"mean squared error {mse}")
    return f"{row['data set']}: {', '.join(scores)}; {_PAPER[row['data set']]}"


FIGURE11 = Artifact(
    name="figure11",
    title="Segmentation challenges",
    claim="the model does not capture digits of Textured MNIST, groups ImageNet by colour rather "
    "than by object, and still groups grayscale CLEVR6 into objects",
    make=_make,
    trainings=_trainings,
)
