"""The time that a step's convolutions and matrix products alone would take, one by one."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from iodine.benchmarks.arithmetic import Convolution, MatrixProduct
from iodine.benchmarks.clock import Seconds, timed

Operation = Convolution | MatrixProduct


class OperationTimer:
    """Runs every distinct operation by itself, on random numbers of its shapes."""

    def __init__(self, counts: Iterable[Mapping[Any, int]]):
        """Takes how often each occurs, kind by kind; builds and warms up a function for each."""
        self._counts: dict[Operation, int] = {}
        for of_kind in counts:
            self._counts.update(of_kind)
        self._functions = {operation: build(operation) for operation in self._counts}
        for run in self._functions.values():
            run()

    def times(self) -> dict[Operation, Seconds]:
        """How long all its occurrences in a step take, for each distinct operation."""
        found = {}
        for operation, run in self._functions.items():
            once, count = timed(run), self._counts[operation]
            found[operation] = Seconds(count * once.wall, count * once.processor)
        return found


def build(operation: Operation) -> Callable[[], tf.Tensor]:
    """A function without arguments that runs the operation once."""
    if isinstance(operation, MatrixProduct):
        return _build_product(operation)
    return _build_convolution(operation)


def _build_product(product: MatrixProduct) -> Callable[[], tf.Tensor]:
    left, right = (_random(shape, product.dtype) for shape in product[:2])
    transpose_left, transpose_right = product.transposed

    # The operands are arguments: TensorFlow would work constants out beforehand.
    @tf.function(autograph=False)
    def multiply(left, right):
        return tf.matmul(left, right, transpose_a=transpose_left, transpose_b=transpose_right)

    return functools.partial(multiply.get_concrete_function(left, right), left, right)


def _build_convolution(convolution: Convolution) -> Callable[[], tf.Tensor]:
    placing = {
        "strides": [1, convolution.stride, convolution.stride, 1],
        "padding": convolution.padding,
    }
    image, kernel, output = (_random(shape, convolution.dtype) for shape in convolution[1:4])

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


def _random(shape: tuple[int, ...], dtype: str) -> tf.Tensor:
    return tf.cast(tf.random.stateless_uniform(shape, [0, 1]), dtype)
