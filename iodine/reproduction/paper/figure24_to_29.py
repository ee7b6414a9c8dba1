"""Figures 24 to 29: latents of objects in the plane, coloured by their true factors."""

from typing import Any

import numpy as np

from iodine.analysis import object_latents, projections
from iodine.analysis.factors import factors_of
from iodine.analysis.object_latents import ObjectLatents
from iodine.figures.projections import projection_figure
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run

_TASKS = (tasks.CLEVR6, tasks.MULTI_DSPRITES, tasks.TETRIS)
_FIRST_FIGURE = {"pca": 24, "tsne": 27}


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(task, task) for task in _TASKS]


def _make(context: Context) -> Findings:
    rows, figures = [], {}
    for number, task in enumerate(_TASKS):
        if run := context.runs.get(task):
            latents = _latents(context, run)
            for method, first in _FIRST_FIGURE.items():
                points = projections.project(latents.latents, method, context.seed)
                factors = factors_of(latents)
                name = f"figure{first + number}"
                figures[name] = projection_figure(points, factors, latents.factors)
                rows += _rows(f"{task}, {name}, {method}", points, latents)
    agreement = ", ".join(
        f"{row['factor']} {row['agreement']:.2f} (chance {row['chance']:.2f}; {row['projection']})"
        for row in rows
    )
    return Findings(
        comparison=f"share of {projections.NEIGHBOURS} nearest neighbours of the same category: "
        f"{agreement}",
        numbers={"neighbours": rows},
        table=rows,
        figures=figures,
    )


def _latents(context: Context, run: Run) -> ObjectLatents:
    count = context.budget.choose(smoke=32, cpu=1_000, paper=1_000)
    batches = context.batches(run.config.data.dataset, count)
    return object_latents.collect(run.model, batches, seed=context.seed)


def _rows(projection: str, points: np.ndarray, latents: ObjectLatents) -> list[dict[str, Any]]:
    factors = factors_of(latents)
    return [
        {"projection": projection, "objects": len(points), **row}
        for row in projections.agreement(points, factors, latents.factors)
    ]


FIGURE24_29 = Artifact(
    name="figure24-29",
    title="Object latents by PCA (24 to 26) and t-SNE (27 to 29)",
    claim="projected latents of objects cluster by their true factors",
    make=_make,
    trainings=_trainings,
)
