"""All models by the name that `config.model.kind` gives them, and all presets."""

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from iodine.config import Config, checks, flatten, from_dict
from iodine.errors import UserError
from iodine.models.interface import SceneModel
from iodine.models.iodine import older_configs
from iodine.models.iodine import presets as iodine_presets
from iodine.models.iodine.config import IodineConfig
from iodine.models.iodine.model import Iodine
from iodine.models.monet import presets as monet_presets
from iodine.models.monet.config import MonetConfig
from iodine.models.monet.model import Monet
from iodine.models.nem import presets as nem_presets
from iodine.models.nem.config import NemConfig
from iodine.models.nem.model import Nem
from iodine.models.parts.size import BYTES_A_NUMBER, measure
from iodine.models.vae import presets as vae_presets
from iodine.models.vae.config import VaeConfig
from iodine.models.vae.model import Vae

# (its section of the configuration, [H, W, C], train.batch_size) -> model
# and what a model's class knows of a configuration: `num_frames`, `schedules`.
Constructor = type[SceneModel]


_FEW_SLOTS = 2  # enough to see how large a model is


class _Entry(NamedTuple):
    config_class: type
    constructor: Constructor
    presets: Mapping[str, Callable[[], Config]]


_ENTRIES: dict[str, _Entry] = {}


def register(
    kind: str,
    config_class: type,
    constructor: Constructor,
    presets: Mapping[str, Callable[[], Config]],
) -> None:
    """Makes a model known to all programs.

    Args:
        kind: its name; the default of `config_class.kind`.
        config_class: frozen dataclass of its own fields, all with defaults. Of a field that is 0
            where something is off, the name is listed in the class attribute `MAY_BE_ZERO`; a
            method `check` may raise UserError for fields that do not go together, and a method
            `for_this_machine` decide what a field leaves to the machine.
        constructor: builds it.
        presets: its named configurations.
    """
    _ENTRIES[kind] = _Entry(config_class, constructor, dict(presets))


def kinds() -> list[str]:
    """The names of all models."""
    return list(_ENTRIES)


def model_fields(kind: str) -> list[str]:
    """The dotted names of a model's own fields, as in "model.num_slots"."""
    return [f"model.{name}" for name in flatten(_entry(kind).config_class())]


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(name for entry in _ENTRIES.values() for name in entry.presets)


def preset(name: str) -> Config:
    """The configuration of that name. Raises UserError for an unknown one, listing the known."""
    for entry in _ENTRIES.values():
        if name in entry.presets:
            return entry.presets[name]()
    raise UserError(f"unknown preset {name!r}{_did_you_mean(name, preset_names())}")


def for_this_machine(config: Config) -> Config:
    """The configuration with what its model leaves to the machine decided."""
    if not hasattr(config.model, "for_this_machine"):
        return config
    return dataclasses.replace(config, model=config.model.for_this_machine())


def read_config(values: Mapping[str, Any]) -> Config:
    """A configuration from nested dictionaries, as `config.to_dict` gives them; checked.

    Those that versions up to 0.3 wrote are read as well.

    Raises:
        UserError: for an unknown model or field, or a value out of range.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("model"), Mapping):
        raise UserError("there is no section 'model'")
    if older_configs.is_older(values):
        values = older_configs.upgrade(values)
    config = from_dict(dict(values), _entry(values["model"]["kind"]).config_class)
    checks.check(config)
    return config


def had_another_loss(values: Mapping[str, Any]) -> bool:
    """Whether a version up to 0.3 wrote the configuration, and trained it by another loss."""
    return older_configs.is_older(values) and older_configs.counted_decodings(values)


def build(config: Config, stored_bytes: int | None = None) -> SceneModel:
    """The configuration's model with all its variables created.

    Args:
        config: the configuration.
        stored_bytes: size of the files that its weights will be read from, if they will be.

    Raises:
        UserError: for a model that this machine's memory cannot hold, or with more weights than the
            files; it has not been made then.
    """
    if checks.may_be_large(config):
        _check_size(config, stored_bytes)
    return _build(config)


def _check_size(config: Config, stored_bytes: int | None) -> None:
    size = measure(lambda: _build(config, _FEW_SLOTS))
    weights = BYTES_A_NUMBER * size.weights
    if stored_bytes is not None and weights > stored_bytes:
        raise UserError(
            f"the configuration is of a model of {size.weights:,} weights, but the files hold "
            f"{stored_bytes:,} bytes; it does not belong to them"
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    slots = getattr(config.model, "num_slots", 1)
    largest = BYTES_A_NUMBER * size.largest * max(1, slots // _FEW_SLOTS)
    if weights + largest > memory:
        raise UserError(
            f"the configuration is of a model of {size.weights:,} weights, of which one layer "
            f"computes {largest / 1e9:,.0f} GB of one image; this machine has {memory / 1e9:.0f} GB"
        )


def _build(config: Config, num_slots: int | None = None) -> SceneModel:
    side = config.data.image_size
    entry = _entry(config.model.kind)
    model = entry.constructor(config.model, (side, side, 3), config.train.batch_size)
    slots = num_slots if model.spec.free_slots else None
    slots, iterations = model.call_sizes(slots, 1 if model.spec.free_iterations else None)
    noise = {
        name: tf.zeros([spec.num_draws, 1, *spec.shape])
        for name, spec in model.noise(slots, iterations).items()
    }
    model.infer(tf.zeros([1, *model.spec.input_shape]), noise, slots, iterations)
    return model


def num_frames(config: Config) -> int | None:
    """F of the clips that the configuration is trained on; None for single images."""
    return _entry(config.model.kind).constructor.num_frames(config)


def schedules(config: Config) -> dict[str, Any]:
    """What changes while the configuration is trained: see `SceneModel.schedules`."""
    return _entry(config.model.kind).constructor.schedules(config)


def _entry(kind: Any) -> _Entry:
    if not isinstance(kind, str) or kind not in _ENTRIES:
        raise UserError(f"unknown config.model.kind {kind!r}{_did_you_mean(kind, _ENTRIES)}")
    return _ENTRIES[kind]


def _did_you_mean(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1) if isinstance(name, str) else []
    hint = f"; did you mean {close[0]}" if close else ""
    return f"{hint}; known: {', '.join(known)}"


register("iodine", IodineConfig, Iodine, iodine_presets.PRESETS)
register("monet", MonetConfig, Monet, monet_presets.PRESETS)
register("nem", NemConfig, Nem, nem_presets.PRESETS)
register("vae", VaeConfig, Vae, vae_presets.PRESETS)
