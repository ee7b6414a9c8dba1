"""Two and three replicas train as one device does."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

BASE = override(
    registry.preset("tetrominoes"),
    {
        "data.image_size": 6,
        "model.num_slots": 3,
        "model.num_iterations": 1,
        "model.latent_size": 4,
        "model.likelihood_scale": 0.3,
        "model.decoder.channels": (5,),
        "model.refinement.channels": (5,),
        "model.refinement.mlp_sizes": (6,),
        "model.refinement.lstm_size": 6,
        "train.batch_size": 4,
        "train.average_decay": 0.8,
        "train.learning_rate": 1e-3,
        # Adam's usual epsilon would blow up the rounding of gradients that are nearly zero, and
        # hide a gradient that is added up twice.
        "train.adam_epsilon": 1e-3,
        "train.seed": 11,
    },
)


@pytest.fixture
def two_replicas():
    if len(tf.config.list_logical_devices("CPU")) != 2:
        pytest.skip("TensorFlow was started with another number of CPU devices")
    strategy = choose_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    return strategy


def values(variables):
    return [np.asarray(variable, np.float64) for variable in variables]


def shared(strategy, batch):
    """A batch as the replicas share it, without the threads of a distributed data set."""

    def rows_of(context):
        size = len(batch["image"]) // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * size
        return tf.nest.map_structure(lambda x: x[start : start + size], batch)

    return strategy.experimental_distribute_values_from_function(rows_of)


def train_both(config, strategy, num_steps=4):
    """Trains on one device and under the strategy: trainers, pairs of metrics, first weights."""
    single, distributed = Trainer(config, choose_strategy("none")), Trainer(config, strategy)
    start, metrics = values(single.variables), []
    for step in range(num_steps):
        shape = [config.train.batch_size, 6, 6, 3]
        batch = {"image": tf.random.stateless_uniform(shape, [step, step])}
        one, two = single.train_step(batch), distributed.train_step(shared(strategy, batch))
        metrics.append((one, two))
    return (single, distributed), metrics, start


def assert_close(one, two, atol):
    for a, b in zip(values(one), values(two), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=atol)


def assert_same_training(trainers, metrics, start, rtol=1e-5, atol=1e-5):
    for one, two in metrics:
        flat = zip(tf.nest.flatten(two), tf.nest.flatten(one), strict=True)
        for actual, expected in flat:
            np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
    single, distributed = trainers
    moved = zip(start, values(single.variables), strict=True)
    assert max(np.abs(a - b).max() for a, b in moved) > 100 * atol
    assert_close(single.variables, distributed.variables, atol)
    assert_close(
        single.averaged_model.trainable_variables,
        distributed.averaged_model.trainable_variables,
        atol,
    )
    for kind in ("momentum", "velocity"):
        moments = (t.optimizer_slots(kind).values() for t in trainers)
        assert_close(*moments, atol=10 * atol)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # Without layer norm, so that the scale of the gradients that are inputs counts.
        {"model.refinement.gradient_of_batch_mean": True, "model.refinement.layer_norm": ()},
        {"model.refinement.layer_norm": (), "train.clip_norm": 1e6},
        {"model.recompute": True},
    ],
    ids=str,
)
def test_two_replicas_train_as_one_device(two_replicas, changes):
    assert_same_training(*train_both(override(BASE, changes), two_replicas))


def test_bfloat16_on_two_replicas(two_replicas):
    """Each replica rounds its own sum over images, so the two agree to bfloat16's 8 bits."""
    config = override(BASE, {"model.precision": "bfloat16"})
    trainers, metrics, _ = train_both(config, two_replicas, num_steps=2)
    for one, two in metrics:
        np.testing.assert_allclose(two.loss, one.loss, rtol=1e-3)
        np.testing.assert_allclose(two.gradient_norm, one.gradient_norm, rtol=2e-2)
    assert_close(*(trainer.variables for trainer in trainers), atol=2e-4)


def test_the_optimizer_is_plain_keras(two_replicas):
    """Nothing private of Keras is overridden: its `apply` adds up what the replicas give it."""
    for strategy in (choose_strategy("none"), two_replicas):
        assert type(Trainer(BASE, strategy).optimizer) is tf.keras.optimizers.Adam


def test_regressor_on_two_replicas_with_unequal_numbers_of_entities(two_replicas):
    config = override(BASE, {"train.factor_regression": ("color:3:scalar",)})
    visible = tf.constant([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], tf.float32)

    def scene(i):
        labels = tf.random.stateless_uniform([4, 6, 6], [i, 1], 0, 4, tf.int64)
        return {
            "image": tf.random.stateless_uniform([4, 6, 6, 3], [i, 2]),
            "mask": tf.one_hot(labels, 4, axis=1),
            "visibility": visible,
            "factors": {"color": tf.random.stateless_uniform([4, 4, 3], [i, 3])},
        }

    single, distributed = Trainer(config, choose_strategy("none")), Trainer(config, two_replicas)
    for batch in map(scene, range(2)):
        one, two = single.train_step(batch), distributed.train_step(shared(two_replicas, batch))
        assert float(one.factor_loss) > 0.1
        np.testing.assert_allclose(two.factor_loss, one.factor_loss, rtol=1e-5)
        np.testing.assert_allclose(two.gradient_norm, one.gradient_norm, rtol=1e-4)


def test_batch_that_replicas_cannot_share(two_replicas):
    config = override(BASE, {"train.batch_size": 5})
    with pytest.raises(UserError, match=r"batch_size is 5, which 2 replicas cannot share equally"):
        Trainer(config, two_replicas)
    with pytest.raises(UserError, match="unknown strategy 'many'"):
        choose_strategy("many")


# A third of a gradient is not a number that floats hold; six images are two for each.
_ON_THREE = """
import json, pathlib, sys
import iodine
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
sys.path.append(sys.argv[1])
import test_replicas as tests
from iodine.errors import UserError

strategy = tests.choose_strategy("mirrored")
six = tests.override(tests.BASE, {"train.batch_size": 6})
tests.assert_same_training(*tests.train_both(six, strategy, num_steps=2))
try:
    tests.Trainer(tests.BASE, strategy)
except UserError as error:
    print(json.dumps([strategy.num_replicas_in_sync, str(error)]))
"""


def test_three_replicas_train_as_one_device(request):
    done = subprocess.run(
        [sys.executable, "-c", _ON_THREE, str(request.path.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    replicas, message = json.loads(done.stdout)
    assert replicas == 3
    assert message.startswith("train.batch_size is 4, which 3 replicas cannot share equally")
