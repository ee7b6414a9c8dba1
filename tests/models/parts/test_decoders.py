"""The decoders against the tables of C.1, C.2 and C.3, worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import conv_same, elu

from iodine.errors import UserError
from iodine.models import registry
from iodine.models.parts.coordinates import coordinate_channels
from iodine.models.parts.decoders import (
    BroadcastDecoder,
    CoarseBroadcastDecoder,
    DecoderConfig,
    DeconvDecoder,
    build_decoder,
)

# Of each convolution: kernel side, channels in, channels out, weights and biases. In the first, the
# channels in are those of z (64, 16, 32) and two coordinates.
TABLES = {
    "clevr6": [  # C.1
        (3, 66, 64, 38_080),
        (3, 64, 64, 36_928),
        (3, 64, 64, 36_928),
        (3, 64, 64, 36_928),
        (3, 64, 4, 2_308),
    ],
    "multi_dsprites": [  # C.2
        (5, 18, 32, 14_432),
        (5, 32, 32, 25_632),
        (5, 32, 32, 25_632),
        (5, 32, 32, 25_632),
        (5, 32, 4, 3_204),
    ],
    "tetrominoes": [  # C.3
        (5, 34, 32, 27_232),
        (5, 32, 32, 25_632),
        (5, 32, 32, 25_632),
        (5, 32, 32, 25_632),
        (5, 32, 4, 3_204),
    ],
}
TOTALS = {"clevr6": 151_172, "multi_dsprites": 94_532, "tetrominoes": 107_332}
SIDES = {"clevr6": 128, "multi_dsprites": 64, "tetrominoes": 35}


def size(*modules):
    return sum(int(np.prod(v.shape)) for m in modules for v in m.trainable_variables)


@pytest.mark.parametrize("name", TABLES)
def test_broadcast_decoder_is_the_table(name):
    config, side = registry.preset(name), SIDES[name]
    assert config.data.image_size == side
    decoder = build_decoder(config.model.decoder, config.model.latent_size, side)
    z = tf.random.stateless_normal([1, config.model.latent_size], [1, 2])
    result = decoder(z)
    layers = [decoder.first, *decoder.hidden, decoder.last]
    table = TABLES[name]
    assert [(*layer.w.shape[1:], size(layer)) for layer in layers] == table
    assert all(layer.w.shape[0] == layer.w.shape[1] for layer in layers)
    assert size(decoder) == TOTALS[name]
    x = np.linspace(-1, 1, side, dtype=np.float32)
    channels = np.concatenate(
        [
            np.tile(z.numpy()[:, np.newaxis, np.newaxis], (1, side, side, 1)),
            np.stack(np.meshgrid(x, x), axis=-1)[np.newaxis],
        ],
        axis=-1,
    )
    assert channels.shape == (1, side, side, table[0][1])
    for i, (layer, (_, _, outputs, _)) in enumerate(zip(layers, table, strict=True)):
        channels = tf.nn.conv2d(channels, layer.w, 1, "SAME") + layer.b
        if i < len(layers) - 1:
            channels = tf.nn.elu(channels)
        assert channels.shape == (1, side, side, outputs)
    np.testing.assert_allclose(result, channels, atol=1e-5)


def test_broadcast_decoder_equals_scipy_with_a_constant_channel_and_other_coordinates():
    config = DecoderConfig(
        channels=(5, 4), kernel_size=3, coordinates="linear_yx", constant_input=5.0
    )
    decoder = BroadcastDecoder(config, 3, 7)
    z = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    result = decoder(tf.constant(z))
    x, y = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7))
    fixed = np.broadcast_to(np.stack([np.full_like(x, 5), y, x], axis=-1), (2, 7, 7, 3))
    tiled = np.tile(z[:, np.newaxis, np.newaxis], (1, 7, 7, 1))
    expected = np.concatenate([tiled, fixed], axis=-1)
    for layer in [decoder.first, *decoder.hidden]:
        expected = elu(conv_same(expected, layer.w.numpy(), layer.b.numpy()))
    expected = conv_same(expected, decoder.last.w.numpy(), decoder.last.b.numpy())
    np.testing.assert_allclose(result, expected, atol=1e-4)


def coarse_config(**changes):
    return DecoderConfig(kind="coarse", **{"channels": (5, 4), "kernel_size": 3, **changes})


def depth_to_space(x, upsampling):
    """[N, H, W, u * u * C] to [N, H u, W u, C]: a cell's channels are its pixels, row by row."""
    n, height, width, channels = x.shape
    out = np.zeros([n, height * upsampling, width * upsampling, channels // upsampling**2])
    for i, row, column in np.ndindex(upsampling**2, height, width):
        place = slice(i * out.shape[-1], (i + 1) * out.shape[-1])
        y, x_ = row * upsampling + i // upsampling, column * upsampling + i % upsampling
        out[:, y, x_] = x[:, row, column, place]
    return out


@pytest.mark.parametrize(
    ("image_size", "upsampling", "cells"),
    [(8, 2, 4), (9, 3, 3), (7, 3, 3), (8, 3, 3), (10, 4, 3), (9, 1, 9), (2, 3, 1)],
)
@pytest.mark.parametrize("last_kernel_size", [0, 1, 3, 5])
def test_coarse_decoder_equals_scipy_and_depth_to_space(
    image_size, upsampling, cells, last_kernel_size
):
    config = coarse_config(upsampling=upsampling, last_kernel_size=last_kernel_size)
    decoder = build_decoder(config, 3, image_size)
    assert isinstance(decoder, CoarseBroadcastDecoder)
    z = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    result = decoder(tf.constant(z))
    assert result.shape == (2, image_size, image_size, 4)
    generator = np.random.default_rng(1)
    for variable in decoder.trainable_variables:  # so that biases are seen
        variable.assign_add(generator.normal(size=variable.shape) * 0.2)
    result = decoder(tf.constant(z))
    x = np.linspace(-1, 1, cells) if cells > 1 else np.array([-1.0])
    fixed = np.broadcast_to(np.stack(np.meshgrid(x, x), axis=-1), (2, cells, cells, 2))
    tiled = np.tile(z[:, np.newaxis, np.newaxis], (1, cells, cells, 1))
    expected = np.concatenate([tiled, fixed], axis=-1)
    layers = decoder.coarse
    for layer in [layers.first, *layers.hidden]:
        assert layer.w.shape[:2] == (3, 3)
        expected = elu(conv_same(expected, layer.w.numpy(), layer.b.numpy()))
    assert layers.last.w.shape[:2] == [last_kernel_size or 3] * 2
    expected = conv_same(expected, layers.last.w.numpy(), layers.last.b.numpy())
    assert expected.shape == (2, cells, cells, 4 * upsampling**2)
    expected = depth_to_space(expected, upsampling)[:, :image_size, :image_size]
    np.testing.assert_allclose(result, expected, atol=1e-4)


def resized(x, upsampling):
    """[N, H, W, C] to [N, H u, W u, C], linear between the centres of cells, constant beyond."""
    for axis in (1, 2):
        centres = np.arange(x.shape[axis])
        pixels = (np.arange(x.shape[axis] * upsampling) + 0.5) / upsampling - 0.5
        x = np.apply_along_axis(lambda row, c=centres, p=pixels: np.interp(p, c, row), axis, x)
    return x


@pytest.mark.parametrize("mask_first", [False, True])
@pytest.mark.parametrize(("image_size", "upsampling"), [(8, 2), (10, 4), (9, 1)])
def test_a_smooth_mask_is_bilinear_and_the_colours_are_as_without(
    image_size, upsampling, mask_first
):
    config = coarse_config(upsampling=upsampling, smooth_mask=True, mask_first=mask_first)
    decoder = build_decoder(config, 3, image_size)
    z = tf.constant(np.random.default_rng(0).normal(size=(2, 3)), tf.float32)
    result = decoder(z).numpy()
    assert result.shape == (2, image_size, image_size, 4)
    inner = decoder.coarse(z).numpy().astype(np.float64)
    assert inner.shape[-1] == 3 * upsampling**2 + 1
    expected = [
        x[:, :image_size, :image_size]
        for x in (depth_to_space(inner[..., :-1], upsampling), resized(inner[..., -1:], upsampling))
    ]
    mask = expected[1]
    assert np.ptp(mask) > 0.01
    expected = np.concatenate(expected[:: -1 if mask_first else 1], axis=-1)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_smooth_mask_needs_a_mask():
    with pytest.raises(UserError, match=r"smooth_mask needs a model with masks"):
        build_decoder(coarse_config(smooth_mask=True), 3, 8, output_channels=3)


def test_a_smooth_mask_in_half_precision_has_the_type_of_the_latent():
    decoder = build_decoder(coarse_config(smooth_mask=True), 3, 8)
    z = tf.random.stateless_normal([2, 3], [0, 1])
    half = decoder(tf.cast(z, tf.bfloat16))
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(half, tf.float32), decoder(z), atol=0.05)


def test_coarse_decoder_without_upsampling_is_the_broadcast_decoder():
    config = coarse_config(upsampling=1, constant_input=5.0, coordinates="cosine")
    coarse = build_decoder(config, 3, 7)
    plain = BroadcastDecoder(config, 3, 7)
    z = tf.random.stateless_normal([2, 3], [0, 1])
    plain(z), coarse(z)
    for variable, value in zip(plain.trainable_variables, coarse.trainable_variables, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(coarse(z), plain(z))


def test_coarse_decoder_of_tetrominoes_fast_has_its_parameters():
    """Z 32 and 24 coordinates, then 64 channels; 9 x 9 cells of 4 x 4 pixels."""
    config = registry.preset("tetrominoes_fast")
    decoder = build_decoder(config.model.decoder, 32, 35)
    decoder(tf.zeros([1, 32]))
    layers = [decoder.coarse.first, *decoder.coarse.hidden, decoder.coarse.last]
    first = 3 * 3 * (32 + 24) * 64 + 64
    hidden = 3 * 3 * 64 * 64 + 64
    last = 1 * 1 * 64 * (4 * 4 * 4) + 4 * 4 * 4
    assert [size(layer) for layer in layers] == [first, hidden, last]
    assert size(decoder) == 32_320 + 36_928 + 4_160
    channels = coordinate_channels("cosine", 9, 9, 5)
    np.testing.assert_array_equal(decoder.coarse.first._coordinates, channels)


def deconv_config(**changes):
    return DecoderConfig(kind="deconv", channels=(64,) * 5, kernel_size=5, **changes)


def test_deconv_decoder_is_the_table():
    decoder = build_decoder(deconv_config(), 64, 128)
    assert isinstance(decoder, DeconvDecoder)
    z = tf.random.stateless_normal([2, 64], [1, 2])
    result = decoder(z)
    x = decoder.mlp(z)
    assert x.shape == (2, 512)
    assert float(tf.reduce_min(x)) > -1  # an ELU follows the last layer too
    assert float(tf.reduce_min(x)) < 0
    linear = {v.shape.as_list()[0]: v for v in decoder.mlp.trainable_variables if v.shape.rank == 2}
    assert [v.shape.as_list() for v in linear.values()] == [[64, 512], [512, 512]]
    x = tf.reshape(x, [2, 8, 8, 8])
    for layer, side, parameters in zip(
        decoder.upsample, [16, 32, 64, 128], [12_864, 102_464, 102_464, 102_464], strict=True
    ):
        x = tf.nn.elu(tf.nn.conv2d_transpose(x, layer.w, [2, side, side, 64], 2, "SAME") + layer.b)
        assert x.shape == (2, side, side, 64)
        assert size(layer) == parameters
    for layer, outputs, activation in [
        (decoder.conv, 64, tf.nn.elu),
        (decoder.last, 4, tf.identity),
    ]:
        x = activation(tf.nn.conv2d(x, layer.w, 1, "SAME") + layer.b)
        assert x.shape == (2, 128, 128, outputs)
    np.testing.assert_allclose(result, x, atol=1e-5)
    sizes = [size(m) for m in (decoder.mlp, decoder.conv, decoder.last)]
    assert sizes == [33_280 + 262_656, 102_464, 6_404]
    assert size(decoder) == 725_060


@pytest.mark.parametrize(("side", "reshaped"), [(35, 3), (64, 4), (7, 1), (16, 1), (17, 2)])
def test_deconv_decoder_is_cropped_for_other_sides(side, reshaped):
    decoder = build_decoder(deconv_config(), 5, side)
    assert decoder(tf.zeros([3, 5])).shape == (3, side, side, 4)
    assert decoder.mlp(tf.zeros([3, 5])).shape == (3, reshaped * reshaped * 8)


def test_deconv_decoder_of_any_number_of_slots_in_one_graph():
    config = DecoderConfig(kind="deconv", channels=(3, 3, 3), kernel_size=3, mlp_sizes=(6, 6))
    decoder = build_decoder(config, 5, 10)
    signature = [tf.TensorSpec([None, 5])]
    in_graph = tf.function(decoder, input_signature=signature, autograph=False)
    assert in_graph.get_concrete_function().output_shapes.as_list() == [None, 10, 10, 4]
    for number in (2, 3):
        z = tf.random.stateless_normal([number, 5], [0, number])
        np.testing.assert_allclose(in_graph(z), decoder(z), atol=1e-6)


def test_deconv_decoder_refuses_a_constant_input():
    with pytest.raises(UserError, match=r"needs decoder\.kind=broadcast"):
        build_decoder(deconv_config(constant_input=5.0), 8, 16)


SMALL_DECODERS = {
    "broadcast": DecoderConfig(channels=(4, 3), kernel_size=3),
    "coarse": DecoderConfig(kind="coarse", upsampling=2, channels=(4, 3), kernel_size=3),
    "deconv": DecoderConfig(kind="deconv", channels=(4, 3), kernel_size=3, mlp_sizes=(5, 5)),
}


@pytest.mark.parametrize("kind", SMALL_DECODERS)
def test_three_channels_are_the_first_of_four(kind):
    """A decoder without a mask is the one with it, less the weights of the mask."""
    z = tf.random.stateless_normal([2, 3], [3, 4])
    whole, without = (build_decoder(SMALL_DECODERS[kind], 3, 7, channels) for channels in (4, 3))
    expected = whole(z)[..., :3]
    assert without(z).shape == (2, 7, 7, 3)
    for variable, value in zip(without.trainable_variables, whole.trainable_variables, strict=True):
        if variable.shape != value.shape:  # outputs are [..., cells' pixels, channels]
            outputs = np.reshape(value, [*value.shape[:-1], -1, 4])[..., :3]
            value = outputs.reshape(variable.shape)
        variable.assign(value)
    np.testing.assert_allclose(without(z), expected, atol=1e-6)


@pytest.mark.parametrize("kind", SMALL_DECODERS)
def test_the_activation_is_that_of_all_layers_but_the_last(kind):
    """With the identity the decoder is affine, with an ELU it is not."""
    a, b = tf.random.stateless_normal([2, 1, 3], [5, 6])
    for activation, is_affine in ((tf.identity, True), (tf.nn.elu, False)):
        decoder = build_decoder(SMALL_DECODERS[kind], 3, 7, activation=activation)
        error = decoder(a + b) + decoder(tf.zeros([1, 3])) - decoder(a) - decoder(b)
        assert (np.abs(error).max() < 1e-5) == is_affine


def test_unknown_kind_is_refused():
    with pytest.raises(UserError, match="'mlp'; known: broadcast, coarse, deconv"):
        build_decoder(DecoderConfig(kind="mlp"), 8, 16)


@pytest.mark.parametrize("changes", [{"channels": ()}, {"kind": "deconv", "mlp_sizes": ()}])
def test_a_decoder_without_layers_is_refused(changes):
    with pytest.raises(UserError, match="need at least one layer"):
        build_decoder(DecoderConfig(**changes), 8, 16)
