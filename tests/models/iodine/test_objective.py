"""Eq. 4."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import build_model, random_images, random_noise, small_config

from iodine.models.iodine import objective

WEIGHTS = {  # by T and the number of refinements that are differentiated
    (1, 0): [0, 1],
    (4, 0): [0, 0.25, 0.5, 0.75, 1],
    (4, 1): [0, 0, 0, 0.75, 1],
    (4, 3): [0, 0.25, 0.5, 0.75, 1],
    (4, 4): [0, 0.25, 0.5, 0.75, 1],
    (2, 5): [0, 0.5, 1],
}


@pytest.mark.parametrize(("num_iterations", "backpropagated"), WEIGHTS)
def test_weights_are_t_over_t_where_a_refinement_can_learn_from_them(
    num_iterations, backpropagated
):
    weights = objective.iteration_weights(num_iterations, backpropagated)
    assert weights == WEIGHTS[num_iterations, backpropagated]


def test_weights_of_five_refinements_are_those_of_the_released_code():
    np.testing.assert_allclose(objective.iteration_weights(5), np.linspace(0, 1, 6), rtol=1e-15)


@pytest.fixture(scope="module")
def steps():
    model = build_model(small_config({"num_iterations": 3}))
    return model.infer(random_images(2), {"z": random_noise(4, 2)})


@pytest.mark.parametrize("kl_weight", [1.0, 0.05])
@pytest.mark.parametrize("backpropagated", [0, 1])
def test_total_is_the_weighted_sum_of_the_steps(steps, backpropagated, kl_weight):
    weights = objective.iteration_weights(3, backpropagated)
    losses = objective.losses(steps, weights, kl_weight)
    nll, kl, total = [], [], 0.0
    for weight, step in zip(weights, steps, strict=True):
        nll.append(-step.log_likelihood.numpy().astype(np.float64))
        kl.append(step.kl.numpy().astype(np.float64).sum(axis=1))
        total += weight * (nll[-1] + kl_weight * kl[-1]).mean()
    nll, kl = np.array(nll), np.array(kl)  # [T + 1, B]
    assert set(losses.terms) == {"neg_elbo", "neg_log_likelihood", "kl"}
    np.testing.assert_allclose(losses.terms["neg_log_likelihood"], nll.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(losses.terms["kl"], kl.mean(axis=1), rtol=1e-5)
    neg_elbo = nll + kl_weight * kl
    np.testing.assert_allclose(losses.terms["neg_elbo"], neg_elbo.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(losses.selection, neg_elbo[-1], rtol=1e-5)
    assert float(losses.total) == pytest.approx(total, rel=1e-5)
    assert len(set(np.round(nll.mean(axis=1), 3))) == 4  # so that the order of weights matters
    assert np.abs(neg_elbo[-1, 0] - neg_elbo[-1, 1]) > 1e-3


def test_the_unrefined_decodings_loss_has_no_way_to_the_gradient(steps):
    """It is left out: multiplied by 0, an infinite loss would make the total NaN."""
    first = [tf.fill([2], np.float32(-np.inf)), tf.fill([2, 3], np.float32(np.inf))]
    with tf.GradientTape() as tape:
        tape.watch(first)
        changed = steps[0]._replace(log_likelihood=first[0], kl=first[1])
        losses = objective.losses([changed, *steps[1:]], objective.iteration_weights(3))
    assert tape.gradient(losses.total, first) == [None, None]
    expected = objective.losses(steps, objective.iteration_weights(3)).total
    assert float(losses.total) == float(expected)


def test_the_models_own_losses_use_its_kl_weight_unless_it_is_scheduled(steps):
    model = build_model(small_config({"objective.kl_weight": 0.25}))
    weights = objective.iteration_weights(3)
    for scheduled, kl_weight in [(None, 0.25), ({}, 0.25), ({"kl_weight": 0.5}, 0.5)]:
        losses = model.losses(steps, random_images(2), scheduled)
        expected = objective.losses(steps, weights, kl_weight)
        assert float(losses.total) == float(expected.total)
        np.testing.assert_array_equal(losses.selection, expected.selection)
