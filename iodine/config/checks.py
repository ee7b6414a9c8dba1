"""Checks the values of a configuration, so that a wrong one fails at once and by its name."""

import dataclasses
from typing import Any

from iodine.config.schema import Config
from iodine.errors import UserError

_BELOW_ONE = ("adam_beta1", "adam_beta2", "average_decay", "rmsprop_decay")
_MAX_SEED = 2**31 - 1  # seeds go into int32 tensors


def check(config: Config) -> None:
    """Raises UserError, naming the field, for a value of the wrong type or out of range.

    Numbers are more than 0, or at least 0 if their class names them in `MAY_BE_ZERO`; a class may
    have a method `check` of its own.
    """
    _check_type("config.preset", config.preset, "")
    for name in ("data", "model", "train"):
        _check_section(getattr(config, name), f"config.{name}")


def _check_section(section: Any, path: str) -> None:
    usual = type(section)()
    may_be_zero = getattr(section, "MAY_BE_ZERO", ())
    for field in dataclasses.fields(section):
        name, value = f"{path}.{field.name}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            _check_section(value, name)
            continue
        _check_type(name, value, getattr(usual, field.name))
        for number in value if isinstance(value, tuple) else (value,):
            if _is_number(number):
                _check_range(name, field.name, number, field.name in may_be_zero)
    if hasattr(section, "check"):
        section.check()


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
