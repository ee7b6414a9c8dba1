"""Table 1: foreground ARI over five seeds; mean squared error and KL besides."""

from typing import Any

import numpy as np

from iodine.reproduction.framework import workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.workloads import Budget, Training

NOT_RUN = "not run"
_METRICS = ("fg_ari", "mse", "kl", "ari", "miou")

# The paper's foreground ARI: mean and standard deviation across five seeds.
_PAPER = {
    workloads.CLEVR6: {"IODINE": (0.988, 0.000), "MONet": (0.962, 0.006)},
    workloads.MULTI_DSPRITES: {"IODINE": (0.767, 0.056), "MONet": (0.904, 0.008)},
    workloads.MULTI_DSPRITES_BINARIZED: {"IODINE": (0.648, 0.172), "R-NEM": (0.685, 0.017)},
    workloads.SHAPES: {"IODINE": (0.910, 0.119), "R-NEM": (0.776, 0.019)},
    workloads.TETRIS: {"IODINE": (0.992, 0.004)},
}


def _trainings(budget: Budget) -> list[Training]:
    seeds = budget.choose(smoke=2, cpu=5, paper=5)
    return [
        budget.training(f"{task}, seed {seed}", task, seed=seed)
        for task in _PAPER
        for seed in range(seeds)
    ]


def _make(context: Context) -> Findings:
    by_task: dict[str, list[dict[str, float]]] = {task: [] for task in _PAPER}
    for run in context.runs.values():
        values = context.evaluate(run)
        by_task[run.training.task].append({m: float(values[m][-1].mean()) for m in _METRICS})
    rows = [_row(task, seeds, context) for task, seeds in by_task.items()]
    return Findings(
        comparison="; ".join(_comparison(row) for row in rows if row["fg_ari"] != NOT_RUN),
        numbers={"seeds": by_task, "summary": rows},
        table=rows,
    )


def _row(task: str, seeds: list[dict[str, float]], context: Context) -> dict[str, Any]:
    """A line of the table: mean and standard deviation across seeds, population as in NumPy."""
    row: dict[str, Any] = {"data set": task, "seeds": len(seeds)}
    for metric in _METRICS:
        values = np.array([seed[metric] for seed in seeds])
        row[metric] = float(values.mean()) if len(seeds) else NOT_RUN
        row[f"{metric}_std"] = float(values.std()) if len(seeds) else NOT_RUN
    for model in ("IODINE", "R-NEM", "MONet"):
        paper = _PAPER[task].get(model)
        row[f"paper {model}"] = "{:.3f} +- {:.3f}".format(*paper) if paper else "-"
    # Other models than IODINE are not part of this package.
    row["R-NEM"] = row["MONet"] = NOT_RUN
    row["trained"] = next(
        (run.note for run in context.runs.values() if run.training.task == task),
        next((why for label, why in context.missing.items() if label.startswith(task)), NOT_RUN),
    )
    return row


def _comparison(row: dict[str, Any]) -> str:
    return (
        f"{row['data set']}: foreground ARI {row['fg_ari']:.3f} +- {row['fg_ari_std']:.3f} over "
        f"{row['seeds']} seeds ({row['trained']}), the paper's {row['paper IODINE']}"
    )


TABLE1 = Artifact(
    name="table1",
    title="Foreground ARI over five seeds",
    claim="IODINE segments CLEVR6 (0.988 +- 0.000) and Tetris (0.992 +- 0.004) nearly perfectly",
    make=_make,
    trainings=_trainings,
)
