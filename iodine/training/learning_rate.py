"""The learning rate."""

import math

import tensorflow as tf

from iodine.config import TrainConfig
from iodine.errors import UserError

DECAYS = ("none", "exponential", "cosine")


class LearningRate(tf.keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of `TrainConfig`: linear warm-up times a decay.

    The paper has 3e-4 throughout (appendix C); the released code x 0.1 a million steps.
    """

    def __init__(self, config: TrainConfig, rollbacks: tf.Variable | int = 0):
        """The rate is multiplied by `config.rollback_factor` for each of the rollbacks so far.

        Raises:
            UserError: for an unknown decay.
        """
        if config.decay not in DECAYS:
            raise UserError(f"unknown train.decay {config.decay!r}; known: {', '.join(DECAYS)}")
        self._config = config
        self._rollbacks = rollbacks

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate of the update that leads from `step` to `step` + 1."""
        config = self._config
        step = tf.cast(step, tf.float32)
        rate = config.learning_rate
        if config.learning_rate_batch:
            rate *= math.sqrt(config.batch_size / config.learning_rate_batch)
        if config.warmup_steps:
            rate *= tf.minimum(1.0, (step + 1) / config.warmup_steps)
        if config.decay == "exponential":
            rate *= config.decay_rate ** (step / config.decay_steps)
        elif config.decay == "cosine":
            progress = tf.minimum(1.0, step / config.steps)
            rate *= 0.5 * (1 + tf.cos(math.pi * progress))
        return rate * config.rollback_factor ** tf.cast(self._rollbacks, tf.float32)

    def get_config(self) -> dict:
        """What Keras needs to serialise a schedule; this one is rebuilt from the run's config."""
        return {"config": self._config}
