"""Table 1: foreground ARI of all models over five seeds; mean squared error and KL besides."""

from typing import Any

import numpy as np

from iodine.evaluation import spread
from iodine.evaluation.summary import OF_SEGMENTATION, diverged, left_out, summarize
from iodine.reproduction.framework import given_runs, tasks, wording, workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.tasks import IODINE, MONET, R_NEM
from iodine.reproduction.framework.wording import NOT_RUN

_METRICS = ("fg_ari", "mse", "kl", "ari", "miou")
_LEFT_OUT = "images without foreground"
_BAD_IMAGES, _BAD_SEEDS = "images that diverged", "seeds that diverged"

# The paper's foreground ARI: mean and standard deviation across five seeds.
_PAPER = {
    tasks.CLEVR6: {IODINE: (0.988, 0.000), MONET: (0.962, 0.006)},
    tasks.MULTI_DSPRITES: {IODINE: (0.767, 0.056), MONET: (0.904, 0.008)},
    tasks.MULTI_DSPRITES_BINARIZED: {IODINE: (0.648, 0.172), R_NEM: (0.685, 0.017)},
    tasks.SHAPES: {IODINE: (0.910, 0.119), R_NEM: (0.776, 0.019)},
    tasks.TETRIS: {IODINE: (0.992, 0.004)},
}


def models(budget: Budget) -> list[str]:
    """The columns: the paper's models, then what else the budget trains for these tasks.

    A VAE has no segmentation.
    """
    others = [m for m in workloads.models_for(budget.name, _PAPER) if m != tasks.VAE]
    return list(dict.fromkeys([IODINE, R_NEM, MONET, *others]))


def _place(model: str, task: str) -> str:
    return f"{model} on {task}"


def _trainings(budget: Budget) -> list[Training]:
    count = budget.choose(smoke=2, cpu=5, paper=5)
    return [
        training
        for task in _PAPER
        for model in models(budget)
        for training in budget.seeds(_place(model, task), task, count, model)
    ]


def _make(context: Context) -> Findings:
    by_place: dict[str, list[Run]] = {}
    for run in context.runs.values():
        by_place.setdefault(run.training.place, []).append(run)
    scores = {place: [_scores(context, run) for run in runs] for place, runs in by_place.items()}
    lacking = {
        place: [context.missing[t.label] for t in trainings if t.label in context.missing]
        for place, trainings in given_runs.by_place(_trainings(context.budget)).items()
    }
    num_bad = {
        place: sum(training.label in context.diverged for training in trainings)
        for place, trainings in given_runs.by_place(_trainings(context.budget)).items()
    }
    cells = []
    for task in _PAPER:
        for model in models(context.budget):
            place = _place(model, task)
            found = scores.get(place, []), by_place.get(place, []), lacking[place], num_bad[place]
            cells.append({"data set": task, "model": model, **_cell(*found)})
    return Findings(
        comparison="; ".join(_comparison(cell) for cell in cells if cell["count"]),
        numbers={"runs": scores, "summary": cells},
        table=[
            _row([cell for cell in cells if cell["data set"] == task], cells) for task in _PAPER
        ],
    )


def _scores(context: Context, run: Run) -> dict[str, float | None]:
    """The means over images of what is defined for the model and its data.

    Over those that the model does not diverge on; "..., all" counts 0 for the others.
    """
    values = context.evaluate(run, may_diverge=True)
    summary = summarize(values)
    entries = {name: summary[name] for name in _METRICS if name in summary}
    return {
        **{name: entry["mean"] for name, entry in entries.items()},
        **{_over_all(name): entry["mean_over_all"] for name, entry in entries.items()},
        _LEFT_OUT: left_out(values).get("fg_ari", 0),
        _BAD_IMAGES: int(diverged(values).sum()),
    }


def _over_all(metric: str) -> str:
    return f"{metric}, all"


