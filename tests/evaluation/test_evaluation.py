"""The spread of a figure over images."""

import numpy as np
import pytest

from iodine.evaluation import evaluator as evaluation


def test_confidence_interval_of_a_mean_has_the_normal_width():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    entry = evaluation.summarize({"mse": values[np.newaxis]})["mse"]
    low, high = entry["ci95"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_one_image_has_no_spread():
    entry = evaluation.summarize({"mse": np.array([[5.0], [4.0]])})["mse"]
    assert entry["ci95"] == [4.0, 4.0]
    assert entry["per_iteration"] == [5.0, 4.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, 2.0], [1.0, 2.0]], None),
        ([[1.0, 2.0], [np.nan, 2.0]], "1 of 2 images is not finite, from iteration 2 of 2 on"),
        ([[np.inf, 2.0], [1.0, np.nan]], "2 of 2 images is not finite, from iteration 1 of 2 on"),
    ],
)
def test_divergence(values, message):
    actual = evaluation.divergence({"neg_elbo": np.array(values)})
    assert actual is None if message is None else message in actual
