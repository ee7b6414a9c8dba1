"""Taking images apart with a trained model: what decomposition, evaluation and export share."""

from typing import NamedTuple

import tensorflow as tf

from iodine.distributions import tfd
from iodine.model import Iodine, Iteration
from iodine.noise import draw_noise, draw_noise_by_example


class Decomposition(NamedTuple):
    """What the model makes of a batch of images after its last iteration."""

    masks: tf.Tensor  # [B, K, H, W], in [0, 1], summing to 1 over K
    components: tf.Tensor  # [B, K, H, W, 3], the means mu_k, about [0, 1], not clipped
    reconstruction: tf.Tensor  # [B, H, W, 3], the components weighted by the masks
    latent_mean: tf.Tensor  # [B, K, Z]
    latent_scale: tf.Tensor  # [B, K, Z], standard deviation of the posterior
    elbo: tf.Tensor  # [B], log p(x|z) - KL in nats, the KL at its full weight


def decomposition(iteration: Iteration) -> Decomposition:
    """One iteration's result."""
    posterior: tfd.Normal = iteration.posterior
    return Decomposition(
        masks=iteration.mixture.masks,
        components=iteration.mixture.means,
        reconstruction=iteration.mixture.mean(),
        latent_mean=posterior.mean(),
        latent_scale=posterior.stddev(),
        elbo=-iteration.neg_log_likelihood - tf.reduce_sum(iteration.kl, axis=1),
    )


def iterate(
    model: Iodine,
    images: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Iteration]:
    """Runs the model with the same noise for every image; see `decompose_iterations`."""
    num_slots = num_slots or model.config.num_slots
    num_decodings = (num_iterations or model.config.num_iterations) + 1
    noise = draw_noise((seed, 0), num_decodings, 1, num_slots, model.config.latent_size)
    noise = tf.repeat(noise, tf.shape(images)[0], axis=1)
    return model(images, num_slots, num_iterations, noise)


def iterate_by_example(
    model: Iodine,
    images: tf.Tensor,
    examples: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Iteration]:
    """Runs the model with noise that depends on (seed, number of the image), for whole data sets.

    Args:
        model: a model.
        images: float32 [B, H, W, 3] in [0, 1].
        examples: int32 [B], the number of each image.
        seed: of the latent samples.
        num_slots: K; the model's by default.
        num_iterations: T; the model's by default.
    """
    num_slots = num_slots or model.config.num_slots
    num_decodings = (num_iterations or model.config.num_iterations) + 1
    noise = draw_noise_by_example(
        seed, examples, num_decodings, num_slots, model.config.latent_size
    )
    return model(images, num_slots, num_iterations, noise)


def decompose_iterations(
    model: Iodine,
    images: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Decomposition]:
    """Decomposes images, iteration by iteration.

    Args:
        model: a trained model.
        images: float32 [B, H, W, 3] in [0, 1].
        seed: of the latent samples. Every image gets the same noise, so its result does not depend
            on what else is in the batch.
        num_slots: K; the model's by default.
        num_iterations: T; the model's by default.

    Returns:
        One `Decomposition` for each decoding, t = 0 (before any refinement) to T.

    Raises:
        UserError: for images of a wrong shape or type.
    """
    return [decomposition(i) for i in iterate(model, images, seed, num_slots, num_iterations)]


def as_float_images(images: tf.Tensor) -> tf.Tensor:
    """Images as float32 in [0, 1], from uint8 0..255 or float32 in [0, 1]."""
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    return tf.cast(images, tf.float32)
