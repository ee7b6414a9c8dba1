"""The loss (section 2.3 of Burgess et al., 2019): a mixture's likelihood and two KLs."""

import math

import tensorflow as tf


def component_scales(background: float, foreground: float, num_slots: int) -> list[float]:
    """Sigma of each slot: the first one explains the background."""
    return [background] + [foreground] * (num_slots - 1)


def log_likelihood(
    images: tf.Tensor,
    components: tf.Tensor,
    log_masks: tf.Tensor,
    scales: list[float],
    mixture: str,
) -> tf.Tensor:
    """The sum over pixels, and for "channel" over channels, of log sum_k m_k N(x; mu_k, sigma_k^2).

    Args:
        images: x, [B, H, W, C].
        components: mu_k, [B, K, H, W, C].
        log_masks: log m_k, [B, K, H, W].
        scales: sigma_k, K of them.
        mixture: "channel": every channel of a pixel is a mixture by itself; "pixel": all channels
            of a pixel are of one slot, as in Eq. 1 of IODINE.

    Returns:
        [B], nats.
    """
    sigma = tf.constant(scales, images.dtype)[:, tf.newaxis, tf.newaxis]  # [K, 1, 1]
    log_norm = -tf.math.log(sigma) - 0.5 * math.log(2 * math.pi)  # of one channel
    precision = (0.5 / tf.square(sigma))[..., tf.newaxis]  # [K, 1, 1, 1]
    exponent = precision * tf.math.squared_difference(images[:, tf.newaxis], components)
    if mixture == "pixel":
        joint = log_masks + images.shape[-1] * log_norm - tf.reduce_sum(exponent, axis=-1)
    else:
        joint = tf.expand_dims(log_masks + log_norm, -1) - exponent
    of_mixture = tf.reduce_logsumexp(joint, axis=1)  # [B, H, W] or [B, H, W, C]
    return tf.reduce_sum(of_mixture, axis=range(1, of_mixture.shape.rank))


def mask_kl(log_masks: tf.Tensor, decoded_logits: tf.Tensor) -> tf.Tensor:
    """KL of the masks and the decoded ones, two categorical distributions at each pixel.

    Args:
        log_masks: log m_k, [B, K, H, W], of the attention network.
        decoded_logits: [B, K, H, W]; the decoded masks are their softmax over the slots.

    Returns:
        [B], nats, summed over the pixels.
    """
    # tf.nn.log_softmax would transpose: it works on the last axis.
    log_decoded = decoded_logits - tf.reduce_logsumexp(decoded_logits, axis=1, keepdims=True)
    return tf.reduce_sum(tf.exp(log_masks) * (log_masks - log_decoded), axis=[1, 2, 3])
