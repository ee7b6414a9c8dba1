"""Checks the values of a configuration, so that a wrong one fails at once and by its name."""

import dataclasses
from typing import Any

from iodine.config.schema import Config, flatten
from iodine.errors import UserError

_BELOW_ONE = ("adam_beta1", "adam_beta2", "average_decay", "rmsprop_decay")
_MAX_SEED = 2**31 - 1  # seeds go into int32 tensors
_MAX_COUNT = 2**31 - 1
_MAX_FLOAT = 3.4e38  # of float32
_MAX_LAYERS = 64
# Of the fields of data and model; no method of this kind needs more, and a slip of the keyboard,
# or a damaged file, is not to take all of the machine's memory.
_LARGEST = {"image_size": 2_048, "num_slots": 256, "num_iterations": 1_000, "num_frames": 1_000}
_LARGEST_KERNEL = 255
_KERNELS = ("kernel_size", "last_kernel_size", "stride", "upsampling", "cosine_frequencies")
_LARGEST_WIDTH = 65_536
_SMALL = 2**27  # numbers, of four bytes, in a layer's weights or in what it computes


def check(config: Config) -> None:
    """Raises UserError, naming the field, for a value of the wrong type or out of range.

    Numbers are more than 0, or at least 0 if their class names them in `MAY_BE_ZERO`; a class may
    have a method `check` of its own.
    """
    _check_type("config.preset", config.preset, "")
    for name in ("data", "model", "train"):
        _check_section(getattr(config, name), f"config.{name}")
    for name, value in flatten(config).items():
        if name.endswith("cosine_frequencies") and (config.data.image_size * value) ** 2 > _SMALL:
            raise UserError(
                f"config.{name} is {value}, too much for a config.data.image_size of "
                f"{config.data.image_size}"
            )


def _check_section(section: Any, path: str) -> None:
    usual = type(section)()
    may_be_zero = getattr(section, "MAY_BE_ZERO", ())
    for field in dataclasses.fields(section):
        name, value = f"{path}.{field.name}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            _check_section(value, name)
            continue
        _check_type(name, value, getattr(usual, field.name))
        if isinstance(value, tuple) and len(value) > _MAX_LAYERS:
            raise UserError(f"{name} has {len(value):,} entries, expected {_MAX_LAYERS} at most")
        for number in value if isinstance(value, tuple) else (value,):
            if _is_number(number):
                _check_range(name, field.name, number, field.name in may_be_zero)
                if number > (most := _most(name, getattr(usual, field.name))):
                    raise UserError(f"{name} is {number}, expected {most:,} at most")
    if hasattr(section, "check"):
        section.check()


def may_be_large(config: Config) -> bool:
    """Whether a model of this configuration may need gigabytes; a look at it, not a measurement."""
    numbers: dict[str, int] = {}
    for name, value in flatten(config.model).items():
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) is int and not name.endswith("_steps"):
                leaf = name.rpartition(".")[2]
                kind = leaf if leaf in _LARGEST else "kernel" if leaf in _KERNELS else "width"
                numbers[kind] = max(numbers.get(kind, 1), number)
    width, kernel = numbers.get("width", 1), numbers.get("kernel", 1)
    pixels = config.data.image_size**2
    weights, flat = (width * kernel) ** 2, pixels * width**2 // 256
    activations = pixels * width * numbers.get("num_slots", 1)
    return max(weights, flat, activations) > _SMALL


def _most(name: str, pattern: Any) -> float:
    """The largest value that a field, which usually has that of the pattern, may have."""
    if pattern is None or isinstance(pattern, float):
        return _MAX_FLOAT
    section, leaf = name.split(".")[1], name.rpartition(".")[2]
    if section == "train" or leaf.endswith("_steps"):
        return _MAX_COUNT
    return _LARGEST.get(leaf, _LARGEST_KERNEL if leaf in _KERNELS else _LARGEST_WIDTH)


def _check_type(name: str, value: Any, pattern: Any) -> None:
    if name.endswith("constant_input"):
        fits, wanted = value is None or _is_number(value), "a number"
    elif isinstance(pattern, tuple):
        inner = type(pattern[0]) if pattern else str
        fits = isinstance(value, tuple) and all(type(item) is inner for item in value)
        wanted = f"a list of {inner.__name__}"
    elif isinstance(pattern, float):
        fits, wanted = _is_number(value), "a number"
    else:
        fits, wanted = type(value) is type(pattern), type(pattern).__name__
    if not fits:
        raise UserError(f"{name} is {value!r}, expected {wanted}")


def _check_range(name: str, field: str, number: float, may_be_zero: bool) -> None:
    if may_be_zero:
        fits, wanted = number >= 0, "0 or more"
    else:
        fits, wanted = number > 0, "more than 0"
    if field in _BELOW_ONE:
        fits, wanted = 0 <= number < 1, "at least 0 and less than 1"
    if field == "rollback_factor":
        fits, wanted = 0 < number < 1, "more than 0 and less than 1"
    if field == "seed":
        fits, wanted = 0 <= number <= _MAX_SEED, f"0 to {_MAX_SEED}"
    if not fits or number == float("inf"):
        raise UserError(f"{name} is {number}, expected {wanted}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
