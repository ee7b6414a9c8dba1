"""The estimate of a training's cost against arithmetic by hand, and against whole traces."""

import dataclasses
import math

import linear_slots
import pytest
import tensorflow as tf

from iodine.benchmarks import arithmetic
from iodine.config import Config, DataConfig, override
from iodine.models import registry
from iodine.reproduction.framework import estimate
from iodine.training.trainer import Trainer


def traced(config):
    """The operations of one step with all its rounds, without any shortcut."""
    operations = arithmetic.step_operations(Trainer(config, tf.distribute.get_strategy()))
    convolutions = arithmetic.convolutions(operations)
    products = arithmetic.matrix_products(operations)
    return arithmetic.total(convolutions) + arithmetic.total(products)


def by_hand(config, decoder, refinement):
    """From the operations of one pass forward, of one slot of one image.

    T + 1 decodings, forward and two gradients each; all but the last have an inner gradient too,
    which needs those of the activations only. T refinements, forward and two gradients each.
    """
    model = config.model
    rounds = model.num_iterations
    a_slot = rounds * (4 * decoder + 3 * refinement) + 3 * decoder
    return config.train.batch_size * model.num_slots * a_slot


def test_operations_of_the_tetrominoes_preset_by_hand():
    config = override(registry.preset("tetrominoes"), {"train.batch_size": 8})
    pixels = 35 * 35
    wide = 2 * 25 * 32 * 32 * pixels
    decoder = 3 * wide + 2 * 25 * 32 * 4 * pixels  # the first layer has its shortcut
    refinement = 2 * 25 * 17 * 32 * pixels + 2 * wide
    expected = by_hand(config, decoder, refinement)
    # Some of the refinement network's inputs are convolved once for all slots.
    assert 0.97 * expected < estimate.operations(config) < expected


def test_strides_make_later_layers_of_the_refinement_network_cheaper():
    clevr6 = registry.preset("clevr6")
    config = dataclasses.replace(clevr6, preset="mine", data=DataConfig(image_size=32))
    pixels = [16**2, 8**2, 4**2, 2**2]
    refinement = 2 * 9 * 64 * (17 * pixels[0] + 64 * sum(pixels[1:]))
    decoder = 2 * 9 * 64 * (3 * 64 + 4) * 32**2
    expected = by_hand(config, decoder, refinement)
    assert estimate.operations(config) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        ({"train.num_iterations": 3, "train.batch_size": 5}, 0.005),
        ({"train.num_iterations": 2, "model.num_slots": 6}, 0.02),
        ({"train.num_iterations": 2, "model.decoder.channels": (8, 8, 8)}, 0.1),
    ],
)
def test_more_rounds_slots_and_images_are_counted_as_in_a_whole_trace(changes, tolerance):
    config = override(registry.preset("tetrominoes_small"), changes)
    assert estimate.operations(config) == pytest.approx(traced(config), rel=tolerance)


def test_another_model_is_counted_too():
    model = linear_slots.LinearSlotsConfig()
    linear_slots.register()
    try:
        config = Config("own", DataConfig(image_size=8), model)
        pixels = math.prod((8, 8))
        encoder = 2 * (3 * pixels) * model.num_slots * model.latent_size
        decoder = model.num_slots * 2 * model.latent_size * 4 * pixels
        # Forward and gradients by weights and activations; the images need none.
        assert estimate.operations(config) == 32 * (2 * encoder + 3 * decoder)
    finally:
        registry._ENTRIES.pop(linear_slots.KIND)


def test_hours_are_those_of_all_steps():
    changes = {"train.steps": 3600, "train.num_iterations": 5}
    config = override(registry.preset("tetrominoes_small"), changes)
    # One second of arithmetic a step, and eight milliseconds an iteration.
    assert estimate.hours(config, estimate.operations(config)) == pytest.approx(1.04)


def test_the_measured_rate_is_that_of_a_computer():
    assert 1e8 < estimate.measured_rate() < 1e16


def test_clips_cost_what_their_refinements_do():
    changes = {
        "train.batch_size": 2,
        "model.num_iterations": 4,
        "model.decoder.channels": (8, 8),
        "model.refinement.channels": (8, 8, 8),
    }
    config = override(registry.preset("moving_tetrominoes_fast"), changes)
    config = dataclasses.replace(config, preset="mine")
    assert estimate.operations(config) == traced(config)
