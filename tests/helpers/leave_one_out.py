"""The leave-one-out likelihood by its definition: what the tests compare the faster one with."""

import tensorflow as tf

from iodine.models.parts.image_distributions import PixelTerms, SpatialMixture


def leave_one_out_by_separate_mixtures(mixture: SpatialMixture, terms: PixelTerms) -> tf.Tensor:
    """Log p(x | z_{i != k}), [B, K, H, W]: K mixtures of the other K - 1 slots."""
    num_slots = mixture.mask_logits.shape[1]
    log_likelihoods = []
    for k in range(num_slots):
        others = [j for j in range(num_slots) if j != k]
        component = tf.gather(terms.component_log_prob, others, axis=1)
        log_masks = tf.gather(mixture.mask_logits, others, axis=1)
        log_masks -= tf.reduce_logsumexp(log_masks, axis=1, keepdims=True)
        log_likelihoods.append(tf.reduce_logsumexp(component + log_masks, axis=1))
    return tf.stack(log_likelihoods, axis=1)
