"""What is said of weights, versions and machine, against the files and the libraries themselves."""

import hashlib
import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from iodine.training import checkpoints, provenance

ROOT = pathlib.Path(__file__).parents[2]


def test_weights_are_told_by_run_checkpoint_step_bytes_and_data(tiny_run):
    config, _, path = checkpoints.load(str(tiny_run))
    told = provenance.of_weights(str(tiny_run), config, path)
    files = (tiny_run / f"checkpoints/ckpt-20.{end}" for end in ("data-00000-of-00001", "index"))
    content = b"".join(file.read_bytes() for file in files)
    assert told == {
        "run": str(tiny_run),
        "preset": "tetrominoes_small",
        "model": "iodine",
        "training_seed": 0,
        "checkpoint": "checkpoints/ckpt-20",
        "step": 20,
        "digest": hashlib.sha256(content).hexdigest(),
        "trained_on": json.loads((tiny_run / "data.json").read_text()),
    }


def test_a_damaged_checkpoint_is_not_the_one_that_is_told(tiny_run, tmp_path, capsys):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "checkpoints/ckpt-20.data-00000-of-00001").write_bytes(b"")
    config, _, path = checkpoints.load(str(run))
    assert provenance.of_weights(str(run), config, path)["step"] == 10
    assert "damaged checkpoints are passed over" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["weights", "safetensors"])
def test_exported_weights_tell_where_they_are_from(program, tiny_run, tmp_path, form):
    folder = tmp_path / "exported"
    flags = (f"--run={tiny_run}", f"--output={folder}", f"--format={form}")
    assert program("export", *flags).code == 0
    config, _, path = checkpoints.load(str(tiny_run))
    original = provenance.of_weights(str(tiny_run), config, path)
    record = json.loads((folder / "provenance.json").read_text())
    assert record["weights"] == original
    assert record["command"].endswith(f"--run={tiny_run} --output={folder} --format={form}")
    config, _, path = checkpoints.load(str(folder))
    told = provenance.of_weights(str(folder), config, path)
    assert told["exported_from"] == original
    assert (told["step"], told["trained_on"]) == (20, original["trained_on"])
    assert told["digest"] == provenance.weights_digest(path) != original["digest"]
    if form == "safetensors":
        card = (folder / "README.md").read_text()
        assert f"step 20, SHA-256 `{original['digest']}`" in card
        assert f"digest `{original['trained_on']['digest']}`" in card
        assert "--num_train=60" in card


def test_a_saved_model_tells_its_k_t_and_seed(program, tiny_run, tmp_path):
    flags = (f"--run={tiny_run}", f"--output={tmp_path}", "--num_slots=5", "--seed=3")
    assert program("export", *flags).code == 0
    record = json.loads((tmp_path / "provenance.json").read_text())
    assert record["settings"] == {"num_slots": 5, "num_iterations": 2, "seed": 3}
    assert record["weights"]["step"] == 20


def test_scores_of_other_weights_do_not_come_onto_a_card(program, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    other = {"fg_ari": {"mean": 0.4321, "num_images": 320}}
    other["provenance"] = {"weights": {"digest": "0" * 64}}
    (run / "evaluation.json").write_text(json.dumps(other))
    flags = (f"--run={run}", f"--output={tmp_path / 'o'}", "--format=safetensors")
    assert program("export", *flags).code == 0
    card = (tmp_path / "o/README.md").read_text()
    assert "0.4321" not in card
    assert "is of other weights" in card


def test_versions_and_machine():
    found = provenance.of_process()
    by_package = {
        "iodine": "iodine-tf2",
        "tensorflow": "tensorflow",
        "tensorflow_probability": "tensorflow-probability",
        "sonnet": "dm-sonnet",
        "numpy": "numpy",
    }
    for name, package in by_package.items():
        assert found["versions"][name] == importlib.metadata.version(package)
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["device"]["cores"] > 0
    assert found["device"]["processor"]
    assert len(found["device"]["gpus"]) == len(tf.config.list_physical_devices("GPU"))
    json.dumps(found)


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is not a checkout")
def test_the_commit_is_that_of_the_checkout():
    provenance.commit.cache_clear()
    assert provenance.commit().removesuffix("-dirty") == git("rev-parse", "HEAD")


def test_a_package_in_another_projects_folder_has_no_commit(tmp_path, monkeypatch):
    for command in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x@y",
                    "commit", "-q", "--allow-empty", "-m", "x"]):  # fmt: skip
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    (tmp_path / "provenance.py").touch()  # as `pip install` leaves it in an environment there
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    provenance.commit.cache_clear()
    assert provenance.commit() is None
    provenance.commit.cache_clear()


def test_digests_differ_with_any_byte(tmp_path):
    rng = np.random.default_rng(0)
    for end in ("index", "data-00000-of-00001"):
        (tmp_path / f"ckpt-7.{end}").write_bytes(rng.bytes(100))
    before = provenance.weights_digest(tmp_path / "ckpt-7")
    (tmp_path / "ckpt-77.index").write_bytes(b"another checkpoint")
    assert provenance.weights_digest(tmp_path / "ckpt-7") == before
    content = (tmp_path / "ckpt-7.index").read_bytes()
    (tmp_path / "ckpt-7.index").write_bytes(content[:-1] + b"x")
    assert provenance.weights_digest(tmp_path / "ckpt-7") != before
