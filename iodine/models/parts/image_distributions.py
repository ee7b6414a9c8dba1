"""TFP distributions of an image that slots describe: p(x | z)."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from iodine.errors import UserError

tfd = tfp.distributions

# d L / d m_k = -p_k / p(x|z) reaches 1 / m_k where a slot that fits has no mask; its square must
# still fit in float32 inside the layer norm.
MAX_LOG_MASK_GRADIENT = 30.0


class _Family(NamedTuple):
    """A distribution of one channel, of what the decoder puts out for it."""

    distribution: Callable  # (outputs, scale) -> tfd.Distribution
    slope: Callable  # (outputs, x, scale) -> d -log p(x) / d outputs
    mean: Callable  # outputs -> the expected channel
    slope_by_x: Callable  # (outputs, x, scale) -> d -log p(x) / d x


def _normal_slope(outputs, x, scale):
    return (outputs - x) / scale**2


def _logistic_slope(outputs, x, scale):
    return tf.tanh((outputs - x) / (2 * scale)) / scale


FAMILIES = {
    "normal": _Family(
        tfd.Normal, _normal_slope, lambda outputs: outputs, lambda *args: -_normal_slope(*args)
    ),
    "logistic": _Family(
        tfd.Logistic,
        _logistic_slope,
        lambda outputs: outputs,
        lambda *args: -_logistic_slope(*args),
    ),
    # Outputs are logits; there is no scale.
    "bernoulli": _Family(
        lambda outputs, scale: tfd.Bernoulli(logits=outputs, dtype=outputs.dtype),
        lambda outputs, x, scale: tf.sigmoid(outputs) - x,
        tf.sigmoid,
        lambda outputs, x, scale: -outputs,
    ),
}


class PixelTerms(NamedTuple):
    """What an image's likelihood is made of."""

    component_log_prob: tf.Tensor  # [B, K, H, W] log p(x_i | mu_ik), of each slot alone
    joint_log_prob: tf.Tensor | None  # [B, K, H, W] log (m_ik p(x_i | mu_ik)); of a mixture only
    log_prob: tf.Tensor  # [B, H, W] log p(x_i | z)


