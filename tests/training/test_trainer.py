"""One update of the weights against NumPy, on one device."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import schema as config_lib
from iodine.models import registry
from iodine.models.interface import NoiseSpec
from iodine.models.parts.noise import draw_noise
from iodine.training import trainer as training
from iodine.training.devices.strategy import choose_strategy

BASE = config_lib.override(
    registry.preset("tetrominoes"),
    {
        "data.image_size": 6,
        "model.num_slots": 3,
        "model.num_iterations": 2,
        "model.latent_size": 4,
        "model.likelihood_scale": 0.3,
        "model.decoder.channels": (5,),
        "model.refinement.channels": (5,),
        "model.refinement.mlp_sizes": (6,),
        "model.refinement.lstm_size": 6,
        "train.batch_size": 4,
        "train.learning_rate": 3e-3,
        "train.seed": 11,
    },
)
SHAPE = (3, 4)  # K, Z


def images(step, batch_size=4):
    generator = np.random.default_rng(step)
    return tf.constant(generator.uniform(size=[batch_size, 6, 6, 3]).astype(np.float32))


def values(variables):
    return [variable.numpy().astype(np.float64) for variable in variables]


def gradients_at(trainer, batch, step):
    """Gradients of Eq. 4 by the weights, written anew."""
    config = trainer.config
    weight = config.model.objective.kl_weight
    noise = draw_noise((config.train.seed, step), {"z": NoiseSpec(3, SHAPE)}, 4)["z"]
    with tf.GradientTape() as tape:
        iterations = trainer.model(batch, noise=noise, kl_weight=weight)
        loss = sum(
            t / 2 * tf.reduce_mean(i.neg_log_likelihood + weight * tf.reduce_sum(i.kl, axis=1))
            for t, i in enumerate(iterations)
        )
    return float(loss), values(tape.gradient(loss, trainer.model.trainable_variables))


def adam(weights, gradients, moments, step, rate, clip_norm):
    """Kingma & Ba (2015) after clipping at a global norm; returns weights, moments, norm before."""
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    gradients = [g * min(1, clip_norm / norm) for g in gradients]
    first = [0.9 * m + 0.1 * g for (m, _), g in zip(moments, gradients, strict=True)]
    second = [0.999 * v + 0.001 * g**2 for (_, v), g in zip(moments, gradients, strict=True)]
    rate *= np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    weights = [
        w - rate * m / (np.sqrt(v) + 1e-8)  # "epsilon hat" of the paper
        for w, m, v in zip(weights, first, second, strict=True)
    ]
    return weights, list(zip(first, second, strict=True)), norm


@pytest.mark.parametrize("clip_norm", [5.0, 1e6])
def test_steps_are_adam_with_clipping(clip_norm):
    config = config_lib.override(
        BASE,
        {
            "train.clip_norm": clip_norm,
            "train.average_decay": 0.8,
            "model.objective.kl_weight": 0.5,
        },
    )
    trainer = training.Trainer(config, choose_strategy("none"))
    weights = averages = values(trainer.model.trainable_variables)
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    for step in range(3):
        batch = images(step)
        loss, gradients = gradients_at(trainer, batch, step)
        metrics = trainer.train_step({"image": batch})
        weights, moments, norm = adam(weights, gradients, moments, step + 1, 3e-3, clip_norm)
        averages = [0.8 * a + 0.2 * w for a, w in zip(averages, weights, strict=True)]
        assert norm > 5  # so that the smaller limit clips
        np.testing.assert_allclose(metrics.gradient_norm, norm, rtol=1e-4)
        np.testing.assert_allclose(metrics.loss, loss, rtol=1e-5)
        for actual, expected in (
            (trainer.model, weights),
            (trainer.averaged_model, averages),
        ):
            for a, e in zip(values(actual.trainable_variables), expected, strict=True):
                np.testing.assert_allclose(a, e, atol=2e-5)
    assert trainer.step == 3
    start = values(training.Trainer(config, choose_strategy("none")).model.trainable_variables)
    assert max(np.abs(a - b).max() for a, b in zip(weights, start, strict=True)) > 5e-3


def test_metrics_are_those_of_the_objective():
    trainer = training.Trainer(BASE, choose_strategy("none"))
    batch = images(0)
    steps = trainer.model.infer(batch, draw_noise((11, 0), {"z": NoiseSpec(3, SHAPE)}, 4))
    expected = trainer.model.losses(steps, batch)
    mse = np.mean(np.square(steps[-1].reconstruction - batch))
    metrics = trainer.train_step({"image": batch})
    assert set(metrics.terms) == {"neg_elbo", "neg_log_likelihood", "kl"}
    for name, values in metrics.terms.items():
        assert values.shape == (3,)
        np.testing.assert_allclose(values, expected.terms[name], rtol=1e-5)
    np.testing.assert_allclose(metrics.loss, expected.total, rtol=1e-5)
    np.testing.assert_allclose(metrics.mse, mse, rtol=1e-5)


def test_loss_and_gradients_are_those_before_clipping():
    trainer = training.Trainer(BASE, choose_strategy("none"))
    batch = images(2)
    noise = draw_noise((11, 2), {"z": NoiseSpec(3, SHAPE)}, 4)
    loss, gradients = trainer.loss_and_gradients({"image": batch}, noise, tf.constant(2))
    expected_loss, expected = gradients_at(trainer, batch, 2)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    norm = np.sqrt(sum(np.sum(g**2) for g in expected))
    assert norm > BASE.train.clip_norm
    for actual, e in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(actual, e, atol=1e-5 * norm)


def test_seed_decides_weights_and_noise():
    def losses(seed):
        config = config_lib.override(BASE, {"train.seed": seed})
        trainer = training.Trainer(config, choose_strategy("none"))
        return [float(trainer.train_step({"image": images(0)}).loss) for _ in range(2)]

    first = losses(1)
    assert losses(1) == pytest.approx(first, rel=1e-6)
    assert losses(2)[0] != pytest.approx(first[0], rel=1e-4)


@pytest.mark.parametrize("changes", [{}, {"model.recompute": True}])
def test_compiled_steps_give_the_same_losses(changes):
    changes = {"train.adam_epsilon": 1e-3, "model.num_iterations": 1, **changes}
    config = config_lib.override(BASE, changes)
    plain = training.Trainer(config, choose_strategy("none"))
    compiled = training.Trainer(
        config_lib.override(config, {"train.xla": True}), choose_strategy("none")
    )
    for step in range(3):
        one, two = (t.train_step({"image": images(step)}) for t in (plain, compiled))
        for name, values in one.terms.items():
            np.testing.assert_allclose(two.terms[name], values, rtol=1e-4, err_msg=name)
        for name in ("loss", "mse", "gradient_norm"):
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-4)
    for a, b in zip(plain.variables, compiled.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_any_worker_that_wants_to_stop_tells_all():
    trainer = training.Trainer(BASE, choose_strategy("none"))
    for wish in (False, True):
        assert float(trainer.train_step({"image": images(0)}, stop=wish).stop) == wish


GOOD = np.ones(3, np.float32)


def metrics(neg_log_likelihood=GOOD, kl=GOOD, **changes):
    ones = training.StepMetrics(*[np.float32(1)] * len(training.StepMetrics._fields))
    terms = {"neg_log_likelihood": np.array(neg_log_likelihood), "kl": np.array(kl)}
    return ones._replace(terms=terms, **changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, None),
        ({"kl": [1, np.inf, np.nan]}, "kl of iteration 1 is inf"),
        ({"neg_log_likelihood": [1, 1, np.nan]}, "neg_log_likelihood of iteration 2 is nan"),
        (
            {"neg_log_likelihood": [1, 1, np.nan], "kl": [1, -np.inf, 1]},
            "kl of iteration 1 is -inf",
        ),
        (
            {"neg_log_likelihood": [1, np.nan, 1], "kl": [1, -np.inf, 1]},
            "neg_log_likelihood of iteration 1 is nan, kl of iteration 1 is -inf",
        ),
        ({"gradient_norm": np.float32("nan")}, "gradient_norm is nan"),
        ({"loss": np.float32("-inf")}, "loss is -inf"),
    ],
)
def test_first_bad_term(changes, line):
    assert training.first_bad_term(metrics(**changes)) == line


def test_base_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.train.seed = 3
