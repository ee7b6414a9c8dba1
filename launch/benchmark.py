"""`iodine-benchmark`: what a training step costs, and what its arithmetic alone would.

Measures one variant, compares two in turn (--compare=default,plain), or varies slots, iterations,
image side and batch (--sweep). A variant changes the preset: default, plain (first layers without
their shortcuts), xla, bfloat16, tf32, recompute, nondeterministic; several are joined by "+".
"""

import pathlib

from absl import flags

from iodine.benchmarks import figure, report, sweep
from iodine.benchmarks.clock import Seconds
from iodine.benchmarks.subject import synthetic_batches, variant
from iodine.config import Config, checks, override
from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.launch import app, configuration
from iodine.training import run_folder as runs
from iodine.training.devices import numerics

_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, "Images a step; short for --config.train.batch_size.", lower_bound=1
)
_VARIANT = flags.DEFINE_string("variant", "default", "What to measure, or to sweep over.")
_COMPARE = flags.DEFINE_list("compare", None, "Two variants, timed in turn, as in A,B.")
_SWEEP = flags.DEFINE_list(
    "sweep", None, f"What to vary, each by itself: some of {','.join(sweep.AXES)}."
)
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 10, "How often each time is taken.", lower_bound=1
)
_CLOCK = flags.DEFINE_enum(
    "clock",
    "wall",
    Seconds._fields,
    "Time that a sweep takes: wall, or of the processor, where other work shares the machine.",
)
_MEMORY = flags.DEFINE_bool("memory", True, "Measure peak memory too, in a process of its own.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Data sets, to measure waiting for real data; random images by default."
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write all figures to.")
_FIGURE = flags.DEFINE_string("figure", None, "PNG file to draw the sweep to.")
configuration.define()


def main() -> None:
    """Reads the flags, measures, prints and writes."""
    config = configuration.from_flags()
    if _BATCH_SIZE.value is not None:
        config = override(config, {"train.batch_size": _BATCH_SIZE.value})
    checks.check(config)
    if _FIGURE.value and not _SWEEP.value:
        raise UserError("--figure draws a sweep; give --sweep too")
    if _COMPARE.value and _SWEEP.value:
        raise UserError("--compare and --sweep exclude each other")
    if _SWEEP.value:
        result = _sweep(config)
        lines = sweep.table_lines(result)
    elif _COMPARE.value:
        if len(_COMPARE.value) != 2:
            raise UserError(f"--compare takes two variants, not {len(_COMPARE.value)}")
        first, second = (variant(config, name) for name in _COMPARE.value)
        result = report.compare(first, second, _REPETITIONS.value)
        lines = report.comparison_lines(result)
    else:
        config = variant(config, _VARIANT.value)
        numerics.follow(config.train)  # as iodine-train does
        result = _measure(config)
        lines = report.measurement_lines(result)
    print("\n".join(lines))
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(path, result)
        print(f"written to {path}")


def _measure(config: Config) -> dict:
    if _DATA_DIR.value is None:
        batches = synthetic_batches(config)
        return report.measure(config, _REPETITIONS.value, batches, _MEMORY.value)
    name = config.data.dataset
    with pipelines.readable(_DATA_DIR.value, name):
        batches = pipelines.training_batches(
            _DATA_DIR.value,
            name,
            batch_size=config.train.batch_size,
            seed=config.train.seed,
            keys=("image",),
        )
        return report.measure(config, _REPETITIONS.value, iter(batches), _MEMORY.value)


def _sweep(config: Config) -> dict:
    config = variant(config, _VARIANT.value)
    result = sweep.sweep(
        config,
        _SWEEP.value,
        _REPETITIONS.value,
        _CLOCK.value,
        lambda line: print(line, flush=True),
    )
    if _FIGURE.value:
        path = pathlib.Path(_FIGURE.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.draw_sweep(result, path)
        print(f"drawn to {path}")
    return result


def run() -> None:
    """Entry point of `iodine-benchmark`."""
    app.run(main, define_flags=configuration.define_overrides)


if __name__ == "__main__":
    run()