class SlotImage(tfd.Distribution, abc.ABC):
    """An image from means and mask logits of K slots.

    Batch shape [B], event shape [H, W, C].
    """

    def __init__(self, outputs, mask_logits, scale, family: str, parameters, name: str):
        """`parameters` are the arguments of the subclass, as TFP wants them."""
        self.outputs = outputs  # [B, K, H, W, C], of the decoder
        self.mask_logits = mask_logits
        self.scale = scale
        self.family = FAMILIES[family]
        self.means = self.family.mean(outputs)  # [B, K, H, W, C], the expected colours
        # tf.nn.log_softmax would transpose: it works on the last axis.
        shifted = mask_logits - tf.stop_gradient(tf.reduce_max(mask_logits, axis=1, keepdims=True))
        self.log_masks = shifted - tf.math.log(
            tf.reduce_sum(tf.exp(shifted), axis=1, keepdims=True)
        )
        self.components = tfd.Independent(self.family.distribution(outputs, scale), 1)
        super().__init__(
            dtype=outputs.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @property
    def masks(self) -> tf.Tensor:
        """m_ik, [B, K, H, W], summing to 1 over the slots."""
        return tf.exp(self.log_masks)

    @abc.abstractmethod
    def pixel_terms(self, image: tf.Tensor) -> PixelTerms:
        """The parts of log p(image | z), for image [B, H, W, C]."""

    @abc.abstractmethod
    def gradients(self, image: tf.Tensor, terms: PixelTerms) -> tuple[tf.Tensor, tf.Tensor]:
        """Gradients of -log p(image | z) by the decoder's outputs and by the mask logits.

        Args:
            image: [B, H, W, C].
            terms: `pixel_terms(image)`.

        Returns:
            [B, K, H, W, C] and [B, K, H, W].
        """

    @abc.abstractmethod
    def mask_gradient(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """Gradient of -log p(image | z) by the masks, which need not sum to 1, [B, K, H, W]."""

    @abc.abstractmethod
    def leave_one_out_log_likelihood(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """Log p(x | z_{i != k}), the masks of the others renormalised to sum to 1, [B, K, H, W]."""

    @abc.abstractmethod
    def _gradient_by_image(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """Gradient of -log p(image | z), [B, H, W, C]."""

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
        def attach(image, outputs, mask_logits):
            del outputs, mask_logits  # only their gradients matter

            def differentiate(upstream):  # [B]
                upstream = upstream[:, tf.newaxis, tf.newaxis, tf.newaxis]
                by_image = upstream * self._gradient_by_image(image, terms)
                return by_image, upstream[..., tf.newaxis] * gradients[0], upstream * gradients[1]

            return -tf.reduce_sum(tf.stop_gradient(terms.log_prob), axis=[1, 2]), differentiate

        return attach(image, self.outputs, self.mask_logits)

    def _log_prob(self, image: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.pixel_terms(image).log_prob, axis=[-2, -1])

    def _mean(self) -> tf.Tensor:
        """The reconstruction: the means weighted by the masks, [B, H, W, C]."""
        return tf.reduce_sum(self.masks[..., tf.newaxis] * self.means, axis=1)

    def _event_shape(self) -> tf.TensorShape:
        return self.outputs.shape[2:]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.outputs)[2:]

    def _batch_shape(self) -> tf.TensorShape:
        return self.outputs.shape[:1]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.outputs)[:1]


class SpatialMixture(SlotImage):
    """Eq. 1: at every pixel a mixture over slots; the channels of a pixel are one joint event."""

    def __init__(
        self,
        outputs: tf.Tensor,
        mask_logits: tf.Tensor,
        scale: tf.Tensor | float,
        family: str = "normal",
        name: str = "SpatialMixture",
    ):
        """Builds the mixture.

        Args:
            outputs: [B, K, H, W, C], the means; for "bernoulli" the logits of the means.
            mask_logits: [B, K, H, W]; the masks are their softmax over the slots (axis 1).
            scale: sigma of the Normal or scale of the Logistic (section C: 0.1); a scalar, or one
                a slot, [K, 1, 1, 1].
            family: "normal", "logistic" or "bernoulli".
            name: as in TFP.

        Raises:
            UserError: for an unknown family.
        """
        if family not in FAMILIES:
            raise UserError(f"unknown likelihood {family!r}; known: {', '.join(FAMILIES)}")
        super().__init__(outputs, mask_logits, scale, family, dict(locals()), name)

    def pixel_terms(self, image: tf.Tensor) -> PixelTerms:
        """The parts of log p(image | z), for image [B, H, W, C]."""
        component = self.components.log_prob(image[:, tf.newaxis])
        joint = component + self.log_masks
        return PixelTerms(component, joint, tf.reduce_logsumexp(joint, axis=1))

    def gradients(self, image: tf.Tensor, terms: PixelTerms) -> tuple[tf.Tensor, tf.Tensor]:
        """See `SlotImage`.

        With the responsibilities r_ik = m_ik p(x_i | mu_ik) / p(x_i | z) they are
        r_ik d -log p(x_i | mu_ik) / d mu_ik and m_ik - r_ik.
        """
        responsibilities = _responsibilities(terms)
        slope = self.family.slope(self.outputs, image[:, tf.newaxis], self.scale)
        return responsibilities[..., tf.newaxis] * slope, self.masks - responsibilities

    def mask_gradient(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """-p_k / p(x | z), bounded."""
        del image
        ratio = terms.component_log_prob - terms.log_prob[:, tf.newaxis]
        return -tf.exp(tf.minimum(ratio, MAX_LOG_MASK_GRADIENT))

    def leave_one_out_log_likelihood(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """Of the mixture of the other slots."""
        del image
        return log_sum_of_others(terms.joint_log_prob) - log_sum_of_others(self.log_masks)

    def _gradient_by_image(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        slope = self.family.slope_by_x(self.outputs, image[:, tf.newaxis], self.scale)
        return tf.reduce_sum(_responsibilities(terms)[..., tf.newaxis] * slope, axis=1)


def _responsibilities(terms: PixelTerms) -> tf.Tensor:
    return tf.exp(terms.joint_log_prob - terms.log_prob[:, tf.newaxis])


def log_sum_of_others(x: tf.Tensor) -> tf.Tensor:
    """Log of sum_{j != k} exp(x_j) for every k along axis 1, at the cost of two log-sum-exps.

    For all but the largest element a subtraction from the sum over all is safe, because what is
    left holds the largest. For the largest itself everything could cancel, so its others are
    summed anew.
    """
    is_largest = tf.one_hot(
        tf.argmax(x, axis=1), tf.shape(x)[1], axis=1, on_value=True, off_value=False
    )
    largest = tf.reduce_max(x, axis=1, keepdims=True)
    scaled = tf.exp(x - largest)  # in [0, 1], 1 for the largest
    rest = tf.reduce_sum(scaled, axis=1, keepdims=True) - tf.where(is_largest, 0.0, scaled)
    without_largest = tf.where(is_largest, x.dtype.min, x)
    return tf.where(
        is_largest,
        tf.reduce_logsumexp(without_largest, axis=1, keepdims=True),
        largest + tf.math.log(rest),
    )
