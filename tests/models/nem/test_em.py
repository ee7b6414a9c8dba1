"""The E-step, the noise and both losses equal a loop over pixels and slots in plain Python."""

import math

import numpy as np
import pytest
import tensorflow as tf

from iodine.models.interface import Step
from iodine.models.nem import em

B, K, H, W = 3, 4, 2, 5
EPSILON = CLIP = 1e-6
LARGEST = float(np.float32(1 - CLIP))


def random_case(seed=0):
    """Black and white images [B, H, W] and predictions [B, K, H, W], some of them 0 and 1."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 2, (B, H, W)).astype(np.float32)
    predictions = generator.uniform(size=(B, K, H, W)).astype(np.float32)
    predictions[0, 0, 0] = [0, 1, 0, 1, 0.5]
    return images, predictions


def by_loop(images, predictions, inter_weight):
    """Gamma [B, K, H, W], log-likelihood, intra and inter loss [B], pixel by pixel."""
    gamma = np.zeros(predictions.shape)
    log_likelihood, intra, inter = np.zeros(B), np.zeros(B), np.zeros(B)
    for b in range(B):
        for h in range(H):
            for w in range(W):
                x = float(images[b, h, w])
                chances = []
                for k in range(K):
                    mu = float(predictions[b, k, h, w])
                    chances.append((mu if x == 1 else 1 - mu) + EPSILON)
                log_likelihood[b] += math.log(sum(chances) / K)
                for k in range(K):
                    share = chances[k] / sum(chances)
                    gamma[b, k, h, w] = share
                    mu = min(max(float(predictions[b, k, h, w]), CLIP), LARGEST)
                    intra[b] -= share * math.log(mu if x == 1 else 1 - mu)
                    inter[b] -= (1 - share) * math.log(1 - mu)
    return gamma, log_likelihood, intra, inter, intra + inter_weight * inter


def steps_of(images, *predictions):
    """As the model would make them."""
    steps = []
    for mu in predictions:
        gamma, log_likelihood = em.e_step(tf.constant(mu), tf.constant(images))
        components = tf.repeat(tf.constant(mu)[..., tf.newaxis], 3, axis=-1)
        steps.append(Step(gamma, components, components[:, 0], None, log_likelihood))
    return steps


def test_the_e_step_equals_the_loop():
    images, predictions = random_case()
    gamma, log_likelihood = em.e_step(tf.constant(predictions), tf.constant(images))
    expected = by_loop(images, predictions, 1)
    np.testing.assert_allclose(gamma, expected[0], atol=1e-6)
    np.testing.assert_allclose(np.sum(gamma, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(log_likelihood, expected[1], rtol=1e-5)


def test_slots_that_are_all_wrong_share_a_pixel_equally():
    gamma, log_likelihood = em.e_step(tf.ones([1, K, 1, 1]), tf.zeros([1, 1, 1]))
    np.testing.assert_allclose(gamma, 1 / K, atol=1e-6)
    assert float(log_likelihood[0]) == pytest.approx(math.log(EPSILON), rel=1e-3)


@pytest.mark.parametrize("inter_weight", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("loss_steps", ["all", "last"])
def test_the_losses_equal_the_loop(loss_steps, inter_weight):
    images, first = random_case(0)
    _, second = random_case(1)
    steps = steps_of(images, first, second)
    losses = em.losses(steps, tf.constant(images), loss_steps, inter_weight, True)
    expected = [by_loop(images, mu, inter_weight) for mu in (first, second)]
    for name, place in (("intra_loss", 2), ("inter_loss", 3), ("loss", 4)):
        means = [e[place].mean() for e in expected]
        np.testing.assert_allclose(losses.terms[name], means, rtol=1e-4)
    selection = expected[1][4] if loss_steps == "last" else (expected[0][4] + expected[1][4]) / 2
    np.testing.assert_allclose(losses.selection, selection, rtol=1e-4)
    assert float(losses.total) == pytest.approx(selection.mean(), rel=1e-4)


@pytest.mark.parametrize("gamma_gradient", [False, True])
def test_the_loss_is_differentiated_by_gamma_only_where_that_is_wanted(gamma_gradient):
    """By mu alone: d/dmu of gamma BCE - (1 - gamma) log(1 - mu); by gamma: BCE + log(1 - mu)."""
    images, predictions = random_case()
    predictions = np.clip(predictions, 0.1, 0.9)
    (step,) = steps_of(images, predictions)
    gamma = tf.constant(step.masks.numpy())
    with tf.GradientTape() as tape:
        mu = tf.constant(predictions)
        tape.watch([mu, gamma])
        components = tf.repeat(mu[..., tf.newaxis], 3, axis=-1)
        changed = step._replace(components=components, masks=gamma)
        total = em.losses([changed], tf.constant(images), "last", 1.0, gamma_gradient).total
    by_mu, by_gamma = tape.gradient(total, [mu, gamma])
    x, g, p = images[:, np.newaxis], gamma.numpy(), predictions
    expected = g * ((1 - x) / (1 - p) - x / p) + (1 - g) / (1 - p)
    np.testing.assert_allclose(by_mu, expected / B, rtol=1e-4)
    if gamma_gradient:
        bce = -(x * np.log(p) + (1 - x) * np.log(1 - p))
        np.testing.assert_allclose(by_gamma, (bce + np.log(1 - p)) / B, rtol=1e-3, atol=1e-6)
    else:
        assert by_gamma is None


def test_initial_responsibilities_are_the_shares_of_magnitudes():
    noise = np.random.default_rng(0).normal(size=(B, K, H, W)).astype(np.float32)
    gamma = em.initial_responsibilities(tf.constant(noise))
    np.testing.assert_allclose(gamma, np.abs(noise) / np.abs(noise).sum(axis=1, keepdims=True))
    assert np.isfinite(em.initial_responsibilities(tf.zeros([1, 2, 1, 1]))).all()


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_pixels_flip_with_the_probability(probability):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 2, (50, 28, 28)).astype(np.float32)
    uniform = generator.uniform(size=images.shape).astype(np.float32)
    noisy = em.flipped(tf.constant(images), tf.constant(uniform), probability).numpy()
    changed = noisy != images
    spread = math.sqrt(probability * (1 - probability) / changed.size)
    assert abs(changed.mean() - probability) <= 5 * spread
    np.testing.assert_array_equal(noisy[changed], 1 - images[changed])
    white = images == 1
    assert abs(changed[white].mean() - changed[~white].mean()) <= 0.02
