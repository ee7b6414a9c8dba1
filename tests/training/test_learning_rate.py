"""The learning rate against its closed forms."""

import math

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import TrainConfig
from iodine.errors import UserError
from iodine.training.learning_rate import LearningRate

STEPS = (0, 1, 9, 10, 50, 99, 100, 250)


def rates(**fields):
    schedule = LearningRate(TrainConfig(learning_rate=0.02, **fields))
    return [float(schedule(step)) for step in STEPS]


def test_constant_by_default():
    np.testing.assert_allclose(rates(), 0.02, rtol=1e-6)


def test_warm_up():
    expected = [0.02 * min(1, (step + 1) / 10) for step in STEPS]
    np.testing.assert_allclose(rates(warmup_steps=10), expected, rtol=1e-6)


def test_exponential():
    expected = [0.02 * 0.1 ** (step / 100) for step in STEPS]
    fields = {"decay": "exponential", "decay_rate": 0.1, "decay_steps": 100}
    np.testing.assert_allclose(rates(**fields), expected, rtol=1e-5)


def test_cosine_ends_at_zero_and_stays():
    expected = [0.01 * (1 + math.cos(math.pi * min(1, step / 100))) for step in STEPS]
    actual = rates(decay="cosine", steps=100)
    np.testing.assert_allclose(actual, expected, atol=1e-8)
    assert actual[4] == pytest.approx(0.01)
    assert actual[-1] == 0


def test_scaled_by_the_square_root_of_the_batch():
    np.testing.assert_allclose(rates(learning_rate_batch=32, batch_size=8), 0.01, rtol=1e-6)


def test_all_at_once():
    expected = [
        0.02 * 2 * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * min(1, step / 200)))
        for step in STEPS
    ]
    fields = {"decay": "cosine", "steps": 200, "warmup_steps": 20, "learning_rate_batch": 8}
    np.testing.assert_allclose(rates(batch_size=32, **fields), expected, atol=1e-8)


def test_unknown_decay():
    with pytest.raises(UserError, match=r"unknown train.decay 'step'; known: none, exp"):
        rates(decay="step")


def test_each_rollback_makes_the_rate_smaller():
    config = TrainConfig(learning_rate=0.02, rollback_factor=0.25)
    rollbacks = tf.Variable(0, dtype=tf.int64)
    rate = LearningRate(config, rollbacks)
    for count in range(3):
        rollbacks.assign(count)
        assert float(rate(7)) == pytest.approx(0.02 * 0.25**count, rel=1e-6)
