"""The VAE: one latent describes the whole scene (section 4.2, Figures 5 and 6)."""

import tensorflow as tf

from iodine.models.interface import Losses, NoiseSpec, SceneModel, Spec, Step
from iodine.models.parts import distributions
from iodine.models.parts.decoders import build_decoder
from iodine.models.parts.distributions import tfd
from iodine.models.vae.config import VaeConfig
from iodine.models.vae.encoder import Encoder

_SCALE_MAP = "softplus"  # raw parameter to sigma; our choice, as for IODINE


class Vae(SceneModel):
    """q(z | x) and p(z) Gaussian with a diagonal covariance, p(x | z) = N(x; g(z), sigma^2).

    It has no slots: K is 1, and its one mask is 1 everywhere.
    """

    def __init__(
        self,
        config: VaeConfig,
        image_shape: tuple[int, int, int],
        train_batch_size: int = 1,
        name: str = "vae",
    ):
        """Builds for square RGB images.

        Args:
            config: see `VaeConfig`.
            image_shape: H, W = H, C = 3.
            train_batch_size: does not matter.
            name: of the module.

        Raises:
            UserError: for a decoder that does not exist.
        """
        super().__init__(name=name)
        del train_batch_size
        self.config = config
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=1,
            num_iterations=1,
            free_slots=False,
            free_iterations=False,
        )
        self.prior = distributions.prior("standard_normal", _SCALE_MAP)
        self.encoder = Encoder(config.encoder, 2 * config.latent_size)
        self.decoder = build_decoder(
            config.decoder, config.latent_size, image_shape[0], image_shape[2], tf.nn.relu
        )

    def noise(self, num_slots: int, num_iterations: int) -> dict[str, NoiseSpec]:
        """Of the one sample."""
        return {"z": NoiseSpec(1, (num_slots, self.spec.latent_size))}

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ) -> list[Step]:
        """Encodes, samples and decodes: the only step."""
        self.call_sizes(num_slots, num_iterations)
        self.check_images(images)
        parameters = self.encoder(images)[:, tf.newaxis]  # [B, 1, 2 Z]
        posterior = distributions.posterior(parameters, _SCALE_MAP, self.config.min_scale)
        mean, scale = posterior.mean(), posterior.stddev()
        sample = mean + scale * noise["z"][0]
        components, mask_logits = self.decode(sample)
        reconstruction = components[:, 0]
        return [
            Step(
                masks=tf.ones_like(mask_logits),
                components=components,
                reconstruction=reconstruction,
                latents=mean,
                log_likelihood=self._log_likelihood(images, reconstruction),
                mask_logits=mask_logits,
                sample=sample,
                latent_scale=scale,
                kl=tf.reduce_sum(posterior.kl_divergence(self.prior), axis=-1),
            )
        ]

    def losses(self, steps, images, scheduled=None) -> Losses:
        """The mean of beta KL(q(z | x) || p(z)) - log p(x | z); with beta 1 the negative ELBO."""
        del images, scheduled  # the likelihood has seen the images; nothing changes in training
        step = steps[-1]
        kl = tf.reduce_sum(step.kl, axis=1)  # [B]
        loss = self.config.beta * kl - step.log_likelihood
        terms = {"neg_elbo": loss, "neg_log_likelihood": -step.log_likelihood, "kl": kl}
        means = {name: tf.reduce_mean(value) for name, value in terms.items()}
        return Losses(
            total=means["neg_elbo"],
            terms={name: mean[tf.newaxis] for name, mean in means.items()},
            selection=loss,
        )

    def decode(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents [B, K, Z], each of a scene of its own, to images [B, K, H, W, C].

        The mask logits [B, K, H, W] are 0: with K = 1 their softmax is 1.
        """
        slots = latents.shape[1] or tf.shape(latents)[1]
        images = self.decoder(tf.reshape(latents, [-1, self.spec.latent_size]))  # [B * K, H, W, C]
        images = tf.reshape(images, [-1, slots, *self.spec.image_shape])  # [B, K, H, W, C]
        return images, tf.zeros_like(images[..., 0])

    def _log_likelihood(self, images: tf.Tensor, means: tf.Tensor) -> tf.Tensor:
        """Log N(x; mu, sigma^2) summed over pixels and channels, [B] in nats."""
        likelihood = tfd.Normal(means, self.config.likelihood_scale)
        return tf.reduce_sum(likelihood.log_prob(images), axis=[1, 2, 3])
