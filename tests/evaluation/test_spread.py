"""Quartiles and boxes, against NumPy and matplotlib, with images that are not finite."""

import numpy as np
import pytest
from matplotlib import cbook

from iodine.evaluation import spread

VALUES = np.random.default_rng(0).normal(size=[3, 37])
FINITE = np.ones_like(VALUES, dtype=bool)


def test_quartiles_of_finite_images_are_the_usual_ones():
    for more in (True, False):
        found = spread.quartiles(VALUES.astype(np.float32), FINITE, more)
        expected = np.percentile(VALUES.astype(np.float32), [25, 50, 75], axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_images_that_are_not_finite_count_as_worst():
    values = np.array([[1.0, 2.0, 3.0, 4.0, np.nan, np.inf, np.nan]])
    is_finite = np.isfinite(values)
    # By rank: 1 2 3 4 x x x, and x x x 1 2 3 4.
    assert spread.quartiles(values, is_finite, False)[:, 0].tolist() == [2.5, 4.0, np.inf]
    assert spread.quartiles(values, is_finite, True)[:, 0].tolist() == [-np.inf, 1.0, 2.5]


def test_a_quartile_between_a_finite_image_and_another_is_infinite():
    values = np.array([1.0, 2.0, np.nan, np.nan])
    assert spread.quartiles(values, np.isfinite(values), False).tolist() == [1.75, np.inf, np.inf]


def test_boxes_of_finite_images_are_matplotlibs():
    for row in VALUES:
        expected = cbook.boxplot_stats(row)[0]
        found = spread.box(row, np.ones(len(row), bool), True)
        for key, value in found.items():
            assert value == pytest.approx(float(expected[key])), key


def test_whiskers_end_at_finite_images():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.nan])
    found = spread.box(values, np.isfinite(values), False)
    assert found == {"q1": 2.75, "med": 4.5, "q3": 6.25, "whislo": 1.0, "whishi": 7.0}
    none = spread.box(np.full(4, np.nan), np.zeros(4, bool), False)
    assert set(none.values()) == {np.inf}


def test_axes_are_logarithmic_for_powers_of_ten():
    assert spread.scale_of(np.array([0.001, 0.1, np.inf])) == "log"
    assert spread.scale_of(np.array([10.0, 100.0])) == "linear"
    assert spread.scale_of(np.array([0.0, 100.0])) == "linear"
    assert spread.scale_of(np.array([np.inf])) == "linear"


def test_finite_images_need_likelihood_and_reconstruction():
    values = {"neg_elbo": np.array([[1.0, np.nan, 1.0]]), "mse": np.array([[1.0, 1.0, np.inf]])}
    assert spread.finite_images(values).tolist() == [[True, False, False]]


def test_json_has_no_infinity():
    assert spread.json_list(np.array([1.5, np.inf, np.nan])) == [1.5, None, None]
