"""RNN-NEM and R-NEM as wholes: iterations by NumPy, gradients, counts of weights, refusals."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import sigmoid

from iodine.errors import UserError
from iodine.models.nem import em
from iodine.models.nem.config import CellConfig, DecoderConfig, EncoderConfig, NemConfig
from iodine.models.nem.model import Nem
from iodine.models.parts.noise import draw_noise

SIDE, K, B, T = 4, 3, 2, 3


def small(**changes):
    """RNN-NEM without layers around the cell, and R-NEM with some by `cell`, `encoder`, ..."""
    config = NemConfig(
        num_slots=K,
        num_iterations=T,
        latent_size=5,
        layer_norm=False,
        flip_probability=0.3,
        loss_steps="last",
        gamma_gradient=True,
        cell=CellConfig("rnn"),
        encoder=EncoderConfig("none"),
        decoder=DecoderConfig("dense"),
    )
    return dataclasses.replace(config, **changes)


R_NEM = {
    "layer_norm": True,
    "loss_steps": "all",
    "gamma_gradient": False,
    "cell": CellConfig("relational", 4, 3),
    "encoder": EncoderConfig("conv", (2, 3), 4, 4),
    "decoder": DecoderConfig("conv", (3, 2), 4, 4),
}


class Case:
    """A model with random weights, black and white images and noise."""

    def __init__(self, scale=0.5, **changes):
        tf.random.set_seed(0)
        self.model = Nem(small(**changes), (SIDE, SIDE, 3))
        generator = np.random.default_rng(0)
        white = generator.integers(0, 2, (B, SIDE, SIDE, 1)).repeat(3, axis=-1)
        self.images = tf.constant(white, tf.float32)
        self.noise = draw_noise((0, 0), self.model.noise(K, T), B)
        self.infer()
        for variable in self.model.trainable_variables:
            variable.assign_add(scale * generator.standard_normal(variable.shape))

    def infer(self):
        return self.model.infer(self.images, self.noise)

    def loss(self):
        return self.model.losses(self.infer(), self.images).total


def test_iterations_of_rnn_nem_equal_those_written_out():
    case = Case()
    update, dense = case.model.cell.update, case.model.decoder.dense
    w, b = update.w.numpy().astype(np.float64), update.b.numpy()
    x = case.images.numpy()[..., 0].reshape(B, 1, -1)  # [B, 1, P]
    flips = case.noise["flips"].numpy().reshape(T, B, 1, -1) < 0.3
    gamma = np.abs(case.noise["responsibilities"].numpy()[0].reshape(B, K, -1))
    gamma = gamma / gamma.sum(axis=1, keepdims=True)
    mu, state = np.zeros(gamma.shape), np.zeros((B, K, 5))
    for t, step in enumerate(case.infer()):
        error = gamma * (np.logical_xor(x, flips[t]) - mu)
        state = sigmoid(np.concatenate([error, state], axis=-1) @ w + b)
        mu = sigmoid(state @ dense.w.numpy() + dense.b.numpy())
        probability = np.where(x == 1, mu, 1 - mu) + 1e-6
        gamma = probability / probability.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(step.latents, state, atol=1e-5)
        np.testing.assert_allclose(step.masks.numpy().reshape(B, K, -1), gamma, atol=1e-5)
        for channel in range(3):
            found = step.components.numpy()[..., channel].reshape(B, K, -1)
            np.testing.assert_allclose(found, mu, atol=1e-5)
        expected = np.log(probability.mean(axis=1)).sum(axis=1)
        np.testing.assert_allclose(step.log_likelihood, expected, rtol=1e-5)


def gradients(case):
    with tf.GradientTape() as tape:
        loss = case.loss()
    return tape.gradient(loss, case.model.trainable_variables)


def slope(gradients, directions):
    return sum(float(tf.reduce_sum(g * d)) for g, d in zip(gradients, directions, strict=True))


def difference(case, directions, gammas=None, size=1e-3):
    """(f(w + size d) - f(w - size d)) / 2 size, with these gammas in place of the E-step's."""
    e_step, losses = em.e_step, []
    for sign in (1, -1):
        for variable, direction in zip(case.model.trainable_variables, directions, strict=True):
            variable.assign_add(sign * size * direction)
        if gammas is not None:
            left = iter(gammas)
            em.e_step = lambda mu, x: (next(left), e_step(mu, x)[1])  # noqa: B023
        losses.append(float(case.loss()))
        em.e_step = e_step
        for variable, direction in zip(case.model.trainable_variables, directions, strict=True):
            variable.assign_sub(sign * size * direction)
    return (losses[0] - losses[1]) / (2 * size)