def _cell(
    scores: list[dict[str, float | None]], runs: list[Run], lacking: list[str], num_bad: int
) -> dict[str, Any]:
    """One model on one data set.

    Args:
        scores: of its runs.
        runs: the same runs.
        lacking: why others could not be had.
        num_bad: how many of these diverged.

    Returns:
        Mean and standard deviation across runs by metric, population as in NumPy, None without;
        the same over all, where images and seeds that diverged count 0, of metrics whose worst
        value that is; `count`, the number of runs; `runs`, what they are; `trained`; `not run`, why
        there is none.
    """
    cell: dict[str, Any] = {"count": len(runs)}
    for metric in _METRICS:
        values = [score[metric] for score in scores if score.get(metric) is not None]
        cell[metric], cell[f"{metric}_std"] = _mean_and_std(values)
        name = _over_all(metric)
        every = [score[name] for score in scores if name in score]
        every += [0.0 if metric in OF_SEGMENTATION else None] * num_bad
        cell[name], cell[f"{name}_std"] = _mean_and_std([] if None in every else every)
    return cell | {
        _BAD_IMAGES: sum(int(score[_BAD_IMAGES]) for score in scores),
        _BAD_SEEDS: num_bad,
        _LEFT_OUT: max((int(score[_LEFT_OUT]) for score in scores), default=0),
        "runs": _what(runs, len(lacking)),
        "trained": "; ".join(dict.fromkeys(run.note for run in runs)),
        NOT_RUN: "" if runs else "; ".join(dict.fromkeys(lacking)),
    }


def _mean_and_std(values: list[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    return spread.json_number(np.mean(values)), spread.json_number(np.std(values))


def _what(runs: list[Run], num_lacking: int) -> str:
    """As in "5 seeds", "4 of 5 seeds" or "2 given runs"."""
    if not runs:
        return "-"
    if runs[0].is_given:
        return f"{len(runs)} given run{'s' * (len(runs) > 1)}"
    of_all = f" of {len(runs) + num_lacking}" if num_lacking else ""
    return f"{len(runs)}{of_all} seeds"


def _row(of_task: list[dict[str, Any]], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of the table: as in the paper, then the numbers of the models that were run at all."""
    row: dict[str, Any] = {"data set": of_task[0]["data set"]}
    for cell in of_task:
        model = cell["model"]
        row[model] = _score(cell) if cell["count"] else f"{NOT_RUN}: {cell[NOT_RUN]}"
        row[f"{model} runs"] = cell["runs"]
        row[f"paper {model}"] = _paper(cell)
    run_at_all = {cell["model"] for cell in cells if cell["count"]}
    for cell in of_task:
        if cell["model"] in run_at_all:
            for metric in _METRICS:
                for name in (metric, _over_all(metric)):
                    row[f"{cell['model']} {name}"] = cell[name]
                    row[f"{cell['model']} {name}_std"] = cell[f"{name}_std"]
            for name in (_LEFT_OUT, _BAD_IMAGES, _BAD_SEEDS, "trained"):
                row[f"{cell['model']} {name}"] = cell[name]
    return row


def _score(cell: dict[str, Any]) -> str:
    """Over the images and seeds that do not diverge; if any do, beside it over all of them."""
    name = _over_all("fg_ari")
    score, over_all = (
        "not defined" if cell[n] is None else f"{cell[n]:.3f} +- {cell[f'{n}_std']:.3f}"
        for n in ("fg_ari", name)
    )
    bad = [
        f"{cell[what]} {what.split()[0].removesuffix('s')}{'s' * (cell[what] > 1)}"
        for what in (_BAD_IMAGES, _BAD_SEEDS)
        if cell[what]
    ]
    return f"{score} (over all {over_all}: {' and '.join(bad)} diverged)" if bad else score


def _paper(cell: dict[str, Any]) -> str:
    known = _PAPER[cell["data set"]].get(cell["model"])
    return "{:.3f} +- {:.3f}".format(*known) if known else "-"


def _comparison(cell: dict[str, Any]) -> str:
    return (
        f"{_place(cell['model'], cell['data set'])}: foreground ARI {_score(cell)}"
        f"{wording.without_foreground(cell[_LEFT_OUT])} over {cell['runs']} ({cell['trained']}), "
        f"the paper's {_paper(cell)}"
    )


TABLE1 = Artifact(
    name="table1",
    title="Foreground ARI over five seeds",
    claim="IODINE segments CLEVR6 (0.988 +- 0.000) and Tetris (0.992 +- 0.004) nearly perfectly",
    make=_make,
    trainings=_trainings,
)
