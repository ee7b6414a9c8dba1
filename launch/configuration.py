"""The flags `--preset` and `--config.section.field=value`."""

import dataclasses
import difflib
import functools
import re
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

from iodine.config import Config, flatten, override
from iodine.errors import UserError
from iodine.models import registry

_OVERRIDE = re.compile(r"--?(?:no)?config\.([^=]*)")
_PRESET = re.compile(r"--?preset(?:=(.*))?")
_OF_THE_PRESET = ("preset", "model.kind")


def define() -> None:
    """Defines `--preset`, for a program that starts from one."""
    flags.DEFINE_string(
        "preset",
        None,
        f"Which configuration to start from: {', '.join(registry.preset_names())}.",
        required=True,
    )


def define_overrides(argv: Sequence[str]) -> None:
    """Defines a flag for every field of the preset's model that the command line overrides.

    Raises:
        flags.Error: for a field that does not exist, or only for other models, or that the preset
            decides.
    """
    config = _starting_point(argv)
    fields = tuple(flatten(config))
    for argument in argv[1:]:
        if found := _OVERRIDE.match(argument):
            _check_field(found[1], fields, config.model.kind)
    explanation = (
        "Overrides a field of the preset, as in --config.model.num_slots=11. Fields: "
        + ", ".join(fields)
    )
    config_flags.DEFINE_config_dataclass(
        "config", _mutable_twin(config), explanation, sys_argv=list(argv)
    )


def from_flags() -> Config:
    """The preset with the overrides of the command line, for this machine.

    Raises:
        UserError: for an unknown preset.
    """
    overrides = config_flags.get_override_values(flags.FLAGS["config"])
    config = override(registry.preset(flags.FLAGS.preset), overrides)
    return registry.for_this_machine(config)


def _starting_point(argv: Sequence[str]) -> Config:
    """The preset that the command line names; any one if it names none, which is told later."""
    name = None
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        if found := _PRESET.fullmatch(argument):
            name = following if found[1] is None else found[1]
    try:
        return registry.preset(name)
    except UserError:
        return registry.preset(registry.preset_names()[0])


def _check_field(name: str, fields: Sequence[str], kind: str) -> None:
    if name in _OF_THE_PRESET:
        raise flags.Error(f"config.{name} follows from --preset; choose another preset instead")
    if name in fields:
        return
    inner = [field for field in fields if field.startswith(f"{name}.")]
    if inner:
        known = ", ".join(inner)
        raise flags.Error(f"config.{name} is a section of the configuration; its fields: {known}")
    owners = [k for k in registry.kinds() if name in registry.model_fields(k)]
    if owners:
        raise flags.Error(
            f"config.{name} is a field of the model {', '.join(owners)}; the preset's is {kind}"
        )
    close = difflib.get_close_matches(name, fields, n=1)
    hint = f"; did you mean config.{close[0]}" if close else ""
    raise flags.Error(f"unknown configuration field config.{name}{hint}")


def _same(value: Any) -> Any:
    return value


def _mutable_twin(config: Any) -> Any:
    """The same fields in dataclasses that are not frozen: `config_flags` sets attributes."""
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            value = _mutable_twin(value)
            default: Any = dataclasses.field(default_factory=functools.partial(_same, value))
            fields.append((field.name, type(value), default))
        else:
            fields.append((field.name, field.type, dataclasses.field(default=value)))
    return dataclasses.make_dataclass(type(config).__name__, fields)()
