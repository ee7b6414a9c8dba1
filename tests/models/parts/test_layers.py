"""The convolutions equal SciPy's; those with a shortcut equal the plain one, too."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import conv_same

from iodine.models.parts.coordinates import coordinate_channels
from iodine.models.parts.layers import BroadcastConv2D, Conv2D, SharedInputConv2D

LATENT, OUT, SLOTS, BATCH = 3, 4, 3, 2


def randomized(layer, seed=0):
    generator = np.random.default_rng(seed)
    for variable in (layer.w, layer.b):
        variable.assign(generator.normal(size=variable.shape))
    return layer


def broadcast_layer(kernel_size, height, width):
    coordinates = coordinate_channels("linear", height, width)
    return randomized(BroadcastConv2D(LATENT, coordinates, OUT, kernel_size))


def random_latent():
    return tf.constant(np.random.default_rng(1).normal(size=(5, LATENT)), tf.float32)


def gradients(function, sources, seed=3):
    """Of a random projection of the result, so that every output counts differently."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = function()
        projection = np.random.default_rng(seed).normal(size=y.shape).astype(np.float32)
        total = tf.reduce_sum(y * projection)
    return tape.gradient(total, sources)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("sides", [(7, 7), (8, 8), (5, 9), (3, 3), (2, 2), (1, 4), (5, 5), (4, 5)])
def test_broadcast_layer_equals_plain_and_scipy_with_its_gradients(kernel_size, sides):
    layer, latent = broadcast_layer(kernel_size, *sides), random_latent()
    tiled = np.tile(latent.numpy()[:, np.newaxis, np.newaxis], (1, *sides, 1))
    x, y = np.meshgrid(np.linspace(-1, 1, sides[1]), np.linspace(-1, 1, sides[0]))
    coordinates = np.broadcast_to(np.stack([x, y], axis=-1), (5, *sides, 2))
    full = np.concatenate([tiled, coordinates], axis=-1)
    expected = conv_same(full, layer.w.numpy(), layer.b.numpy())
    np.testing.assert_allclose(layer(latent), expected, atol=1e-4)
    np.testing.assert_allclose(layer.plain(latent), expected, atol=1e-4)
    sources = [latent, layer.w, layer.b]
    fast = gradients(lambda: layer(latent), sources)
    plain = gradients(lambda: layer.plain(latent), sources)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_broadcast_layer_with_an_even_kernel_equals_scipy(kernel_size):
    layer, latent = broadcast_layer(kernel_size, 6, 6), random_latent()
    tiled = np.tile(latent.numpy()[:, np.newaxis, np.newaxis], (1, 6, 6, 1))
    coordinates = np.repeat(coordinate_channels("linear", 6, 6), 5, axis=0)
    full = np.concatenate([tiled, coordinates], axis=-1)
    expected = conv_same(full, layer.w.numpy(), layer.b.numpy())
    np.testing.assert_allclose(layer(latent), expected, atol=1e-4)


def count_calls(monkeypatch, layer_class):
    calls = []
    plain = layer_class.plain
    monkeypatch.setattr(
        layer_class, "plain", lambda self, *args: calls.append(1) or plain(self, *args)
    )
    return calls


def test_broadcast_shortcut_is_taken_unless_switched_off(monkeypatch):
    calls = count_calls(monkeypatch, BroadcastConv2D)
    layer = broadcast_layer(3, 6, 6)
    fast = layer(random_latent())
    assert not calls
    layer.use_shortcut = False
    plain = layer(random_latent())
    assert len(calls) == 1
    np.testing.assert_allclose(fast, plain, atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "sides"), [(2, (6, 6)), (4, (6, 6)), (5, (4, 7))])
def test_broadcast_shortcut_is_off_where_it_does_not_hold(kernel_size, sides):
    assert not broadcast_layer(kernel_size, *sides).use_shortcut


