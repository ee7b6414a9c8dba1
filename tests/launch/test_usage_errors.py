"""What is wrong on the command line is said in one line, before anything is made."""

import linear_slots
import pytest

from iodine.models import registry


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--preset=nope", 1, "unknown preset 'nope'; known: clevr6, "),
        ("--preset=", 1, "unknown preset ''; known: "),
        ("--nosuch=1", 2, "Unknown command line flag 'nosuch'; see --help"),
        ("stray", 2, "unexpected argument 'stray'; see --help"),
        ("--steps=0", 2, "flag --steps=0: 0 is not a positive integer"),
        ("--strategy=many", 2, "flag --strategy=many: value should be one of"),
        ("--config.nosuch=1", 2, "unknown configuration field config.nosuch"),
        ("--config.train.batchsize=4", 2, "did you mean config.train.batch_size"),
        ("--config.model.kind=vae", 2, "config.model.kind follows from --preset; choose another"),
        ("--config.preset=clevr6", 2, "config.preset follows from --preset; choose another preset"),
        ("--config.train=4", 2, "config.train is a section of the configuration; its fields: "),
        ("--config.train.batch_size=abc", 2, "flag --config.train.batch_size=abc: invalid literal"),
        ("--config.train.batch_size=0", 1, "config.train.batch_size is 0, expected more than 0"),
        ("--config.train.log_every=0", 1, "config.train.log_every is 0, expected more than 0"),
        ("--config.train.average_decay=1.0", 1, "config.train.average_decay is 1.0, expected at"),
        ("--config.train.learning_rate=-1", 1, "config.train.learning_rate is -1.0, expected more"),
        ("--config.train.decay=linear", 1, "unknown train.decay 'linear'; known: none, "),
        ("--config.model.num_slots=1", 1, "num_slots is 1; a mixture needs at least 2"),
        ("--config.model.decoder.channels=abc", 1, "expected a list of int"),
        ("--config.model.decoder.kind=mlp", 1, "'mlp'"),
        ("--config.model.likelihood=cauchy", 1, "'cauchy'"),
        ("--config.data.image_size=9", 1, "config.data.image_size is 9, but the images of tetr"),
        ("--seed=-1", 1, "config.train.seed is -1, expected 0 to "),
    ],
)
def test_one_line(program, tiny_flags, tmp_path, flag, code, message):
    run = tmp_path / "run"
    outcome = program("train", *tiny_flags, f"--run={run}", flag)
    assert message in outcome.error()
    assert outcome.code == code
    assert len(outcome.err.splitlines()) == 1
    assert outcome.out == ""
    assert not run.exists()


@pytest.mark.parametrize("name", ["train", "evaluate", "decompose", "export"])
def test_missing_flag(program, name):
    outcome = program(name)
    assert outcome.error().endswith(" is missing; see --help")
    assert outcome.code == 2


@pytest.mark.parametrize(
    "flag",
    [
        "--num_slots=0",
        "--num_iterations=0",
        "--checkpoint=worst",
        "--seed=-1",
        "--seed=2147483648",
    ],
)
@pytest.mark.parametrize("name", ["evaluate", "decompose", "export"])
def test_flags_of_the_other_programs(program, tiny_run, name, flag):
    outcome = program(name, f"--run={tiny_run}", "--data_dir=/tmp", "--output=/tmp/x", flag)
    if name == "export":
        outcome = program(name, f"--run={tiny_run}", "--output=/tmp/x", flag)
    assert f"flag {flag}: " in outcome.error()
    assert outcome.code == 2


def test_config_flag_of_every_type(program, tiny_flags, tmp_path):
    changes = (
        "--config.model.decoder.constant_input=0.5",
        "--config.model.refinement.layer_norm=('likelihood',)",
        "--config.train.xla=false",
        "--config.train.learning_rate=1e-4",
    )
    arguments = (*tiny_flags, *changes, f"--run={tmp_path / 'run'}", "--steps=1")
    outcome = program("train", *arguments)
    assert outcome.code == 0, outcome.err
    assert "training: 1 of 1 steps" in outcome.err


@pytest.fixture
def linear(monkeypatch):
    """Another model, known for a while."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()


@pytest.mark.parametrize("name", ["train", "benchmark", "import_run"])
def test_fields_of_another_model_are_refused(program, linear, tmp_path, name):
    """By one line and exit code 2, whichever way the flag is given."""
    run = () if name == "benchmark" else (f"--run={tmp_path / 'run'}",)
    data = (f"--data_dir={tmp_path}",) if name == "train" else ()
    flags = ("--preset=linear_slots_small", *run, *data)
    for field, value in (("initial_posterior", "prior"), ("refinement.channels", "(4,)")):
        outcome = program(name, *flags, f"--config.model.{field}={value}")
        line = f"config.model.{field} is a field of the model iodine; the preset's is linear_slots"
        assert line in outcome.error()
        assert (outcome.code, outcome.out) == (2, "")
        assert len(outcome.err.splitlines()) == 1
    outcome = program(name, *flags, "--noconfig.model.recompute")
    assert "config.model.recompute is a field of the model iodine" in outcome.error()
    outcome = program(name, *flags, "--config.model.nosuch=1")
    assert "unknown configuration field config.model.nosuch" in outcome.error()
    assert not (tmp_path / "run").exists()


def test_help_shows_the_fields_of_the_preset_s_model(program, linear):
    outcome = program("train", "--preset=linear_slots_small", "--help")
    assert outcome.code == 0
    shown = "".join(outcome.out.split())
    assert "model.latent_size" in shown
    assert "model.decoder.channels" not in shown
