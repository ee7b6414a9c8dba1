"""Measures variants and says in words what was found."""

import functools
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.benchmarks import arithmetic, process
from iodine.benchmarks.clock import Seconds
from iodine.benchmarks.limit import Operation, OperationTimer
from iodine.benchmarks.subject import Subject
from iodine.config import Config
from iodine.training.devices import numerics

_MEMORY_STEPS = 2


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "load": os.getloadavg()[0],
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def measure(
    config: Config,
    repetitions: int,
    batches: Iterator[dict[str, tf.Tensor]],
    with_memory: bool = True,
) -> dict[str, Any]:
    """Everything about one variant.

    A repetition times a step and then all its convolutions and matrix products, so that what else
    the machine does hits both.

    Args:
        config: of the variant; its batch size is measured.
        repetitions: how often.
        batches: what training would read, for the share of time spent waiting for data.
        with_memory: also the peak memory, in a process of its own.

    Returns:
        JSON types; times in milliseconds, memory in MiB, arithmetic in units of 10^9. Without the
        limit for a model that has neither convolutions nor matrix products.
    """
    subject = Subject(config)
    operations = arithmetic.step_operations(subject.trainer)
    convolutions = arithmetic.convolutions(operations)
    products = arithmetic.matrix_products(operations)
    timer = OperationTimer([convolutions, products])
    subject.time_inference()  # traces
    steps, limits, inferences = [], [], []
    for _ in range(repetitions):
        steps.append(subject.time_step())
        limits.append(timer.times())
        inferences.append(subject.time_inference())
    step = _clocks(steps)
    limit = _clocks([_total(times.values()) for times in limits])
    report = {
        "variant": config.preset,
        "batch_size": config.train.batch_size,
        "repetitions": repetitions,
        "step_ms": spread(step.wall),
        "step_processor_ms": spread(step.processor),
        "images_per_second": 1e3 * config.train.batch_size / float(np.median(step.wall)),
        "inference_ms": spread(_clocks(inferences).wall),
        **(_beside_limit(step, limit) if convolutions or products else {}),
        "convolution_gigaoperations": arithmetic.total(convolutions) / 1e9,
        "matrix_gigaoperations": arithmetic.total(products) / 1e9,
        "convolutions": _each(convolutions, limits),
        "matrix_products": _each(products, limits),
        "waiting_for_data": subject.waiting_share(batches, repetitions),
        "machine": machine(),
    }
    if with_memory:
        memory = process.measure(config, _MEMORY_STEPS)
        report["peak_memory_mib"] = memory.peak / 2**20
        report["memory_at_start_mib"] = memory.start / 2**20
    return report


def _beside_limit(step: Seconds, limit: Seconds) -> dict[str, Any]:
    return {
        "limit_ms": spread(limit.wall),
        "step_over_limit": spread(step.wall / limit.wall),
        "step_over_limit_processor": spread(step.processor / limit.processor),
    }


def _each(
    counts: Mapping[Any, int], limits: Sequence[Mapping[Operation, Seconds]]
) -> list[dict[str, Any]]:
    """What every distinct operation is, how often it occurs, and the time of all of these."""
    return [
        {**o._asdict(), "count": n, "all_ms": spread(_clocks([times[o] for times in limits]).wall)}
        for o, n in sorted(counts.items())
    ]


def compare(first: Config, second: Config, repetitions: int) -> dict[str, Any]:
    """Times a step of two variants in turn; the ratios are of neighbours, second over first."""
    subjects = [
        _as_configured(config, functools.partial(Subject, config)) for config in (first, second)
    ]

    def pair() -> Seconds:
        return _clocks([_as_configured(s.config, s.time_step) for s in subjects])

    pair()  # untimed: what was traced before the other variant was built may be traced again
    pairs = [pair() for _ in range(repetitions)]
    ratios = [float(pair.wall[1] / pair.wall[0]) for pair in pairs]
    return {
        "first": first.preset,
        "second": second.preset,
        "batch_size": first.train.batch_size,
        "step_ms": [pair.wall.tolist() for pair in pairs],
        "ratios": ratios,
        "ratio": spread(ratios),
        "ratio_processor": spread([pair.processor[1] / pair.processor[0] for pair in pairs]),
        "machine": machine(),
    }


def _as_configured(config: Config, function: Callable[[], Any]) -> Any:
    """The function's value; what the whole process is set to may differ between two variants."""
    numerics.follow(config.train)
    return function()


def _clocks(times: Sequence[Seconds]) -> Seconds:
    """Milliseconds by each clock, as arrays."""
    return Seconds(*(1e3 * np.array(clock) for clock in zip(*times, strict=True)))


def _total(times: Iterable[Seconds]) -> Seconds:
    times = list(times)
    return Seconds(sum(t.wall for t in times), sum(t.processor for t in times))


def measurement_lines(report: dict[str, Any]) -> list[str]:
    """The report of `measure` for people."""

    def milliseconds(name):
        value = report[name]
        return f"{value['median']:.1f} ms ({value['low']:.1f} to {value['high']:.1f})"

    def ratio(name):
        value = report[name]
        return f"{value['median']:.3f} ({value['low']:.3f} to {value['high']:.3f})"

    work, products = report["convolution_gigaoperations"], report["matrix_gigaoperations"]
    beside_limit, rate = [], ""
    if "limit_ms" in report:
        beside_limit = [
            f"limit             {milliseconds('limit_ms')}, its convolutions and products alone",
            f"step / limit      {ratio('step_over_limit')}; of processor time "
            f"{ratio('step_over_limit_processor')}",
        ]
        rate = f" ({(work + products) / report['limit_ms']['median']:.2f} TFLOP/s at the limit)"
    lines = [
        f"{report['variant']}, batch {report['batch_size']}; median of "
        f"{report['repetitions']} repetitions (quartiles)",
        f"training step     {milliseconds('step_ms')}",
        f"images a second   {report['images_per_second']:.1f}",
        f"inference         {milliseconds('inference_ms')}",
        *beside_limit,
        f"arithmetic        {work:.1f} GFLOP of convolutions, {products:.2f} GFLOP of matrix "
        f"products{rate}",
        f"waiting for data  {report['waiting_for_data']:.2%} of the time",
    ]
    if "peak_memory_mib" in report:
        above = report["peak_memory_mib"] - report["memory_at_start_mib"]
        lines.append(
            f"peak memory       {report['peak_memory_mib']:,.0f} MiB, {above:,.0f} MiB more than "
            "at the start"
        )
    return lines


def comparison_lines(report: dict[str, Any]) -> list[str]:
    """The report of `compare` for people, pair by pair."""
    ratio, processor = report["ratio"], report["ratio_processor"]
    return [
        f"A: {report['first']}; B: {report['second']}; batch {report['batch_size']}",
        *(
            f"pair {i}: A {a:.1f} ms, B {b:.1f} ms, B / A {b / a:.3f}"
            for i, (a, b) in enumerate(report["step_ms"], start=1)
        ),
        f"B / A, median: {ratio['median']:.3f} (quartiles {ratio['low']:.3f} to "
        f"{ratio['high']:.3f}); of processor time {processor['median']:.3f} "
        f"({processor['low']:.3f} to {processor['high']:.3f})",
    ]
