"""Eq. 4."""

import numpy as np
import pytest
from small_models import build_model, random_images, random_noise, small_config

from iodine.errors import UserError
from iodine.models.iodine import objective

WEIGHTS = {
    "linear": [0.25, 0.5, 0.75, 1.0],
    "linspace": [0, 1 / 3, 2 / 3, 1],
    "uniform": [0.25, 0.25, 0.25, 0.25],
    "last": [0, 0, 0, 1],
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_four_iterations(kind):
    weights = objective.iteration_weights(kind, 4)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, WEIGHTS[kind], rtol=1e-6)


def test_one_iteration_has_weight_one_under_the_papers_rule():
    assert objective.iteration_weights("linear", 1).tolist() == [1]


def test_unknown_weights_are_refused():
    with pytest.raises(UserError, match="'square'; known: linear, linspace, uniform, last"):
        objective.iteration_weights("square", 3)


@pytest.fixture(scope="module")
def iterations():
    model = build_model(small_config())
    return model(random_images(2), noise=random_noise(3, 2))


@pytest.mark.parametrize("kl_weight", [1.0, 0.05])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_total_is_the_weighted_sum_of_the_iterations(iterations, kind, kl_weight):
    weights = objective.iteration_weights(kind, 3)
    loss = objective.loss(iterations, weights, kl_weight)
    nll, kl, total = [], [], 0.0
    for weight, iteration in zip(weights, iterations, strict=True):
        nll.append(iteration.neg_log_likelihood.numpy().astype(np.float64).mean())
        kl.append(iteration.kl.numpy().astype(np.float64).sum(axis=1).mean())
        total += weight * (nll[-1] + kl_weight * kl[-1])
    np.testing.assert_allclose(loss.neg_log_likelihood, nll, rtol=1e-5)
    np.testing.assert_allclose(loss.kl, kl, rtol=1e-5)
    np.testing.assert_allclose(loss.neg_elbo, np.add(nll, np.multiply(kl_weight, kl)), rtol=1e-5)
    assert float(loss.total) == pytest.approx(total, rel=1e-5)
    assert len(set(np.round(nll, 3))) == 3  # so that the order of the weights matters
