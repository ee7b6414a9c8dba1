"""Posterior and prior."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import normal_kl, sigma

from iodine.errors import UserError
from iodine.models.parts import distributions
from iodine.models.parts.distributions import tfd

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
