"""How time and memory of a step grow with slots, iterations, image side and batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from iodine.benchmarks import process
from iodine.benchmarks.report import machine, spread
from iodine.config import Config, override
from iodine.errors import UserError


class Axis(NamedTuple):
    """One quantity to vary."""

    field: str  # of the configuration
    label: str
    values: tuple[int, ...]


AXES = {
    "slots": Axis("model.num_slots", "slots K", (3, 5, 7, 9, 11)),
    "iterations": Axis("model.num_iterations", "iterations T", (1, 2, 4, 8, 16)),
    "side": Axis("data.image_size", "image side", (35, 48, 64, 96, 128)),
    "batch": Axis("train.batch_size", "batch size", (2, 4, 8, 16, 32)),
}


def sweep(
    config: Config, axes: list[str], repetitions: int, clock: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measures every value of the axes, the rest as configured, each in a process of its own.

    Args:
        config: where the axes cross.
        axes: names in `AXES`.
        repetitions: steps a point.
        clock: which time of a step to take: a field of `Seconds`.
        tell: is given a line for each point.

    Returns:
        JSON types: by axis, its points and the exponents of the fitted power laws, time ~ x^a and
        memory above that at the start ~ x^b.

    Raises:
        UserError: for an unknown axis.
    """
    for name in axes:
        if name not in AXES:
            raise UserError(f"unknown axis {name!r}; known: {', '.join(AXES)}")
    result: dict[str, Any] = {"variant": config.preset, "clock": clock, "machine": machine()}
    result["axes"] = {}
    for name in axes:
        points = []
        for value in AXES[name].values:
            found = process.measure(override(config, {AXES[name].field: value}), repetitions)
            point: dict[str, Any] = {
                "value": value,
                "step_ms": spread([1e3 * getattr(s, clock) for s in found.step_seconds]),
                "peak_memory_mib": found.peak / 2**20,
                "step_memory_mib": (found.peak - found.start) / 2**20,
            }
            points.append(point)
            tell(
                f"{AXES[name].label} {value}: {point['step_ms']['median']:.0f} ms, "
                f"{point['peak_memory_mib']:.0f} MiB"
            )
        result["axes"][name] = {
            "points": points,
            "time_exponent": exponent(points, lambda p: p["step_ms"]["median"]),
            "memory_exponent": exponent(points, lambda p: p["step_memory_mib"]),
        }
    return result


def exponent(points: list[dict[str, Any]], cost: Callable[[dict[str, Any]], float]) -> float:
    """The slope of the least-squares line through (log value, log cost)."""
    x = np.log([point["value"] for point in points])
    y = np.log([cost(point) for point in points])
    return float(np.polyfit(x, y, 1)[0])


def table_lines(result: dict[str, Any]) -> list[str]:
    """The result of `sweep` as a Markdown table."""
    lines = [
        f"| what grows | step, {result['clock']} ms | peak memory, MiB | time ~ "
        "| memory of the step ~ |",
        "|---|---|---|---|---|",
    ]
    for name, axis in result["axes"].items():
        points = axis["points"]
        values = ", ".join(str(p["value"]) for p in points)
        times = ", ".join(f"{p['step_ms']['median']:.0f}" for p in points)
        memory = ", ".join(f"{p['peak_memory_mib']:.0f}" for p in points)
        lines.append(
            f"| {AXES[name].label}: {values} | {times} | {memory} | "
            f"x^{axis['time_exponent']:.2f} | x^{axis['memory_exponent']:.2f} |"
        )
    return lines
