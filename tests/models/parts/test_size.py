"""The size of a model that is not made, against that of one that is."""

import math

import pytest
import tensorflow as tf

from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.parts.size import measure

PRESETS = ("tetrominoes_small", "monet_tetrominoes", "rnn_nem_shapes", "vae_tetrominoes")


@pytest.mark.parametrize("name", PRESETS)
def test_weights_are_those_of_the_model(name):
    config = registry.preset(name)
    model = registry.build(config)
    size = measure(lambda: registry.build(config))
    assert size.weights == sum(math.prod(variable.shape) for variable in model.variables)


def test_largest_is_that_of_the_largest_tensor():
    def call():
        weights = tf.Variable(tf.zeros([7, 50]))
        return tf.reduce_sum(tf.zeros([11, 7]) @ weights)  # [11, 50]

    assert measure(call) == (7 * 50, 11 * 50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.refinement.mlp_sizes": (65_536, 65_536, 65_536)}, r"of [\d,]+ weights, of which"),
        ({"data.image_size": 512, "model.decoder.channels": (65_536,)}, r"[\d,]+ GB of one image"),
    ],
)
def test_model_that_no_machine_can_hold_is_not_made(changes, message):
    config = override(registry.preset("tetrominoes_small"), changes)
    with pytest.raises(UserError, match=message):
        registry.build(config)


def test_model_that_is_larger_than_the_files_of_its_weights():
    config = override(registry.preset("tetrominoes_small"), {"model.latent_size": 20_000})
    with pytest.raises(UserError, match=r"weights, but the files hold 1,000 bytes"):
        registry.build(config, 1_000)
