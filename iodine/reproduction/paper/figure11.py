"""Figure 11: data that are hard to segment, Textured MNIST, ImageNet and grayscale CLEVR6."""

from iodine.reproduction.framework import workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.panels import Block, blocks_figure
from iodine.reproduction.framework.workloads import Budget, Training
from iodine.reproduction.paper import figure04_16_to_18 as decompositions

_PARTS = {
    workloads.TEXTURED_MNIST: "a) Textured MNIST",
    workloads.IMAGENET: "b) ImageNet",
    workloads.CLEVR6_GRAYSCALE: "c) grayscale CLEVR6",
}
_PAPER = {
    workloads.TEXTURED_MNIST: "in the paper the digits are not captured",
    workloads.IMAGENET: "in the paper regions of similar colour, not objects (no true masks)",
    workloads.CLEVR6_GRAYSCALE: "in the paper the objects are found",
}


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(task, task) for task in _PARTS]


def _make(context: Context) -> Findings:
    blocks = {task: Block(_PARTS[task], not_run=reason) for task, reason in context.missing.items()}
    shown, rows = [], []
    for task, run in context.runs.items():
        num_images = context.budget.choose(smoke=2, cpu=3, paper=4)
        scenes = context.scenes(run.config.data.dataset, num_images)
        result = decompositions.decompose(run, scenes["image"], context.seed)[-1]
        blocks[task] = decompositions.decomposition_block(_PARTS[task], scenes["image"], result)
        scores = decompositions.scene_scores(scenes, result.masks)
        shown += [{"data set": task, **score} for score in scores]
        values = context.evaluate(run, may_diverge=True)
        # Without true masks there is nothing to compare a segmentation with.
        fg_ari = float(values["fg_ari"][-1].mean()) if "fg_ari" in values else None
        rows.append({"data set": task, "fg_ari": fg_ari, "mse": float(values["mse"][-1].mean())})
    return Findings(
        comparison="; ".join(_comparison(row) for row in rows),
        numbers={"summary": rows, "scenes": shown},
        table=rows,
        figures={"figure11": blocks_figure([blocks[task] for task in _PARTS])},
    )


def _comparison(row: dict) -> str:
    score = "" if row["fg_ari"] is None else f"foreground ARI {row['fg_ari']:.3f}, "
    return (
        f"{row['data set']}: {score}mean squared error {row['mse']:.4f}; {_PAPER[row['data set']]}"
    )


FIGURE11 = Artifact(
    name="figure11",
    title="Segmentation challenges",
    claim="the model does not capture digits of Textured MNIST, groups ImageNet by colour rather "
    "than by object, and still groups grayscale CLEVR6 into objects",
    make=_make,
    trainings=_trainings,
)
