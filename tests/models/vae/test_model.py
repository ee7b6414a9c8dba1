"""The VAE against NumPy: encoder, sample, decoder, ELBO, and the gradient by every weight."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from numpy_reference import central_difference, conv_same, normal_kl, softplus

from iodine.config import override
from iodine.errors import UserError
from iodine.models.parts.decoders import DecoderConfig
from iodine.models.vae.config import EncoderConfig, VaeConfig
from iodine.models.vae.model import Vae

SIDE, LATENT, BATCH = 5, 2, 2


def small_vae(changes=None):
    """A VAE of 5 x 5 pixels with a few weights, none of them 0."""
    config = VaeConfig(
        latent_size=LATENT,
        beta=0.7,
        likelihood_scale=0.3,
        encoder=EncoderConfig(channels=(3, 2), mlp_sizes=(4,)),
        decoder=DecoderConfig(channels=(3, 2), kernel_size=3),
    )
    tf.random.set_seed(0)
    model = Vae(override(config, changes or {}), (SIDE, SIDE, 3))
    model.infer(tf.zeros([1, SIDE, SIDE, 3]), {"z": tf.zeros([1, 1, 1, LATENT])})
    generator = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign_add(0.3 * generator.standard_normal(variable.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return small_vae()


@pytest.fixture(scope="module")
def images():
    values = np.random.default_rng(1).uniform(size=(BATCH, SIDE, SIDE, 3))
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def noise():
    values = np.random.default_rng(2).standard_normal((1, BATCH, 1, LATENT))
    return values.astype(np.float32)


def layers_of(model):
    """The layers of each part, in order."""
    encoder, decoder = model.encoder, model.decoder
    return {
        "encoder": encoder.convs,
        "linear": [*encoder.mlp, encoder.last],
        "decoder": [decoder.first, *decoder.hidden, decoder.last],
    }


def weights_of(model):
    """The same as weights and biases in float64."""
    return {
        name: [[x.numpy().astype(np.float64) for x in (layer.w, layer.b)] for layer in of]
        for name, of in layers_of(model).items()
    }


def in_numpy(weights, images, noise, sigma=0.3):
    """Everything about a batch, from the tables and the formulas of a Gaussian VAE."""
    x = images.astype(np.float64)
    for w, b in weights["encoder"]:
        x = np.maximum(conv_same(x, w, b, stride=2), 0)
    x = x.reshape(len(x), -1)
    for w, b in weights["linear"][:-1]:
        x = np.maximum(x @ w + b, 0)
    w, b = weights["linear"][-1]
    mean, raw = np.split(x @ w + b, 2, axis=1)
    scale = softplus(raw)
    z = mean + scale * noise[0, :, 0]
    axis = np.linspace(-1, 1, SIDE)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)  # x, then y
    tiled = np.broadcast_to(z[:, np.newaxis, np.newaxis], (len(z), SIDE, SIDE, LATENT))
    x = np.concatenate([tiled, np.broadcast_to(grid, (len(z), *grid.shape))], axis=-1)
    for i, (w, b) in enumerate(weights["decoder"]):
        x = conv_same(x, w, b)
        x = np.maximum(x, 0) if i < len(weights["decoder"]) - 1 else x
    log_likelihood = scipy.stats.norm.logpdf(images, x, sigma).sum(axis=(1, 2, 3))
    return mean, scale, z, x, log_likelihood, normal_kl(mean, scale).sum(axis=1)


def test_a_step_is_what_numpy_makes_of_the_weights(model, images, noise):
    [step] = model.infer(tf.constant(images), {"z": tf.constant(noise)})
    mean, scale, z, means, log_likelihood, kl = in_numpy(weights_of(model), images, noise)
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(step.latents[:, 0], mean, **close)
    np.testing.assert_allclose(step.latent_scale[:, 0], scale, **close)
    np.testing.assert_allclose(step.sample[:, 0], z, **close)
    np.testing.assert_allclose(step.components[:, 0], means, **close)
    np.testing.assert_allclose(step.reconstruction, means, **close)
    np.testing.assert_allclose(step.log_likelihood, log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(step.kl[:, 0], kl, **close)
    assert np.abs(mean).min() > 0.01  # nothing is trivially the same
    assert np.ptp(means) > 0.1


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_loss_weighs_the_kl_by_beta(images, noise, beta):
    model = small_vae({"beta": beta})
    steps = model.infer(tf.constant(images), {"z": tf.constant(noise)})
    losses = model.losses(steps, images)
    *_, log_likelihood, kl = in_numpy(weights_of(model), images, noise)
    expected = beta * kl - log_likelihood
    np.testing.assert_allclose(losses.selection, expected, rtol=1e-4)
    assert float(losses.total) == pytest.approx(expected.mean(), rel=1e-4)
    assert {name: float(value[0]) for name, value in losses.terms.items()} == pytest.approx(
        {
            "neg_elbo": expected.mean(),
            "neg_log_likelihood": -log_likelihood.mean(),
            "kl": kl.mean(),
        },
        rel=1e-4,
    )


def test_gradients_are_finite_differences_of_the_numpy_loss(model, images, noise):
    with tf.GradientTape() as tape:
        steps = model.infer(tf.constant(images), {"z": tf.constant(noise)}, training=True)
        total = model.losses(steps, images).total
    gradients = tape.gradient(total, model.trainable_variables)
    by_variable = dict(zip([v.ref() for v in model.trainable_variables], gradients, strict=True))
    weights = weights_of(model)
    places = [
        (variable, weights[name][number], place)
        for name, layers in layers_of(model).items()
        for number, layer in enumerate(layers)
        for place, variable in enumerate((layer.w, layer.b))
    ]
    assert len(places) == len(gradients)
    for variable, layer, place in places:

        def loss(value, layer=layer, place=place):
            layer[place] = value
            *_, log_likelihood, kl = in_numpy(weights, images, noise)
            return np.mean(0.7 * kl - log_likelihood)

        kept = layer[place]
        expected = central_difference(loss, kept)
        layer[place] = kept
        actual = by_variable[variable.ref()].numpy()
        atol = 1e-3 * np.abs(expected).max()
        assert atol > 1e-6, variable.name
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol, err_msg=variable.name)


def test_the_one_mask_is_1_everywhere(model, images, noise):
    [step] = model.infer(tf.constant(images), {"z": tf.constant(noise)})
    np.testing.assert_array_equal(step.masks, np.ones([BATCH, 1, SIDE, SIDE]))
    components, logits = model.decode(tf.constant(noise[0]))
    np.testing.assert_array_equal(tf.nn.softmax(logits, axis=1), step.masks)
    assert components.shape == (BATCH, 1, SIDE, SIDE, 3)


def test_several_latents_are_decoded_each_as_a_scene(model):
    latents = np.random.default_rng(4).normal(size=(2, 3, LATENT)).astype(np.float32)
    images, logits = model.decode(tf.constant(latents))
    assert logits.shape == (2, 3, SIDE, SIDE)
    for b in range(2):
        for k in range(3):
            alone, _ = model.decode(tf.constant(latents[b : b + 1, k : k + 1]))
            np.testing.assert_allclose(images[b, k], alone[0, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_slots": 2}, "num_slots is 2; this model has 1 and takes no other"),
        ({"num_iterations": 3}, "num_iterations is 3; this model has 1 and takes no other"),
    ],
)
def test_other_numbers_of_slots_or_rounds_are_refused(model, images, noise, arguments, message):
    with pytest.raises(UserError, match=message):
        model.infer(tf.constant(images), {"z": tf.constant(noise)}, **arguments)


@pytest.mark.parametrize(("floor", "expected"), [(0.25, 0.25), (0.0, 0.0)])
def test_the_posteriors_scale_has_a_floor(images, noise, floor, expected):
    model = small_vae({"min_scale": floor})
    bias = model.encoder.last.b
    bias.assign(np.repeat(np.float32([0, -200]), LATENT))  # softplus(-200) underflows
    [step] = model.infer(tf.constant(images), {"z": tf.constant(noise)})
    np.testing.assert_array_equal(step.latent_scale, np.full([BATCH, 1, LATENT], expected))


def test_a_decoder_whose_first_channel_is_the_mask_is_refused():
    config = override(VaeConfig(), {"decoder.mask_first": True})
    with pytest.raises(UserError, match="a VAE decodes no mask"):
        config.check()
