"""What a study finds, and how it is left in a folder: pictures, CSV, JSON."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from iodine.training import run_folder as runs

_DPI = 150  # of figures that have no higher resolution


@dataclasses.dataclass
class Findings:
    """What a study leaves."""

    summary: str  # one line
    numbers: dict[str, Any]  # JSON types
    table: list[dict[str, Any]]  # rows of the CSV file, all with the same keys
    figures: dict[str, Figure]  # by file name, without ending


def write(
    findings: Findings, folder: pathlib.Path, name: str, note: str, record: Mapping[str, Any]
) -> list[pathlib.Path]:
    """Writes everything; returns the files.

    Args:
        findings: to write.
        folder: is made.
        name: of the CSV and JSON files.
        note: at the foot of every figure, what it shows the results of.
        record: what else stands in the JSON file, before the numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for figure_name, figure in findings.figures.items():
        paths.append(folder / f"{figure_name}.png")
        save_figure(figure, paths[-1], note)
    table, numbers = folder / f"{name}.csv", folder / f"{name}.json"
    table.write_text(csv_text(findings.table))
    runs.write_json(numbers, {**record, "summary": findings.summary, "numbers": findings.numbers})
    return [*paths, table, numbers]


def save_figure(figure: Figure, path: pathlib.Path, note: str) -> None:
    """Writes a figure as PNG with a note at its foot."""
    figure.text(0.01, -0.01, note, fontsize=5, va="top")
    dpi = max(_DPI, figure.dpi)
    figure.savefig(path, dpi=dpi, bbox_inches="tight", pad_inches=0.05)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A CSV file of rows that have the same keys."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
