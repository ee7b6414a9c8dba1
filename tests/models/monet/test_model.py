"""The whole model: its loss's gradient, what the noise decides, what is refused, its presets."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import checks, override
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.monet.config import MonetConfig


def test_gradients_are_finite_differences(build, draw):
    """Along each variable's gradient, where the loss changes most; larger steps cross ReLUs."""
    model, (images, noise) = build(), draw()

    def loss():
        return model.losses(model.infer(images, noise, training=True), images).total

    with tf.GradientTape() as tape:
        total = loss()
    variables = model.trainable_variables
    gradients = tape.gradient(total, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        length = float(tf.norm(gradient))
        start, step = variable.numpy(), 3e-4 * gradient.numpy() / length
        variable.assign(start + step)
        above = float(loss())
        variable.assign(start - step)
        below = float(loss())
        variable.assign(start)
        slope = (above - below) / 6e-4
        assert slope == pytest.approx(length, rel=0.01, abs=0.1), variable.name


def test_the_noise_decides_the_samples_and_not_the_masks(build, draw):
    model, (images, noise) = build(), draw()
    [step] = model.infer(images, noise)
    [still] = model.infer(images, {"z": tf.zeros_like(noise["z"])})
    np.testing.assert_allclose(still.sample, still.latents)
    np.testing.assert_allclose(
        step.sample, step.latents + step.latent_scale * noise["z"][0], atol=1e-6
    )
    np.testing.assert_array_equal(step.masks, still.masks)
    np.testing.assert_array_equal(step.latents, still.latents)
    assert np.abs(step.components - still.components).max() > 1e-3


def test_only_the_first_slot_has_the_background_s_sigma(build, draw):
    (images, noise), likelihoods = draw(), []
    for changes in ({}, {"background_scale": 0.5}, {"foreground_scale": 0.3}):
        likelihoods.append(build(changes=changes).infer(images, noise)[-1].log_likelihood)
    model = build()
    [step] = model.infer(images, noise)
    squares = np.square(images[:, np.newaxis] - step.components)
    scales = ((0.3, 0.5), (0.5, 0.5), (0.3, 0.3))
    for (first, others), found in zip(scales, likelihoods, strict=True):
        sigma = np.array([first, others, others])[:, np.newaxis, np.newaxis, np.newaxis]
        density = np.exp(-squares / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        mixture = np.sum(step.masks[..., np.newaxis] * density, axis=1)
        np.testing.assert_allclose(found, np.log(mixture).sum(axis=(1, 2, 3)), rtol=1e-4)


def test_one_slot_is_refused(build, draw):
    model, (images, noise) = build(), draw()
    with pytest.raises(UserError, match="num_slots is 1; a mixture needs at least 2"):
        model.infer(images, noise, num_slots=1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mixture", "image", "unknown config.model.mixture 'image'; known: channel, pixel"),
        ("num_slots", 1, "config.model.num_slots is 1; MONet needs at least 2"),
        ("attention.channels", (), "config.model.attention.channels needs at least one block"),
        ("encoder.channels", (), "config.model.encoder.channels needs at least one layer"),
        ("decoder.channels", (), "config.model.decoder.channels needs at least one layer"),
        ("background_scale", 0.0, "config.model.background_scale is 0.0, expected more than 0"),
    ],
)
def test_a_configuration_that_is_refused(name, value, message):
    config = registry.preset("monet_tetrominoes")
    config = dataclasses.replace(config, model=override(MonetConfig(), {name: value}))
    with pytest.raises(UserError) as caught:
        checks.check(config)
    assert str(caught.value) == message


# Encoder, decoder and attention network: counted by hand in the tests of each.
@pytest.mark.parametrize(
    ("name", "slots", "weights"),
    [
        ("monet_clevr6", 7, 1_122_912 + 33_092 + 632_289),
        ("monet_multi_dsprites", 6, 336_480 + 33_092 + 604_513),
    ],
)
def test_presets_have_the_published_sizes(name, slots, weights):
    config = registry.preset(name)
    variables = registry.build(config).trainable_variables
    assert sum(int(tf.size(variable)) for variable in variables) == weights
    assert config.model.num_slots == slots
    assert config.train.optimizer == "rmsprop"


def test_sigmas_are_those_that_table_1_and_the_publication_have():
    found = {
        name: (model.background_scale, model.foreground_scale)
        for name in ("monet_clevr6", "monet_multi_dsprites")
        for model in [registry.preset(name).model]
    }
    assert found == {"monet_clevr6": (0.06, 0.1), "monet_multi_dsprites": (0.09, 0.11)}


def test_the_data_are_those_that_iodine_is_trained_on():
    for name in ("clevr6", "multi_dsprites", "tetrominoes"):
        assert registry.preset(f"monet_{name}").data == registry.preset(name).data
