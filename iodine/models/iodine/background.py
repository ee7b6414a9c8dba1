"""A first slot that is made for the background; ours, for the paper's slots are all alike."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from iodine.models.parts.distributions import tfd


@dataclasses.dataclass(frozen=True)
class BackgroundConfig:
    """How the first slot differs from the others; 0 and 0: not at all, as in the paper.

    A plain background is explained as well by all slots together as by one of them. So nothing
    decides who has it, and the slot that is left over divides an object. Both fields decide it:
    the first slot cannot describe an object, and is the best at what needs no description.
    """

    MAY_BE_ZERO: ClassVar = ("latent_scale", "likelihood_scale")

    # > 0: the first slot's latent is this times a latent as the others have it, so its prior is as
    # much narrower around 0, where no object is.
    latent_scale: float = 0.0
    # > 0: the first slot's sigma or scale of Eq. 1. A little below `model.likelihood_scale` it is
    # preferred wherever it fits as well as another; MONet has 0.09 for it and 0.11 for the others.
    likelihood_scale: float = 0.0


def prior_of_slots(config: BackgroundConfig, prior: tfd.Normal, num_slots) -> tfd.Normal:
    """p(z_k): batch shape [K, 1] with a narrow first slot, else the one of all."""
    if not config.latent_scale:
        return prior
    scales = _first_slot(config.latent_scale, num_slots)[:, tf.newaxis]
    return tfd.Normal(prior.mean() * scales, prior.stddev() * scales)


def posterior_of_slots(config: BackgroundConfig, posterior: tfd.Normal) -> tfd.Normal:
    """q(z_k), batch shape [B, K, Z], of what the refinement network makes of each slot alike."""
    if not config.latent_scale:
        return posterior
    mean, scale = posterior.mean(), posterior.stddev()
    of_slots = _first_slot(config.latent_scale, num_slots_in(mean))[:, tf.newaxis]
    return tfd.Normal(mean * of_slots, scale * of_slots)


def likelihood_scales(
    config: BackgroundConfig, scale: tf.Tensor | float, usual: float, num_slots
) -> tf.Tensor | float:
    """Scales of the components of Eq. 1: [K, 1, 1, 1], or the one of all.

    Args:
        config: of the first slot.
        scale: of the others, at this moment of training.
        usual: of the others at its end. The first slot's keeps its ratio to theirs.
        num_slots: K.
    """
    if not config.likelihood_scale:
        return scale
    ratio = config.likelihood_scale / usual
    return scale * tf.reshape(_first_slot(ratio, num_slots), [-1, 1, 1, 1])


def num_slots_in(x: tf.Tensor) -> tf.Tensor | int:
    """K of [B, K, ...], where it is known before the graph runs as a number."""
    return tf.shape(x)[1] if x.shape[1] is None else x.shape[1]


def _first_slot(value: float, num_slots: tf.Tensor | int) -> tf.Tensor:
    """[K]: the value, then ones."""
    return tf.concat([[value], tf.ones([num_slots - 1])], axis=0)
