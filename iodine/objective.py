"""The training objective: Eq. 4 over the negative ELBOs of the iterations."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from iodine.model import Iteration


class Loss(NamedTuple):
    """Means over the batch, in nats an image."""

    total: tf.Tensor  # [], Eq. 4
    neg_elbo: tf.Tensor  # [T + 1], L^(t) with the KL at the weight that is trained
    neg_log_likelihood: tf.Tensor  # [T + 1]
    kl: tf.Tensor  # [T + 1], summed over slots and latents, unweighted


def iteration_weights(num_iterations: int, backpropagated: int = 0) -> list[float]:
    """Weights of the decodings t = 0 .. T in the total loss: t / T (Eq. 4).

    The unrefined decoding, t = 0, has none.

    Args:
        num_iterations: T, the number of refinements; at least 1.
        backpropagated: if more than 0, only the last so many refinements are differentiated, and
            the losses before them count as 0: no gradient could tell a refinement about them.
    """
    first = num_iterations - backpropagated if backpropagated else 0
    return [t / num_iterations if t >= first else 0.0 for t in range(num_iterations + 1)]


def loss(
    iterations: Sequence[Iteration],
    weights: Sequence[float],
    kl_weight: tf.Tensor | float = 1.0,
) -> Loss:
    """Eq. 4: the weighted sum over iterations of L = KL(q(z|x) || p(z)) - log p(x|z)."""
    neg_log_likelihood = [tf.reduce_mean(i.neg_log_likelihood) for i in iterations]
    kl = [tf.reduce_mean(tf.reduce_sum(i.kl, axis=1)) for i in iterations]
    neg_elbo = [n + kl_weight * k for n, k in zip(neg_log_likelihood, kl, strict=True)]
    # What weighs nothing is left out rather than multiplied by 0: it would be differentiated.
    weighted = [w * x for w, x in zip(weights, neg_elbo, strict=True) if w]
    return Loss(tf.add_n(weighted), *map(tf.stack, (neg_elbo, neg_log_likelihood, kl)))
