"""The presets have the layers of the authors' configurations, and wrong values are refused."""

import numpy as np
import pytest

from iodine.config import checks, override
from iodine.errors import UserError
from iodine.models import registry


def dense(inputs, outputs, norm=True):
    """Weights and biases of a dense layer, gains and offsets of its layer norm."""
    return inputs * outputs + outputs + 2 * outputs * norm


def conv(inputs, outputs, norm=True):
    """Of a convolution of 4 x 4."""
    return 16 * inputs * outputs + outputs + 2 * outputs * norm


def relational_cell(inputs):
    """Of R-NEM: theta, encoded states, pairs and effects of 250, an attention of 100."""
    attention = dense(250, 100) + dense(100, 1, norm=False)
    pairs = dense(2 * 250, 250) + dense(250, 250) + attention
    return dense(250, 250) + pairs + dense(250 + 250 + inputs, 250)


COUNTS = {
    # One linear layer of [784 pixels, 250], one dense layer to the pixels.
    "rnn_nem_shapes": dense(784 + 250, 250, norm=False) + dense(250, 784, norm=False),
    "rnem_shapes": (
        *(conv(1, 32) + conv(32, 64) + dense(7 * 7 * 64, 512), relational_cell(512)),
        *(dense(250, 512) + dense(512, 7 * 7 * 64), conv(64, 32) + conv(32, 1, norm=False)),
    ),
    "rnem_multi_dsprites_binarized": (
        *(conv(1, 16) + conv(16, 32) + conv(32, 64), dense(8 * 8 * 64, 512), relational_cell(512)),
        *(dense(250, 512) + dense(512, 8 * 8 * 64), conv(64, 32) + conv(32, 16)),
        conv(16, 1, norm=False),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_it_has_as_many_parameters_as_its_layers(name):
    model = registry.build(registry.preset(name))
    found = sum(np.prod(variable.shape) for variable in model.trainable_variables)
    assert found == np.sum(COUNTS[name])
    assert (model.spec.num_slots, model.spec.num_iterations) == (4, 15)


def test_the_numbers_of_static_shapes_are_the_authors():
    config = registry.preset("rnn_nem_shapes")
    assert sum([np.sum(COUNTS["rnn_nem_shapes"])]) == 455_534
    assert config.model.flip_probability == 0.1
    assert (config.model.loss_steps, config.model.gamma_gradient) == ("last", True)
    assert (config.train.batch_size, config.train.learning_rate) == (64, 1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.cell.kind": "lstm"}, "unknown config.model.cell.kind 'lstm'; known: rnn, rel"),
        ({"model.encoder.kind": "dense"}, "unknown config.model.encoder.kind 'dense'; known: none"),
        ({"model.decoder.kind": "none"}, "unknown config.model.decoder.kind 'none'; known: dense"),
        ({"model.loss_steps": "first"}, "unknown config.model.loss_steps 'first'; known: all, la"),
        ({"model.encoder.channels": ()}, "config.model.encoder.channels needs at least one layer"),
        ({"model.decoder.channels": ()}, "config.model.decoder.channels needs at least one layer"),
        ({"model.flip_probability": 1.5}, "config.model.flip_probability is 1.5, expected 0 to 1"),
        ({"model.inter_weight": -1.0}, "config.model.inter_weight is -1.0, expected 0 or more"),
    ],
)
def test_values_that_cannot_be_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        checks.check(override(registry.preset("rnem_shapes"), changes))
