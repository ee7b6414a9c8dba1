"""`metrics.csv` in a run's folder: the figures of TensorBoard where any program reads them."""

import csv
import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

NAME = "metrics.csv"

Row = Mapping[str, Any]


class MetricsFile:
    """A row for each logged training batch and each validation; a figure that it lacks is empty.

    Columns are `step`, `event` ("train" or "validation"), then the figures as they first come. A
    training that goes on from an earlier step writes its rows anew, so those of later steps are
    cut off: whatever was interrupted or went back, the file tells of one way.
    """

    def __init__(self, folder: pathlib.Path, step: int):
        """Of the file that is in the folder, if there is one, keeps the rows up to `step`."""
        self._path = folder / NAME
        self._columns, rows = self._read()
        self._rewrite(rows, step)

    def write(self, step: int, event: str, figures: Mapping[str, float]) -> None:
        """Adds a row. Raises OSError if it cannot be written."""
        row = {"step": step, "event": event} | {n: f"{v:.7g}" for n, v in figures.items()}
        new_columns = [name for name in row if name not in self._columns]
        if new_columns:
            self._columns += new_columns
            self._rewrite([*self._read()[1], row], step)
            return
        with self._path.open("a", newline="") as file:
            file.write(_lines(self._columns, [row]))

    def cut(self, step: int) -> None:
        """Drops the rows of later steps: training went back to this one."""
        self._rewrite(self._read()[1], step)

    def _rewrite(self, rows: Sequence[Row], step: int) -> None:
        """At once, so that a full disk or a kill leaves the old file."""
        if not self._columns:
            return
        kept = [row for row in rows if int(row["step"]) <= step]
        header = dict(zip(self._columns, self._columns, strict=True))
        new_file = self._path.with_name(NAME + ".new")
        try:
            new_file.write_text(_lines(self._columns, [header, *kept]))
            new_file.replace(self._path)
        except OSError:
            new_file.unlink(missing_ok=True)
            raise

    def _read(self) -> tuple[list[str], list[Row]]:
        """Names of columns, and rows; without a row that a kill cut off."""
        if not self._path.exists():
            return [], []
        whole, _, _ = self._path.read_text().rpartition("\n")
        reader = csv.DictReader(io.StringIO(whole))
        rows: list[Row] = [row for row in reader if (row.get("step") or "").isdecimal()]
        return list(reader.fieldnames or ()), rows


def _lines(columns: Sequence[str], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writerows(rows)
    return text.getvalue()
