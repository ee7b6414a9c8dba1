"""Instance norm with ReLU against NumPy, and its gradient against automatic differentiation."""

import numpy as np
import tensorflow as tf

from iodine.models.monet.instance_norm import InstanceNormRelu, normalized_relu

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(2, 3, (4, 5, 6, 3)).astype(np.float32)
GAIN = np.array([1.5, -0.7, 0.4], np.float32)
BIAS = np.array([0.3, 0.1, -0.2], np.float32)


def by_pixels(x, gain, bias):
    result = np.zeros(x.shape)
    for n in range(x.shape[0]):
        for c in range(x.shape[3]):
            channel = x[n, :, :, c].astype(np.float64)
            variance = np.mean((channel - channel.mean()) ** 2)
            normal = (channel - channel.mean()) / np.sqrt(variance + 1e-5)
            result[n, :, :, c] = np.maximum(gain[c] * normal + bias[c], 0)
    return result


def test_it_normalises_each_channel_of_each_image():
    np.testing.assert_allclose(
        normalized_relu(X, tf.constant(GAIN), tf.constant(BIAS)),
        by_pixels(X, GAIN, BIAS),
        atol=1e-5,
    )


def test_small_deviations_are_damped_by_epsilon():
    flat = (1e-3 * X).astype(np.float32)
    found = normalized_relu(flat, tf.constant(GAIN), tf.constant(BIAS))
    np.testing.assert_allclose(found, by_pixels(flat, GAIN, BIAS), atol=1e-4)
    assert np.abs(found - by_pixels(X, GAIN, BIAS)).max() > 0.1


def test_its_gain_starts_at_1_and_its_bias_at_0():
    layer = InstanceNormRelu()
    np.testing.assert_allclose(layer(X), by_pixels(X, np.ones(3), np.zeros(3)), atol=1e-5)
    assert {tuple(variable.shape) for variable in layer.trainable_variables} == {(3,)}
    layer.gain.assign(GAIN)
    layer.bias.assign(BIAS)
    np.testing.assert_allclose(layer(X), by_pixels(X, GAIN, BIAS), atol=1e-5)


def test_its_gradient_is_that_of_automatic_differentiation():
    upstream = tf.constant(GENERATOR.normal(size=X.shape), tf.float64)
    inputs = [tf.constant(value, tf.float64) for value in (X, GAIN, BIAS)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        own = normalized_relu(*inputs)
    found = tape.gradient(own, inputs, upstream)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        x, gain, bias = inputs
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        plain = tf.nn.relu(gain * (x - mean) / tf.sqrt(variance + 1e-5) + bias)
    expected = tape.gradient(plain, inputs, upstream)
    np.testing.assert_allclose(own, plain, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
