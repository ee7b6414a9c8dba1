"""The estimate of a training's cost against arithmetic done by hand."""

import pytest

from iodine.config import schema as config_lib
from iodine.models.iodine import presets
from iodine.reproduction.framework import estimate


def test_operations_of_the_tetrominoes_preset_by_hand():
    config = config_lib.override(presets.preset("tetrominoes"), {"train.batch_size": 8})
    pixels = 35 * 35
    wide = 2 * 25 * 32 * 32 * pixels
    decoder = 3 * wide + 2 * 25 * 32 * 4 * pixels  # the first layer has its shortcut
    refinement = 2 * 25 * 17 * 32 * pixels + 2 * wide
    expected = 8 * 4 * 5 * (4 * decoder + 3 * refinement)  # images, slots, iterations
    assert estimate.operations(config) == expected


def test_strides_make_later_layers_of_the_refinement_network_cheaper():
    config = presets.preset("clevr6")
    pixels = [64**2, 32**2, 16**2, 8**2]
    refinement = 2 * 9 * 64 * (17 * pixels[0] + 64 * sum(pixels[1:]))
    decoder = 2 * 9 * 64 * (3 * 64 + 4) * 128**2
    assert estimate.operations(config) == 32 * 7 * 5 * (4 * decoder + 3 * refinement)


def test_hours_are_those_of_all_steps():
    config = config_lib.override(
        presets.preset("tetrominoes_small"), {"train.steps": 3600, "train.num_iterations": 5}
    )
    # One second of arithmetic a step, and eight milliseconds an iteration.
    assert estimate.hours(config, estimate.operations(config)) == pytest.approx(1.04)


def test_the_measured_rate_is_that_of_a_computer():
    assert 1e8 < estimate.measured_rate() < 1e16
