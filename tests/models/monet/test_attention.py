"""Attention masks: stick breaking in float64, the U-Net layer by layer, padding."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from iodine.models.monet.attention import AttentionNetwork, UNet, padded_side
from iodine.models.monet.config import AttentionConfig


def test_masks_sum_to_one_and_are_products_of_what_is_left(build, draw):
    model, (images, noise) = build(), draw()
    step = model.infer(images, noise)[-1]
    scope, expected = np.ones([2, 8, 8]), []
    for _ in range(2):
        inputs = np.concatenate([images, np.log(scope)[..., np.newaxis]], axis=-1)
        share = expit(np.float64(model.attention.u_net(tf.constant(inputs, tf.float32))))
        expected.append(scope * share)
        scope = scope * (1 - share)
    expected = np.stack([*expected, scope], axis=1)
    np.testing.assert_allclose(step.masks, expected, atol=1e-6)
    np.testing.assert_allclose(step.mask_logits, np.log(expected), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sum(np.float64(step.masks), axis=1), 1, atol=1e-6)
    assert expected.std(axis=(2, 3)).min() > 1e-3  # the masks are not flat


def test_shares_that_are_all_or_nothing_stay_finite(build, draw):
    model, (images, noise) = build(), draw()
    for sign in (1, -1):
        model.attention.u_net.head.b.assign([sign * 200.0])
        step = model.infer(images, noise)[-1]
        assert np.isfinite(step.mask_logits).all()
        assert np.isfinite(model.losses([step], images).total)
        kept = 0 if sign == 1 else 2
        np.testing.assert_allclose(step.masks[:, kept], 1, atol=1e-6)


def convolved(x, kernel):
    """SAME, stride 1, by shifting the image."""
    height, width = x.shape[1:3]
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
    )


def block(module, x):
    x = convolved(x, np.float64(module.conv.w))
    x = x - x.mean(axis=(1, 2), keepdims=True)
    x = x / np.sqrt(np.mean(x**2, axis=(1, 2), keepdims=True) + 1e-5)
    return np.maximum(x * module.norm_relu.gain + module.norm_relu.bias, 0)


def u_net_by_hand(net, x):
    """The publication's description for three blocks each way."""
    skip_1 = block(net.down[0], x)
    skip_2 = block(net.down[1], skip_1[:, ::2, ::2])
    skip_3 = block(net.down[2], skip_2[:, ::2, ::2])
    flat = skip_3.reshape(len(x), -1)
    layers = net.mlp.submodules
    weights = [layer for layer in layers if hasattr(layer, "w")]
    for layer in weights:
        flat = np.maximum(flat @ np.float64(layer.w) + layer.b, 0)
    lowest = flat.reshape(skip_3.shape)
    up = block(net.up[0], np.concatenate([lowest, skip_3], axis=-1))
    up = up.repeat(2, axis=1).repeat(2, axis=2)
    up = block(net.up[1], np.concatenate([up, skip_2], axis=-1))
    up = up.repeat(2, axis=1).repeat(2, axis=2)
    up = block(net.up[2], np.concatenate([up, skip_1], axis=-1))
    return np.float64(up @ np.float64(net.head.w) + net.head.b)[..., 0]


def test_the_u_net_is_that_of_the_publication(build):
    net = build().attention.u_net
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 4))
    expected = u_net_by_hand(net, x)
    np.testing.assert_allclose(net(tf.constant(x, tf.float32)), expected, atol=1e-4)
    assert expected.std() > 0.1


def u_net_weights(channels, mlp_sizes, side):
    """Counted layer by layer from the table."""
    count, inputs = 0, 4
    for width in channels:
        count += 9 * inputs * width + 2 * width
        inputs = width
    lowest = (side // 2 ** (len(channels) - 1)) ** 2 * channels[-1]
    sizes = [lowest, *mlp_sizes, lowest]
    count += sum((a + 1) * b for a, b in itertools.pairwise(sizes))
    below = channels[-1]  # what comes from below, beside a skip of the level's width
    for level in reversed(range(len(channels))):
        width = channels[max(level - 1, 0)]
        count += 9 * (below + channels[level]) * width + 2 * width
        below = width
    return count + channels[0] + 1


@pytest.mark.parametrize(
    ("channels", "side", "expected"),
    [
        ((32, 32, 64, 64, 64), 64, 604_513),
        ((32, 32, 32, 64, 64, 64), 128, 632_289),
        ((32, 64, 64, 64), 32, 576_737),
    ],
)
def test_published_sizes_have_as_many_weights_as_the_table_says(channels, side, expected):
    net = UNet(AttentionConfig(channels=channels), side)
    logits = net(tf.zeros([1, side, side, 4]))
    assert logits.shape == (1, side, side)
    count = sum(int(tf.size(variable)) for variable in net.trainable_variables)
    assert count == u_net_weights(channels, (128, 128), side)
    assert count == expected


@pytest.mark.parametrize(
    ("side", "blocks", "expected"),
    [(64, 5, 64), (128, 6, 128), (35, 4, 40), (38, 4, 40), (33, 1, 33), (8, 4, 16), (8, 6, 64)],
)
def test_sides_are_padded_to_what_can_be_halved(side, blocks, expected):
    assert padded_side(side, blocks) == expected


def test_an_image_of_35_is_one_of_40_with_a_black_margin(draw):
    images, _ = draw(side=35)
    config = AttentionConfig(channels=(2, 3, 3, 2), mlp_sizes=(4,))
    tf.random.set_seed(0)
    cropped = AttentionNetwork(config, 35)
    log_masks = cropped(images, 3)
    whole = AttentionNetwork(config, 40)
    framed = np.zeros([2, 40, 40, 3], np.float32)
    framed[:, 2:37, 2:37] = images
    whole(tf.constant(framed), 3)
    for ours, theirs in zip(whole.variables, cropped.variables, strict=True):
        ours.assign(theirs)
    assert log_masks.shape == (2, 3, 35, 35)
    expected = whole(tf.constant(framed), 3)[:, :, 2:37, 2:37]
    np.testing.assert_allclose(log_masks, expected, atol=1e-5)
    assert np.std(expected) > 1e-3
