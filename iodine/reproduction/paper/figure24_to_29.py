"""Figures 24 to 29: latents of objects in the plane, coloured by their true factors."""

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from iodine.analysis import object_latents, projections
from iodine.analysis import probes as factor_probe
from iodine.analysis.object_latents import ObjectLatents
from iodine.figures.projections import projection_figure
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run

_TASKS = (tasks.CLEVR6, tasks.MULTI_DSPRITES, tasks.TETRIS)
_FIRST_FIGURE = {"pca": 24, "tsne": 27}
_NEIGHBOURS = 10


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(task, task) for task in _TASKS]


def neighbour_agreement(points: np.ndarray, categories: np.ndarray) -> float:
    """How often a point's nearest neighbours are of its category: 1 for clusters of their own.

    Args:
        points: [N, D].
        categories: [N] or [N, dimensions].

    Returns:
        The mean share among the 10 nearest other points, fewer where there are fewer.
    """
    count = min(_NEIGHBOURS, len(points) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)
    number = np.unique(categories, axis=0, return_inverse=True)[1].reshape(-1)
    return float(np.mean(number[nearest] == number[:, np.newaxis]))


def chance_agreement(categories: np.ndarray) -> float:
    """What `neighbour_agreement` is where points have nothing to do with categories."""
    counts = np.unique(categories, axis=0, return_counts=True)[1]
    total = counts.sum()
    return float(np.sum(counts * (counts - 1)) / (total * (total - 1)))


def _make(context: Context) -> Findings:
    rows, figures = [], {}
    for number, task in enumerate(_TASKS):
        if run := context.runs.get(task):
            latents = _latents(context, run)
            for method, first in _FIRST_FIGURE.items():
                points = projections.project(latents.latents, method, context.seed)
                factors = factor_probe.factors_of(latents)
                name = f"figure{first + number}"
                figures[name] = projection_figure(points, factors, latents.factors)
                rows += _rows(f"{task}, {name}, {method}", points, latents)
    agreement = ", ".join(
        f"{row['factor']} {row['agreement']:.2f} (chance {row['chance']:.2f}; {row['projection']})"
        for row in rows
    )
    return Findings(
        comparison=f"share of {_NEIGHBOURS} nearest neighbours of the same category: {agreement}",
        numbers={"neighbours": rows},
        table=rows,
        figures=figures,
    )


def _latents(context: Context, run: Run) -> ObjectLatents:
    count = context.budget.choose(smoke=32, cpu=1_000, paper=1_000)
    batches = context.batches(run.config.data.dataset, count)
    return object_latents.collect(run.model, batches, seed=context.seed)


def _rows(projection: str, points: np.ndarray, latents: ObjectLatents) -> list[dict[str, Any]]:
    return [
        {
            "projection": projection,
            "objects": len(points),
            "factor": factor.name,
            "agreement": neighbour_agreement(points, latents.factors[factor.name]),
            "chance": chance_agreement(latents.factors[factor.name]),
        }
        for factor in factor_probe.factors_of(latents)
        if factor.kind == "categorical"
    ]


FIGURE24_29 = Artifact(
    name="figure24-29",
    title="Object latents by PCA (24 to 26) and t-SNE (27 to 29)",
    claim="projected latents of objects cluster by their true factors",
    make=_make,
    trainings=_trainings,
)
