"""Curves of learning: a run's as CSV, and those of several seeds as a figure and a table.

    python docs/learning/curves.py csv RUN docs/learning/PRESET_seedN.csv
    python docs/learning/curves.py draw OUTPUT.png NAME=FILE.csv,FILE.csv... NAME=...

`csv` writes a row for each validation of the folder of a run. Seconds are those of training alone,
by the rates that the run logged, however often it was interrupted. `draw` draws foreground ARI
against images and against seconds, and prints a Markdown table of what it took to reach an ARI.
"""

import csv
import json
import pathlib
import sys

import matplotlib
import numpy as np

matplotlib.use("agg")
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

COLUMNS = ("fg_ari", "ari", "miou", "mse", "kl", "neg_log_likelihood")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)  # foreground ARI
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def write_csv(run: pathlib.Path, output: pathlib.Path) -> None:
    """A row for each validation: step, images, seconds, `COLUMNS`."""
    batch = json.loads((run / "config.json").read_text())["train"]["batch_size"]
    seconds, last = 0.0, 0
    with (run / "metrics.csv").open() as file, output.open("w", newline="") as written:
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(("step", "images", "seconds", *COLUMNS))
        for row in csv.DictReader(file):
            step = int(row["step"])
            if row["event"] == "train":
                rate = float(row["images_per_second"] or 0)
                seconds += batch * (step - last) / rate if rate else 0
                last = step
            else:
                figures = (f"{float(row[name]):.4g}" for name in COLUMNS)
                writer.writerow((step, step * batch, round(seconds), *figures))


def read_csv(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The columns that are drawn; seconds are no numbers where the file has none."""
    values = np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))
    missing = np.full(len(values), np.nan)
    return {
        name: values[name] if name in values.dtype.names else missing
        for name in ("images", "seconds", "fg_ari")
    }


def first_at(curve: dict[str, np.ndarray], level: float) -> int | None:
    """The first validation with that foreground ARI; None without."""
    places = np.flatnonzero(curve["fg_ari"] >= level)
    return int(places[0]) if len(places) else None


def table(recipes: dict[str, list[dict[str, np.ndarray]]]) -> list[str]:
    """A line a seed: thousands of images and minutes until each of `LEVELS`; the last and best."""
    lines = [
        "| recipe, seed | " + " | ".join(map(str, LEVELS)) + " | best | last |",
        "|---|" + "---|" * (len(LEVELS) + 2),
    ]
    for name, curves in recipes.items():
        for number, curve in enumerate(curves):
            reached = [_reached(curve, level) for level in LEVELS]
            ends = [f"{curve['fg_ari'].max():.3f}", f"{curve['fg_ari'][-1]:.3f}"]
            lines.append("| " + " | ".join([f"{name}, {number}", *reached, *ends]) + " |")
    return lines


def _reached(curve: dict[str, np.ndarray], level: float) -> str:
    place = first_at(curve, level)
    if place is None:
        return "-"
    images, minutes = curve["images"][place] / 1e3, curve["seconds"][place] / 60
    return f"{images:.0f}" if np.isnan(minutes) else f"{images:.0f}, {minutes:.0f} min"


def draw(recipes: dict[str, list[dict[str, np.ndarray]]]) -> Figure:
    """A colour a recipe, a line a seed; lines at `LEVELS`."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for (name, curves), color in zip(recipes.items(), COLORS, strict=False):
        for number, curve in enumerate(curves):
            label = f"{name} ({len(curves)})" if number == 0 else None
            style = {"color": color, "linewidth": 1.2, "alpha": 0.8}
            left.plot(curve["images"], curve["fg_ari"], label=label, **style)
            right.plot(curve["seconds"] / 60, curve["fg_ari"], **style)
    for axis in (left, right):
        for level in LEVELS:
            axis.axhline(level, color="0.85", linewidth=0.8, zorder=0)
        axis.set(ylim=(0, 1), xlim=(0, None), yticks=[0, *LEVELS])
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    left.xaxis.set_major_formatter(EngFormatter(sep=""))
    left.set_xlabel("images seen", fontsize=9)
    right.set_xlabel("minutes of training", fontsize=9)
    left.set_ylabel("foreground ARI, validation", fontsize=9)
    left.legend(fontsize=8, frameon=False, loc="lower right", title="recipe (seeds)")
    return figure


def main(arguments: list[str]) -> None:
    """See the top of the file."""
    match arguments:
        case ["csv", run, output]:
            write_csv(pathlib.Path(run), pathlib.Path(output))
        case ["draw", output, *named] if named:
            recipes = {
                name: [read_csv(pathlib.Path(path)) for path in paths.split(",")]
                for name, _, paths in (text.partition("=") for text in named)
            }
            draw(recipes).savefig(output, dpi=110)
            print("\n".join(table(recipes)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
