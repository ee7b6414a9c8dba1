"""A Normal around the mixed image, in place of Eq. 1's mixture of Normals.

EfficientMORL (Emami et al., 2021, appendix) trains IODINE's kind of model with it on
Multi-dSprites, where the mixture rarely found the sprites.
"""

import tensorflow as tf

from iodine.models.parts.image_distributions import (
    PixelTerms,
    SlotImage,
    tfd,
)

NORMAL_OF_MEAN = "normal_of_mean"


class NormalOfMean(SlotImage):
    """p(x | z) = N(x; y, sigma) with y = sum_k m_k mu_k, channels and pixels independent.

    What the refinement network is told (section 2.2) means under it:

    * the mask posterior: as under the mixture, p(x | mu_k) / sum_j p(x | mu_j), how well each
      slot's colour alone explains the pixel. It is no posterior of this model, which has no choice
      of a slot, but the same hint.
    * the likelihood: N(x; y, sigma).
    * the leave-one-out likelihood: N(x; y_{-k}, sigma), where y_{-k} is the mean that the other
      slots' masks, renormalised to sum to 1, make of their colours.
    * the gradients: of this likelihood. A slot's colour is pulled by m_k (y - x), also where
      another slot is responsible under the mixture.
    """

    def __init__(
        self,
        means: tf.Tensor,
        mask_logits: tf.Tensor,
        scale: tf.Tensor | float,
        name: str = "NormalOfMean",
    ):
        """Builds it.

        Args:
            means: mu, [B, K, H, W, C].
            mask_logits: [B, K, H, W]; the masks are their softmax over the slots (axis 1).
            scale: sigma, a scalar.
            name: as in TFP.
        """
        super().__init__(means, mask_logits, scale, "normal", dict(locals()), name)

    def pixel_terms(self, image: tf.Tensor) -> PixelTerms:
        """The parts of log p(image | z), for image [B, H, W, C]; there is no joint one."""
        component = self.components.log_prob(image[:, tf.newaxis])
        return PixelTerms(component, None, self._log_prob_around(self.mean(), image))

    def gradients(self, image: tf.Tensor, terms: PixelTerms) -> tuple[tf.Tensor, tf.Tensor]:
        """m_k e and m_k e . (mu_k - y), with e = (y - x) / sigma^2; see `SlotImage`."""
        del terms
        mean, masks = self.mean()[:, tf.newaxis], self.masks
        error = self.family.slope(mean, image[:, tf.newaxis], self.scale)
        by_logits = masks * tf.reduce_sum(error * (self.means - mean), axis=-1)
        return masks[..., tf.newaxis] * error, by_logits

    def mask_gradient(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """The product e . mu_k, with e as in `gradients`."""
        del terms
        error = self.family.slope(self.mean(), image, self.scale)
        return tf.reduce_sum(error[:, tf.newaxis] * self.means, axis=-1)

    def leave_one_out_log_likelihood(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        """Around the mean of the other slots.

        Without a slot of a small mask it is (y - m_k mu_k) / (1 - m_k). Where k has the largest
        mask nothing might be left in that difference, so its others are summed anew.
        """
        del terms
        masks = self.masks
        is_largest = tf.one_hot(
            tf.argmax(masks, axis=1), tf.shape(masks)[1], axis=1, on_value=True, off_value=False
        )
        small = tf.where(is_largest, 0.0, masks)[..., tf.newaxis]  # at most 1 / 2
        of_others = (self.mean()[:, tf.newaxis] - small * self.means) / (1 - small)
        rest = tf.where(is_largest, self.log_masks.dtype.min, self.log_masks)
        rest = tf.exp(rest - tf.reduce_logsumexp(rest, axis=1, keepdims=True))[..., tf.newaxis]
        anew = tf.reduce_sum(rest * self.means, axis=1, keepdims=True)
        of_others = tf.where(is_largest[..., tf.newaxis], anew, of_others)
        return self._log_prob_around(of_others, image[:, tf.newaxis])

    def _log_prob_around(self, mean: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        return tfd.Independent(tfd.Normal(mean, self.scale), 1).log_prob(image)

    def _gradient_by_image(self, image: tf.Tensor, terms: PixelTerms) -> tf.Tensor:
        del terms
        return self.family.slope_by_x(self.mean(), image, self.scale)
