"""The cells equal the same written out in NumPy, slot by slot and pair by pair."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import sigmoid

from iodine.models.nem.cells import RelationalCell, RnnCell
from iodine.models.nem.config import CellConfig

B, M, Z, R, A = 2, 5, 4, 3, 6


def with_random_weights(cell, slots=2):
    cell(tf.zeros([slots, M]), tf.zeros([slots, Z]), slots)
    generator = np.random.default_rng(0)
    for variable in cell.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return cell


def random_inputs(slots):
    generator = np.random.default_rng(1)
    shapes = ((B * slots, M), (B * slots, Z))
    return [tf.constant(generator.normal(size=shape), tf.float32) for shape in shapes]


def dense(layer, x):
    return x @ layer.w.numpy().astype(np.float64) + layer.b.numpy()


def norm(layer_norm, x):
    centred = x - x.mean()
    scaled = centred / np.sqrt((centred**2).mean() + 1e-5)
    return scaled * layer_norm.scale.numpy() + layer_norm.offset.numpy()


def relational_theta(cell, inputs, states, k):
    """Of slot k of one image; inputs [K, M], states [K, Z]."""

    def relu_layer(layer, x):
        return np.maximum(norm(layer.norm, dense(layer.affine, x)), 0)

    encoded = [relu_layer(cell.state, state) for state in states]
    effect = np.zeros(R)
    for j in range(len(states)):
        if j != k:
            pair = relu_layer(cell.pair, np.concatenate([encoded[k], encoded[j]]))
            hidden = cell.attention_hidden
            hidden = np.tanh(norm(hidden.norm, dense(hidden.affine, pair)))
            attention = sigmoid(dense(cell.attention.affine, hidden))
            effect += attention * relu_layer(cell.effect, pair)
    return dense(cell.update, np.concatenate([encoded[k], effect, inputs[k]]))


@pytest.mark.parametrize("slots", [2, 4])
def test_a_relational_step_equals_the_one_written_out(slots):
    cell = with_random_weights(RelationalCell(CellConfig("relational", R, A), Z, True))
    inputs, state = random_inputs(slots)
    output, new_state = cell(inputs, state, slots)
    inputs, state = (x.numpy().reshape(B, slots, -1) for x in (inputs, state))
    for b in range(B):
        for k in range(slots):
            theta = relational_theta(cell, inputs[b], state[b], k)
            np.testing.assert_allclose(new_state[b * slots + k], sigmoid(theta), atol=1e-5)
            expected = sigmoid(norm(cell.norm, theta))
            np.testing.assert_allclose(output[b * slots + k], expected, atol=1e-5)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_an_rnn_step_equals_the_one_written_out(layer_norm):
    cell = with_random_weights(RnnCell(Z, layer_norm))
    inputs, state = random_inputs(2)
    output, new_state = cell(inputs, state, 2)
    for n in range(2 * B):
        theta = dense(cell.update, np.concatenate([inputs[n], state[n]]))
        np.testing.assert_allclose(new_state[n], sigmoid(theta), atol=1e-5)
        expected = sigmoid(norm(cell.norm, theta)) if layer_norm else sigmoid(theta)
        np.testing.assert_allclose(output[n], expected, atol=1e-5)


def test_slots_of_the_relational_cell_permute():
    cell = with_random_weights(RelationalCell(CellConfig("relational", R, A), Z, True))
    slots, order = 4, [2, 0, 3, 1]
    inputs, state = random_inputs(slots)

    def permuted(x):
        by_slot = tf.reshape(x, [B, slots, -1])
        return tf.reshape(tf.gather(by_slot, order, axis=1), tf.shape(x))

    for found, expected in zip(
        cell(permuted(inputs), permuted(state), slots), cell(inputs, state, slots), strict=True
    ):
        np.testing.assert_allclose(found, permuted(expected), atol=1e-5)
        assert np.abs(found - expected).max() > 1e-2


def test_a_slot_of_the_relational_cell_depends_on_the_states_of_all_others_of_its_image():
    cell = with_random_weights(RelationalCell(CellConfig("relational", R, A), Z, True))
    slots = 3
    inputs, state = random_inputs(slots)
    before = cell(inputs, state, slots)[1]
    for changed in range(slots):
        other = state.numpy()
        other[changed] += 1  # a slot of the first image
        difference = np.abs(cell(inputs, tf.constant(other), slots)[1] - before).max(axis=1)
        assert (difference[:slots] > 1e-4).all()
        np.testing.assert_array_equal(difference[slots:], 0)
