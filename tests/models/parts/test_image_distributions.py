"""The pixel mixture."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from numpy_reference import central_difference, sigmoid, softmax

from iodine.errors import UserError
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
    with pytest.raises(UserError, match="'cauchy'; known: normal, logistic, bernoulli"):
        SpatialMixture(tf.zeros([1, 2, 1, 1, 3]), tf.zeros([1, 2, 1, 1]), 0.1, "cauchy")


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


@pytest.fixture
def bernoullis():
    """Images of 0, 1 and a value between, logits of the means and of the masks, float64."""
    generator = np.random.default_rng(1)
    images = generator.choice([0.0, 1.0, 0.3], size=(B, H, W, C))
    outputs = 3 * generator.normal(size=(B, K, H, W, C))
    return images, outputs, 2 * generator.normal(size=(B, K, H, W))


def bernoulli_loss(images, outputs, logits):
    """-log of Eq. 1 with Bernoulli components, by its definition."""
    means, images = sigmoid(outputs), images[:, np.newaxis]
    channels = images * np.log(means) + (1 - images) * np.log1p(-means)
    pixels = scipy.special.logsumexp(channels.sum(axis=-1), b=softmax(logits), axis=1)
    return -pixels.sum(axis=(1, 2))


def test_bernoullis_and_their_gradients_equal_numpy_and_finite_differences(bernoullis):
    _, outputs, _ = bernoullis
    sources = [tf.constant(x) for x in bernoullis]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        mixture = SpatialMixture(*sources[1:], 0.1, "bernoulli")
        terms = mixture.pixel_terms(sources[0])
        known = mixture.gradients(sources[0], terms)
        loss = mixture.neg_log_likelihood(sources[0], terms, known)
    np.testing.assert_allclose(loss, bernoulli_loss(*bernoullis), rtol=1e-10)
    np.testing.assert_allclose(mixture.means, sigmoid(outputs), rtol=1e-10)
    found = tape.gradient(loss, sources)
    for i, gradient in enumerate(found):

        def moved(x, i=i):
            return bernoulli_loss(*[x if j == i else y for j, y in enumerate(bernoullis)]).sum()

        expected = central_difference(moved, bernoullis[i])
        np.testing.assert_allclose(gradient, expected, atol=1e-6 * np.abs(expected).max())
    for gradient, value in zip(known, found[1:], strict=True):
        np.testing.assert_array_equal(gradient, value)


def test_bernoullis_stay_finite_where_they_are_sure_and_wrong():
    outputs = tf.constant([200.0, -200.0]).numpy().repeat(3).reshape(1, 2, 1, 1, 3)
    mixture = SpatialMixture(
        tf.constant(outputs), tf.constant([[[[50.0]], [[-50.0]]]]), 0.1, "bernoulli"
    )
    image = tf.zeros([1, 1, 1, 3])
    terms = mixture.pixel_terms(image)
    assert float(terms.log_prob[0, 0, 0]) == pytest.approx(-100)  # the mask of the one that fits
    for gradient in mixture.gradients(image, terms):
        assert np.isfinite(gradient).all()
