"""The loss's parts against loops over pixels, and scipy."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from scipy.special import logsumexp

from iodine.models.monet import objective

B, K, H, W, C = 2, 3, 4, 5, 3
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.uniform(size=(B, H, W, C)).astype(np.float32)
COMPONENTS = GENERATOR.uniform(size=(B, K, H, W, C)).astype(np.float32)
MASKS = np.moveaxis(GENERATOR.dirichlet(np.ones(K), (B, H, W)), -1, 1)
LOGITS = GENERATOR.normal(0, 2, (B, K, H, W)).astype(np.float32)
SCALES = [0.3, 0.5, 0.5]


def log_likelihood(mixture):
    log_masks = tf.constant(np.log(MASKS), tf.float32)
    return objective.log_likelihood(IMAGES, COMPONENTS, log_masks, SCALES, mixture)


def densities(b, i, j):
    """N(x_c; mu_kc, sigma_k^2) of a pixel, [K, C]."""
    scales = np.array(SCALES)[:, np.newaxis]
    return scipy.stats.norm.pdf(IMAGES[b, i, j], COMPONENTS[b, :, i, j], scales)


def test_every_channel_is_a_mixture():
    expected = np.zeros(B)
    for b, i, j in np.ndindex(B, H, W):
        for c in range(C):
            expected[b] += np.log(np.sum(MASKS[b, :, i, j] * densities(b, i, j)[:, c]))
    np.testing.assert_allclose(log_likelihood("channel"), expected, rtol=1e-5)


def test_every_pixel_is_a_mixture():
    expected = np.zeros(B)
    for b, i, j in np.ndindex(B, H, W):
        expected[b] += np.log(np.sum(MASKS[b, :, i, j] * densities(b, i, j).prod(axis=1)))
    np.testing.assert_allclose(log_likelihood("pixel"), expected, rtol=1e-5)
    assert np.abs(log_likelihood("channel") - expected).min() > 0.1


def test_a_pixel_that_no_slot_explains_has_a_finite_likelihood():
    log_masks = tf.constant([0.0, -500.0, -500.0], shape=[1, K, 1, 1])
    far = tf.ones([1, K, 1, 1, C])
    for mixture in ("channel", "pixel"):
        found = objective.log_likelihood(
            tf.zeros([1, 1, 1, C]), far, log_masks, [0.01] * K, mixture
        )
        expected = C * scipy.stats.norm.logpdf(0, 1, 0.01)
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_the_kl_of_the_masks_is_scipy_s():
    decoded = np.exp(LOGITS - logsumexp(LOGITS, axis=1, keepdims=True))
    expected = scipy.stats.entropy(MASKS, decoded, axis=1).sum(axis=(1, 2))
    found = objective.mask_kl(tf.constant(np.log(MASKS), tf.float32), LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    log_masks = tf.constant(np.log(MASKS), tf.float32)
    same = objective.mask_kl(log_masks, log_masks + 3)
    np.testing.assert_allclose(same, 0, atol=1e-5)


def test_a_mask_of_0_adds_nothing_to_the_kl():
    log_masks = tf.constant([0.0, -1e4], shape=[1, 2, 1, 1])
    logits = tf.constant([1.0, 1.0], shape=[1, 2, 1, 1])
    np.testing.assert_allclose(objective.mask_kl(log_masks, logits), [np.log(2)], rtol=1e-6)


def test_the_first_slot_is_the_background():
    assert objective.component_scales(0.06, 0.1, 4) == [0.06, 0.1, 0.1, 0.1]


def with_weights(build, draw, **weights):
    model, (images, noise) = build(changes=weights), draw()
    steps = model.infer(images, noise)
    return steps[-1], model.losses(steps, images)


def test_the_loss_weighs_its_parts(build, draw):
    step, losses = with_weights(build, draw, kl_weight=0.25, mask_kl_weight=0.75)
    decoded = np.float64(step.decoded_mask_logits)
    decoded = np.exp(decoded - logsumexp(decoded, axis=1, keepdims=True))
    of_masks = scipy.stats.entropy(np.float64(step.masks), decoded, axis=1).sum(axis=(1, 2))
    kl = np.sum(step.kl, axis=1)
    expected = -np.float64(step.log_likelihood) + 0.25 * kl + 0.75 * of_masks
    np.testing.assert_allclose(losses.selection, expected, rtol=1e-5)
    assert float(losses.total) == pytest.approx(expected.mean(), rel=1e-5)
    parts = {"neg_log_likelihood": -np.mean(step.log_likelihood), "kl": np.mean(kl)}
    parts["mask_kl"] = of_masks.mean()
    found = {name: float(value[0]) for name, value in losses.terms.items()}
    assert found == pytest.approx(parts, rel=1e-4)


def test_without_weights_only_the_likelihood_counts(build, draw):
    step, losses = with_weights(build, draw, kl_weight=0.0, mask_kl_weight=0.0)
    np.testing.assert_allclose(losses.selection, -step.log_likelihood)
