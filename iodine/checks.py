"""Checks the values of a configuration, so that a wrong one fails at once and by its name."""

from typing import Any

from iodine.config import Config, flatten
from iodine.errors import UserError

# Numbers that may be 0, which switches off what they belong to.
_MAY_BE_ZERO = (
    "model.decoder.constant_input",
    "model.refinement.constant_input",
    "model.refinement.lstm_size",
    "model.refinement.mask_posterior_epsilon",
    "model.decoder.last_kernel_size",
    "objective.anneal_steps",
    "objective.backpropagated_refinements",
    "objective.kl_weight",
    "objective.kl_weight_start",
    "objective.likelihood_scale_start",
    "train.adam_beta1",
    "train.adam_beta2",
    "train.average_decay",
    "train.learning_rate_batch",
    "train.max_rollbacks",
    "train.num_iterations",
    "train.seed",
    "train.warmup_steps",
)
_BELOW_ONE = ("train.adam_beta1", "train.adam_beta2", "train.average_decay")
_MAX_SEED = 2**31 - 1  # seeds go into int32 tensors


def check(config: Config) -> None:
    """Raises UserError, naming the field, for a value of the wrong type or out of range."""
    patterns = flatten(Config())
    for name, value in flatten(config).items():
        _check_type(name, value, patterns[name])
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int | float) and not isinstance(number, bool):
                _check_range(name, number)
    _check_annealing(config)


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
        raise UserError(f"config.{name} is {value!r}, expected {wanted}")


def _check_range(name: str, number: float) -> None:
    if name in _MAY_BE_ZERO:
        fits, wanted = number >= 0, "0 or more"
    else:
        fits, wanted = number > 0, "more than 0"
    if name in _BELOW_ONE:
        fits, wanted = 0 <= number < 1, "at least 0 and less than 1"
    if name == "train.rollback_factor":
        fits, wanted = 0 < number < 1, "more than 0 and less than 1"
    if name == "train.seed":
        fits, wanted = 0 <= number <= _MAX_SEED, f"0 to {_MAX_SEED}"
    if not fits or number == float("inf"):
        raise UserError(f"config.{name} is {number}, expected {wanted}")


def _check_annealing(config: Config) -> None:
    objective = config.objective
    starts = (objective.kl_weight_start, objective.likelihood_scale_start)
    if any(starts) and not objective.anneal_steps:
        raise UserError("config.objective.anneal_steps is 0, but a start value is given; set both")
    if objective.kl_weight_start and not objective.kl_weight:
        raise UserError("config.objective.kl_weight is 0; annealing is geometric and needs more")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
