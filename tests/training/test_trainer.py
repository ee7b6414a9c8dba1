"""One update of the weights against NumPy, on one device and on two."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.models.iodine import objective
from iodine.models.parts.noise import draw_noise
from iodine.training import trainer as training
from iodine.training.devices.strategy import choose_strategy

BASE = config_lib.override(
    config_lib.Config(),
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


def images(step, batch_size=4):
    generator = np.random.default_rng(step)
    return tf.constant(generator.uniform(size=[batch_size, 6, 6, 3]).astype(np.float32))


def values(variables):
    return [variable.numpy().astype(np.float64) for variable in variables]


def gradients_at(trainer, batch, step):
    """Gradients of Eq. 4 by the weights, written anew."""
    config = trainer.config
    noise = draw_noise((config.train.seed, step), 2, 4, 3, 4)
    with tf.GradientTape() as tape:
        iterations = trainer.model(batch, noise=noise, kl_weight=config.objective.kl_weight)
        loss = sum(
            (t + 1) / 2 * tf.reduce_mean(i.neg_log_likelihood
            + config.objective.kl_weight * tf.reduce_sum(i.kl, axis=1))
            for t, i in enumerate(iterations)
        )  # fmt: skip
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
        {"train.clip_norm": clip_norm, "train.average_decay": 0.8, "objective.kl_weight": 0.5},
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
    iterations = trainer.model(batch, noise=draw_noise((11, 0), 2, 4, 3, 4))
    expected = objective.loss(iterations, np.array([0.5, 1.0], np.float32))
    mse = np.mean(np.square(iterations[-1].mixture.mean() - batch))
    metrics = trainer.train_step({"image": batch})
    assert metrics.neg_elbo.shape == (2,)
    for name in ("neg_elbo", "neg_log_likelihood", "kl"):
        np.testing.assert_allclose(getattr(metrics, name), getattr(expected, name), rtol=1e-5)
    np.testing.assert_allclose(metrics.mse, mse, rtol=1e-5)


def test_seed_decides_weights_and_noise():
    def losses(seed):
        config = config_lib.override(BASE, {"train.seed": seed})
        trainer = training.Trainer(config, choose_strategy("none"))
        return [float(trainer.train_step({"image": images(0)}).loss) for _ in range(2)]

    first = losses(1)
    assert losses(1) == pytest.approx(first, rel=1e-6)
    assert losses(2)[0] != pytest.approx(first[0], rel=1e-4)


@pytest.mark.parametrize("of_batch_mean", [False, True])
def test_two_replicas_train_as_one_device(of_batch_mean):
    if len(tf.config.list_logical_devices("CPU")) != 2:
        pytest.skip("TensorFlow was started with another number of CPU devices")
    # Adam's usual epsilon would blow up the rounding of gradients that are nearly zero, and hide a
    # gradient that is added up twice.
    changes = {"train.average_decay": 0.8, "train.learning_rate": 1e-3, "train.adam_epsilon": 1e-3}
    # Without layer norm, so that the scale of the gradients that are inputs counts.
    changes |= {
        "model.refinement.gradient_of_batch_mean": of_batch_mean,
        "model.refinement.layer_norm": (),
    }
    config = config_lib.override(BASE, changes)
    single = training.Trainer(config, choose_strategy("none"))
    strategy = choose_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    mirrored = training.Trainer(config, strategy)
    data = tf.data.Dataset.range(4).map(
        lambda i: {"image": tf.random.stateless_uniform([4, 6, 6, 3], [i, i])}
    )
    batches = zip(data, strategy.experimental_distribute_dataset(data), strict=True)
    for batch, shared in batches:
        one, two = single.train_step(batch), mirrored.train_step(shared)
        for name in one._fields:
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-5, atol=1e-5)
    for pair in ((single.model, mirrored.model), (single.averaged_model, mirrored.averaged_model)):
        for a, b in zip(*(values(model.trainable_variables) for model in pair), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_regressor_on_two_replicas_with_unequal_numbers_of_entities():
    if len(tf.config.list_logical_devices("CPU")) != 2:
        pytest.skip("TensorFlow was started with another number of CPU devices")
    config = config_lib.override(BASE, {"objective.factor_regression": ("color:3:scalar",)})
    visible = tf.constant([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], tf.float32)

    def scene(i):
        labels = tf.random.stateless_uniform([4, 6, 6], [i, 1], 0, 4, tf.int64)
        return {
            "image": tf.random.stateless_uniform([4, 6, 6, 3], [i, 2]),
            "mask": tf.one_hot(labels, 4, axis=1),
            "visibility": visible,
            "factors": {"color": tf.random.stateless_uniform([4, 4, 3], [i, 3])},
        }

    data = tf.data.Dataset.range(2).map(scene)
    metrics = []
    for name in ("none", "mirrored"):
        trainer = training.Trainer(config, choose_strategy(name))
        batches = trainer.strategy.experimental_distribute_dataset(data)
        metrics.append([trainer.train_step(batch) for batch in batches])
    for one, two in zip(*metrics, strict=True):
        assert float(one.factor_loss) > 0.1
        np.testing.assert_allclose(two.factor_loss, one.factor_loss, rtol=1e-5)
        np.testing.assert_allclose(two.gradient_norm, one.gradient_norm, rtol=1e-4)


def test_any_worker_that_wants_to_stop_tells_all():
    trainer = training.Trainer(BASE, choose_strategy("none"))
    for wish in (False, True):
        assert float(trainer.train_step({"image": images(0)}, stop=wish).stop) == wish


def test_batch_that_replicas_cannot_share():
    if len(tf.config.list_logical_devices("CPU")) != 2:
        pytest.skip("TensorFlow was started with another number of CPU devices")
    config = config_lib.override(BASE, {"train.batch_size": 5})
    with pytest.raises(UserError, match=r"batch_size is 5, which 2 replicas cannot share equally"):
        training.Trainer(config, choose_strategy("mirrored"))
    with pytest.raises(UserError, match="unknown strategy 'many'"):
        choose_strategy("many")


def metrics(**changes):
    ones = training.StepMetrics(*[np.float32(1)] * len(training.StepMetrics._fields))
    ones = ones._replace(**{n: np.ones(3, np.float32) for n in ("neg_log_likelihood", "kl")})
    return ones._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, None),
        ({"kl": np.array([1, np.inf, np.nan])}, "kl of iteration 2 is inf"),
        ({"neg_log_likelihood": np.array([1, 1, np.nan])}, "neg_log_likelihood of iteration 3"),
        ({"gradient_norm": np.float32("nan")}, "gradient_norm is nan"),
        ({"loss": np.float32("-inf")}, "loss is -inf"),
    ],
)
def test_first_bad_term(changes, line):
    found = training.first_bad_term(metrics(**changes))
    assert found == line if line is None else found.startswith(line)


def test_base_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.train.seed = 3
