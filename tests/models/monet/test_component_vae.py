"""The component VAE against convolutions of the plain inputs, TFP and counts by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from iodine.models.monet.component_vae import (
    BroadcastValidConv2D,
    Decoder,
    Encoder,
    kl_to_standard_normal,
)
from iodine.models.monet.config import DecoderConfig, EncoderConfig


def randomize(module):
    generator = np.random.default_rng(3)
    for variable in module.trainable_variables:
        variable.assign_add(0.2 * generator.standard_normal(variable.shape))


def weights(module):
    return sum(int(tf.size(variable)) for variable in module.trainable_variables)


def test_the_kl_is_tfp_s():
    generator = np.random.default_rng(0)
    mean, log_scale = generator.normal(0, 2, (2, 3, 4, 5)).astype(np.float32)
    tfd = tfp.distributions
    expected = tfd.kl_divergence(tfd.Normal(mean, np.exp(log_scale)), tfd.Normal(0.0, 1.0))
    found = kl_to_standard_normal(tf.constant(mean), tf.constant(log_scale))
    np.testing.assert_allclose(found, np.sum(expected, axis=-1), rtol=1e-5)
    assert float(kl_to_standard_normal(tf.zeros([1, 4]), tf.zeros([1, 4]))[0]) == 0


def test_a_scale_that_is_nearly_0_has_a_finite_kl():
    found = kl_to_standard_normal(tf.zeros([1, 1]), tf.constant([[-200.0]]))
    np.testing.assert_allclose(found, [199.5])


def test_slots_are_encoded_as_if_each_had_image_and_mask_to_itself():
    generator = np.random.default_rng(1)
    images = generator.uniform(size=(2, 9, 9, 3)).astype(np.float32)
    log_masks = np.log(generator.dirichlet(np.ones(3), (2, 9, 9))).astype(np.float32)
    log_masks = np.moveaxis(log_masks, -1, 1)  # [B, K, H, W]
    encoder = Encoder(EncoderConfig(channels=(5, 4), mlp_sizes=(6,)), 2)
    encoder(tf.constant(images), tf.constant(log_masks))
    randomize(encoder)
    mean, log_scale = encoder(tf.constant(images), tf.constant(log_masks))
    for b in range(2):
        for k in range(3):
            x = np.concatenate([images[b], log_masks[b, k][..., np.newaxis]], axis=-1)[np.newaxis]
            for conv in (encoder.first, *encoder.hidden):
                x = tf.nn.relu(tf.nn.conv2d(x, conv.w, 2, "SAME") + conv.b)
            assert x.shape == (1, 3, 3, 4)
            first, last = (layer for layer in encoder.mlp.submodules if hasattr(layer, "w"))
            x = tf.nn.relu(tf.reshape(x, [1, -1]) @ first.w + first.b) @ last.w + last.b
            np.testing.assert_allclose(mean[b, k], x[0, :2], atol=1e-5)
            np.testing.assert_allclose(log_scale[b, k], x[0, 2:], atol=1e-5)


@pytest.mark.parametrize("kernel_size", [3, 5, 2])
def test_the_first_layer_is_a_convolution_of_the_broadcast(kernel_size):
    layer = BroadcastValidConv2D(2, 9, 4, kernel_size)
    randomize(layer)
    z = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
    place = np.broadcast_to(np.stack([x, y], axis=-1), (3, 9, 9, 2))
    broadcast = np.broadcast_to(z[:, np.newaxis, np.newaxis], (3, 9, 9, 2))
    inputs = np.concatenate([broadcast, place], axis=-1).astype(np.float32)
    expected = tf.nn.conv2d(inputs, layer.w, 1, "VALID") + layer.b
    found = layer(tf.constant(z))
    assert found.shape == expected.shape == (3, 10 - kernel_size, 10 - kernel_size, 4)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_decoder_is_a_broadcast_and_convolutions_without_padding():
    decoder = Decoder(DecoderConfig(channels=(4, 3)), 2, 6)
    z = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 2)), tf.float32)
    decoder(z)
    randomize(decoder)
    components, mask_logits = decoder(z)
    x = decoder.first(tf.reshape(z, [6, 2]))
    assert decoder.first.coordinates.shape == (1, 10, 10, 2)
    [conv] = decoder.hidden
    x = tf.nn.relu(tf.nn.conv2d(tf.nn.relu(x), conv.w, 1, "VALID") + conv.b)
    last = tf.reshape(decoder.last.w, [1, 1, 3, 4])
    x = np.reshape(tf.nn.conv2d(x, last, 1, "VALID") + decoder.last.b, [2, 3, 6, 6, 4])
    np.testing.assert_allclose(components, 1 / (1 + np.exp(-x[..., :3])), atol=1e-6)
    np.testing.assert_allclose(mask_logits, x[..., 3], atol=1e-5)


@pytest.mark.parametrize(("side", "flat"), [(64, 4 * 4 * 64), (128, 8 * 8 * 64)])
def test_published_sizes_have_as_many_weights_as_the_tables_say(side, flat):
    encoder, decoder = Encoder(EncoderConfig(), 16), Decoder(DecoderConfig(), 16, side)
    mean, _ = encoder(tf.zeros([1, side, side, 3]), tf.zeros([1, 2, side, side]))
    components, _ = decoder(mean)
    assert components.shape == (1, 2, side, side, 3)
    widths = (4, 32, 32, 64, 64)
    expected = sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    expected += (flat + 1) * 256 + (256 + 1) * 2 * 16
    assert weights(encoder) == expected
    assert weights(decoder) == (9 * 18 * 32 + 32) + 3 * (9 * 32 * 32 + 32) + (32 + 1) * 4
