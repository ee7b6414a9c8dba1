"""All models and presets by name."""

import dataclasses
import json

import pytest
import tensorflow as tf

from iodine.config import Config, checks, flatten, override, to_dict
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.interface import SceneModel

PRESETS = registry.preset_names()


@pytest.fixture
def another(monkeypatch):
    """A second kind of model, known during a test only."""

    @dataclasses.dataclass(frozen=True)
    class OtherConfig:
        kind: str = "other"
        num_slots: int = 2
        depth: int = 3

    def small():
        preset = registry.preset("tetrominoes_small")
        return dataclasses.replace(preset, preset="other_small", model=OtherConfig())

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    registry.register("other", OtherConfig, lambda *_: None, {"other_small": small})
    return OtherConfig


def test_the_presets_of_the_paper_and_of_the_released_code_are_there():
    papers = {"clevr6", "multi_dsprites", "tetrominoes"}
    released = {f"{name}_released" for name in papers}
    papers |= {"multi_dsprites_binarized", "shapes"}
    ours = {f"{name}_fast" for name in papers} | {"tetrominoes_small"}
    assert papers | released | ours <= set(PRESETS)
    assert sorted(PRESETS) == PRESETS
    assert registry.kinds()[0] == "iodine"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_carry_their_name_pass_the_checks_and_survive_json(name):
    config = registry.preset(name)
    assert config.preset == name
    checks.check(config)
    assert registry.read_config(json.loads(json.dumps(to_dict(config)))) == config
    assert override(config, flatten(config)) == config
    fields = [leaf for leaf in flatten(config) if leaf.startswith("model.")]
    assert registry.model_fields(config.model.kind) == fields


@pytest.mark.parametrize("name", ["multi_dsprites", "multi_dsprites_binarized", "shapes"])
def test_the_papers_presets_on_sprites_and_shapes_differ_in_data_and_slots_only(name):
    """Appendix C has networks for Multi-dSprites, and none for the binary data of Table 1."""
    same = {"preset": "x", "data.dataset": "x", "data.image_size": 1, "model.num_slots": 2}
    config, sprites = registry.preset(name), registry.preset("multi_dsprites")
    assert override(config, same) == override(sprites, same)
    size = {"shapes": 28}.get(name, 64)
    slots = {"multi_dsprites": 6}.get(name, 4)
    assert (config.data.image_size, config.model.num_slots) == (size, slots)


def test_released_presets_have_no_floor_of_the_scale_and_ours_have():
    for name in PRESETS:
        config = registry.preset(name)
        if config.model.kind == "iodine":
            assert config.model.min_scale == (0.0 if name.endswith("_released") else 1e-5)


@pytest.mark.parametrize(
    ("name", "close"), [("clevr", "clevr6"), ("tetrominos_small", "tetrominoes_small")]
)
def test_an_unknown_preset_is_refused_with_the_closest_and_all_known_ones(name, close):
    with pytest.raises(UserError) as caught:
        registry.preset(name)
    expected = f"unknown preset '{name}'; did you mean {close}; known: {', '.join(PRESETS)}"
    assert str(caught.value) == expected


def test_nothing_is_suggested_where_nothing_is_close():
    with pytest.raises(UserError, match=r"unknown preset 'zzz'; known: "):
        registry.preset("zzz")


@pytest.mark.parametrize("kind", ["iodin", "", None, 3, ["iodine"], {}])
def test_an_unknown_kind_is_refused_with_the_known_ones(kind):
    values = to_dict(registry.preset("tetrominoes_small"))
    values["model"]["kind"] = kind
    with pytest.raises(UserError) as caught:
        registry.read_config(values)
    message = str(caught.value)
    assert f"unknown config.model.kind {kind!r}" in message
    assert ("did you mean iodine" in message) == (kind == "iodin")
    assert message.endswith(f"known: {', '.join(registry.kinds())}")
    with pytest.raises(UserError, match=r"unknown config\.model\.kind"):
        registry.model_fields(kind)


@pytest.mark.parametrize("values", [None, [], {}, {"model": None}, {"model": 3, "preset": "mine"}])
def test_what_is_no_configuration_is_refused(values):
    with pytest.raises(UserError, match="there is no section 'model'"):
        registry.read_config(values)


def test_values_that_are_read_are_checked():
    values = to_dict(registry.preset("tetrominoes_small"))
    values["model"]["decoder"]["kernel_size"] = 0
    message = r"config\.model\.decoder\.kernel_size is 0, expected more than 0"
    with pytest.raises(UserError, match=message):
        registry.read_config(values)


def test_a_registered_model_is_known_by_its_kind_with_fields_and_presets_of_its_own(another):
    assert registry.kinds()[-1] == "other"
    assert registry.model_fields("other") == ["model.kind", "model.num_slots", "model.depth"]
    assert "other_small" in registry.preset_names()
    config = registry.preset("other_small")
    assert config.model == another()
    values = to_dict(config)
    values["model"]["depth"] = 5
    assert registry.read_config(values).model == another(depth=5)
    values["model"]["latent_size"] = 5
    with pytest.raises(UserError, match=r"unknown configuration field 'model\.latent_size'"):
        registry.read_config(values)
    with pytest.raises(UserError, match=r"unknown preset 'othersmall'; did you mean other_small;"):
        registry.preset("othersmall")


def test_built_models_have_all_variables_and_the_size_of_their_images():
    config = override(
        registry.preset("tetrominoes_small"), {"data.image_size": 9, "model.num_iterations": 1}
    )
    assert isinstance(config, Config)
    model = registry.build(config)
    assert isinstance(model, SceneModel)
    assert model.spec.image_shape == (9, 9, 3)
    variables = [variable.ref() for variable in model.variables]
    model.infer(
        tf.zeros([1, 9, 9, 3]),
        {name: tf.zeros([n.num_draws, 1, *n.shape]) for name, n in model.noise(5, 1).items()},
        num_slots=5,
    )
    assert [variable.ref() for variable in model.variables] == variables


def test_a_released_model_is_built_for_the_batch_that_it_is_trained_on():
    config = override(registry.preset("tetrominoes_released"), {"train.batch_size": 5})
    assert registry.build(config)._gradient_share == 1 / 5
    assert registry.build(registry.preset("tetrominoes_small"))._gradient_share == 1


def test_schedules_are_those_of_the_model():
    config = override(
        registry.preset("tetrominoes_small"),
        {"model.objective.kl_weight_start": 0.5, "model.objective.anneal_steps": 10},
    )
    schedules = registry.schedules(config)
    assert {name: float(value(0)) for name, value in schedules.items()} == {
        "kl_weight": 0.5,
        "likelihood_scale": pytest.approx(0.3),
    }
