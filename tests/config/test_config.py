"""Configurations: to and from dictionaries, dotted names, presets."""

import dataclasses
import json

import pytest

from iodine.config import Config, flatten, from_dict, override, to_dict
from iodine.errors import UserError
from iodine.models.iodine.presets import PRESETS, preset

LEAVES_OF_ALL_SECTIONS = {
    "preset": "mine",
    "data.image_size": 12,
    "model.num_slots": 11,
    "model.decoder.channels": (7, 8),
    "model.decoder.constant_input": 5.0,
    "model.refinement.image_inputs": ("image", "mask"),
    "objective.kl_weight": 0.25,
    "train.xla": True,
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json_and_carry_their_name(name):
    config = preset(name)
    assert config.preset == name
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config
    assert override(Config(), flatten(config)) == config


def test_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="unknown preset 'clevr'; known: ") as caught:
        preset("clevr")
    listed = str(caught.value).split("known: ")[1].split(", ")
    assert listed == sorted(PRESETS)
    assert {"clevr6", "multi_dsprites", "tetrominoes", "tetrominoes_small"} <= set(listed)


def test_to_dict_holds_json_types_only():
    values = to_dict(override(Config(), LEAVES_OF_ALL_SECTIONS))
    assert values["model"]["decoder"]["channels"] == [7, 8]
    assert values["model"]["decoder"]["constant_input"] == 5.0
    assert values["train"]["xla"] is True
    assert json.loads(json.dumps(values)) == values


def test_override_replaces_the_named_leaves_only():
    before = Config()
    after = override(before, LEAVES_OF_ALL_SECTIONS)
    old, new = flatten(before), flatten(after)
    assert {name: new[name] for name in new if new[name] != old[name]} == LEAVES_OF_ALL_SECTIONS
    assert before == Config()
    assert list(old) == list(new)


def test_flatten_names_every_leaf_once():
    def count(config):
        return sum(
            count(getattr(config, f.name))
            if dataclasses.is_dataclass(getattr(config, f.name))
            else 1
            for f in dataclasses.fields(config)
        )

    leaves = flatten(Config())
    assert len(leaves) == count(Config())
    assert leaves["model.refinement.lstm_size"] == 256
    assert not any(dataclasses.is_dataclass(value) for value in leaves.values())


def test_missing_fields_of_a_dictionary_keep_their_defaults():
    config = from_dict({"model": {"num_slots": 3}})
    assert config == override(Config(), {"model.num_slots": 3})


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"modle": {}}, "'modle'"),
        ({"model": {"slots": 3}}, "'model.slots'"),
        ({"model": {"decoder": {"kernel": 3}}}, "'model.decoder.kernel'"),
    ],
)
def test_unknown_field_of_a_dictionary_is_refused_by_its_dotted_name(values, name):
    with pytest.raises(UserError, match=name):
        from_dict(values)


@pytest.mark.parametrize("path", ["modle", "modle.num_slots", "model.slots", "model.num_slots.x"])
def test_override_of_an_unknown_field_is_refused(path):
    with pytest.raises(UserError, match="unknown configuration field"):
        override(Config(), {path: 3})


def test_configurations_are_immutable_and_hashable():
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.preset = "other"
    assert hash(config) == hash(Config())
