"""Posterior, prior and the pixel mixture."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from numpy_reference import normal_kl, sigma, softmax

from iodine.errors import UserError
from iodine.models.parts import distributions
from iodine.models.parts.distributions import tfd
from iodine.models.parts.image_distributions import SpatialMixture

B, K, H, W, C = 2, 3, 4, 5, 3


def random_mixture(family, scale=0.3, spread=1.0):
    generator = np.random.default_rng(0)
    images = generator.uniform(size=(B, H, W, C)).astype(np.float32)
    means = generator.uniform(size=(B, K, H, W, C)).astype(np.float32) * spread
    logits = 2 * generator.normal(size=(B, K, H, W)).astype(np.float32)
    mixture = SpatialMixture(tf.constant(means), tf.constant(logits), scale, family)
    return images, means, logits, mixture


FAMILIES = {"normal": scipy.stats.norm, "logistic": scipy.stats.logistic}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [0.1, 0.4])
def test_log_prob_equals_numpys_log_sum_exp_with_one_event_a_pixel(family, scale):
    images, means, logits, mixture = random_mixture(family, scale)
    masks = softmax(logits.astype(np.float64))
    channels = FAMILIES[family].logpdf(images[:, np.newaxis].astype(np.float64), means, scale)
    component = channels.sum(axis=-1)
    pixels = scipy.special.logsumexp(component + np.log(masks), axis=1)
    terms = mixture.pixel_terms(images)
    np.testing.assert_allclose(terms.component_log_prob, component, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        terms.joint_log_prob, component + np.log(masks), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(terms.log_prob, pixels, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mixture.log_prob(images), pixels.sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(mixture.masks, masks, atol=1e-6)
    np.testing.assert_allclose(np.sum(mixture.masks, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_log_prob_equals_tfps_mixture_of_the_same_family(family):
    images, means, logits, mixture = random_mixture(family)
    component = {"normal": tfd.Normal, "logistic": tfd.Logistic}[family]
    reference = tfd.MixtureSameFamily(
        tfd.Categorical(logits=np.moveaxis(logits, 1, -1)),
        tfd.Independent(component(np.moveaxis(means, 1, -2), 0.3), 1),
    )
    pixels = reference.log_prob(images)
    assert pixels.shape == (B, H, W)
    np.testing.assert_allclose(mixture.pixel_terms(images).log_prob, pixels, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mixture.mean(), reference.mean(), atol=1e-5)


def test_channels_are_not_separate_events():
    """Two slots that fit one channel each explain the pixel worse than one that fits both."""
    images = np.zeros([1, 1, 1, 2], np.float32)
    means = np.array([[0.0, 9.0], [9.0, 0.0]], np.float32).reshape(1, 2, 1, 1, 2)
    mixture = SpatialMixture(tf.constant(means), tf.zeros([1, 2, 1, 1]), 1.0)
    expected = scipy.stats.norm.logpdf(0) + scipy.stats.norm.logpdf(9)  # both slots equally
    assert mixture.log_prob(images).numpy()[0] == pytest.approx(expected, rel=1e-6)


def test_far_pixels_stay_finite():
    images, means, logits, _ = random_mixture("normal")
    mixture = SpatialMixture(tf.constant(means + 100), tf.constant(logits * 100), 0.1)
    assert np.isfinite(mixture.log_prob(images)).all()


def test_mean_is_the_mask_weighted_sum():
    _, means, logits, mixture = random_mixture("normal")
    expected = np.einsum("bkhw,bkhwc->bhwc", softmax(logits), means)
    np.testing.assert_allclose(mixture.mean(), expected, atol=1e-6)
    assert mixture.batch_shape == (B,)
    assert mixture.event_shape == (H, W, C)
    assert mixture.batch_shape_tensor().numpy().tolist() == [B]
    assert mixture.event_shape_tensor().numpy().tolist() == [H, W, C]


def test_unknown_family_is_refused():
    with pytest.raises(UserError, match="'cauchy'; known: normal, logistic"):
        SpatialMixture(tf.zeros([1, 2, 1, 1, 3]), tf.zeros([1, 2, 1, 1]), 0.1, "cauchy")


PRIOR_SCALES = {  # of raw 0: softplus(0) = log 2
    ("standard_normal", "softplus"): 1.0,
    ("standard_normal", "sqrt_softplus"): 1.0,
    ("posterior_at_zero", "softplus"): np.log(2),
    ("posterior_at_zero", "sqrt_softplus"): np.sqrt(np.log(2)),
}


@pytest.mark.parametrize(("prior", "scale_map"), PRIOR_SCALES)
def test_kl_equals_the_closed_form_and_tfp(prior, scale_map):
    parameters = 2 * np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    mean, scale = parameters[..., :4], sigma(parameters[..., 4:], scale_map)
    posterior = distributions.posterior(tf.constant(parameters), scale_map)
    p = distributions.prior(prior, scale_map)
    assert float(p.stddev()) == pytest.approx(PRIOR_SCALES[prior, scale_map], rel=1e-6)
    assert float(p.mean()) == 0
    np.testing.assert_allclose(posterior.mean(), mean)
    np.testing.assert_allclose(posterior.stddev(), scale, rtol=1e-5)
    kl = posterior.kl_divergence(p)
    closed = normal_kl(mean, scale, PRIOR_SCALES[prior, scale_map])
    np.testing.assert_allclose(kl, closed, rtol=1e-4, atol=1e-5)
    reference = tfd.kl_divergence(
        tfd.Normal(mean, scale), tfd.Normal(0.0, np.float32(PRIOR_SCALES[prior, scale_map]))
    )
    np.testing.assert_allclose(kl, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale_map", ["softplus", "sqrt_softplus"])
def test_a_floor_of_the_scale_keeps_the_kl_finite(scale_map):
    """Without it softplus(-1e4) is 0 and the KL infinite; log sigma of the floor is -11.5."""
    parameters = tf.constant([[0.5, 0.5, -1e4, 1.0]])  # two means, two raw scales
    p = distributions.prior("standard_normal", scale_map)
    without = distributions.posterior(parameters, scale_map)
    assert float(without.stddev()[0, 0]) == 0
    assert np.isinf(without.kl_divergence(p)[0, 0])
    with_floor = distributions.posterior(parameters, scale_map, 1e-5)
    expected = normal_kl(0.5, np.array([1e-5, sigma(1.0, scale_map)]))
    np.testing.assert_allclose(with_floor.kl_divergence(p)[0], expected, rtol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        kl = distributions.posterior(parameters, scale_map, 1e-5).kl_divergence(p)
    gradient = tape.gradient(kl, parameters).numpy()[0]
    np.testing.assert_allclose(gradient[:3], [0.5, 0.5, 0.0], rtol=1e-6)
    assert np.isfinite(gradient[3])


@pytest.mark.parametrize("scale_map", ["softplus", "sqrt_softplus"])
def test_a_floor_changes_no_larger_scale_and_0_is_none(scale_map):
    parameters = tf.constant(3 * np.random.default_rng(0).normal(size=(4, 2, 8)), tf.float32)
    plain = distributions.posterior(parameters, scale_map)
    assert float(tf.reduce_min(plain.stddev())) > 1e-5
    for floor in (0.0, 1e-5):
        found = distributions.posterior(parameters, scale_map, floor)
        np.testing.assert_array_equal(found.stddev(), plain.stddev())
        np.testing.assert_array_equal(found.mean(), plain.mean())


@pytest.mark.parametrize("scale_map", ["softplus", "sqrt_softplus"])
def test_raw_of_unit_scale_gives_scale_one(scale_map):
    assert sigma(distributions.RAW_OF_UNIT_SCALE, scale_map) == pytest.approx(1, abs=1e-12)


def test_unknown_prior_is_refused():
    with pytest.raises(UserError, match="'flat'; known: standard_normal"):
        distributions.prior("flat", "softplus")


@pytest.mark.parametrize("family", FAMILIES)
def test_known_gradients_equal_automatic_differentiation(family):
    images, means, logits, _ = random_mixture(family)
    images, means, logits = (tf.constant(x) for x in (images, means, logits))
    sources = [images, means, logits]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(sources)
        mixture = SpatialMixture(means, logits, 0.3, family)
        terms = mixture.pixel_terms(images)
        known = mixture.gradients(images, terms)
        ours = mixture.neg_log_likelihood(images, terms, known)
        theirs = -mixture.log_prob(images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    upstream = tf.constant([2.0, -3.0])
    expected = tape.gradient(theirs, sources, upstream)
    for gradient, value in zip(tape.gradient(ours, sources, upstream), expected, strict=True):
        np.testing.assert_allclose(gradient, value, atol=1e-5 * np.abs(value).max())
    for gradient, value in zip(known, tape.gradient(theirs, sources[1:]), strict=True):
        np.testing.assert_allclose(gradient, value, atol=1e-5 * np.abs(value).max())


def test_log_masks_of_large_logits_are_exact():
    logits = np.array([1000.0, 1001.5, 998.0], np.float32).reshape(1, 3, 1, 1)
    mixture = SpatialMixture(tf.zeros([1, 3, 1, 1, 3]), tf.constant(logits), 0.1)
    expected = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(mixture.log_masks, expected, rtol=1e-6)
