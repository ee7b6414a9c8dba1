"""What Algorithm 1 knows between two refinements."""

from typing import Any, NamedTuple

import tensorflow as tf

from iodine.models.interface import Step, mixed
from iodine.models.parts.distributions import tfd
from iodine.models.parts.image_distributions import SlotImage


class Iteration(NamedTuple):
    """What Algorithm 1 knows when it has decoded after t refinements."""

    parameters: tf.Tensor  # lambda, [B, K, 2 Z]
    posterior: tfd.Normal  # q(z | x), batch shape [B, K, Z]
    z: tf.Tensor  # the sample, [B, K, Z]
    mixture: SlotImage  # p(x | z), batch shape [B]
    neg_log_likelihood: tf.Tensor  # -log p(x | z), summed over pixels, [B], nats
    kl: tf.Tensor  # KL(q(z_k | x) || p(z)), summed over latents, [B, K], nats
    # The same of the frame that was seen last, where the objective counts it.
    seen_neg_log_likelihood: tf.Tensor | None = None

    def step(self) -> Step:
        """The same in the terms that all models share."""
        masks, seen = self.mixture.masks, self.seen_neg_log_likelihood
        return Step(
            masks=masks,
            components=self.mixture.means,
            reconstruction=mixed(self.mixture.means, masks),
            latents=self.posterior.mean(),
            log_likelihood=-self.neg_log_likelihood,
            mask_logits=self.mixture.mask_logits,
            sample=self.z,
            latent_scale=self.posterior.stddev(),
            kl=self.kl,
            seen_log_likelihood=None if seen is None else -seen,
        )


class State(NamedTuple):
    """What goes from one refinement to the next."""

    parameters: tf.Tensor  # lambda, [B, K, 2 Z]
    recurrent: Any  # of the refinement network, for B * K rows
