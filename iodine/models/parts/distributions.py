"""TFP distributions: the posterior and prior of a latent, and the pixel mixture (Eq. 1)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from iodine.errors import UserError

tfd = tfp.distributions

SCALE_MAPS = {
    "softplus": tf.nn.softplus,
    "sqrt_softplus": lambda raw: tf.sqrt(tf.nn.softplus(raw)),
}
# The raw value at which the scale is 1: softplus(raw) = 1, for both maps.
RAW_OF_UNIT_SCALE = float(np.log(np.expm1(1.0)))
COMPONENTS = {"normal": tfd.Normal, "logistic": tfd.Logistic}
# d -log p(x | mu) / d mu of a channel, from mu - x and the scale.
SLOPES = {
    "normal": lambda difference, scale: difference / scale**2,
    "logistic": lambda difference, scale: tf.tanh(difference / (2 * scale)) / scale,
}


def posterior(parameters: tf.Tensor, scale_map: str, min_scale: float = 0.0) -> tfd.Normal:
    """q(z) of section 2.2 from lambda = [mean, raw scale] in the last axis, 2 Z wide."""
    mean, raw = tf.split(parameters, 2, axis=-1)
    scale = SCALE_MAPS[scale_map](raw)
    return tfd.Normal(mean, tf.maximum(scale, min_scale) if min_scale else scale)


def prior(kind: str, scale_map: str) -> tfd.Normal:
    """p(z): N(0, 1), or the posterior at raw parameters 0 (scalar batch either way)."""
    if kind == "standard_normal":
        return tfd.Normal(0.0, 1.0)
    if kind == "posterior_at_zero":
        return tfd.Normal(0.0, SCALE_MAPS[scale_map](0.0))
    raise UserError(f"unknown prior {kind!r}; known: standard_normal, posterior_at_zero")


class PixelTerms(NamedTuple):
    """What an image's likelihood under a `SpatialMixture` is made of."""

    component_log_prob: tf.Tensor  # [B, K, H, W] log p(x_i | mu_ik)
    joint_log_prob: tf.Tensor  # [B, K, H, W] log (m_ik p(x_i | mu_ik))
    log_prob: tf.Tensor  # [B, H, W] log p(x_i | z)


class SpatialMixture(tfd.Distribution):
    """Eq. 1: at every pixel a mixture over slots; the channels of a pixel are one joint event.

    Batch shape [B], event shape [H, W, C].
    """

    def __init__(
        self,
        means: tf.Tensor,
        mask_logits: tf.Tensor,
        scale: tf.Tensor | float,
        family: str = "normal",
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "SpatialMixture",
    ):
        """Builds the mixture.

        Args:
            means: [B, K, H, W, C].
            mask_logits: [B, K, H, W]; the masks are their softmax over the slots (axis 1).
            scale: sigma of the Normal or scale of the Logistic; a scalar (section C: 0.1).
            family: "normal" or "logistic".
            validate_args: as in TFP.
            allow_nan_stats: as in TFP.
            name: as in TFP.

        Raises:
            UserError: for an unknown family.
        """
        if family not in COMPONENTS:
            raise UserError(f"unknown likelihood {family!r}; known: {', '.join(COMPONENTS)}")
        parameters = dict(locals())
        self.means = means
        self.mask_logits = mask_logits
        self.scale = scale
        self.family = family
        # tf.nn.log_softmax would transpose: it works on the last axis.
        shifted = mask_logits - tf.stop_gradient(tf.reduce_max(mask_logits, axis=1, keepdims=True))
        self.log_masks = shifted - tf.math.log(
            tf.reduce_sum(tf.exp(shifted), axis=1, keepdims=True)
        )
        self.components = tfd.Independent(COMPONENTS[family](means, scale), 1)  # batch [B, K, H, W]
        super().__init__(
            dtype=means.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @property
    def masks(self) -> tf.Tensor:
        """m_ik, [B, K, H, W], summing to 1 over the slots."""
        return tf.exp(self.log_masks)

    def pixel_terms(self, image: tf.Tensor) -> PixelTerms:
        """The parts of log p(image | z), for image [B, H, W, C]."""
        component = self.components.log_prob(image[:, tf.newaxis])
        joint = component + self.log_masks
        return PixelTerms(component, joint, tf.reduce_logsumexp(joint, axis=1))

    def gradients(self, image: tf.Tensor, terms: PixelTerms) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients of -log p(image | z) by the means and by the mask logits.

        With the responsibilities r_ik = m_ik p(x_i | mu_ik) / p(x_i | z) they are
        r_ik d -log p(x_i | mu_ik) / d mu_ik and m_ik - r_ik.

        Args:
            image: [B, H, W, C].
            terms: `pixel_terms(image)`.

        Returns:
            [B, K, H, W, C] and [B, K, H, W].
        """
        responsibilities = tf.exp(terms.joint_log_prob - terms.log_prob[:, tf.newaxis])
        slope = SLOPES[self.family](self.means - image[:, tf.newaxis], self.scale)
        return responsibilities[..., tf.newaxis] * slope, self.masks - responsibilities

    def neg_log_likelihood(
        self, image: tf.Tensor, terms: PixelTerms, gradients: tuple[tf.Tensor, tf.Tensor]
    ) -> tf.Tensor:
        """-log p(image | z) in nats, [B], for gradients that are known already.

        Differentiating it uses them, where automatic differentiation would work them out anew.

        Args:
            image: [B, H, W, C].
            terms: `pixel_terms(image)`.
            gradients: `gradients(image, terms)`.
        """

        @tf.custom_gradient
        def attach(image, means, mask_logits):
            del image, means, mask_logits  # only their gradients matter

            def differentiate(upstream):  # [B]
                upstream = upstream[:, tf.newaxis, tf.newaxis, tf.newaxis]
                by_means = upstream[..., tf.newaxis] * gradients[0]
                # The components are functions of mu - x.
                return -tf.reduce_sum(by_means, axis=1), by_means, upstream * gradients[1]

            return -tf.reduce_sum(tf.stop_gradient(terms.log_prob), axis=[1, 2]), differentiate

        return attach(image, self.means, self.mask_logits)

    def _log_prob(self, image: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.pixel_terms(image).log_prob, axis=[-2, -1])

    def _mean(self) -> tf.Tensor:
        """The reconstruction: the means weighted by the masks, [B, H, W, C]."""
        return tf.reduce_sum(self.masks[..., tf.newaxis] * self.means, axis=1)

    def _event_shape(self) -> tf.TensorShape:
        return self.means.shape[2:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.means)[2:]

    def _batch_shape(self) -> tf.TensorShape:
        return self.means.shape[:1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.means)[:1]
