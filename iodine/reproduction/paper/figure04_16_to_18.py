"""Figures that show decompositions: 4 and 16 to 18."""

from typing import Any

from iodine.figures.grids import Block, blocks_figure
from iodine.reproduction.framework import shown_scenes, tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

TASKS = (tasks.CLEVR6, tasks.MULTI_DSPRITES, tasks.TETRIS)


def trainings(budget: Budget) -> list[Training]:
    """The three data sets of the paper's decompositions, labelled as the tasks."""
    return [budget.training(task, task) for task in TASKS]


def _blocks(context: Context, num_images: int) -> tuple[dict[str, Block], list[dict[str, Any]]]:
    """By task, run or not, a block of the first test scenes; and their scores."""
    blocks = {label: Block(label, not_run=reason) for label, reason in context.missing.items()}
    rows = []
    for label, run in context.runs.items():
        scenes = context.scenes(run.config.data.dataset, num_images)
        result = shown_scenes.decompose(run, scenes["image"], context.seed)[-1]
        blocks[label] = shown_scenes.decomposition_block(label, scenes["image"], result)
        scores = shown_scenes.scene_scores(scenes, result.masks)
        rows += [{"data set": label, **score} for score in scores]
    return {task: blocks[task] for task in TASKS}, rows


def _make_figure4(context: Context) -> Findings:
    blocks, rows = _blocks(context, context.budget.choose(smoke=2, cpu=3, paper=3))
    return Findings(
        comparison=f"{shown_scenes.compare_by_task(rows)}; in the paper each object has a slot of "
        "its own",
        numbers={"scenes": rows},
        table=rows,
        figures={"figure4": blocks_figure(list(blocks.values()))},
    )


def _make_figure16_18(context: Context) -> Findings:
    blocks, rows = _blocks(context, context.budget.choose(smoke=2, cpu=8, paper=8))
    names = ("figure16", "figure17", "figure18")
    return Findings(
        comparison=f"{shown_scenes.compare_by_task(rows)}; in the paper nearly every object has a "
        "slot of its own",
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
