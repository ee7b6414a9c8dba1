"""The artifacts as a table: what each trains, and how long that takes on this machine."""

from iodine.progress import track
from iodine.reproduction import catalogue
from iodine.reproduction.framework import estimate, providing
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
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
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
