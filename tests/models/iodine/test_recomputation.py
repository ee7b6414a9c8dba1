"""Recomputing in the backward pass changes no number."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import build_model, random_images, random_noise, small_config

from iodine.models.parts.recomputation import recomputed


@pytest.mark.parametrize("how", ["eager", "graph", "xla"])
def test_function_with_a_variable_and_a_tape_of_its_own(how):
    """It returns x^3 w and its derivative 3 x^2 w by a tape; then everything is in closed form."""
    w = tf.Variable([2.0, -1.0])

    @recomputed
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x**3 * w
        return y, tape.gradient(y, x)

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y, slope = function(x)
            total = tf.reduce_sum(5 * y + 7 * slope)
        return y, slope, *tape.gradient(total, [x, w])

    x = np.array([3.0, 0.5], np.float32)
    run = gradients if how == "eager" else tf.function(gradients, jit_compile=how == "xla")
    expected = (
        x**3 * w.numpy(),
        3 * x**2 * w.numpy(),
        (15 * x**2 + 42 * x) * w.numpy(),
        5 * x**3 + 21 * x**2,
    )
    for ours, value in zip(run(tf.constant(x)), expected, strict=True):
        np.testing.assert_allclose(ours, value, rtol=1e-6)


def test_function_runs_once_forward_and_once_backward():
    calls = []

    @recomputed
    def function(x):
        calls.append(1)
        return (tf.square(x),)

    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        (y,) = function(x)
        assert len(calls) == 1
    assert float(tape.gradient(y, x)) == 6.0
    assert len(calls) == 2


def loss_and_gradients(model):
    images, noise = random_images(2), random_noise(3, 2)
    with tf.GradientTape() as tape:
        steps = model.infer(images, {"z": noise}, training=True)
        total = model.losses(steps, images).total + tf.reduce_sum(steps[0].masks[:, 0])
    gradients = tape.gradient(
        total, model.trainable_variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [total, *gradients]


@pytest.mark.parametrize("backpropagated", [0, 1])
@pytest.mark.parametrize(("lstm_size", "in_graph"), [(0, False), (6, True)])
def test_model_has_the_same_loss_and_gradients(lstm_size, in_graph, backpropagated):
    changes = {
        "refinement.lstm_size": lstm_size,
        "objective.backpropagated_refinements": backpropagated,
    }
    kept = build_model(small_config(changes))
    again = build_model(small_config({**changes, "recompute": True}))
    run = tf.function(loss_and_gradients, autograph=False) if in_graph else loss_and_gradients
    for ours, expected in zip(run(again), loss_and_gradients(kept), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())
