"""The Normal around the mixed image: values and gradients against NumPy in float64."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from numpy_reference import central_difference, softmax
from recording import by_name, recorded_inputs
from small_models import SLOTS, build_model, random_images, random_noise, small_config

from iodine.errors import UserError
from iodine.models.parts.image_distributions import FAMILIES, SpatialMixture
from iodine.models.parts.likelihoods import image_distribution
from iodine.models.parts.normal_of_mean import NormalOfMean

B, K, H, W, C = 2, 3, 3, 4, 3
SCALE = 0.3


@pytest.fixture
def values():
    """An image, means and mask logits, float64."""
    generator = np.random.default_rng(0)
    return (
        generator.uniform(size=(B, H, W, C)),
        generator.uniform(-0.5, 1.5, size=(B, K, H, W, C)),
        2 * generator.normal(size=(B, K, H, W)),
    )


def mixed(means, masks):
    return np.einsum("bkhw,bkhwc->bhwc", masks, means)


def loss_of_masks(images, means, masks):
    """-log p(x | z), [B]; the masks need not sum to 1."""
    return -scipy.stats.norm.logpdf(images, mixed(means, masks), SCALE).sum(axis=(1, 2, 3))


def loss_of_logits(images, means, logits):
    return loss_of_masks(images, means, softmax(logits))


def close(actual, expected):
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(actual, expected, atol=1e-7 * np.abs(expected).max())


def test_values_equal_numpy(values):
    images, means, logits = values
    distribution = NormalOfMean(tf.constant(means), tf.constant(logits), SCALE)
    terms = distribution.pixel_terms(tf.constant(images))
    mean = mixed(means, softmax(logits))
    np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-10)
    pixels = scipy.stats.norm.logpdf(images, mean, SCALE).sum(axis=-1)
    np.testing.assert_allclose(terms.log_prob, pixels, rtol=1e-10)
    np.testing.assert_allclose(distribution.log_prob(images), -loss_of_logits(*values), rtol=1e-10)
    alone = scipy.stats.norm.logpdf(images[:, np.newaxis], means, SCALE).sum(axis=-1)
    np.testing.assert_allclose(terms.component_log_prob, alone, rtol=1e-10)


def test_gradients_equal_finite_differences(values):
    sources = [tf.constant(x) for x in values]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        distribution = NormalOfMean(*sources[1:], SCALE)
        terms = distribution.pixel_terms(sources[0])
        known = distribution.gradients(sources[0], terms)
        loss = distribution.neg_log_likelihood(sources[0], terms, known)
    np.testing.assert_allclose(loss, loss_of_logits(*values), rtol=1e-10)
    upstream = tf.constant([2.0, -3.0], tf.float64)
    expected = []
    for i in range(3):

        def moved(x, i=i):
            return loss_of_logits(*[x if j == i else y for j, y in enumerate(values)]).sum()

        expected.append(central_difference(moved, values[i]))
    for gradient, value in zip(known, expected[1:], strict=True):
        close(gradient, value)
    for gradient, value in zip(tape.gradient(loss, sources, upstream), expected, strict=True):
        by_image = np.array([2.0, -3.0]).reshape(-1, *[1] * (value.ndim - 1))
        close(gradient, by_image * value)


def test_the_gradient_by_free_masks_equals_finite_differences(values):
    images, means, logits = values
    distribution = NormalOfMean(tf.constant(means), tf.constant(logits), SCALE)
    terms = distribution.pixel_terms(tf.constant(images))
    found = distribution.mask_gradient(tf.constant(images), terms)
    close(
        found, central_difference(lambda m: loss_of_masks(images, means, m).sum(), softmax(logits))
    )


def leave_one_out(images, means, logits):
    """Log p(x) of the mean of the K - 1 others, by its definition."""
    result = []
    for k in range(means.shape[1]):
        others = mixed(np.delete(means, k, axis=1), softmax(np.delete(logits, k, axis=1)))
        result.append(scipy.stats.norm.logpdf(images, others, SCALE).sum(axis=-1))
    return np.stack(result, axis=1)


@pytest.mark.parametrize("spread", [1.0, 10.0])  # of the logits: one slot has it all
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_leave_one_out_equals_its_definition(values, spread, kind):
    images, means, logits = (x.astype(kind) for x in values)
    logits *= kind(spread)
    distribution = NormalOfMean(tf.constant(means), tf.constant(logits), SCALE)
    terms = distribution.pixel_terms(tf.constant(images))
    found = distribution.leave_one_out_log_likelihood(tf.constant(images), terms)
    expected = leave_one_out(*(x.astype(np.float64) for x in (images, means, logits)))
    np.testing.assert_allclose(found, expected, rtol=1e-8 if kind is np.float64 else 1e-4)


def test_it_blames_the_border_where_the_mixture_is_content():
    """Half of a white slot and half of a black one explain white, but mix to gray."""
    means = tf.constant([0.0, 1.0], tf.float32)[tf.newaxis, :, tf.newaxis, tf.newaxis, tf.newaxis]
    means = tf.tile(means, [1, 1, 1, 1, 3])
    logits, white = tf.zeros([1, 2, 1, 1]), tf.ones([1, 1, 1, 3])
    best = 3 * scipy.stats.norm.logpdf(0, scale=0.1)
    assert float(SpatialMixture(means, logits, 0.1).log_prob(white)[0]) == pytest.approx(
        best + np.log(0.5)
    )
    mean = NormalOfMean(means, logits, 0.1).log_prob(white)
    assert float(mean[0]) == pytest.approx(best - 3 * 0.5 * (0.5 / 0.1) ** 2)


@pytest.mark.parametrize("likelihood", ["normal_of_mean", "bernoulli"])
@pytest.mark.parametrize("of_logits", [True, False])
def test_the_refinement_network_is_told_of_this_likelihood(likelihood, of_logits):
    changes = {
        "likelihood": likelihood,
        "refinement.layer_norm": (),
        "refinement.mask_gradient_of_logits": of_logits,
    }
    model = build_model(small_config(changes), 4)
    images, noise = random_images(B, 4), random_noise(3, B)
    with recorded_inputs() as built:
        iterations = model(images, noise=noise)
    mixture, found = iterations[1].mixture, by_name(built[1], model.config, SLOTS)
    terms = mixture.pixel_terms(images)
    by_outputs, by_logits = mixture.gradients(images, terms)
    others = mixture.leave_one_out_log_likelihood(images, terms)
    by_mask = by_logits if of_logits else mixture.mask_gradient(images, terms)
    for name, expected in {
        "means": mixture.means,
        "means_gradient": by_outputs,
        "mask_gradient": by_mask[..., tf.newaxis],
        "likelihood": tf.exp(terms.log_prob)[:, tf.newaxis, ..., tf.newaxis],
        "leave_one_out_likelihood": tf.exp(others)[..., tf.newaxis],
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, err_msg=name)
    components, _ = model.decode(iterations[1].z)
    np.testing.assert_allclose(components, iterations[1].step().components, rtol=1e-5, atol=1e-6)


def test_every_likelihood_has_its_name():
    means, logits = tf.zeros([1, 2, 1, 1, 3]), tf.zeros([1, 2, 1, 1])
    assert isinstance(image_distribution("normal_of_mean", means, logits, 0.1), NormalOfMean)
    for family in FAMILIES:
        assert isinstance(image_distribution(family, means, logits, 0.1), SpatialMixture)
    with pytest.raises(UserError, match=r"'cauchy'; known: normal, .*, normal_of_mean"):
        image_distribution("cauchy", means, logits, 0.1)
