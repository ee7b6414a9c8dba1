"""What an artifact is: the record behind `iodine-reproduce --artifact=NAME`."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context


@dataclasses.dataclass
class Findings:
    """What an artifact leaves in its folder."""

    comparison: str  # one line: ours beside the paper's
    numbers: dict[str, Any]  # JSON types
    table: list[dict[str, Any]]  # rows of the CSV file, all with the same keys
    figures: dict[str, Figure] = dataclasses.field(default_factory=dict)  # by file name, no ending
    # What writes an HTML page, or an animation, to a path, by file name.
    pages: dict[str, Callable[[pathlib.Path], None]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A table or figure of the paper."""

    name: str  # such as "figure8"
    title: str
    claim: str  # what the paper shows, with its figures
    make: Callable[[Context], Findings]  # measures, draws, compares
    trainings: Callable[[Budget], Sequence[Training]] = lambda budget: ()
    datasets: Callable[[Budget], Sequence[str]] = lambda budget: ()  # besides those trained on
