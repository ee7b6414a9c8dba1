"""How large a model is, found out without making it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

BYTES_A_NUMBER = 4


class Size(NamedTuple):
    """Of a model and of what it computes; in numbers, which have four bytes each."""

    weights: int
    largest: int  # of the tensors in between


def measure(build_and_call: Callable[[], Any]) -> Size:
    """The size of what a function would make, traced with stand-ins for the variables.

    Nothing is computed and no variable exists at any time, so it takes seconds and little memory
    however large the model is.

    Args:
        build_and_call: makes a model and calls it once, which creates its variables.
    """
    weights = 0

    def stand_in(_next_creator: Callable, **kwargs: Any) -> tf.Tensor:
        nonlocal weights
        value = kwargs["initial_value"]
        value = tf.convert_to_tensor(value() if callable(value) else value, kwargs.get("dtype"))
        weights += math.prod(value.shape)
        return tf.raw_ops.Placeholder(dtype=value.dtype, shape=value.shape)

    def trace() -> None:
        with tf.variable_creator_scope(stand_in):
            build_and_call()

    graph = tf.function(trace, autograph=False).get_concrete_function().graph
    shapes = [
        output.shape
        for operation in graph.get_operations()
        for output in operation.outputs
        if output.shape.is_fully_defined()
    ]
    return Size(weights, max((math.prod(shape) for shape in shapes), default=0))
