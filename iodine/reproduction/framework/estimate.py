"""About how long a training takes on this machine: its arithmetic at the speed measured here."""

import functools
import statistics
from typing import Any

import tensorflow as tf

from iodine.benchmarks import arithmetic
from iodine.benchmarks.clock import timed
from iodine.config import Config, DataConfig, TrainConfig, override
from iodine.errors import UserError
from iodine.models import registry
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

# Of an iteration on the machine of docs/performance.md, whatever its convolutions: small models
# wait for TensorFlow to start operations, not for arithmetic.
_SECONDS_AN_ITERATION = 0.008
_REPETITIONS = 5
_FEW_SLOTS = 2  # enough to create the variables of a model that takes any number


def operations(config: Config) -> int:
    """Multiplications and additions of the convolutions and matrix products of a training step.

    They are counted in traced steps, whatever the model. A trace takes as long as it has rounds of
    inference, so it has one, and what more of them add is taken, in proportion, from one and two of
    the preset. That is exact for the preset itself, but for a few matrix products, and about right,
    at most a tenth off, for its variants.
    """
    try:
        preset = registry.preset(config.preset)
    except UserError:  # a configuration of one's own
        preset = config
    one, two = _counted(preset, 1), _counted(preset, 2)
    growth = 1 + (_rounds(config) - 1) * (two - one) / one
    return round(_counted(config, 1) * growth)


def hours(config: Config, rate: float) -> float:
    """Of the whole training.

    Args:
        config: of the run.
        rate: as `measured_rate` gives it.
    """
    seconds = operations(config) / rate + _SECONDS_AN_ITERATION * _rounds(config)
    return config.train.steps * seconds / 3600


def measured_rate() -> float:
    """Operations a second of a typical convolution of a decoder, on this machine, now."""
    images, kernel = tf.ones([32, 35, 35, 32]), tf.ones([5, 5, 32, 32])
    convolve = tf.function(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), autograph=False)
    convolve(images, kernel)
    times = [timed(convolve, images, kernel).wall for _ in range(_REPETITIONS)]
    return 32 * 2 * 5**2 * 32 * 32 * 35**2 / statistics.median(times)


def _rounds(config: Config) -> int:
    """Rounds of inference (T) of a training step; 1 where nothing is repeated."""
    return config.train.num_iterations or getattr(config.model, "num_iterations", 1)


def _counted(config: Config, rounds: int) -> int:
    model, train = config.model, config.train
    return _counted_alike(model, config.data.image_size, train.batch_size, rounds)


@functools.cache
def _counted_alike(model: Any, image_size: int, batch_size: int, rounds: int) -> int:
    """Operations of a training step, with all its rounds where the model decides their number.

    Args:
        model: section of the configuration.
        image_size: side of an image.
        batch_size: images a step.
        rounds: T.
    """
    trainer = _trainer(model, image_size, batch_size, rounds)
    if not trainer.model.spec.free_iterations:
        trainer = _trainer(model, image_size, batch_size, 0)
    traced = arithmetic.step_operations(trainer)
    convolutions, products = arithmetic.convolutions(traced), arithmetic.matrix_products(traced)
    return arithmetic.total(convolutions) + arithmetic.total(products)


def _trainer(model: Any, image_size: int, batch_size: int, rounds: int) -> Trainer:
    """With the number of slots set afterwards: creating the variables runs the model once."""
    config = Config(
        preset="",
        data=DataConfig(image_size=image_size),
        model=model,
        train=TrainConfig(batch_size=batch_size, num_iterations=rounds),
    )
    strategy = choose_strategy("none")
    num_slots = getattr(model, "num_slots", 1)
    if num_slots > _FEW_SLOTS:
        trainer = Trainer(override(config, {"model.num_slots": _FEW_SLOTS}), strategy)
        spec = trainer.model.spec
        if spec.free_slots:
            trainer.model.spec = spec._replace(num_slots=num_slots)
            trainer.noise_specs = trainer.model.noise(num_slots, rounds or spec.num_iterations)
            return trainer
    return Trainer(config, strategy)
