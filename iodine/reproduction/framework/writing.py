"""Writes what an artifact found: pictures, JSON, CSV, pages."""

import csv
import io
import os
import pathlib
import platform
from typing import Any

from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context
from iodine.training import run_folder as runs

_DPI = 150  # of figures that have no higher resolution


def write(artifact: Artifact, context: Context, findings: Findings, output: str) -> pathlib.Path:
    """Writes everything into `output`/NAME; returns that folder."""
    folder = pathlib.Path(output) / artifact.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in findings.figures.items():
        figure.text(0.01, -0.01, context.note(), fontsize=5, va="top")
        path, dpi = folder / f"{name}.png", max(_DPI, figure.dpi)
        figure.savefig(path, dpi=dpi, bbox_inches="tight", pad_inches=0.05)
    for name, write_page in findings.pages.items():
        write_page(folder / name)
    if findings.table:
        (folder / f"{artifact.name}.csv").write_text(_csv(findings.table))
    runs.write_json(folder / f"{artifact.name}.json", _record(artifact, context, findings))
    return folder


def _record(artifact: Artifact, context: Context, findings: Findings) -> dict[str, Any]:
    return {
        "artifact": artifact.name,
        "title": artifact.title,
        "paper": artifact.claim,
        "comparison": findings.comparison,
        "budget": context.budget.name,
        "evaluation_seed": context.seed,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "runs": {
            label: {
                "model": run.training.model,
                "task": run.training.task,
                "folder": run.folder,
                "trained": run.note,
            }
            for label, run in context.runs.items()
        },
        "not_run": context.missing,
        "numbers": findings.numbers,
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
