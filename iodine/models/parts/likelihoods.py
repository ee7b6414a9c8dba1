"""The likelihoods by name."""

import tensorflow as tf

from iodine.errors import UserError
from iodine.models.parts.image_distributions import FAMILIES, SlotImage, SpatialMixture
from iodine.models.parts.normal_of_mean import NORMAL_OF_MEAN, NormalOfMean


def image_distribution(
    likelihood: str, outputs: tf.Tensor, mask_logits: tf.Tensor, scale: tf.Tensor | float
) -> SlotImage:
    """P(x | z) of that name, from what the decoder puts out.

    Args:
        likelihood: "normal_of_mean", or the family of a `SpatialMixture`.
        outputs: [B, K, H, W, C]; see there.
        mask_logits: [B, K, H, W].
        scale: sigma of the Normals or scale of the Logistics: a scalar, or, of a `SpatialMixture`,
            one a slot, [K, 1, 1, 1].

    Raises:
        UserError: for an unknown name.
    """
    if likelihood == NORMAL_OF_MEAN:
        return NormalOfMean(outputs, mask_logits, scale)
    if likelihood not in FAMILIES:
        known = ", ".join((*FAMILIES, NORMAL_OF_MEAN))
        raise UserError(f"unknown likelihood {likelihood!r}; known: {known}")
    return SpatialMixture(outputs, mask_logits, scale, likelihood)