def exact_broadcast(layer, latent, sides):
    """Input channels and result of a broadcast layer in float64."""
    tiled = np.tile(latent[:, np.newaxis, np.newaxis], (1, *sides, 1))
    x, y = np.meshgrid(np.linspace(-1, 1, sides[1]), np.linspace(-1, 1, sides[0]))
    coordinates = np.broadcast_to(np.stack([x, y], axis=-1), (len(latent), *sides, 2))
    full = np.concatenate([tiled, coordinates], axis=-1)
    return full, conv_same(full, layer.w.numpy(), layer.b.numpy())


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_broadcast_layer_in_bfloat16_is_rounded_only_at_its_end(kernel_size):
    """Coordinates, kernel and the sums over taps are not: 8 bits would be lost each time."""
    sides = (33, 29)
    layer = broadcast_layer(kernel_size, *sides)
    latent = tf.cast(random_latent(), tf.bfloat16)
    _, exact = exact_broadcast(layer, tf.cast(latent, tf.float64).numpy(), sides)
    found = layer(latent)
    assert found.dtype == tf.bfloat16
    error = np.abs(tf.cast(found, tf.float64).numpy() - exact)
    half_a_unit = 2.0**-8 * np.abs(exact)  # at most: 8 bits, the first one implicit
    assert (error <= 1.001 * half_a_unit + 1e-5).all()
    assert error.max() > 1e-3


