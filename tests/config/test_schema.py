"""Configurations: to and from dictionaries, dotted names."""

import dataclasses
import json

import pytest

from iodine.config import Config, DataConfig, TrainConfig, flatten, from_dict, override, to_dict
from iodine.errors import UserError
from iodine.models.iodine.config import IodineConfig

USUAL = Config(preset="mine", data=DataConfig(), model=IodineConfig())
LEAVES_OF_ALL_SECTIONS = {
    "preset": "yours",
    "data.image_size": 12,
    "model.num_slots": 11,
    "model.decoder.channels": (7, 8),
    "model.decoder.constant_input": 5.0,
    "model.refinement.image_inputs": ("image", "mask"),
    "model.objective.kl_weight": 0.25,
    "train.xla": True,
    "train.factor_regression": ("color:3:scalar",),
}


def test_to_dict_and_back_through_json():
    config = override(USUAL, LEAVES_OF_ALL_SECTIONS)
    values = to_dict(config)
    assert values["model"]["decoder"]["channels"] == [7, 8]
    assert values["model"]["decoder"]["constant_input"] == 5.0
    assert values["model"]["objective"]["kl_weight"] == 0.25
    assert values["train"]["xla"] is True
    assert json.loads(json.dumps(values)) == values
    assert from_dict(json.loads(json.dumps(values)), IodineConfig) == config


def test_override_replaces_the_named_leaves_only():
    after = override(USUAL, LEAVES_OF_ALL_SECTIONS)
    old, new = flatten(USUAL), flatten(after)
    assert {name: new[name] for name in new if new[name] != old[name]} == LEAVES_OF_ALL_SECTIONS
    assert Config(preset="mine", data=DataConfig(), model=IodineConfig()) == USUAL
    assert list(old) == list(new)


def test_flatten_names_every_leaf_once():
    def count(config):
        values = [getattr(config, field.name) for field in dataclasses.fields(config)]
        return sum(count(v) if dataclasses.is_dataclass(v) else 1 for v in values)

    leaves = flatten(USUAL)
    assert len(leaves) == count(USUAL)
    assert leaves["model.refinement.lstm_size"] == 256
    assert not any(dataclasses.is_dataclass(value) for value in leaves.values())
    assert not any("MAY_BE_ZERO" in name for name in leaves)


def test_missing_fields_of_a_dictionary_keep_their_defaults():
    values = {"preset": "mine", "data": {}, "model": {"num_slots": 3}}
    config = from_dict(values, IodineConfig)
    assert config == override(USUAL, {"model.num_slots": 3})
    assert config.train == TrainConfig()


@pytest.mark.parametrize("section", ["preset", "data", "model"])
def test_missing_sections_are_refused(section):
    values = to_dict(USUAL)
    del values[section]
    with pytest.raises(UserError, match=f"configuration without '{section}'"):
        from_dict(values, IodineConfig)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": {}}, "unknown configuration field 'modle'; known: data, model, preset, train"),
        ({"objective": {}}, "unknown configuration field 'objective'"),
        ({"model": {"slots": 3}}, "unknown configuration field 'model.slots'"),
        ({"model": {"decoder": {"kernel": 3}}}, "'model.decoder.kernel'; known: channels, const"),
        ({"model": {"MAY_BE_ZERO": []}}, "unknown configuration field 'model.MAY_BE_ZERO'"),
        ({"data": 3}, "configuration section 'data' is 3, not a section"),
        ({"model": {"decoder": None}}, "section 'model.decoder' is None, not a section"),
    ],
)
def test_what_does_not_belong_is_refused_by_its_dotted_name(changes, message):
    with pytest.raises(UserError) as caught:
        from_dict({**to_dict(USUAL), **changes}, IodineConfig)
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["modle", "modle.num_slots", "model.slots", "model.num_slots.x"])
def test_override_of_an_unknown_field_is_refused(path):
    with pytest.raises(UserError, match="unknown configuration field"):
        override(USUAL, {path: 3})


def test_configurations_are_immutable_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        USUAL.preset = "other"
    assert hash(USUAL) == hash(dataclasses.replace(USUAL))
