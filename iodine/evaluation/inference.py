"""Running a model on images: what decomposition, evaluation and export share."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from iodine.models.interface import SceneModel, Step, num_frames_in
from iodine.models.parts.noise import draw_noise_by_example, draw_same_noise


class Decomposition(NamedTuple):
    """What the model makes of a batch of images after one step of inference."""

    masks: tf.Tensor  # [B, K, H, W], in [0, 1], summing to 1 over K
    components: tf.Tensor  # [B, K, H, W, 3], about [0, 1], not clipped
    reconstruction: tf.Tensor  # [B, H, W, 3], the components weighted by the masks
    latent_mean: tf.Tensor  # [B, K, Z]
    latent_scale: tf.Tensor | None  # [B, K, Z], standard deviation; None without a posterior
    elbo: tf.Tensor  # [B], log p(x|z) - KL in nats, the KL, if there is one, at its full weight

    def each(self, function: Callable[[Any], Any]) -> "Decomposition":
        """The function's value of every field that there is."""
        return Decomposition(*(None if field is None else function(field) for field in self))


def decomposition(step: Step) -> Decomposition:
    """One step's result."""
    elbo = step.log_likelihood
    if step.kl is not None:
        elbo -= tf.reduce_sum(step.kl, axis=1)
    return Decomposition(
        masks=step.masks,
        components=step.components,
        reconstruction=step.reconstruction,
        latent_mean=step.latents,
        latent_scale=step.latent_scale,
        elbo=elbo,
    )


def infer(
    model: SceneModel,
    images: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Step]:
    """Runs the model with the same noise for every image; see `decompose_iterations`."""
    specs = model.noise(*model.call_sizes(num_slots, num_iterations, num_frames_in(images)))
    noise = draw_same_noise(seed, specs, tf.shape(images)[0])
    return model.infer(images, noise, num_slots, num_iterations)


def infer_by_example(
    model: SceneModel,
    images: tf.Tensor,
    examples: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Step]:
    """Runs the model with noise that depends on (seed, number of the image), for whole data sets.

    Args:
        model: a model.
        images: float32 [B, H, W, 3] in [0, 1].
        examples: int32 [B], the number of each image.
        seed: of the noise.
        num_slots: K; the model's by default.
        num_iterations: rounds of inference; the model's by default.
    """
    specs = model.noise(*model.call_sizes(num_slots, num_iterations, num_frames_in(images)))
    noise = draw_noise_by_example(seed, specs, examples)
    return model.infer(images, noise, num_slots, num_iterations)


def decompose_iterations(
    model: SceneModel,
    images: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> list[Decomposition]:
    """Decomposes images, step by step.

    Args:
        model: a trained model.
        images: float32 [B, H, W, 3] in [0, 1].
        seed: of the noise. Every image gets the same, so its result does not depend on what else
            is in the batch.
        num_slots: K; the model's by default.
        num_iterations: rounds of inference; the model's by default.

    Returns:
        One `Decomposition` for each step; of IODINE the first is before any refinement.

    Raises:
        UserError: for images of a wrong shape or type.
    """
    return [decomposition(s) for s in infer(model, images, seed, num_slots, num_iterations)]


def segments(step: Step) -> tf.Tensor:
    """The slot of the largest mask in each pixel, int64 [B, H, W]."""
    return tf.argmax(step.masks if step.mask_logits is None else step.mask_logits, axis=1)


def as_float_images(images: tf.Tensor) -> tf.Tensor:
    """Images as float32 in [0, 1], from uint8 0..255 or float32 in [0, 1]."""
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    return tf.cast(images, tf.float32)
