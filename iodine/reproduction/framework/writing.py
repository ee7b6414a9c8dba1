"""Writes what an artifact found: pictures, JSON, CSV, pages."""

import pathlib
from typing import Any

from iodine.datasets import identity, pipelines
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context
from iodine.studies.findings import csv_text, save_figure
from iodine.training import provenance
from iodine.training import run_folder as runs


def write(artifact: Artifact, context: Context, findings: Findings, output: str) -> pathlib.Path:
    """Writes everything into `output`/NAME; returns that folder."""
    folder = pathlib.Path(output) / artifact.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in findings.figures.items():
        save_figure(figure, folder / f"{name}.png", context.note())
    for name, write_page in findings.pages.items():
        write_page(folder / name)
    if findings.table:
        (folder / f"{artifact.name}.csv").write_text(csv_text(findings.table))
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
        "runs": {
            label: {
                "model": run.training.model,
                "task": run.training.task,
                "folder": run.folder,
                "trained": run.note,
                "weights": run.weights,
            }
            for label, run in context.runs.items()
        },
        "not_run": context.missing,
        "numbers": findings.numbers,
        "provenance": {
            "evaluations": context.evaluated,
            "data": {name: _data(context, name) for name in context.read},
            **provenance.of_process(),
        },
    }


def _data(context: Context, name: str) -> dict[str, Any]:
    """What tells the data from others, and how many of the first test images were read."""
    builder = pipelines.open_dataset(context.data_dir, name)
    return {**identity.identity(builder), "split": "test", "num_images": context.read[name]}
