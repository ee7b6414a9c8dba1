"""How devices compute: in full float32, with bits that repeat, and with memory as it is needed."""

import contextlib

import tensorflow as tf

# TensorFlow makes public how determinism is switched on, not how it is switched off again.
from tensorflow.python.framework import config as tf_config

from iodine.config import TrainConfig


def prepare() -> None:
    """For programs that run models, before TensorFlow's first operation.

    A GPU's memory is taken as it is needed, so that another process may have the rest. Products
    are those of float32: TensorFlow's default on newer GPUs is TF32, with 10 bits of mantissa.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # in use already
            tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def follow(train: TrainConfig) -> None:
    """Computes as a training's configuration says, from now on and in the whole process.

    With `deterministic` every operation gives the same bits in every process on the same machine.
    Without it, threads add gradients up in an order that changes from run to run.
    """
    tf.config.experimental.enable_tensor_float_32_execution(train.tf32)
    if train.deterministic:
        tf.config.experimental.enable_op_determinism()
    elif tf_config.is_op_determinism_enabled():  # two variants in one process, by the benchmark
        tf_config.disable_op_determinism()
