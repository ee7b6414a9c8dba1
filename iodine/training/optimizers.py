"""The optimizer of `TrainConfig`: plain Keras."""

from collections.abc import Sequence

import tensorflow as tf

from iodine.config import TrainConfig
from iodine.errors import UserError
from iodine.training.learning_rate import LearningRate

OPTIMIZERS = ("adam", "rmsprop")


def build_optimizer(
    config: TrainConfig, learning_rate: LearningRate, variables: Sequence[tf.Variable]
) -> tf.keras.optimizers.Optimizer:
    """The optimizer, with its state for these variables created.

    "rmsprop" is `tf.compat.v1.train.RMSPropOptimizer`, which publications of its time used: with
    the decay d, the rate r and no momentum, of a gradient g

        s <- d s + (1 - d) g^2,    weight <- weight - r g / sqrt(s + epsilon).

    Keras computes the same: like TensorFlow 1, and unlike PyTorch, it adds epsilon under the root.
    But it starts s at 0, TensorFlow 1 at 1, which makes the first steps small; here s is set to 1.

    Raises:
        UserError: for an unknown optimizer.
    """
    if config.optimizer == "adam":
        optimizer = tf.keras.optimizers.Adam(
            learning_rate,
            beta_1=config.adam_beta1,
            beta_2=config.adam_beta2,
            epsilon=config.adam_epsilon,
        )
        optimizer.build(variables)
    elif config.optimizer == "rmsprop":
        optimizer = tf.keras.optimizers.RMSprop(
            learning_rate, rho=config.rmsprop_decay, epsilon=config.rmsprop_epsilon
        )
        optimizer.build(variables)
        for variable in optimizer.variables:
            if variable.name.endswith("velocity"):
                variable.assign(tf.ones(variable.shape))
    else:
        raise UserError(
            f"unknown train.optimizer {config.optimizer!r}; known: {', '.join(OPTIMIZERS)}"
        )
    return optimizer
