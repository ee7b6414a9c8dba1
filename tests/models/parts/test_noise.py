"""Stateless noise."""

import numpy as np
import scipy.stats
from numpy.testing import assert_array_equal

from iodine.models.parts.noise import draw_noise


def test_it_is_standard_normal_and_differs_everywhere():
    noise = draw_noise((3, 7), 4, 5, 6, 50).numpy()
    assert noise.shape == (4, 5, 6, 50)
    assert noise.dtype == np.float32
    assert scipy.stats.kstest(noise.reshape(-1), "norm").pvalue > 0.01
    assert len(np.unique(noise)) > 0.999 * noise.size  # float32 draws may collide
    for axis in range(3):  # iterations, examples, slots are uncorrelated
        a, b = np.take(noise, 0, axis).reshape(-1), np.take(noise, 1, axis).reshape(-1)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.15


def test_the_same_seed_gives_the_same_numbers_and_another_step_or_run_does_not():
    first = draw_noise((3, 7), 2, 2, 3, 4)
    assert_array_equal(first, draw_noise((3, 7), 2, 2, 3, 4))
    assert_array_equal(first, draw_noise(np.array([3, 7], np.int64), 2, 2, 3, 4))
    for other in [(3, 8), (4, 7), (7, 3)]:
        assert not np.isin(draw_noise(other, 2, 2, 3, 4), first).any()


def test_first_iterations_do_not_change_when_there_are_more():
    assert_array_equal(draw_noise((1, 2), 3, 2, 3, 4), draw_noise((1, 2), 9, 2, 3, 4)[:3])
