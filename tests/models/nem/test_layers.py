"""The layers equal SciPy's convolution and a layer norm written out."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import conv_same

from iodine.models.nem import layers
from iodine.models.nem.layers import EnlargingConv2D, Layer, linear, strided_conv


def randomized(module, seed=0):
    generator = np.random.default_rng(seed)
    for variable in module.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return module


def enlarging_conv(kernel_size, channels=3):
    conv = EnlargingConv2D(2, kernel_size)
    conv(tf.zeros([1, 2, 2, channels]))
    return randomized(conv)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("sides", [(5, 5), (4, 7), (1, 2)])
def test_an_enlarging_convolution_equals_scipy_on_the_enlarged_image(kernel_size, sides):
    conv = enlarging_conv(kernel_size)
    x = np.random.default_rng(1).normal(size=(2, *sides, 3)).astype(np.float32)
    enlarged = x.repeat(2, axis=1).repeat(2, axis=2)
    expected = conv_same(enlarged, conv.w.numpy(), conv.b.numpy())
    np.testing.assert_allclose(conv(x), expected, atol=1e-4)
    np.testing.assert_allclose(conv.plain(tf.constant(x)), expected, atol=1e-4)


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_its_gradients_are_those_of_the_plain_convolution(kernel_size):
    conv = enlarging_conv(kernel_size)
    generator = np.random.default_rng(1)
    x = tf.constant(generator.normal(size=(2, 5, 6, 3)), tf.float32)
    projection = generator.normal(size=(2, 10, 12, 2)).astype(np.float32)

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x) * projection)
        return tape.gradient(total, [x, conv.w, conv.b])

    for fast, plain in zip(gradients(conv), gradients(conv.plain), strict=True):
        np.testing.assert_allclose(fast, plain, atol=1e-5 * np.abs(plain).max())


def test_the_shortcut_is_taken_unless_switched_off(monkeypatch):
    conv = enlarging_conv(4)
    calls = []
    plain = EnlargingConv2D.plain
    monkeypatch.setattr(EnlargingConv2D, "plain", lambda self, x: calls.append(1) or plain(self, x))
    conv(tf.zeros([1, 3, 3, 3]))
    assert not calls
    conv.use_shortcut = False
    conv(tf.zeros([1, 3, 3, 3]))
    assert calls


def normed(x, gain, offset):
    """Over all axes but the first; gain and offset for each channel."""
    axes = tuple(range(1, x.ndim))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * gain + offset


def test_a_layer_is_the_affine_map_its_norm_and_the_activation():
    x = np.random.default_rng(1).normal(size=(3, 6, 6, 2)).astype(np.float32)
    for affine, inputs in ((linear(5), x.reshape(3, -1)), (strided_conv(5, 4), x)):
        layer = Layer(affine, tf.nn.relu, layer_norm=True)
        layer(inputs)
        randomized(layer)
        w, b = affine.w.numpy().astype(np.float64), affine.b.numpy()
        mapped = inputs @ w + b if inputs.ndim == 2 else conv_same(inputs, w, b, stride=2)
        norm = layer.norm
        assert norm.scale.shape == norm.offset.shape == (5,)
        expected = np.maximum(normed(mapped, norm.scale.numpy(), norm.offset.numpy()), 0)
        np.testing.assert_allclose(layer(inputs), expected, atol=1e-4)
        assert (expected == 0).any()
        bare = Layer(affine, tf.identity, layer_norm=False)
        np.testing.assert_allclose(bare(inputs), mapped, atol=1e-4)


def test_weights_are_drawn_by_glorots_uniform_rule():
    tf.random.set_seed(0)
    dense, conv, enlarging = linear(40), strided_conv(16, 4), EnlargingConv2D(16, 4)
    dense(tf.zeros([1, 60]))
    conv(tf.zeros([1, 8, 8, 8]))
    enlarging(tf.zeros([1, 8, 8, 8]))
    for layer, fans in ((dense, 60 + 40), (conv, 16 * (8 + 16)), (enlarging, 16 * (8 + 16))):
        limit = np.sqrt(6 / fans)
        weights = layer.w.numpy()
        assert np.abs(weights).max() == pytest.approx(limit, rel=0.02)
        assert np.abs(weights).max() <= limit
        assert weights.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        np.testing.assert_array_equal(layer.b, 0)


def test_which_taps_are_added_up_for_a_kernel_of_four():
    """Outputs 2 i read pixels i - 1, i, i, i + 1; outputs 2 i + 1 read i, i, i + 1, i + 1."""
    expected = np.zeros((3, 2, 4))
    for output, read in enumerate(([-1, 0, 0, 1], [0, 0, 1, 1])):
        for tap, offset in enumerate(read):
            expected[offset + 1, output, tap] = 1
    np.testing.assert_array_equal(layers._summed_taps(4), expected)
