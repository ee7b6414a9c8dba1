"""RMSProp against NumPy and TensorFlow 1, on one device and on two; the unknown one."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import TrainConfig, checks, override
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.parts.noise import draw_noise
from iodine.reproduction.framework.providing import folder_of
from iodine.training.devices.strategy import choose_strategy
from iodine.training.learning_rate import LearningRate
from iodine.training.optimizers import build_optimizer
from iodine.training.trainer import Trainer

GENERATOR = np.random.default_rng(0)
WEIGHTS = [GENERATOR.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,))]
GRADIENTS = [
    [scale * GENERATOR.normal(size=w.shape).astype(np.float32) for w in WEIGHTS]
    for scale in (1e-3, 3.0, 0.2)
]
RMSPROP = TrainConfig(
    optimizer="rmsprop", learning_rate=0.01, rmsprop_decay=0.8, rmsprop_epsilon=1e-2
)


def after_steps(config):
    variables = [tf.Variable(w) for w in WEIGHTS]
    optimizer = build_optimizer(config, LearningRate(config), variables)
    for gradients in GRADIENTS:
        optimizer.apply([tf.constant(g) for g in gradients], variables)
    return variables


def test_rmsprop_adds_epsilon_under_the_root_and_starts_at_mean_squares_of_1():
    weights, squares = [np.float64(w) for w in WEIGHTS], [np.ones(w.shape) for w in WEIGHTS]
    for gradients in GRADIENTS:
        squares = [0.8 * s + 0.2 * g**2 for s, g in zip(squares, gradients, strict=True)]
        weights = [
            w - 0.01 * g / np.sqrt(s + 1e-2)
            for w, g, s in zip(weights, gradients, squares, strict=True)
        ]
    for found, expected in zip(after_steps(RMSPROP), weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rmsprop_is_that_of_tensorflow_1():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.Variable(w) for w in WEIGHTS]
        optimizer = tf.compat.v1.train.RMSPropOptimizer(0.01, decay=0.8, epsilon=1e-2)
        places = [tf.compat.v1.placeholder(tf.float32, w.shape) for w in WEIGHTS]
        update = optimizer.apply_gradients(zip(places, variables, strict=True))
        session.run(tf.compat.v1.global_variables_initializer())
        for gradients in GRADIENTS:
            session.run(update, dict(zip(places, gradients, strict=True)))
        expected = session.run(variables)
    for found, value in zip(after_steps(RMSPROP), expected, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-6)


def test_its_constants_are_tensorflow_1_s_unless_given():
    parameters = inspect.signature(tf.compat.v1.train.RMSPropOptimizer).parameters
    assert TrainConfig().rmsprop_decay == parameters["decay"].default
    assert TrainConfig().rmsprop_epsilon == parameters["epsilon"].default
    assert parameters["momentum"].default == 0


def test_an_unknown_optimizer_is_refused():
    config = TrainConfig(optimizer="sgd")
    with pytest.raises(UserError, match=r"unknown train\.optimizer 'sgd'; known: adam, rmsprop"):
        build_optimizer(config, LearningRate(config), [])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("train.rmsprop_decay", 1.0, "is 1.0, expected at least 0 and less than 1"),
        ("train.rmsprop_epsilon", 0.0, "is 0.0, expected more than 0"),
        ("train.optimizer", 3, "is 3, expected str"),
    ],
)
def test_values_that_are_refused(name, value, message):
    with pytest.raises(UserError, match=rf"config\.{name} {message}"):
        checks.check(override(registry.preset("tetrominoes"), {name: value}))


def test_a_run_s_folder_is_named_by_the_optimizer_only_where_it_is_another():
    config = registry.preset("tetrominoes_small")
    names = {
        folder_of(override(config, {f"train.{k}": v for k, v in changes.items()}), "runs").name
        for changes in ({}, {"optimizer": "adam"}, {"rmsprop_decay": 0.9})
    }
    assert len(names) == 1
    other = folder_of(override(config, {"train.optimizer": "rmsprop"}), "runs").name
    assert other not in names


def small_config():
    return override(
        registry.preset("monet_tetrominoes"),
        {
            "data.image_size": 8,
            "model.num_slots": 3,
            "model.latent_size": 2,
            "model.attention.channels": (3, 4),
            "model.attention.mlp_sizes": (5,),
            "model.encoder.channels": (3, 4),
            "model.encoder.mlp_sizes": (5,),
            "model.decoder.channels": (4, 3),
            "train.batch_size": 4,
            "train.learning_rate": 1e-3,
            "train.warmup_steps": 0,
            "train.decay": "none",
            "train.clip_norm": 5.0,
            "train.optimizer": "rmsprop",
            "train.rmsprop_epsilon": 1e-3,
        },
    )


def images(step):
    return tf.random.stateless_uniform([4, 8, 8, 3], [step, 0])


def test_a_training_step_is_rmsprop_of_the_clipped_gradient():
    trainer = Trainer(small_config(), choose_strategy("none"))
    before = [variable.numpy() for variable in trainer.variables]
    noise = draw_noise((0, 0), trainer.noise_specs, 4)
    _, gradients = trainer.loss_and_gradients({"image": images(0)}, noise, tf.constant(0))
    metrics = trainer.train_step({"image": images(0)})
    norm = np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in gradients))
    assert norm > 5
    np.testing.assert_allclose(metrics.gradient_norm, norm, rtol=1e-4)
    slots = trainer.optimizer_slots("velocity")
    for variable, start, gradient in zip(trainer.variables, before, gradients, strict=True):
        clipped = gradient.numpy() * 5 / norm
        squares = 0.9 + 0.1 * clipped**2
        np.testing.assert_allclose(slots[variable.ref()], squares, rtol=1e-4)
        expected = start - 1e-3 * clipped / np.sqrt(squares + 1e-3)
        np.testing.assert_allclose(variable, expected, atol=1e-6)


def test_two_replicas_train_as_one_device():
    if len(tf.config.list_logical_devices("CPU")) != 2:
        pytest.skip("TensorFlow was started with another number of CPU devices")
    strategy = choose_strategy("mirrored")
    trainers = [Trainer(small_config(), s) for s in (choose_strategy("none"), strategy)]
    start = [variable.numpy() for variable in trainers[0].variables]
    for step in range(4):
        batch = images(step)

        def rows_of(context, batch=batch):
            return {"image": tf.split(batch, 2)[context.replica_id_in_sync_group]}

        shared = strategy.experimental_distribute_values_from_function(rows_of)
        one = trainers[0].train_step({"image": batch})
        two = trainers[1].train_step(shared)
        np.testing.assert_allclose(two.loss, one.loss, rtol=1e-5)
        np.testing.assert_allclose(two.gradient_norm, one.gradient_norm, rtol=1e-4)
    moved = zip(start, trainers[0].variables, strict=True)
    assert max(np.abs(a - b).max() for a, b in moved) > 1e-3
    slots = [trainer.optimizer_slots("velocity").values() for trainer in trainers]
    for single, distributed in ([trainer.variables for trainer in trainers], slots):
        for one, two in zip(single, distributed, strict=True):
            np.testing.assert_allclose(two.numpy(), one.numpy(), atol=1e-5)
