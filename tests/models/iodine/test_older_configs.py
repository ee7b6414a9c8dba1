"""Configurations that older versions wrote are read as what they meant."""

import copy
import json
import pathlib

import pytest

from iodine.config import flatten
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.iodine import older_configs

FOLDER = pathlib.Path(__file__).parent / "older_configs"
SHIPPED = pathlib.Path(registry.__file__).parents[1] / "pretrained" / "tetrominoes_small"


def written_by_0_3(name):
    return json.loads((FOLDER / f"{name}_of_0.3.json").read_text())


def differences(config, other):
    ours, theirs = flatten(config), flatten(other)
    assert ours.keys() == theirs.keys()
    return {name: ours[name] for name in ours if ours[name] != theirs[name]}


def test_a_released_preset_is_today_s():
    """It decoded once more after the last refinement, and did not train the first decoding."""
    read = registry.read_config(written_by_0_3("tetrominoes_released"))
    assert read == registry.preset("tetrominoes_released")
    assert read.model.num_iterations == 5
    assert read.model.min_scale == 0
    assert len(read.train.factor_regression) == 3


def test_a_preset_of_the_paper_had_one_refinement_fewer_than_its_t():
    read = registry.read_config(written_by_0_3("clevr6"))
    found = differences(read, registry.preset("clevr6"))
    assert found == {"model.num_iterations": 4, "model.min_scale": 0.0}


def test_the_iterations_of_training_are_counted_as_the_models():
    values = written_by_0_3("clevr6")
    values["train"]["num_iterations"] = 3
    assert registry.read_config(values).train.num_iterations == 2
    values = written_by_0_3("tetrominoes_released")
    values["train"]["num_iterations"] = 3
    assert registry.read_config(values).train.num_iterations == 3


def test_a_single_decoding_becomes_one_refinement():
    values = written_by_0_3("clevr6")
    values["model"]["num_iterations"] = values["train"]["num_iterations"] = 1
    read = registry.read_config(values)
    assert (read.model.num_iterations, read.train.num_iterations) == (1, 1)


def test_the_objective_becomes_a_part_of_the_model():
    values = written_by_0_3("clevr6")
    values["objective"].update(kl_weight=0.25, kl_weight_start=0.5, anneal_steps=7)
    found = registry.read_config(values).model.objective
    assert (found.kl_weight, found.kl_weight_start, found.anneal_steps) == (0.25, 0.5, 7)
    assert found.backpropagated_refinements == 0


def test_weights_of_version_0_1_come_with_the_package():
    values = json.loads((SHIPPED / "config.json").read_text())
    assert "precision" not in values["model"]  # 0.1 had no such field
    read = registry.read_config(values)
    assert (read.model.kind, read.preset) == ("iodine", "tetrominoes_small")
    assert (read.model.num_iterations, read.train.num_iterations) == (15, 3)
    found = differences(read, registry.preset("tetrominoes_small"))
    reporting = {"train.validate_every", "train.checkpoint_every", "train.image_every"}
    assert found.keys() - reporting == {"model.min_scale", "train.steps"}


@pytest.mark.parametrize("name", ["clevr6", "tetrominoes_released"])
def test_reading_changes_nothing_that_it_was_given(name):
    values = written_by_0_3(name)
    before = copy.deepcopy(values)
    older_configs.upgrade(values)
    assert values == before


def test_the_older_are_told_from_today_s():
    assert older_configs.is_older(written_by_0_3("clevr6"))
    assert older_configs.counted_decodings(written_by_0_3("clevr6"))
    assert not older_configs.counted_decodings(written_by_0_3("tetrominoes_released"))
    assert not older_configs.is_older({"model": {"kind": "iodine"}})


def test_an_unknown_field_of_an_older_one_is_refused_by_its_name():
    values = written_by_0_3("clevr6")
    values["model"]["refinement"]["depth"] = 3
    with pytest.raises(UserError, match=r"unknown configuration field 'model\.refinement\.depth'"):
        registry.read_config(values)
