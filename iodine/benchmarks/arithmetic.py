"""Counts what a training step computes, from the operations that it really runs."""

import collections
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from iodine.training.trainer import Trainer

_KINDS = {
    "Conv2D": "forward",
    "Conv2DBackpropInput": "input_gradient",
    "Conv2DBackpropFilter": "filter_gradient",
}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# With the names of the attributes that say what is transposed.
_PRODUCTS = {"MatMul": ("transpose_a", "transpose_b"), "BatchMatMulV2": ("adj_x", "adj_y")}


class Convolution(NamedTuple):
    """One convolution, or one of its two gradients; shapes are those of the forward one."""

    kind: str  # "forward", "input_gradient" or "filter_gradient"
    input_shape: tuple[int, ...]  # [N, H, W, in]
    kernel_shape: tuple[int, ...]  # [k, k, in, out]
    output_shape: tuple[int, ...]  # [N, H', W', out]
    stride: int
    padding: str  # "SAME" or "VALID"
    dtype: str

    @property
    def operations(self) -> int:
        """Multiplications and additions, those with padding included."""
        return 2 * math.prod(self.output_shape[:3]) * math.prod(self.kernel_shape)


class MatrixProduct(NamedTuple):
    """One product of matrices, or of batches of them; shapes as they are given."""

    left_shape: tuple[int, ...]
    right_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    transposed: tuple[bool, bool]  # left, right
    dtype: str

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        inner = self.left_shape[-2 if self.transposed[0] else -1]
        return 2 * math.prod(self.output_shape) * inner


def step_operations(trainer: Trainer) -> list[tf.Operation]:
    """The operations behind the loss and the gradients of one training step, without a regressor's.

    What is traced but leads to no result, such as the gradient of an input that is stopped, is
    left out: TensorFlow prunes it before it runs.
    """
    batch, model = trainer.config.train.batch_size, trainer.model
    noise = {
        name: tf.TensorSpec([spec.num_draws, batch, *spec.shape])
        for name, spec in trainer.noise_specs.items()
    }
    traced = tf.function(trainer.loss_and_gradients, autograph=False).get_concrete_function(
        {"image": tf.TensorSpec([batch, *model.spec.input_shape])},
        noise,
        tf.TensorSpec([], tf.int32),
    )
    return _ancestors(traced.graph.outputs)


def convolutions(operations: list[tf.Operation]) -> collections.Counter[Convolution]:
    """How often each convolution occurs."""
    return collections.Counter(_convolution(op) for op in operations if op.type in _KINDS)


def matrix_products(operations: list[tf.Operation]) -> collections.Counter[MatrixProduct]:
    """How often each product of matrices occurs."""
    return collections.Counter(_product(op) for op in operations if op.type in _PRODUCTS)


def total(counts: Mapping[Any, int]) -> int:
    """Multiplications and additions of all convolutions, or products of matrices, counted."""
    return sum(operation.operations * number for operation, number in counts.items())


def _ancestors(outputs: list[tf.Tensor]) -> list[tf.Operation]:
    """All operations that the outputs depend on, those of a called function once for each call."""
    found, waiting = {}, [tensor.op for tensor in outputs]
    while waiting:
        op = waiting.pop()
        if op.name not in found:
            found[op.name] = op
            waiting += [tensor.op for tensor in op.inputs]
    operations = list(found.values())
    for call in [op for op in operations if op.type in _CALLS]:
        called = call.graph._get_function(call.get_attr("f").name)
        operations += _ancestors(called.graph.outputs)
    return operations


def _convolution(op: tf.Operation) -> Convolution:
    result = op.outputs[0].shape
    if op.type == "Conv2D":
        shapes = op.inputs[0].shape, op.inputs[1].shape, result
    elif op.type == "Conv2DBackpropInput":
        shapes = result, op.inputs[1].shape, op.inputs[2].shape
    else:
        shapes = op.inputs[0].shape, result, op.inputs[2].shape
    image, kernel, output = (tuple(shape.as_list()) for shape in shapes)
    return Convolution(
        _KINDS[op.type],
        image,
        kernel,
        output,
        stride=op.get_attr("strides")[1],
        padding=op.get_attr("padding").decode(),
        dtype=op.outputs[0].dtype.name,
    )


def _product(op: tf.Operation) -> MatrixProduct:
    left, right, result = (
        tuple(tensor.shape.as_list()) for tensor in (*op.inputs[:2], op.outputs[0])
    )
    transposed = tuple(op.get_attr(name) for name in _PRODUCTS[op.type])
    return MatrixProduct(left, right, result, transposed, op.outputs[0].dtype.name)
