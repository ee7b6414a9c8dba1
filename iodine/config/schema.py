"""The configuration of a run, as frozen dataclasses, and its form as JSON types.

A model's own fields are a dataclass in its room; `iodine.models.registry` knows them all. A run's
folder keeps the whole configuration.
"""

import dataclasses
import json
from typing import Any, ClassVar

from iodine.errors import UserError


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a model is trained, whichever it is: for IODINE appendix C, "Training"."""

    MAY_BE_ZERO: ClassVar = (
        *("adam_beta1", "adam_beta2", "average_decay", "learning_rate_batch", "max_rollbacks"),
        *("num_iterations", "rmsprop_decay", "seed", "warmup_steps"),
    )

    batch_size: int = 32
    steps: int = 1_000_000
    num_iterations: int = 0  # rounds of inference (T) while training; 0: the model's own
    learning_rate: float = 3e-4
    learning_rate_batch: int = 0  # > 0: the rate is multiplied by sqrt(batch_size / this)
    warmup_steps: int = 0
    decay: str = "none"  # "exponential": x decay_rate every decay_steps; "cosine": to 0 at `steps`
    decay_rate: float = 0.1
    decay_steps: int = 1_000_000
    optimizer: str = "adam"  # or "rmsprop"; the fields of the other one decide nothing
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    rmsprop_decay: float = 0.9  # of the mean squares; there is no momentum
    rmsprop_epsilon: float = 1e-10  # added to the mean squares, under the root
    clip_norm: float = 5.0
    average_decay: float = 0.0  # > 0: evaluate an exponential moving average of the weights
    xla: bool = False
    deterministic: bool = True  # the same bits in every process on the same machine; slower
    tf32: bool = False  # on GPUs that have it: products with 10 bits of mantissa; faster
    # Linear regression of factors from latents, trained beside the model (released code): entries
    # "name:size:kind", kind "scalar", "categorical" or "angle"; empty for none.
    factor_regression: tuple[str, ...] = ()
    seed: int = 0
    log_every: int = 100
    validate_every: int = 1_000
    checkpoint_every: int = 1_000
    image_every: int = 5_000
    keep_checkpoints: int = 3
    max_rollbacks: int = 0  # how often a loss that is not finite leads back to a checkpoint
    rollback_factor: float = 0.5  # each time the learning rate is multiplied by this


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    dataset: str = "tetrominoes/generated"
    image_size: int = 35


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole configuration of a run.

    `model` is a frozen dataclass of the model's room. It has at least `kind`, the model's name in
    the registry.
    """

    preset: str
    data: DataConfig
    model: Any
    train: TrainConfig = TrainConfig()


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as nested dictionaries of JSON types."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values: dict[str, Any], model_class: type) -> Config:
    """The inverse of `to_dict`, for a model whose configuration is of that class.

    Raises:
        UserError: for a section or field that does not exist, or a section that is missing.
    """
    missing = [name for name in ("preset", "data", "model") if name not in values]
    if missing:
        raise UserError(f"configuration without {missing[0]!r}")
    return _section_from_dict(values, Config, "", {"model": model_class})


def _section_from_dict(values: Any, cls: type, path: str, classes: dict[str, type]) -> Any:
    if not isinstance(values, dict):
        raise UserError(f"configuration section {path.rstrip('.')!r} is {values!r}, not a section")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        known = ", ".join(sorted(fields))
        raise UserError(f"unknown configuration field {path + unknown[0]!r}; known: {known}")
    parsed = {}
    for name, value in values.items():
        section = classes.get(path + name, fields[name].type)
        if isinstance(section, type) and dataclasses.is_dataclass(section):
            value = _section_from_dict(value, section, f"{path}{name}.", classes)
        parsed[name] = tuple(value) if isinstance(value, list) else value
    return cls(**parsed)


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every leaf under its dotted name, e.g. {"model.num_slots": 7, ...}."""
    leaves = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            leaves.update(flatten(value, f"{prefix}{field.name}."))
        else:
            leaves[prefix + field.name] = value
    return leaves


def override(config: Any, values: dict[str, Any]) -> Any:
    """A copy with the leaves named by dotted names replaced, e.g. {"model.num_slots": 11}.

    Raises UserError for a name that does not exist.
    """
    leaves = flatten(config)
    for path, value in values.items():
        if path not in leaves:
            raise UserError(f"unknown configuration field {path!r}")
        config = _replace(config, path, tuple(value) if isinstance(value, list) else value)
    return config


def _replace(config: Any, path: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    if rest:
        value = _replace(getattr(config, name), rest, value)
    return dataclasses.replace(config, **{name: value})
