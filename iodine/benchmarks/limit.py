"""The time that a step's convolutions alone would take, one after the other."""

import collections
import functools
from collections.abc import Callable

import tensorflow as tf

from iodine.benchmarks.arithmetic import Convolution
from iodine.benchmarks.clock import Seconds, timed


class ConvolutionTimer:
    """Runs every distinct convolution of a step by itself, on random numbers of its shapes."""

    def __init__(self, counts: collections.Counter[Convolution]):
        """Builds and warms up one function for each distinct convolution."""
        self._counts = counts
        self._functions = {c: build(c) for c in counts}
        for run in self._functions.values():
            run()

    def times(self) -> dict[Convolution, Seconds]:
        """How long all its occurrences in a step take, for each distinct convolution."""
        found = {}
        for convolution, run in self._functions.items():
            once, count = timed(run), self._counts[convolution]
            found[convolution] = Seconds(count * once.wall, count * once.processor)
        return found


def build(convolution: Convolution) -> Callable[[], tf.Tensor]:
    placing = {
        "strides": [1, convolution.stride, convolution.stride, 1],
        "padding": convolution.padding,
    }
    image, kernel, output = (
        tf.cast(tf.random.stateless_uniform(shape, [0, 1]), convolution.dtype)
        for shape in convolution[1:4]
    )

    # The operands are arguments: TensorFlow would work constants out beforehand.
    @tf.function(autograph=False)
    def forward(image, kernel):
        return tf.raw_ops.Conv2D(input=image, filter=kernel, **placing)

    @tf.function(autograph=False)
    def input_gradient(kernel, output):
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=convolution.input_shape,
            filter=kernel,
            out_backprop=output,
            **placing,
        )

    @tf.function(autograph=False)
    def filter_gradient(image, output):
        return tf.raw_ops.Conv2DBackpropFilter(
            input=image,
            filter_sizes=convolution.kernel_shape,
            out_backprop=output,
            **placing,
        )

    run, operands = {
        "forward": (forward, (image, kernel)),
        "input_gradient": (input_gradient, (kernel, output)),
        "filter_gradient": (filter_gradient, (image, output)),
    }[convolution.kind]
    return functools.partial(run.get_concrete_function(*operands), *operands)
