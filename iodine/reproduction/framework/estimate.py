"""About how long a training takes on this machine: its convolutions at the speed measured here."""

import functools
import statistics

import tensorflow as tf

from iodine.benchmarks import arithmetic
from iodine.benchmarks.clock import timed
from iodine.config import Config, override
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

# Of an iteration on the machine of BUILD_NOTES.md, whatever its convolutions: small models wait
# for TensorFlow to start operations, not for arithmetic.
_SECONDS_AN_ITERATION = 0.008
_REPETITIONS = 5


def operations(config: Config) -> int:
    """Multiplications and additions of the convolutions and matrix products of a training step."""
    alike = {
        "train.batch_size": 1,
        "train.steps": 1,
        "train.seed": 0,
        "train.average_decay": 0.0,
        "train.factor_regression": (),
    }
    return config.train.batch_size * _operations_an_image(override(config, alike))


def hours(config: Config, rate: float) -> float:
    """Of the whole training.

    Args:
        config: of the run.
        rate: as `measured_rate` gives it.
    """
    iterations = config.train.num_iterations or getattr(config.model, "num_iterations", 1)
    seconds = operations(config) / rate + _SECONDS_AN_ITERATION * iterations
    return config.train.steps * seconds / 3600


def measured_rate() -> float:
    """Operations a second of a typical convolution of a decoder, on this machine, now."""
    images, kernel = tf.ones([32, 35, 35, 32]), tf.ones([5, 5, 32, 32])
    convolve = tf.function(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), autograph=False)
    convolve(images, kernel)
    times = [timed(convolve, images, kernel).wall for _ in range(_REPETITIONS)]
    return 32 * 2 * 5**2 * 32 * 32 * 35**2 / statistics.median(times)


@functools.cache
def _operations_an_image(config: Config) -> int:
    traced = arithmetic.step_operations(Trainer(config, choose_strategy("none")))
    counts = arithmetic.convolutions(traced)
    return sum(c.operations * n for c, n in counts.items()) + arithmetic.matrix_operations(traced)