def test_broadcast_layers_gradients_in_bfloat16_are_added_up_in_float32():
    sides = (17, 13)
    layer, latent = broadcast_layer(3, *sides), tf.cast(random_latent(), tf.bfloat16)
    full, exact = exact_broadcast(layer, tf.cast(latent, tf.float64).numpy(), sides)
    upstream = tf.cast(np.random.default_rng(3).normal(size=exact.shape), tf.bfloat16)
    with tf.GradientTape() as tape:
        y = layer(latent)
    by_w, by_b = tape.gradient(y, [layer.w, layer.b], output_gradients=upstream)
    upstream = tf.cast(upstream, tf.float64).numpy()
    padded = np.pad(full, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for i, j in np.ndindex(3, 3):
        window = padded[:, i : i + sides[0], j : j + sides[1]]
        expected = np.einsum("nhwc,nhwo->co", window, upstream)
        np.testing.assert_allclose(by_w[i, j], expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(by_b, upstream.sum(axis=(0, 1, 2)), rtol=1e-4)


SCOPES = {
    "slot only": ["slot"] * 3,
    "image only": ["image"] * 2,
    "slot, image": ["slot", "image", "image", "slot"],
    "slot, fixed": ["fixed", "slot", "slot"],
    "image, fixed": ["fixed", "image", "fixed"],
    "all, interleaved": ["image", "slot", "fixed", "slot", "image", "fixed"],
    "all, in blocks": ["fixed", "fixed", "image", "slot"],
}


def scoped_inputs(scopes, sides, seed=0):
    generator = np.random.default_rng(seed)
    batch = {"slot": BATCH * SLOTS, "image": BATCH, "fixed": 1}
    return {
        scope: tf.constant(
            generator.normal(size=(batch[scope], *sides, scopes.count(scope))), tf.float32
        )
        for scope in ("slot", "image", "fixed")
        if scope in scopes
    }


def interleaved(inputs, scopes):
    """Every channel at its place, repeated for every image and slot."""
    taken, channels = dict.fromkeys(inputs, 0), []
    for scope in scopes:
        channel = inputs[scope].numpy()[..., taken[scope]]
        taken[scope] += 1
        repeats = BATCH * SLOTS // channel.shape[0]
        channels.append(np.repeat(channel, repeats, axis=0))
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize(
    ("kernel_size", "stride", "sides"),
    [
        (k, s, sides)
        for k, s in itertools.product([1, 3, 5], [1, 2])
        for sides in [(7, 7), (8, 8), (2, 3)]
    ],
)
@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
def test_shared_layer_equals_scipy(scopes, kernel_size, stride, sides):
    layer = randomized(SharedInputConv2D(scopes, OUT, kernel_size, stride))
    inputs = scoped_inputs(scopes, sides)
    expected = conv_same(
        interleaved(inputs, scopes), layer.w.numpy(), layer.b.numpy(), stride=stride
    )
    np.testing.assert_allclose(layer(inputs, SLOTS), expected, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
def test_shared_layer_equals_plain_with_its_gradients(scopes, stride):
    layer = randomized(SharedInputConv2D(scopes, OUT, 3, stride))
    inputs = scoped_inputs(scopes, (7, 6))
    np.testing.assert_allclose(layer(inputs, SLOTS), layer.plain(inputs, SLOTS), atol=1e-5)
    sources = [layer.w, layer.b, *inputs.values()]
    fast = gradients(lambda: layer(inputs, SLOTS), sources)
    plain = gradients(lambda: layer.plain(inputs, SLOTS), sources)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


def test_shared_shortcut_is_taken_unless_switched_off(monkeypatch):
    calls = count_calls(monkeypatch, SharedInputConv2D)
    scopes = SCOPES["all, interleaved"]
    inputs = scoped_inputs(scopes, (6, 6))
    layer = randomized(SharedInputConv2D(scopes, OUT, 3, 1))
    fast = layer(inputs, SLOTS)
    assert not calls
    layer.use_shortcut = False
    plain = layer(inputs, SLOTS)
    assert len(calls) == 1
    np.testing.assert_allclose(fast, plain, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_plain_layer_equals_scipy(kernel_size, stride):
    layer, x = Conv2D(OUT, kernel_size, stride), np.random.default_rng(0).normal(size=(2, 7, 6, 3))
    x = x.astype(np.float32)
    layer(x)
    randomized(layer)
    expected = conv_same(x, layer.w.numpy(), layer.b.numpy(), stride=stride)
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


def test_plain_layer_starts_with_the_scale_of_its_fan_in():
    layer = Conv2D(64, 5)
    layer(tf.zeros([1, 5, 5, 32]))
    np.testing.assert_array_equal(layer.b, np.zeros(64))
    # A normal distribution of that scale, cut at two standard deviations, has 0.88 of it.
    assert np.std(layer.w) == pytest.approx(0.88 * (5 * 5 * 32) ** -0.5, rel=0.02)


def test_layers_compute_in_the_type_of_their_input():
    plain = Conv2D(OUT, 3)
    plain(tf.zeros([1, 4, 4, LATENT]))
    scopes = SCOPES["all, interleaved"]
    inputs = scoped_inputs(scopes, (6, 6))
    half_inputs = {
        name: x if name == "fixed" else tf.cast(x, tf.bfloat16) for name, x in inputs.items()
    }
    shared = randomized(SharedInputConv2D(scopes, OUT, 3, 1))
    image = tf.constant(np.random.default_rng(2).normal(size=(2, 6, 6, LATENT)), tf.float32)
    latent, layer = random_latent(), broadcast_layer(3, 6, 6)
    for half, full in [
        (randomized(plain)(tf.cast(image, tf.bfloat16)), plain(image)),
        (layer(tf.cast(latent, tf.bfloat16)), layer(latent)),
        (layer.plain(tf.cast(latent, tf.bfloat16)), layer.plain(latent)),
        (shared(half_inputs, SLOTS), shared(inputs, SLOTS)),
        (shared.plain(half_inputs, SLOTS), shared.plain(inputs, SLOTS)),
    ]:
        assert half.dtype == tf.bfloat16
        np.testing.assert_allclose(tf.cast(half, tf.float32), full, atol=0.03 * np.abs(full).max())


@pytest.mark.parametrize("varying", ["slot", "image"])
@pytest.mark.parametrize("stride", [1, 2])
def test_shared_layer_in_bfloat16_keeps_what_is_fixed_and_the_bias_in_float32(varying, stride):
    """Beside varying channels of zeros the result is the fixed part, rounded once."""
    scopes, sides = ["fixed", varying, "fixed"], (33, 29)
    layer = randomized(SharedInputConv2D(scopes, OUT, 3, stride))
    fixed = coordinate_channels("linear", *sides)
    batch = {"slot": BATCH * SLOTS, "image": BATCH}[varying]
    zeros = tf.zeros([batch, *sides, 1], tf.bfloat16)
    found = layer({"fixed": tf.constant(fixed), varying: zeros}, SLOTS)
    assert found.dtype == tf.bfloat16
    x, y = np.meshgrid(np.linspace(-1, 1, sides[1]), np.linspace(-1, 1, sides[0]))
    channels = np.stack([x, np.zeros_like(x), y], axis=-1)[np.newaxis]
    exact = conv_same(channels, layer.w.numpy(), layer.b.numpy(), stride=stride)
    error = np.abs(tf.cast(found, tf.float64).numpy() - exact)
    assert (error <= 1.001 * 2.0**-8 * np.abs(exact) + 1e-5).all()
