"""A model that is no part of the package: one linear layer in, one out, K slots.

It shows what a model needs: a configuration, the five methods of `SceneModel`, one `register`.
"""

import dataclasses

import sonnet as snt
import tensorflow as tf

from iodine.config import Config, DataConfig, TrainConfig
from iodine.models import registry
from iodine.models.interface import Losses, SceneModel, Spec, Step, mixed

KIND = "linear_slots"
_SIGMA = 0.3


@dataclasses.dataclass(frozen=True)
class LinearSlotsConfig:
    """Its own fields."""

    kind: str = KIND
    num_slots: int = 4
    latent_size: int = 5


class LinearSlots(SceneModel):
    """Encodes an image linearly into K latents and decodes each linearly."""

    def __init__(self, config, image_shape, train_batch_size):
        """Creates no variables yet."""
        super().__init__(name=KIND)
        self.config = config
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=config.num_slots,
            num_iterations=1,
            free_slots=False,
            free_iterations=False,
        )
        height, width, channels = image_shape
        self._encode = snt.Linear(config.num_slots * config.latent_size)
        self._decode = snt.Linear(height * width * (channels + 1))

    def noise(self, num_slots, num_iterations):
        """None: it is deterministic."""
        return {}

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ):
        """One step: encode, decode, mixture of Gaussians."""
        slots, _ = self.call_sizes(num_slots, num_iterations)
        self.check_images(images)
        encoded = self._encode(tf.reshape(images, [-1, tf.size(images[0])]))
        latents = tf.reshape(encoded, [-1, slots, self.spec.latent_size])
        components, mask_logits = self.decode(latents)
        masks = tf.nn.softmax(mask_logits, axis=1)
        squares = tf.math.squared_difference(components, images[:, tf.newaxis])
        log_probs = -tf.reduce_sum(squares, axis=-1) / (2 * _SIGMA**2)
        pixels = tf.reduce_logsumexp(log_probs + tf.nn.log_softmax(mask_logits, axis=1), axis=1)
        return [
            Step(
                masks=masks,
                components=components,
                reconstruction=mixed(components, masks),
                latents=latents,
                log_likelihood=tf.reduce_sum(pixels, axis=[1, 2]),
                mask_logits=mask_logits,
                sample=latents,
            )
        ]

    def losses(self, steps, images, scheduled=None):
        """The negative log-likelihood."""
        loss = -steps[-1].log_likelihood
        mean = tf.reduce_mean(loss)
        return Losses(mean, {"neg_log_likelihood": mean[tf.newaxis]}, loss)

    def decode(self, latents):
        """One linear layer for all slots."""
        height, width, channels = self.spec.image_shape
        slots = tf.shape(latents)[1]
        decoded = self._decode(tf.reshape(latents, [-1, self.spec.latent_size]))
        decoded = tf.reshape(decoded, [-1, slots, height, width, channels + 1])
        return tf.sigmoid(decoded[..., :channels]), decoded[..., channels]


def linear_slots_small() -> Config:
    """For the scenes of 8 x 8 pixels."""
    return Config(
        preset="linear_slots_small",
        data=DataConfig(dataset="tetrominoes/generated_small", image_size=8),
        model=LinearSlotsConfig(),
        train=TrainConfig(
            batch_size=4,
            steps=30,
            learning_rate=1e-2,
            average_decay=0.9,
            log_every=10,
            validate_every=10,
            checkpoint_every=10,
            image_every=20,
        ),
    )


def register():
    """Makes it known; the one call that a new model needs."""
    registry.register(
        KIND, LinearSlotsConfig, LinearSlots, {"linear_slots_small": linear_slots_small}
    )
