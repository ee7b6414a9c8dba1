"""The artifacts as a table: what each trains, and how long that takes on this machine."""

from iodine.reproduction.framework import catalogue, estimate, providing
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.budgets import Budget

_HEADER = ("artifact", "runs", "hours", "shows", "trains on")


def table(budget: Budget, runs_dir: str) -> str:
    """A line an artifact: number of runs, hours of those not finished yet, title, data sets.

    Artifacts share runs, so the last line, all of them together, is less than the sum.
    """
    rate = estimate.measured_rate()
    rows, remaining = [_HEADER], {}
    for artifact in catalogue.ARTIFACTS:
        wanted = {
            providing.folder_of(t.config, runs_dir): t.config
            for t in artifact.trainings(budget)
            if t.config is not None
        }
        left = {
            folder: estimate.hours(config, rate)
            for folder, config in wanted.items()
            if not providing.is_finished(config, folder)
        }
        remaining.update(left)
        rows.append(
            (
                artifact.name,
                f"{len(wanted)} ({len(wanted) - len(left)} done)" if wanted else "-",
                f"{sum(left.values()):.1f}",
                artifact.title,
                _data_of(artifact, budget),
            )
        )
    total = f"{sum(remaining.values()):.1f}"
    rows.append(("all", str(len(remaining)), total, "what is left of all of them", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, f"budget {budget.name}; hours are estimates for this machine"])


def _data_of(artifact: Artifact, budget: Budget) -> str:
    names = [t.config.data.dataset for t in artifact.trainings(budget) if t.config is not None]
    return ", ".join(dict.fromkeys([*names, *artifact.datasets(budget)])) or "nothing here"
