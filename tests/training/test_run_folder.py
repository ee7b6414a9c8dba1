"""Which run a folder goes on with."""

import json
import shutil

import linear_slots
import numpy as np
import pytest

from iodine.config import schema as config
from iodine.errors import UserError
from iodine.models import registry
from iodine.training import run_folder as runs

BASE = registry.preset("tetrominoes")
RELEASED = registry.preset("tetrominoes_released")
FREE = {
    "model.recompute": True,
    "train.xla": True,
    "train.deterministic": False,
    "train.log_every": 7,
    "train.validate_every": 7,
    "train.checkpoint_every": 7,
    "train.image_every": 7,
    "train.keep_checkpoints": 7,
    "train.max_rollbacks": 7,
    "train.steps": 7,
}


@pytest.mark.parametrize(("name", "value"), FREE.items())
def test_free_to_change(tmp_path, name, value):
    runs.start_or_resume(tmp_path, BASE)
    changed = config.override(BASE, {name: value})
    assert changed != BASE
    runs.start_or_resume(tmp_path, changed)
    assert runs.read_config(tmp_path) == changed
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_all_other_fields_are_fixed(tmp_path):
    runs.start_or_resume(tmp_path, BASE)
    assert set(FREE) == {*runs.FREE_TO_CHANGE, "train.steps"}
    refused = []
    for name, value in config.flatten(BASE).items():
        if name in FREE:
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


@pytest.fixture
def linear(monkeypatch):
    """The preset of a model without `recompute`, known for a while."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()
    return registry.preset("linear_slots_small")


def test_a_free_field_that_the_model_does_not_have(tmp_path, linear):
    assert "model.recompute" not in config.flatten(linear)
    runs.start_or_resume(tmp_path, linear)
    runs.start_or_resume(tmp_path, config.override(linear, {"train.xla": True}))
    with pytest.raises(UserError, match=r"config\.model\.latent_size: 5 there, 6 now"):
        runs.start_or_resume(tmp_path, config.override(linear, {"model.latent_size": 6}))


def test_run_of_another_model(tmp_path, linear):
    runs.start_or_resume(tmp_path, linear)
    with pytest.raises(UserError) as refused:
        runs.check_same(tmp_path, BASE)
    assert "config.model.kind: 'linear_slots' there, 'iodine' now; use the old" in str(
        refused.value
    )


def as_version_0_3_wrote(new_config):
    """The JSON of a run of that version with the same refinements, whose T counts decodings."""
    values = config.to_dict(new_config)
    model, train = values["model"], values["train"]
    objective = model.pop("objective")
    del model["kind"], model["min_scale"], objective["backpropagated_refinements"]
    objective["factor_regression"] = train.pop("factor_regression")
    objective["iteration_weights"] = "linear"
    model["refine_after_last"] = False
    model["num_iterations"] += 1
    return {**values, "objective": objective}


def test_run_whose_t_counted_decodings_does_not_go_on(tmp_path):
    values = as_version_0_3_wrote(BASE)
    (tmp_path / "config.json").write_text(json.dumps(values))
    same = config.override(BASE, {"model.min_scale": 0.0})
    assert runs.read_config(tmp_path) == same
    with pytest.raises(UserError) as refused:
        runs.start_or_resume(tmp_path, same)
    assert f"run {tmp_path} was started by a version before 0.4" in str(refused.value)
    assert "so it cannot go on; evaluate, decompose or export it" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert json.loads((tmp_path / "config.json").read_text()) == values


def test_run_of_an_older_version_that_was_trained_as_today_goes_on(tmp_path, request):
    written = request.path.parents[1] / "models/iodine/older_configs"
    shutil.copy(written / "tetrominoes_released_of_0.3.json", tmp_path / "config.json")
    runs.start_or_resume(tmp_path, RELEASED)
    assert json.loads((tmp_path / "config.json").read_text()) == config.to_dict(RELEASED)


def test_programs_read_a_run_whose_t_counted_decodings(
    program, tiny_run, tiny_data, tiny_flags, tmp_path
):
    old = shutil.copytree(tiny_run, tmp_path / "old")
    values = as_version_0_3_wrote(runs.read_config(tiny_run))
    assert values["model"]["num_iterations"] == 3
    (old / "config.json").write_text(json.dumps(values))
    outcome = program("train", *tiny_flags, f"--run={old}", "--steps=30")
    assert outcome.code == 1
    assert f"error: run {old} was started by a version before 0.4" in outcome.error()
    data = (f"--data_dir={tiny_data}", "--num_images=2")
    for run, name in ((old, "a"), (tiny_run, "b")):
        outputs = (f"--run={run}", f"--output={tmp_path / name}")
        assert program("evaluate", *outputs, *data).code == 0
        assert program("decompose", *outputs, *data).code == 0
        weights = (f"--run={run}", f"--output={tmp_path / name / 'weights'}", "--format=weights")
        assert program("export", *weights).code == 0
    written = (next((tmp_path / name).glob("evaluation*.json")) for name in "ab")
    one, two = (json.loads(path.read_text()) for path in written)
    assert one.pop("provenance") != two.pop("provenance")
    assert one == two
    assert len(one["mse"]["per_iteration"]) == 3
    one, two = (np.load(tmp_path / name / "test_0000.npz") for name in "ab")
    np.testing.assert_array_equal(one["masks"], two["masks"])
    assert runs.read_config(tmp_path / "a/weights").model.num_iterations == 2


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


def test_bare_weights_make_a_run_that_gives_the_same_figures(
    program, tiny_run, tiny_data, tmp_path
):
    weights = tmp_path / "weights"
    written = program("export", f"--run={tiny_run}", "--format=weights", f"--output={weights}")
    assert written.code == 0, written.err
    assert {p.name for p in weights.iterdir()} == {"config.json", "checkpoints", "provenance.json"}
    figures, told = [], []
    for run, output in ((tiny_run, tmp_path / "a"), (weights, tmp_path / "b")):
        flags = (f"--run={run}", f"--data_dir={tiny_data}", f"--output={output}", "--num_images=4")
        assert program("evaluate", *flags).code == 0
        figures.append(json.loads((output / "evaluation-num_images_4.json").read_text()))
        told.append(figures[-1].pop("provenance")["weights"])
    assert figures[0] == figures[1]
    assert told[1]["exported_from"] == told[0]
    assert told[1]["step"] == told[0]["step"] == 20
    assert told[1]["trained_on"] == told[0]["trained_on"] is not None
    again = program("export", f"--run={tiny_run}", "--format=weights", f"--output={weights}")
    assert again.code == 1
    assert "already holds a run" in again.err
