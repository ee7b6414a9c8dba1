"""Section A.3: what IODINE and the models it is compared with cost to train.

Whatever Table 1 trains is measured here, with few images a step: parameters, arithmetic, memory and
time of a step, and how many images were seen until a foreground ARI was reached.
"""

import statistics
from typing import Any

import numpy as np

from iodine.benchmarks import report
from iodine.benchmarks.subject import synthetic_batches
from iodine.config import Config, override
from iodine.models import registry
from iodine.reproduction.framework import training_curves
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.tasks import IODINE
from iodine.reproduction.paper.table1 import TABLE1

_LEVELS = (0.5, 0.8, 0.9)  # foreground ARI
_IMAGES = 4  # a step: its arithmetic and time are in proportion to them


def _make(context: Context) -> Findings:
    runs: dict[str, list[Run]] = {}
    for run in context.runs.values():
        runs.setdefault(run.training.place, []).append(run)
    rows = []
    for training in _first_of_each_place(context.budget):
        runs_there = runs.get(training.place, [])
        rows.append(
            {
                "data set": training.task,
                "model": training.model,
                **_cost(
                    training.config,
                    context.budget.choose(smoke=1, cpu=5, paper=5),
                    context.budget.choose(smoke=False, cpu=True, paper=True),
                ),
                **_images_until(runs_there),
            }
        )
    return Findings(
        comparison="; ".join(_comparisons(rows)) or "nothing to compare at this budget",
        numbers={"models": rows},
        table=rows,
    )


def _first_of_each_place(budget: Budget) -> list[Training]:
    """One training for every model and data set that the budget trains for Table 1."""
    places: dict[Any, Training] = {}
    for training in TABLE1.trainings(budget):
        if training.config is not None:
            places.setdefault(training.place, training)
    return list(places.values())


def _cost(config: Config, repetitions: int, with_memory: bool) -> dict[str, Any]:
    """Of a training step with `_IMAGES` images, on this machine."""
    smaller = override(config, {"train.batch_size": _IMAGES, "train.factor_regression": ()})
    found = report.measure(smaller, repetitions, synthetic_batches(smaller), with_memory)
    model = registry.build(smaller)
    arithmetic = found["convolution_gigaoperations"] + found["matrix_gigaoperations"]
    memory = found["peak_memory_mib"] - found["memory_at_start_mib"] if with_memory else None
    limit = found.get("step_over_limit_processor", {})  # a model without arithmetic has none
    return {
        "preset": config.preset,
        "side of an image": config.data.image_size,
        "slots": model.spec.num_slots,
        "rounds of inference": config.train.num_iterations or model.spec.num_iterations,
        "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        "GFLOP an image": arithmetic / _IMAGES,
        f"MiB of {_IMAGES} images": memory,
        "ms an image": found["step_ms"]["median"] / _IMAGES,
        "ms an image, quartiles": " to ".join(
            f"{found['step_ms'][end] / _IMAGES:.2f}" for end in ("low", "high")
        ),
        "step / limit": limit.get("median"),
    }


def _images_until(runs: list[Run]) -> dict[str, Any]:
    """The median over the runs that got there, and how many did."""
    curves = [
        (training_curves.read(run.folder, ["validation"]).get("validation/fg_ari"), run.config)
        for run in runs
    ]
    found: dict[str, Any] = {}
    for level in _LEVELS:
        reached = [
            int(curve[0][curve[1] >= level][0]) * config.train.batch_size
            for curve, config in curves
            if curve is not None and (curve[1] >= level).any()
        ]
        found[f"images to {level}"] = statistics.median(reached) if reached else None
        found[f"runs that reached {level}"] = f"{len(reached)} of {len(runs)}"
    return found


def _comparisons(rows: list[dict[str, Any]]) -> list[str]:
    """Each other model beside IODINE on the same data."""
    lines = []
    for row in rows:
        of_iodine = [r for r in rows if (r["data set"], r["model"]) == (row["data set"], IODINE)]
        if row["model"] == IODINE or not of_iodine:
            continue
        ratios = ", ".join(
            f"{row[name] / of_iodine[0][name]:.2f} of the {what}"
            for name, what in (
                ("parameters", "parameters"),
                ("GFLOP an image", "arithmetic"),
                (f"MiB of {_IMAGES} images", "memory"),
                ("ms an image", "time"),
            )
            if row[name] is not None
        )
        lines.append(f"{row['data set']}: {row['model']} has {ratios} of a step of IODINE")
    return lines


SECTION_A3 = Artifact(
    name="section-a3",
    title="What the models of Table 1 cost to train",
    claim="MONet visits each object once, so it is more lightweight: it requires less computation "
    "and memory to train and run",
    make=_make,
    trainings=TABLE1.trainings,
)
