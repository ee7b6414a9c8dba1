"""The artifacts as a table: what each trains, and how long that takes on this machine."""

from iodine.reproduction import catalogue
from iodine.reproduction.workloads import Budget


def table(budget: Budget, runs_dir: str) -> str:
    """A line an artifact."""
    return "\n".join(f"{a.name}  {a.title}" for a in catalogue.ARTIFACTS)
