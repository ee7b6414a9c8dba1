"""RNN-NEM and R-NEM: neural expectation maximization, unrolled."""

import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import Losses, NoiseSpec, SceneModel, Spec, Step, mixed
from iodine.models.nem import em
from iodine.models.nem.cells import build_cell
from iodine.models.nem.config import NemConfig
from iodine.models.nem.networks import build_decoder, build_encoder

_CHANNELS = 3


class Nem(SceneModel):
    """A mixture of K Bernoulli images; for each slot a recurrent network predicts one.

    Each iteration looks at the same image anew, with other pixels flipped: the authors' code does
    so with images that are no sequences, and flips pixels in evaluation as in training.

    An iteration: the last prediction's error, weighted by a slot's responsibility for each pixel,
    is encoded; the cell updates the slot's state; the state is decoded to the next prediction; and
    the E-step shares the pixels, those of the image without noise, among the slots.

    Images are black and white: of the three channels the model takes the mean, and its components
    have the prediction in all three. No slot is more probable than another beforehand, and a latent
    says nothing of a mask: that is inferred from all predictions and the image. So steps have no
    `mask_logits`, and those of `decode` are 0, which is equal shares.
    """

    def __init__(
        self,
        config: NemConfig,
        image_shape: tuple[int, int, int],
        train_batch_size: int = 1,
        name: str = "nem",
    ):
        """Builds for square images.

        Args:
            config: see `NemConfig`.
            image_shape: H, W = H, C = 3.
            train_batch_size: decides nothing.
            name: of the module.

        Raises:
            UserError: for a configuration that names something unknown.
        """
        super().__init__(name=name)
        del train_batch_size
        config.check()
        self.config = config
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=config.num_slots,
            num_iterations=config.num_iterations,
            free_slots=True,
            free_iterations=True,
        )
        self.encoder = build_encoder(config.encoder, config.layer_norm)
        self.cell = build_cell(config.cell, config.latent_size, config.layer_norm)
        self.decoder = build_decoder(config.decoder, config.layer_norm, image_shape[0])

    def noise(self, num_slots: int, num_iterations: int) -> dict[str, NoiseSpec]:
        """Of the responsibilities that it starts from, and of the flips of each iteration."""
        height, width, _ = self.spec.image_shape
        return {
            "responsibilities": NoiseSpec(1, (num_slots, height, width)),
            "flips": NoiseSpec(num_iterations, (height, width), "uniform"),
        }

    def call_sizes(
        self, num_slots: int | None, num_iterations: int | None, num_frames: int | None = None
    ) -> tuple[int, int]:
        """As of every model; the relational cell takes at least two slots."""
        slots, iterations = super().call_sizes(num_slots, num_iterations, num_frames)
        if slots < 2 and self.config.cell.kind == "relational":
            raise UserError(f"num_slots is {slots}; the relational cell needs at least 2")
        return slots, iterations

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ) -> list[Step]:
        """A step for each iteration, after its E-step; see the class."""
        del scheduled, training
        slots, iterations = self.call_sizes(num_slots, num_iterations)
        self.check_images(images)
        images = tf.reduce_mean(images, axis=-1)  # [B, H, W]
        gamma = em.initial_responsibilities(noise["responsibilities"][0])
        predictions = tf.zeros_like(gamma)
        state = tf.zeros([tf.shape(images)[0] * slots, self.config.latent_size])
        steps = []
        for t in range(iterations):
            noisy = em.flipped(images, noise["flips"][t], self.config.flip_probability)
            share = gamma if self.config.gamma_gradient else tf.stop_gradient(gamma)
            error = share * (noisy[:, tf.newaxis] - predictions)  # [B, K, H, W]
            latents, state = self.cell(self.encoder(_fold(error)), state, slots)
            latents = tf.reshape(latents, [-1, slots, self.config.latent_size])
            predictions = self._predictions(latents)
            gamma, log_likelihood = em.e_step(predictions, images)
            steps.append(_step(gamma, predictions, latents, log_likelihood))
        return steps

    def losses(self, steps, images, scheduled=None) -> Losses:
        """See `em.losses`."""
        del scheduled
        config = self.config
        return em.losses(
            steps,
            tf.reduce_mean(images, axis=-1),
            config.loss_steps,
            config.inter_weight,
            config.gamma_gradient,
        )

    def decode(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents [B, K, Z] to components [B, K, H, W, 3] and zeros [B, K, H, W]: see the class."""
        predictions = self._predictions(latents)
        return _in_all_channels(predictions), tf.zeros_like(predictions)

    def _predictions(self, latents: tf.Tensor) -> tf.Tensor:
        """The probabilities of white, [B, K, H, W]."""
        logits = self.decoder(_fold(latents))  # [B * K, H, W]
        slots = tf.shape(latents)[1] if latents.shape[1] is None else latents.shape[1]
        return tf.sigmoid(tf.reshape(logits, [-1, slots, *logits.shape[1:]]))


def _step(gamma, predictions, latents, log_likelihood) -> Step:
    components = _in_all_channels(predictions)
    return Step(
        masks=gamma,
        components=components,
        reconstruction=mixed(components, gamma),
        latents=latents,
        log_likelihood=log_likelihood,
    )


def _in_all_channels(x: tf.Tensor) -> tf.Tensor:
    return tf.tile(x[..., tf.newaxis], [1] * len(x.shape) + [_CHANNELS])  # [..., 3]


def _fold(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, *x.shape[2:]])  # [B, K, ...] -> [B * K, ...]
