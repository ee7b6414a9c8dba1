"""The artifacts as a table: what each trains, and how long that takes on this machine."""

from collections.abc import Sequence

from iodine.config import Config
from iodine.progress import track
from iodine.reproduction import catalogue
from iodine.reproduction.framework import estimate, given_runs, providing
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.budgets import Budget

_HEADER = ("artifact", "runs", "hours", "shows", "trains on")


def table(budget: Budget, runs_dir: str) -> str:
    """A line an artifact: number of runs, hours of those not finished yet, title, tasks and data.

    Artifacts share runs, so the last line, all of them together, is less than the sum. Says on
    standard error how far it is: the arithmetic of each training is counted.
    """
    wanted = {
        artifact.name: {
            providing.folder_of(t.config, runs_dir): t.config
            for t in artifact.trainings(budget)
            if t.config is not None
        }
        for artifact in catalogue.ARTIFACTS
    }
    every = {folder: config for folders in wanted.values() for folder, config in folders.items()}
    left = [f for f, config in every.items() if not providing.is_finished(config, f)]
    rate = estimate.measured_rate()
    hours = {
        folder: estimate.hours(every[folder], rate)
        for folder in track(left, len(left), "counting the arithmetic", "trainings")
    }
    rows = [_HEADER]
    for artifact in catalogue.ARTIFACTS:
        folders = wanted[artifact.name]
        done = sum(folder not in hours for folder in folders)
        rows.append(
            (
                artifact.name,
                f"{len(folders)} ({done} done)" if folders else "-",
                f"{sum(hours.get(folder, 0.0) for folder in folders):.1f}",
                artifact.title,
                _data_of(artifact, budget),
            )
        )
    total = f"{sum(hours.values()):.1f}"
    rows.append(("all", str(len(hours)), total, "what is left of all of them", ""))
    return _aligned(rows, budget)


def places(artifact: Artifact, budget: Budget, runs_dir: str) -> str:
    """A line for each model and data set of an artifact: what is trained for it, and how long.

    Of what the budget does not train, the line says what the budget `paper` would take here.
    """
    by_place = given_runs.by_place(artifact.trainings(budget))
    elsewhere = given_runs.by_place(artifact.trainings(Budget("paper")))
    rate = estimate.measured_rate()
    rows = [("for", "runs", "hours", "trains")]
    for place, members in track(by_place.items(), len(by_place), "counting the arithmetic", "runs"):
        if members[0].config is not None:
            folders = {providing.folder_of(t.config, runs_dir): t.config for t in members}
            left = [c for f, c in folders.items() if not providing.is_finished(c, f)]
            hours = sum(estimate.hours(config, rate) for config in left)
            done = f"{len(folders)} ({len(folders) - len(left)} done)"
            rows.append((place, done, f"{hours:.1f}", _described(members[0].config)))
            continue
        reason = f"not run: {budget.why_not(members[0])}"
        if (large := elsewhere.get(place, members)[0].config) is not None:
            hours = estimate.hours(large, rate)
            reason += f"; {_described(large)} would take {hours:,.0f} hours a seed here"
        rows.append((place, "-", "-", reason))
    return _aligned(rows, budget)


def _described(config: Config) -> str:
    return f"{config.preset} on {config.data.dataset}, {config.train.steps:,} steps"


def _aligned(rows: Sequence[tuple[str, ...]], budget: Budget) -> str:
    """The rows with their columns under one another, and what the hours are."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, f"budget {budget.name}; hours are estimates for this machine"])


def _data_of(artifact: Artifact, budget: Budget) -> str:
    """Tasks with the data that are trained on, then other data."""
    trained = [
        f"{t.task} ({t.config.data.dataset})"
        for t in artifact.trainings(budget)
        if t.config is not None
    ]
    return ", ".join(dict.fromkeys([*trained, *artifact.datasets(budget)])) or "nothing here"
