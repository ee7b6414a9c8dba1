"""The refinement network against the tables of C.1, C.2 and C.3, worked out by hand."""

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from iodine.config import override
from iodine.models import registry
from iodine.models.iodine.inputs import RefinementInputs
from iodine.models.iodine.model import Iodine
from iodine.models.iodine.refinement_network import RefinementNetwork

# Of each preset: the sides after the input and after every convolution; weights and biases of the
# convolutions, MLP, LSTM and last layer; the widths of the pooled channels, the MLP, the
# concatenation with lambda and its gradient, the LSTM and the update 2 Z.
TABLES = {
    "clevr6": {
        "sides": [128, 64, 32, 16, 8],
        "convolutions": [9_856, 36_928, 36_928, 36_928],
        "others": [16_640, 787_456, 32_896],
        "widths": [64, 256, 512, 256, 128],
    },
    "multi_dsprites": {
        "sides": [64, 64, 64, 64],
        "convolutions": [13_632, 25_632, 25_632],
        "others": [4_224, 164_352, 4_128],
        "widths": [32, 128, 192, 128, 32],
    },
    "tetrominoes": {
        "sides": [35, 35, 35, 35],
        "convolutions": [13_632, 25_632, 25_632],
        "others": [4_224, 0, 16_448],
        "widths": [32, 128, 256, None, 64],
    },
}
# Whole model: decoder, refinement, layer norms (2 * (3 + 1 + 1 + 1) + 2 * 2 Z), lambda(1).
TOTALS = {
    "clevr6": 151_172 + 957_632 + 268 + 128,
    "multi_dsprites": 94_532 + 237_600 + 76 + 32,
    "tetrominoes": 107_332 + 85_568 + 140 + 64,
}


def size(*modules):
    return sum(int(np.prod(v.shape)) for m in modules for v in m.trainable_variables)


@pytest.mark.parametrize("name", TABLES)
def test_refinement_network_is_the_table(name):
    config, table = registry.preset(name), TABLES[name]
    refinement, slots = config.model.refinement, 2
    pooled, mlp_size, concatenated, lstm_size, update_size = table["widths"]
    assert update_size == 2 * config.model.latent_size
    scopes = ["image"] * 3 + ["slot"] * 9 + ["image"] + ["slot"] * 2 + ["fixed"] * 2
    network = RefinementNetwork(refinement, scopes, update_size)
    side = table["sides"][0]
    generator = np.random.default_rng(0)

    def draw(*shape):
        return tf.constant(generator.normal(size=shape), tf.float32)

    parts = {
        "image": draw(1, side, side, 4),
        "slot": draw(slots, side, side, 11),
        "fixed": draw(1, side, side, 2),
    }
    flat = draw(slots, concatenated - mlp_size)
    assert flat.shape[1] == 4 * config.model.latent_size  # lambda and its gradient
    state = network.initial_state(slots)
    update, new_state = network(RefinementInputs(parts, flat), state, slots)

    layers = [network.first, *network.hidden]
    assert network.first.w.shape[2] == 17
    assert [size(layer) for layer in layers] == table["convolutions"]
    order = np.argsort([*range(3), 12, *range(3, 12), 13, 14, 15, 16])
    x = tf.concat(
        [tf.repeat(parts["image"], slots, 0), parts["slot"], tf.repeat(parts["fixed"], slots, 0)],
        -1,
    )
    x = tf.gather(x, order, axis=-1)
    for layer, before, after in zip(layers, table["sides"], table["sides"][1:], strict=False):
        x = tf.nn.elu(tf.nn.conv2d(x, layer.w, before // after, "SAME") + layer.b)
        assert x.shape == (slots, after, after, pooled)
    x = tf.reduce_mean(x, axis=[1, 2])
    (linear,) = [m for m in network.mlp.submodules if isinstance(m, snt.Linear)]
    x = tf.concat([tf.nn.elu(x @ linear.w + linear.b), flat], axis=-1)
    assert linear.w.shape == (pooled, mlp_size)
    assert x.shape == (slots, concatenated)
    if lstm_size:
        hidden, cell = state
        np.testing.assert_array_equal(hidden, np.zeros([slots, lstm_size]))
        np.testing.assert_array_equal(cell, np.zeros([slots, lstm_size]))
        lstm = network.lstm
        i, f, g, o = tf.split(x @ lstm.input_to_hidden + lstm.b, 4, axis=-1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        x = tf.sigmoid(o) * tf.tanh(cell)
        np.testing.assert_allclose(new_state.hidden, x, atol=1e-5)
        np.testing.assert_allclose(new_state.cell, cell, atol=1e-5)
        assert size(lstm) == table["others"][1]
    else:
        assert state == ()
        assert new_state == ()
        assert network.lstm is None
    assert [size(network.mlp), size(network.update)] == [table["others"][0], table["others"][2]]
    expected = x @ network.update.w + network.update.b
    assert expected.shape == (slots, update_size)
    np.testing.assert_allclose(update, expected, atol=1e-5)
    assert size(network) == sum(table["convolutions"]) + sum(table["others"])


@pytest.mark.parametrize("name", TABLES)
def test_whole_model_has_the_parameters_of_the_tables(name):
    """The number depends on no image side, so small images will do."""
    model = Iodine(registry.preset(name).model, (16, 16, 3))
    model(tf.zeros([1, 16, 16, 3]), num_slots=2, num_iterations=1)
    assert size(model) == TOTALS[name]
    assert len(model.inputs.scopes) == 17


def test_final_activation_of_the_mlp_can_be_left_out():
    config = override(
        registry.preset("tetrominoes").model.refinement, {"channels": (4,), "mlp_sizes": (6,)}
    )
    generator = np.random.default_rng(0)
    inputs = RefinementInputs(
        {"slot": tf.constant(generator.normal(size=(3, 5, 5, 2)), tf.float32)}, None
    )
    for with_activation, act in [(True, tf.nn.elu), (False, tf.identity)]:
        changed = override(config, {"mlp_final_activation": with_activation})
        network = RefinementNetwork(changed, ["slot"] * 2, 4)
        update, _ = network(inputs, (), 3)
        (linear,) = [m for m in network.mlp.submodules if isinstance(m, snt.Linear)]
        pooled = tf.reduce_mean(tf.nn.elu(network.first(inputs.image, 3)), axis=[1, 2])
        before = pooled @ linear.w + linear.b
        assert float(tf.reduce_min(before)) < 0
        np.testing.assert_allclose(
            update, act(before) @ network.update.w + network.update.b, atol=1e-6
        )
