"""Expectation maximization of a mixture of K Bernoulli images (Greff et al., 2017).

Shape letters: B batch, K slots, H W image, which has one channel here.
"""

from collections.abc import Sequence

import tensorflow as tf

from iodine.models.interface import Losses, Step

_EPSILON = 1e-6  # added to the probabilities, so that no responsibility is 0 (authors' code)
_CLIP = 1e-6  # predictions that are judged are this far from 0 and 1 (authors' code)


def initial_responsibilities(noise: tf.Tensor) -> tf.Tensor:
    """|noise|, normalised over the slots: [B, K, H, W]; of standard normal noise as in the code."""
    magnitudes = tf.abs(noise)
    return tf.math.divide_no_nan(magnitudes, tf.reduce_sum(magnitudes, axis=1, keepdims=True))


def flipped(images: tf.Tensor, uniform: tf.Tensor, probability: float) -> tf.Tensor:
    """Images in which each pixel x is 1 - x with that probability.

    Args:
        images: [B, H, W] in [0, 1].
        uniform: uniform in [0, 1), of the same shape.
        probability: 0 to 1.
    """
    return tf.where(uniform < probability, 1 - images, images)


def _probabilities(predictions: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Of black and white images p(x | mu) = x mu + (1 - x) (1 - mu), + epsilon, [B, K, H, W]."""
    x = images[:, tf.newaxis]
    return (1 - x) + (2 * x - 1) * predictions + _EPSILON


def e_step(predictions: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Responsibilities of the slots for the pixels, and the likelihood, all slots equally probable.

    Args:
        predictions: mu, the probabilities of white, [B, K, H, W].
        images: x, [B, H, W] in [0, 1], without noise.

    Returns:
        gamma_k = p(x | mu_k) / sum_j p(x | mu_j), [B, K, H, W]; and the log-likelihood of the
        mixture, the sum over pixels of log 1/K sum_k p(x | mu_k), [B], nats.
    """
    probabilities = _probabilities(predictions, images)
    total = tf.reduce_sum(probabilities, axis=1, keepdims=True)  # [B, 1, H, W]
    mean = total / predictions.shape[1]
    return probabilities / total, tf.reduce_sum(tf.math.log(mean), axis=[1, 2, 3])


def losses(
    steps: Sequence[Step],
    images: tf.Tensor,
    loss_steps: str,
    inter_weight: float,
    gamma_gradient: bool,
) -> Losses:
    """The loss of Greff et al. (2017), as their code computes it, and what `Losses` has besides.

    Of an iteration it is

        sum_ik gamma_ik BCE(x_i, mu_ik) + w (1 - gamma_ik) KL(Bernoulli(0) || Bernoulli(mu_ik)),

    over pixels i and slots k: where a slot is responsible (intra) it shall predict the image, and
    elsewhere (inter) black, for KL(Bernoulli(0) || Bernoulli(mu)) = -log(1 - mu).

    Args:
        steps: the iterations; `masks` are gamma, `components` mu in each of their channels.
        images: x, [B, H, W] in [0, 1], without noise.
        loss_steps: "all" for the mean over the iterations or "last".
        inter_weight: w.
        gamma_gradient: whether gamma is differentiated.

    Returns:
        The terms `loss`, `intra_loss` and `inter_loss` of each iteration, nats an image. An image's
        selection is its loss, over the same iterations as the total: the authors' code keeps the
        weights of the lowest loss, too.
    """
    parts = [_step_losses(step, images, gamma_gradient) for step in steps]
    intra, inter = (tf.stack(values) for values in zip(*parts, strict=True))  # [S, B]
    loss = intra + inter_weight * inter
    of_images = loss[-1] if loss_steps == "last" else tf.reduce_mean(loss, axis=0)
    terms = {"loss": loss, "intra_loss": intra, "inter_loss": inter}
    return Losses(
        total=tf.reduce_mean(of_images),
        terms={name: tf.reduce_mean(values, axis=1) for name, values in terms.items()},
        selection=of_images,
    )


def _step_losses(step: Step, images: tf.Tensor, gamma_gradient: bool):
    """Intra and inter loss of each image, [B] each."""
    gamma = step.masks if gamma_gradient else tf.stop_gradient(step.masks)
    mu = tf.reduce_mean(step.components, axis=-1)  # all channels are equal
    predictions = tf.clip_by_value(mu, _CLIP, 1 - _CLIP)
    log_white, log_black = tf.math.log(predictions), tf.math.log(1 - predictions)
    x = images[:, tf.newaxis]
    intra = -gamma * (x * log_white + (1 - x) * log_black)
    inter = (gamma - 1) * log_black
    return tf.reduce_sum(intra, axis=[1, 2, 3]), tf.reduce_sum(inter, axis=[1, 2, 3])
