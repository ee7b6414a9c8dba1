"""Figures 13 to 15: scenes of the data sets with their true masks. Nothing is trained."""

import contextlib
from typing import Any

import numpy as np

from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.figures.grids import Block, blocks_figure
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.wording import span

_RENDERED_CLEVR6 = "clevr/generated_max6"  # where it has been made; that takes many hours
# Figure, task, data set, the paper's number of objects.
_PARTS = (
    ("figure13", tasks.CLEVR6, "clevr/released_max6", (3, 6)),
    (
        "figure14",
        tasks.MULTI_DSPRITES,
        "multi_dsprites/colored_on_grayscale_generated",
        (2, 5),
    ),
    ("figure15", tasks.TETRIS, "tetrominoes/generated", (3, 3)),
)


def _datasets(budget: Budget) -> list[str]:
    del budget  # the same at each: nothing is trained on them
    return [dataset for _, _, dataset, _ in _PARTS]


def sample_rows(images: np.ndarray, masks: np.ndarray) -> list[list[np.ndarray | None]]:
    """For each scene the image, the background's mask and the objects', empty places at the end.

    Args:
        images: [B, H, W, 3].
        masks: one-hot [B, L, H, W]; objects without a pixel are left out.

    Returns:
        B rows of equal length, as long as the scene with the most objects needs.
    """
    rows = [
        [image, mask[0], *(m for m in mask[1:] if m.any())]
        for image, mask in zip(images, masks, strict=True)
    ]
    longest = max(map(len, rows))
    return [row + [None] * (longest - len(row)) for row in rows]


def scene_statistics(batches: list[dict[str, Any]]) -> dict[str, Any]:
    """How many objects scenes have, and the share of foreground pixels.

    Args:
        batches: `mask` one-hot [B, L, H, W] and `visibility` [B, L], which is above 0 also for
            objects that lie outside of a cropped image.

    Returns:
        `num_images`; `objects` and `visible objects` (with at least one pixel), each the number of
        scenes by number of objects; `foreground`, mean share of the pixels that are an object's.
    """
    masks = [batch["mask"][:, 1:] for batch in batches]
    counts = {
        "objects": [(batch["visibility"][:, 1:] > 0).sum(axis=1) for batch in batches],
        "visible objects": [m.any(axis=(2, 3)).sum(axis=1) for m in masks],
    }
    foreground = np.concatenate([m.any(axis=1).mean(axis=(1, 2)) for m in masks])
    return {
        "num_images": len(foreground),
        **{name: _histogram(np.concatenate(values)) for name, values in counts.items()},
        "foreground": float(foreground.mean()),
    }


def _histogram(counts: np.ndarray) -> dict[str, int]:
    values, scenes = np.unique(counts, return_counts=True)
    return {str(value): int(number) for value, number in zip(values, scenes, strict=True)}


def _available(context: Context, dataset: str) -> str:
    """The data set that is there: this one, or of CLEVR6 the one that this package renders.

    Raises:
        UserError: saying why it is not there.
    """
    if dataset not in context.missing:
        return dataset
    if dataset.startswith("clevr/"):
        with contextlib.suppress(UserError):
            pipelines.open_dataset(context.data_dir, _RENDERED_CLEVR6)
            return _RENDERED_CLEVR6
    raise UserError(context.missing[dataset])


def _make(context: Context) -> Findings:
    figures, rows, numbers, not_run = {}, [], {}, {}
    for name, task, wanted, paper in _PARTS:
        try:
            dataset = _available(context, wanted)
            scenes = context.scenes(dataset, context.budget.choose(smoke=3, cpu=8, paper=8))
            batches = context.batches(dataset, context.budget.num_images)
        except UserError as error:  # the others are of use without this one
            not_run[task] = str(error)
            figures[name] = blocks_figure([Block(task, not_run=str(error))])
            continue
        figures[name] = blocks_figure([_block(f"{task} ({dataset})", scenes)])
        values = scene_statistics(batches)
        numbers[task] = {"dataset": dataset, "shown": scene_statistics([scenes]), **values}
        rows.append(_row(task, dataset, values, paper))
    reasons = [f"{task}: not run, {reason}" for task, reason in not_run.items()]
    return Findings(
        comparison="; ".join([*map(_comparison, rows), *reasons]),
        numbers=numbers,
        table=rows,
        figures=figures,
    )


def _row(task: str, dataset: str, values: dict[str, Any], paper: tuple[int, int]) -> dict[str, Any]:
    counts = [int(count) for count in values["objects"]]
    return {
        "data set": dataset,
        "task": task,
        "num_images": values["num_images"],
        "fewest objects": min(counts),
        "most objects": max(counts),
        "foreground": values["foreground"],
        "fewest in the paper": paper[0],
        "most in the paper": paper[1],
    }


def _block(heading: str, scenes: dict[str, Any]) -> Block:
    rows = sample_rows(scenes["image"], scenes["mask"])
    objects = [f"object {i + 1}" for i in range(len(rows[0]) - 2)]
    # A border, as the background's mask is as white as the page.
    return Block(heading, ["image", "background", *objects], rows, [None, np.full(3, 0.6)])


def _comparison(row: dict[str, Any]) -> str:
    ours = row["fewest objects"], row["most objects"]
    paper = row["fewest in the paper"], row["most in the paper"]
    inside = paper[0] <= ours[0] and ours[1] <= paper[1]
    return (
        f"{row['data set']}: {span(*ours)} objects in {row['num_images']} scenes, "
        f"{'within' if inside else 'not within'} the paper's {span(*paper)}; "
        f"{row['foreground']:.1%} foreground pixels"
    )


FIGURE13_15 = Artifact(
    name="figure13-15",
    title="Samples of the data sets with their masks",
    claim="CLEVR6 (13) has 3-6 objects a scene, Multi-dSprites (14) 2-5, Tetris (15) 3",
    make=_make,
    datasets=_datasets,
)
