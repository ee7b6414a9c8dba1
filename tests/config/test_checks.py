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
