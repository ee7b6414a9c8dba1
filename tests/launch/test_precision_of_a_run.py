"""`--config.model.precision=auto` is decided when a run begins."""

import json

from iodine.models.parts import precision


def test_a_run_keeps_what_auto_was(program, tiny_flags, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "fastest", lambda: "bfloat16")
    run = tmp_path / "run"
    # A decay to the last step would fix the number of steps.
    changes = ("--config.model.precision=auto", "--config.train.decay=none")
    flags = (*tiny_flags, f"--run={run}", *changes)
    assert program("train", *flags, "--steps=1").code == 0
    assert json.loads((run / "config.json").read_text())["model"]["precision"] == "bfloat16"
    assert "resuming" in program("train", *flags, "--steps=2").out
    monkeypatch.setattr(precision, "fastest", lambda: "float32")
    outcome = program("train", *flags, "--steps=3")
    assert outcome.code == 1
    assert "config.model.precision: 'bfloat16' there, 'float32' now" in outcome.error()
