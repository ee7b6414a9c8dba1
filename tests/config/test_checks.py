"""Which values a configuration may have."""

import dataclasses

import pytest

from iodine import config
from iodine.config import checks
from iodine.errors import UserError
from iodine.models import registry

BASE = registry.preset("tetrominoes")


@pytest.mark.parametrize("name", registry.preset_names())
def test_presets_pass_the_checks(name):
    checks.check(registry.preset(name))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.num_slots", 2.5, "is 2.5, expected int"),
        ("model.num_slots", True, "is True, expected int"),
        ("model.likelihood_scale", "0.1", "is '0.1', expected a number"),
        ("model.likelihood_scale", float("nan"), "is nan, expected more than 0"),
        ("train.learning_rate", float("inf"), "is inf, expected more than 0"),
        ("model.decoder.channels", (8, 0), "is 0, expected more than 0"),
        ("model.decoder.channels", 8, "expected a list of int"),
        ("model.refinement.stop_gradient", (1,), "expected a list of str"),
        ("model.decoder.constant_input", "x", "expected a number"),
        ("train.rollback_factor", 1.0, "expected more than 0 and less than 1"),
        ("train.rollback_factor", 0.0, "expected more than 0 and less than 1"),
        ("train.max_rollbacks", -1, "expected 0 or more"),
        ("train.adam_beta1", 1.0, "expected at least 0 and less than 1"),
        ("train.seed", 2**31, "expected 0 to 2147483647"),
        ("train.xla", 1, "is 1, expected bool"),
        ("model.objective.kl_weight", -0.1, "expected 0 or more"),
    ],
)
def test_value_that_is_refused(name, value, message):
    with pytest.raises(UserError, match=rf"config\.{name} is ") as error:
        checks.check(config.override(BASE, {name: value}))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.decoder.constant_input", 0.5),
        ("model.decoder.constant_input", None),
        ("train.learning_rate", 1),
        ("model.objective.kl_weight", 0.0),
        ("model.refinement.lstm_size", 0),
        ("model.refinement.layer_norm", ()),
        ("train.factor_regression", ("color:3:scalar",)),
    ],
)
def test_value_that_is_accepted(name, value):
    checks.check(config.override(BASE, {name: value}))


def sections(section):
    """A configuration's section and those within it."""
    yield section
    for field in dataclasses.fields(section):
        if dataclasses.is_dataclass(value := getattr(section, field.name)):
            yield from sections(value)


def test_every_number_that_may_be_zero_exists():
    found = 0
    for section in sections(BASE):
        names = getattr(section, "MAY_BE_ZERO", ())
        assert set(names) <= {field.name for field in dataclasses.fields(section)}
        found += len(names)
    assert found > 10


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.num_slots", 257, "expected 256 at most"),
        ("model.num_iterations", 10**9, "expected 1,000 at most"),
        ("data.image_size", 2049, "expected 2,048 at most"),
        ("model.decoder.kernel_size", 256, "expected 255 at most"),
        ("model.refinement.mlp_sizes", (8, 65_537), "expected 65,536 at most"),
        ("train.steps", 2**31, "expected 2,147,483,647 at most"),
        ("model.likelihood_scale", 10**400, "at most"),
    ],
)
def test_value_that_is_too_large_for_any_model(name, value, message):
    with pytest.raises(UserError, match=rf"config\.{name} is ") as error:
        checks.check(config.override(BASE, {name: value}))
    assert message in str(error.value)


def test_more_layers_than_any_model_has():
    layers = config.override(BASE, {"model.decoder.channels": (2,) * 65})
    with pytest.raises(UserError, match=r"channels has 65 entries, expected 64 at most"):
        checks.check(layers)


def test_what_is_measured_before_it_is_made():
    assert not any(checks.may_be_large(registry.preset(name)) for name in registry.preset_names())
    for name, value in {"model.latent_size": 40_000, "data.image_size": 2_000}.items():
        assert checks.may_be_large(config.override(BASE, {name: value}))


def test_more_coordinates_than_memory():
    many = config.override(
        BASE, {"model.refinement.cosine_frequencies": 200, "data.image_size": 300}
    )
    with pytest.raises(UserError, match=r"cosine_frequencies is 200, too much for a config\.data"):
        checks.check(many)
