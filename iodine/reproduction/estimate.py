"""About how long a training takes on this machine: its convolutions at the speed measured here."""

import itertools
import statistics

import tensorflow as tf

from iodine.benchmarks.clock import timed
from iodine.config import Config

# Of an iteration on the machine of BUILD_NOTES.md, whatever its convolutions: small models wait
# for TensorFlow to start operations, not for arithmetic.
_SECONDS_AN_ITERATION = 0.008
_REPETITIONS = 5
_INPUT_CHANNELS = {"image": 3, "means": 3, "means_gradient": 3, "coordinates": 2}  # others 1
_OUTPUT_CHANNELS = 4


def operations(config: Config) -> int:
    """Multiplications and additions of the convolutions of one training step, about.

    Of every iteration the decoder counts four times (forward, gradient of the posterior, and the
    loss's gradients by inputs and by weights), the refinement network three times. A first layer
    with shortcut counts nothing.
    """
    model, side = config.model, config.data.image_size
    iterations = config.train.num_iterations or model.num_iterations
    decoder = model.decoder
    sizes = [model.latent_size, *decoder.channels, _OUTPUT_CHANNELS]
    if decoder.kind == "broadcast" and decoder.fast_first_layer:
        sizes = sizes[1:]
    decoding = sum(_layer(a, b, decoder.kernel_size, side) for a, b in itertools.pairwise(sizes))
    refining, refinement = 0, model.refinement
    inputs = sum(_INPUT_CHANNELS.get(name, 1) for name in refinement.image_inputs)
    for a, b in itertools.pairwise([inputs, *refinement.channels]):
        side = -(-side // refinement.stride)
        refining += _layer(a, b, refinement.kernel_size, side)
    return config.train.batch_size * model.num_slots * iterations * (4 * decoding + 3 * refining)


def hours(config: Config, rate: float) -> float:
    """Of the whole training.

    Args:
        config: of the run.
        rate: as `measured_rate` gives it.
    """
    iterations = config.train.num_iterations or config.model.num_iterations
    seconds = operations(config) / rate + _SECONDS_AN_ITERATION * iterations
    return config.train.steps * seconds / 3600


def measured_rate() -> float:
    """Operations a second of a typical convolution of the decoder, on this machine, now."""
    images, kernel = tf.ones([32, 35, 35, 32]), tf.ones([5, 5, 32, 32])
    convolve = tf.function(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), autograph=False)
    convolve(images, kernel)
    times = [timed(convolve, images, kernel).wall for _ in range(_REPETITIONS)]
    return 32 * _layer(32, 32, 5, 35) / statistics.median(times)


def _layer(inputs: int, outputs: int, kernel: int, side: int) -> int:
    return 2 * kernel**2 * inputs * outputs * side**2