@pytest.mark.parametrize("changes", [{}, R_NEM], ids=["rnn_nem", "r_nem"])
def test_gradients_are_finite_differences(changes):
    """Where gamma is a constant to the gradient, it is one to the differences, too."""
    case = Case(**changes)
    generator = np.random.default_rng(3)
    directions = [
        generator.standard_normal(v.shape).astype(np.float32)
        for v in case.model.trainable_variables
    ]
    constant = None if case.model.config.gamma_gradient else [s.masks for s in case.infer()]
    expected = difference(case, directions, constant)
    assert slope(gradients(case), directions) == pytest.approx(expected, rel=0.02)


def test_gamma_is_a_constant_to_the_gradient_only_if_configured():
    """In the direction in which that makes the largest difference."""
    case, constant = Case(scale=2.0), Case(scale=2.0, gamma_gradient=False)
    both = gradients(case), gradients(constant)
    directions = [a - b for a, b in zip(*both, strict=True)]
    norm = tf.linalg.global_norm(directions)
    directions = [d / norm for d in directions]
    gammas = [step.masks for step in case.infer()]
    for found, kept in zip(both, (None, gammas), strict=True):
        expected = difference(case, directions, kept, size=0.01)
        assert slope(found, directions) == pytest.approx(expected, abs=0.03 * float(norm))


@pytest.mark.parametrize("changes", [{}, R_NEM], ids=["rnn_nem", "r_nem"])
def test_each_iteration_sees_flips_of_its_own(changes):
    """What iteration t flips shows in its step and later ones, not before."""
    case = Case(**changes)
    before = case.infer()
    for t in range(T):
        flips = case.noise["flips"].numpy()
        flips[t] = 1 - flips[t]
        steps = case.model.infer(case.images, {**case.noise, "flips": tf.constant(flips)})
        changed = [
            np.abs(a.latents - b.latents).max() > 1e-6 for a, b in zip(steps, before, strict=True)
        ]
        assert changed == [s >= t for s in range(T)]


def test_flips_of_the_iterations_are_independent_and_as_frequent_as_configured():
    model = Nem(small(flip_probability=0.1), (28, 28, 3))
    flips = draw_noise((0, 0), model.noise(K, 15), 64)["flips"].numpy() < 0.1
    rate = flips.mean()
    assert rate == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / flips.size))
    for s in range(15):
        for t in range(s):
            both = (flips[s] & flips[t]).mean()
            assert both == pytest.approx(0.01, abs=5 * np.sqrt(0.0099 / flips[s].size))


@pytest.mark.parametrize("changes", [{}, R_NEM], ids=["rnn_nem", "r_nem"])
def test_without_flips_the_input_is_the_image(changes, monkeypatch):
    case = Case(**{**changes, "flip_probability": 0.0})
    seen = []
    encode = case.model.encoder.__call__
    monkeypatch.setattr(case.model, "encoder", lambda x: seen.append(x) or encode(x))
    case.infer()
    gamma = np.abs(case.noise["responsibilities"][0])
    gamma /= gamma.sum(axis=1, keepdims=True)
    expected = gamma * case.images.numpy()[:, np.newaxis, :, :, 0]
    np.testing.assert_allclose(seen[0], expected.reshape(-1, SIDE, SIDE), atol=1e-6)


@pytest.mark.parametrize("changes", [{}, R_NEM], ids=["rnn_nem", "r_nem"])
def test_slots_permute_with_the_first_responsibilities(changes):
    case, order = Case(**changes), [1, 2, 0]
    noise = dict(case.noise)
    noise["responsibilities"] = tf.gather(noise["responsibilities"], order, axis=2)
    for found, step in zip(case.model.infer(case.images, noise), case.infer(), strict=True):
        np.testing.assert_allclose(found.masks, tf.gather(step.masks, order, axis=1), atol=1e-5)
        np.testing.assert_allclose(found.latents, tf.gather(step.latents, order, axis=1), atol=1e-5)
        np.testing.assert_allclose(found.log_likelihood, step.log_likelihood, rtol=1e-5)


@pytest.mark.parametrize("slots", [None, 3])
def test_decode_gives_shares_of_equal_size(slots):
    case = Case(**R_NEM)
    decode = tf.function(case.model.decode, input_signature=[tf.TensorSpec([None, slots, 5])])
    latents = case.infer()[-1].latents
    components, mask_logits = decode(latents)
    np.testing.assert_allclose(components, case.infer()[-1].components, atol=1e-5)
    np.testing.assert_array_equal(mask_logits, np.zeros((B, K, SIDE, SIDE)))


def test_one_slot_is_enough_for_the_rnn_and_too_few_for_the_relational_cell():
    case = Case()
    noise = draw_noise((0, 0), case.model.noise(1, T), B)
    last = case.model.infer(case.images, noise, num_slots=1)[-1]
    np.testing.assert_allclose(last.masks, 1, atol=1e-6)
    with pytest.raises(UserError, match="num_slots is 1; the relational cell needs at least 2"):
        Case(**R_NEM).model.infer(case.images, noise, num_slots=1)
