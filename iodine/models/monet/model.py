"""MONet: attention masks in turn, then every slot through one VAE."""

import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import Losses, NoiseSpec, SceneModel, Spec, Step, mixed
from iodine.models.monet import objective
from iodine.models.monet.attention import AttentionNetwork
from iodine.models.monet.component_vae import Decoder, Encoder, kl_to_standard_normal
from iodine.models.monet.config import MonetConfig
from iodine.models.parts import distributions


class Monet(SceneModel):
    """Burgess et al. (2019). Its weights do not depend on K; the slots have an order.

    What a step calls masks are the attention masks m_k, by which public implementations are
    evaluated as well. What the VAE decodes of them is `decoded_mask_logits`.
    """

    def __init__(
        self,
        config: MonetConfig,
        image_shape: tuple[int, int, int],
        train_batch_size: int = 1,
        name: str = "monet",
    ):
        """Builds for square RGB images.

        Args:
            config: see `MonetConfig`.
            image_shape: H, W = H, C = 3.
            train_batch_size: decides nothing here.
            name: of the module.
        """
        super().__init__(name=name)
        del train_batch_size
        self.config = config
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=config.num_slots,
            num_iterations=1,
            free_slots=True,
            free_iterations=False,
        )
        self.prior = distributions.prior("standard_normal", "softplus")
        side = image_shape[0]
        self.attention = AttentionNetwork(config.attention, side)
        self.encoder = Encoder(config.encoder, config.latent_size)
        self.decoder = Decoder(config.decoder, config.latent_size, side)

    def noise(self, num_slots: int, num_iterations: int) -> dict[str, NoiseSpec]:
        """Of the sample of every slot."""
        del num_iterations  # there is one round
        return {"z": NoiseSpec(1, (num_slots, self.spec.latent_size))}

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ) -> list[Step]:
        """Masks, posteriors, a sample of each, its decoding: one step.

        Raises:
            UserError: for images of another shape or type, or fewer than two slots.
        """
        del scheduled, training
        num_slots, _ = self.call_sizes(num_slots, num_iterations)
        if num_slots < 2:
            raise UserError(f"num_slots is {num_slots}; a mixture needs at least 2")
        self.check_images(images)
        log_masks = self.attention(images, num_slots)
        mean, log_scale = self.encoder(images, log_masks)
        scale = tf.exp(log_scale)
        sample = mean + scale * noise["z"][0]
        components, decoded_mask_logits = self.decode(sample)
        masks = tf.exp(log_masks)
        scales = objective.component_scales(
            self.config.background_scale, self.config.foreground_scale, num_slots
        )
        return [
            Step(
                masks=masks,
                components=components,
                reconstruction=mixed(components, masks),
                latents=mean,
                log_likelihood=objective.log_likelihood(
                    images, components, log_masks, scales, self.config.mixture
                ),
                mask_logits=log_masks,
                sample=sample,
                latent_scale=scale,
                kl=kl_to_standard_normal(mean, log_scale),
                decoded_mask_logits=decoded_mask_logits,
            )
        ]

    def losses(self, steps, images, scheduled=None) -> Losses:
        """-log p(x | z) + beta KL(q(z | x, m) || p(z)) + gamma KL(m || decoded masks), in nats."""
        del images, scheduled  # the likelihood has seen the images
        step = steps[-1]
        kl = tf.reduce_sum(step.kl, axis=1)  # [B]
        of_masks = objective.mask_kl(step.mask_logits, step.decoded_mask_logits)
        loss = -step.log_likelihood
        loss += self.config.kl_weight * kl + self.config.mask_kl_weight * of_masks
        parts = {"neg_log_likelihood": -step.log_likelihood, "kl": kl, "mask_kl": of_masks}
        return Losses(
            total=tf.reduce_mean(loss),
            terms={name: tf.reduce_mean(value)[tf.newaxis] for name, value in parts.items()},
            selection=loss,
        )

    def decode(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents [B, K, Z] to components [B, K, H, W, C] and decoded mask logits [B, K, H, W]."""
        return self.decoder(latents)
