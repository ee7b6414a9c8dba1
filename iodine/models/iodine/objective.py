"""The training objective: Eq. 4 over the negative ELBOs of the decodings."""

from collections.abc import Sequence

import tensorflow as tf

from iodine.models.interface import Losses, Step


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


def losses(
    steps: Sequence[Step],
    weights: Sequence[float],
    kl_weight: tf.Tensor | float = 1.0,
    seen_weight: float = 0.0,
) -> Losses:
    """Eq. 4: the weighted sum over decodings of L = KL(q(z|x) || p(z)) - log p(x|z).

    Args:
        steps: the decodings t = 0 .. T.
        weights: of each of them.
        kl_weight: of the KL, summed over slots and latents.
        seen_weight: of -log p of the frame that was seen last, in steps that know it.

    Returns:
        The sum; the terms `neg_elbo` (with the KL at that weight), `neg_log_likelihood` and `kl`,
        [T + 1] in nats an image; and the last decoding's L of each image.
    """
    neg_log_likelihood = [tf.reduce_mean(-step.log_likelihood) for step in steps]
    kl = [tf.reduce_mean(tf.reduce_sum(step.kl, axis=1)) for step in steps]
    neg_elbo = [n + kl_weight * k for n, k in zip(neg_log_likelihood, kl, strict=True)]
    # What weighs nothing is left out rather than multiplied by 0: it would be differentiated.
    weighted = [w * x for w, x in zip(weights, neg_elbo, strict=True) if w]
    for weight, step in zip(weights, steps, strict=True):
        if weight and seen_weight and step.seen_log_likelihood is not None:
            weighted.append(weight * seen_weight * tf.reduce_mean(-step.seen_log_likelihood))
    terms = {"neg_elbo": neg_elbo, "neg_log_likelihood": neg_log_likelihood, "kl": kl}
    last = steps[-1]
    return Losses(
        total=tf.add_n(weighted),
        terms={name: tf.stack(values) for name, values in terms.items()},
        selection=kl_weight * tf.reduce_sum(last.kl, axis=1) - last.log_likelihood,
    )
