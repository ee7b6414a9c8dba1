"""In what convolutions are computed."""

import dataclasses
import pathlib
import re
from typing import Any

import tensorflow as tf

from iodine.errors import UserError

PRECISIONS = {"float32": tf.float32, "bfloat16": tf.bfloat16}
AUTO = "auto"

# What Linux calls the instructions on bfloat16: of x86 processors, and of ARM's.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
_FIRST_CAPABILITY = (8, 0)  # of NVIDIA's cards (Ampere)


def fastest() -> str:
    """The name "bfloat16" where all GPUs, or else the processor, compute with it, or "float32"."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        has_it = all(d.get("compute_capability", (0, 0)) >= _FIRST_CAPABILITY for d in details)
    else:
        has_it = bool(_INSTRUCTIONS & _instructions())
    return "bfloat16" if has_it else "float32"


def with_decided_precision(config: Any) -> Any:
    """A model's configuration with `precision` "auto" replaced by the fastest here."""
    return dataclasses.replace(config, precision=fastest()) if config.precision == AUTO else config


def convolution_dtype(precision: str) -> tf.DType:
    """The type of a precision. Raises UserError for an unknown one."""
    if precision == AUTO:
        precision = fastest()
    if precision not in PRECISIONS:
        known = ", ".join([*PRECISIONS, AUTO])
        raise UserError(f"unknown precision {precision!r}; known: {known}")
    return PRECISIONS[precision]


def _instructions() -> set[str]:
    """Of the first processor, where the system tells."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()
