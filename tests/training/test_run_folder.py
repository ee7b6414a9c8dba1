"""What a run's folder accepts, and which values a configuration."""

import dataclasses
import json

import pytest

from iodine.config import checks
from iodine.config import schema as config
from iodine.errors import UserError
from iodine.models.iodine import presets
from iodine.training import run_folder as runs

BASE = presets.preset("tetrominoes")


@pytest.mark.parametrize(
    "name",
    [
        "log_every",
        "validate_every",
        "checkpoint_every",
        "image_every",
        "keep_checkpoints",
        "max_rollbacks",
        "steps",
    ],
)
def test_free_to_change(tmp_path, name):
    runs.start_or_resume(tmp_path, BASE)
    changed = config.override(BASE, {f"train.{name}": 7})
    runs.start_or_resume(tmp_path, changed)
    assert runs.read_config(tmp_path) == changed
    assert json.loads((tmp_path / "config.json").read_text())["train"][name] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_all_other_fields_are_fixed(tmp_path):
    runs.start_or_resume(tmp_path, BASE)
    free = {f.rpartition(".")[2] for f in runs.FREE_TO_CHANGE} | {"steps"}
    refused = []
    for name, value in config.flatten(BASE).items():
        if name.rpartition(".")[2] in free:
            continue
        other = ("x", *value) if isinstance(value, tuple) else "other"
        with pytest.raises(UserError, match=rf"config\.{name}: .* there, .*other|config\.{name}: "):
            runs.start_or_resume(tmp_path, config.override(BASE, {name: other}))
        refused.append(name)
    assert len(refused) > 40
    assert runs.read_config(tmp_path) == BASE


def test_steps_are_fixed_where_the_rate_depends_on_them(tmp_path):
    cosine = config.override(BASE, {"train.decay": "cosine"})
    runs.start_or_resume(tmp_path, cosine)
    with pytest.raises(UserError, match=r"config\.train\.steps: 1000000 there, 7 now"):
        runs.start_or_resume(tmp_path, config.override(cosine, {"train.steps": 7}))


def test_configuration_of_an_older_version_has_the_defaults(tmp_path):
    values = config.to_dict(BASE)
    del values["train"]["clip_norm"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert runs.read_config(tmp_path) == BASE


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    runs.start_or_resume(tmp_path, BASE)

    def fail(*_, **__):
        raise OSError("disk")

    monkeypatch.setattr(json, "dumps", fail)
    with pytest.raises(OSError, match="disk"):
        runs.write_json(tmp_path / "config.json", {})
    monkeypatch.undo()
    assert runs.read_config(tmp_path) == BASE
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_pass_the_checks(name):
    checks.check(presets.preset(name))


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
        ("objective.kl_weight", -0.1, "expected 0 or more"),
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
        ("objective.kl_weight", 0.0),
        ("model.refinement.lstm_size", 0),
        ("model.refinement.layer_norm", ()),
        ("objective.factor_regression", ("color:3:scalar",)),
    ],
)
def test_value_that_is_accepted(name, value):
    checks.check(config.override(BASE, {name: value}))


def test_every_number_that_may_be_zero_exists():
    fields = config.flatten(config.Config())
    assert set(checks._MAY_BE_ZERO) <= set(fields)
    assert dataclasses.is_dataclass(BASE)


def test_bare_weights_make_a_run_that_gives_the_same_figures(
    program, tiny_run, tiny_data, tmp_path
):
    weights = tmp_path / "weights"
    written = program("export", f"--run={tiny_run}", "--format=weights", f"--output={weights}")
    assert written.code == 0, written.err
    assert {p.name for p in weights.iterdir()} == {"config.json", "checkpoints"}
    figures = []
    for run, output in ((tiny_run, tmp_path / "a"), (weights, tmp_path / "b")):
        flags = (f"--run={run}", f"--data_dir={tiny_data}", f"--output={output}", "--num_images=4")
        assert program("evaluate", *flags).code == 0
        figures.append((output / "evaluation.json").read_text())
    assert figures[0] == figures[1]
    again = program("export", f"--run={tiny_run}", "--format=weights", f"--output={weights}")
    assert again.code == 1
    assert "already holds a run" in again.err
