"""Measures in a process of its own: what another measurement left behind would count as memory."""

import json
import pathlib
import subprocess
import sys
from typing import NamedTuple

import tensorflow as tf

from iodine.benchmarks.clock import Seconds
from iodine.benchmarks.subject import Subject
from iodine.config import Config, to_dict
from iodine.errors import UserError
from iodine.models import registry
from iodine.training.devices import numerics

_STATUS = pathlib.Path("/proc/self/status")


class ProcessMeasurement(NamedTuple):
    """What one fresh process measured. Memory in bytes: resident, or of the GPU if there is one."""

    step_seconds: list[Seconds]
    peak: int  # resident: Python, TensorFlow and the traced graph are in it
    start: int  # resident: after TensorFlow has started, before there is a model


def measure(config: Config, repetitions: int) -> ProcessMeasurement:
    """Trains a few steps in a new process.

    Raises:
        UserError: if it fails, for instance for lack of memory, or on a system without /proc.
    """
    if not _STATUS.exists():
        raise UserError("peak memory is read from /proc, which this system does not have")
    request = json.dumps({"config": to_dict(config), "repetitions": repetitions})
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=request, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"measuring {config.preset} in another process failed with exit code "
            f"{done.returncode} ({reason}); negative codes are signals, -9 usually a lack of memory"
        )
    steps, peak, start = json.loads(done.stdout.strip().splitlines()[-1])
    return ProcessMeasurement([Seconds(*step) for step in steps], peak, start)


def _resident(field: str) -> int:
    """Bytes by a name of /proc/self/status: "VmRSS" now, "VmHWM" at the most so far."""
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return 1024 * int(value.split()[0])
    raise KeyError(field)


def _answer(request: str) -> ProcessMeasurement:
    values = json.loads(request)
    config = registry.read_config(values["config"])
    numerics.prepare()
    numerics.follow(config.train)
    start = _resident("VmRSS")
    subject = Subject(config)
    seconds = [subject.time_step() for _ in range(values["repetitions"])]
    if tf.config.list_physical_devices("GPU"):
        return ProcessMeasurement(
            seconds, tf.config.experimental.get_memory_info("GPU:0")["peak"], 0
        )
    return ProcessMeasurement(seconds, _resident("VmHWM"), start)


if __name__ == "__main__":
    print(json.dumps(_answer(sys.stdin.read())))
