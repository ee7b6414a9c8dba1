"""Stateless noise."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from numpy.testing import assert_array_equal

from iodine.models.interface import NoiseSpec
from iodine.models.parts.noise import draw_noise, draw_noise_by_example, draw_same_noise

SPECS = {
    "z": NoiseSpec(4, (6, 50)),
    "other": NoiseSpec(3, (6, 50)),
    "chance": NoiseSpec(4, (300,), "uniform"),
}


def of_z(seed, num_draws=2, batch_size=2):
    return draw_noise(seed, {"z": NoiseSpec(num_draws, (3, 4))}, batch_size)["z"]


def test_it_is_standard_normal_and_differs_everywhere():
    noise = draw_noise((3, 7), SPECS, 5)["z"].numpy()
    assert noise.shape == (4, 5, 6, 50)
    assert noise.dtype == np.float32
    assert scipy.stats.kstest(noise.reshape(-1), "norm").pvalue > 0.01
    assert len(np.unique(noise)) > 0.999 * noise.size  # float32 draws may collide
    for axis in range(3):  # draws, examples, slots are uncorrelated
        a, b = np.take(noise, 0, axis).reshape(-1), np.take(noise, 1, axis).reshape(-1)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.15


def test_uniform_noise_is_uniform_in_0_to_1():
    noise = draw_noise((3, 7), SPECS, 5)["chance"].numpy()
    assert noise.shape == (4, 5, 300)
    assert noise.dtype == np.float32
    assert noise.min() >= 0
    assert noise.max() < 1
    assert scipy.stats.kstest(noise.reshape(-1), "uniform").pvalue > 0.01


def test_noise_of_two_names_is_not_the_same():
    noise = draw_noise((3, 7), SPECS, 5)
    a, b = noise["z"].numpy(), noise["other"].numpy()
    assert np.isin(a, b).mean() < 0.01  # float32 draws may collide
    assert abs(np.corrcoef(a[:3].ravel(), b.ravel())[0, 1]) < 0.05
    uniform = scipy.stats.norm.cdf(a).reshape(4, -1)
    chance = noise["chance"].numpy().reshape(4, -1)
    assert abs(np.corrcoef(uniform.ravel(), chance.ravel())[0, 1]) < 0.1


def test_no_noise_where_a_model_needs_none():
    assert draw_noise((0, 0), {}, 5) == {}
    assert draw_same_noise(0, {}, 5) == {}
    assert draw_noise_by_example(0, {}, tf.range(5)) == {}


def test_the_same_seed_gives_the_same_numbers_and_another_step_or_run_does_not():
    first = of_z((3, 7))
    assert_array_equal(first, of_z((3, 7)))
    assert_array_equal(first, of_z(np.array([3, 7], np.int64)))
    for other in [(3, 8), (4, 7), (7, 3)]:
        assert not np.isin(of_z(other), first).any()


def test_first_draws_do_not_change_when_there_are_more():
    assert_array_equal(of_z((1, 2), 3), of_z((1, 2), 9)[:3])


def test_the_numbers_of_version_0_3_are_kept():
    """Evaluations with a seed can be compared with older ones."""
    expected = [[[-0.30394742, -1.3657945]], [[-0.8124534, -0.82180923]]]
    np.testing.assert_allclose(of_z((3, 7), 2, 1)[:, :, 0, :2], expected, rtol=1e-6)


def test_same_noise_is_one_examples_repeated():
    noise = draw_same_noise(5, SPECS, 3)
    once = draw_noise((5, 0), SPECS, 1)
    for name, spec in SPECS.items():
        assert noise[name].shape == (spec.num_draws, 3, *spec.shape)
        for b in range(3):
            assert_array_equal(noise[name][:, b], once[name][:, 0])


def test_an_examples_noise_is_its_own_in_whatever_batch_it_is():
    together = draw_noise_by_example(4, SPECS, tf.constant([7, 0, 9]))
    other = draw_noise_by_example(4, SPECS, tf.constant([9, 7]))
    for name, spec in SPECS.items():
        assert together[name].shape == (spec.num_draws, 3, *spec.shape)
        assert_array_equal(together[name][:, 0], other[name][:, 1])
        assert_array_equal(together[name][:, 2], other[name][:, 0])
        assert_array_equal(together[name][:, 2], draw_noise((4, 9), SPECS, 1)[name][:, 0])
    assert np.abs(together["z"][:, 0] - together["z"][:, 1]).min() > 0


@pytest.mark.parametrize("in_graph", [False, True])
def test_it_can_be_drawn_for_an_unknown_batch(in_graph):
    run = tf.function(draw_same_noise, autograph=False) if in_graph else draw_same_noise
    specs = {"z": NoiseSpec(2, (3, 4))}
    noise = run(1, specs, tf.constant(5))["z"]
    assert_array_equal(noise, draw_same_noise(1, specs, 5)["z"])
