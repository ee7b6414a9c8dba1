"""Missing, damaged and misplaced files: one line says which, exit code 1."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.models.registry import preset
from iodine.training import checkpoints

DATASET = "tetrominoes/generated_small"


@pytest.fixture
def tiny_copy(tiny_run, tmp_path):
    """A copy of the tiny run, to be damaged."""
    return shutil.copytree(tiny_run, tmp_path / "copy")


@pytest.fixture
def refused(program):
    """Runs a program that must fail with exit code 1; gives its error line."""

    def call(*arguments):
        outcome = program(*map(str, arguments))
        assert outcome.code == 1
        return outcome.error()

    return call


def cut(path, keep=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def test_missing_and_empty_data_folder(refused, tiny_flags, tiny_run, tmp_path):
    (tmp_path / "empty").mkdir()
    for data_dir in (tmp_path / "missing", tmp_path / "empty"):
        make = f"make them with: iodine-data --dataset={DATASET} --data_dir={data_dir}"
        run = tmp_path / "run"
        assert make in refused("train", *tiny_flags, f"--data_dir={data_dir}", f"--run={run}")
        assert not run.exists()
        assert make in refused("evaluate", f"--run={tiny_run}", f"--data_dir={data_dir}")


def test_truncated_training_data(refused, tiny_flags, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    cut(next(data.rglob("*train.tfrecord*")), keep=0.6)
    line = refused("train", *tiny_flags, f"--data_dir={data}", f"--run={tmp_path / 'run'}")
    assert f"under {data}" in line
    assert "split train has " in line


def damage_a_record(path):
    """Within one in the middle: the lengths of all records, which are read first, stay right."""
    content = bytearray(path.read_bytes())
    start = 0
    while True:  # length in 8 bytes, its checksum in 4, the record, its checksum in 4
        length = int.from_bytes(content[start : start + 8], "little")
        if start + length > 0.6 * len(content):
            break
        start += 12 + length + 4
    middle = start + 12 + length // 2
    content[middle] ^= 0xFF
    path.write_bytes(content)


def test_damaged_training_data(refused, tiny_flags, tiny_data, tmp_path, monkeypatch):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    damage_a_record(next(data.rglob("*train.tfrecord*")))
    monkeypatch.setattr(pipelines, "MEMORY_LIMIT", 0)  # read while training, a little at a time
    monkeypatch.setitem(pipelines.training_batches.__kwdefaults__, "shuffle_buffer", 8)
    flags = (*tiny_flags, f"--data_dir={data}", f"--run={tmp_path / 'run'}", "--steps=40")
    line = refused("train", *flags, "--config.train.checkpoint_every=1")
    assert f"under {data}" in line
    assert "damaged" in line
    steps = [int(p.stem.split("-")[1]) for p in (tmp_path / "run/checkpoints").glob("*.index")]
    assert 0 < max(steps) < 40  # training had begun


@pytest.mark.parametrize("content", [b"not a picture", b"", "cut"])
def test_picture_that_is_none(refused, tiny_run, tmp_path, content):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)).save(path)
    cut(path) if content == "cut" else path.write_bytes(content)
    line = refused("decompose", f"--run={tiny_run}", f"--image={path}", f"--output={tmp_path}/o")
    assert f"{path} cannot be read as a PNG or JPEG picture" in line


def test_missing_picture(refused, tiny_run, tmp_path):
    flags = ("decompose", f"--run={tiny_run}", f"--output={tmp_path / 'o'}")
    assert "no.png does not exist" in refused(*flags, f"--image={tmp_path / 'no.png'}")
    assert "cannot be read" in refused(*flags, f"--image={tmp_path}")
    assert "give either --image" in refused(*flags)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["evaluate", "decompose", "export"])
def test_run_folders_that_are_none(refused, tiny_data, tiny_copy, tmp_path, name):
    data = () if name == "export" else (f"--data_dir={tiny_data}",)

    def line(run):
        return refused(name, f"--run={run}", f"--output={tmp_path / 'o'}", *data)

    assert "does not exist; train one with iodine-train" in line(tmp_path / "missing")
    assert "no pretrained weights" in line("pretrained:nothing")
    config = (tiny_copy / "config.json").read_text()
    shutil.rmtree(tiny_copy / "checkpoints")
    assert "checkpoints holds no checkpoint; train the run first" in line(tiny_copy)
    for broken in (config[:200], "[1]", "5", '{"model": 5}', '{"nosuch": 1}', "\x00"):
        (tiny_copy / "config.json").write_text(broken)
        assert "config.json cannot be read as a configuration: " in line(tiny_copy)
    (tiny_copy / "config.json").write_text(config.replace('"num_slots": 3', '"num_slots": "x"'))
    assert "config.model.num_slots is 'x', expected int" in line(tiny_copy)
    (tiny_copy / "config.json").unlink()
    assert "config.json is missing" in line(tiny_copy)


def test_training_needs_the_config_of_its_checkpoints(refused, tiny_flags, tiny_copy):
    (tiny_copy / "config.json").unlink()
    line = refused("train", *tiny_flags, f"--run={tiny_copy}", "--steps=20")
    assert "holds checkpoints but no config.json; give another --run" in line


def test_run_of_another_configuration(refused, tiny_flags, tiny_copy):
    changes = ("--config.train.learning_rate=0.5", "--config.model.num_slots=4", "--steps=20")
    line = refused("train", *tiny_flags, f"--run={tiny_copy}", *changes)
    before = preset("tetrominoes_small").train.learning_rate
    assert f"config.train.learning_rate: {before} there, 0.5 now" in line
    assert "config.model.num_slots: 3 there, 4 now" in line
    assert "batch_size" not in line
    assert json.loads((tiny_copy / "config.json").read_text())["model"]["num_slots"] == 3


@pytest.mark.parametrize(
    ("flag", "term"),
    [
        ("--config.train.learning_rate=1e30", "neg_log_likelihood of iteration "),
        ("--config.model.likelihood_scale=1e-30", "neg_log_likelihood of iteration 0 is "),
    ],
)
def test_loss_that_is_not_finite(refused, tiny_flags, tmp_path, flag, term):
    run = tmp_path / "run"
    line = refused("train", *tiny_flags, f"--run={run}", "--steps=20", flag)
    assert "training stopped: at step " in line
    assert term in line
    assert "the checkpoint of step 0 is kept" in line
    _, model = checkpoints.load_model(str(run))
    for variable in model.trainable_variables:
        assert np.isfinite(variable.numpy()).all()


def test_validation_that_is_not_finite(program, tiny_flags, tmp_path, monkeypatch):
    # The weights are sound: only the validation's longer inference may have diverged.
    monkeypatch.setattr(
        "iodine.training.reports.Evaluator.__call__",
        lambda *_: {n: np.full([3, 8], np.nan) for n in ("neg_log_likelihood", "kl", "selection")},
    )
    outcome = program("train", *tiny_flags, f"--run={tmp_path}", "--steps=5")
    assert outcome.code == 0
    assert "validation at step 5: loss nan" in outcome.err
    assert "never kept as the best" in outcome.err
    assert not (tmp_path / "best").exists()


def test_damaged_newest_checkpoint(program, refused, tiny_flags, tiny_copy, capsys):
    folder = tiny_copy / "checkpoints"
    cut(folder / "ckpt-20.data-00000-of-00001")
    expected = tf.train.load_variable(
        str(folder / "ckpt-10"), "averaged_model/initial_posterior/.ATTRIBUTES/VARIABLE_VALUE"
    )
    _, model = checkpoints.load_model(str(tiny_copy))
    np.testing.assert_array_equal(model.initial_posterior, expected)
    assert "ckpt-20 (" in (warning := capsys.readouterr().err)
    assert "are passed over" in warning
    outcome = program("train", *tiny_flags, f"--run={tiny_copy}", "--steps=20")
    assert outcome.code == 0, outcome.err
    assert f"resuming {tiny_copy} at step 10" in outcome.out
    assert "warning: damaged checkpoints are passed over: " in outcome.err
    for path in folder.glob("*.data*"):
        cut(path)
    line = refused("train", *tiny_flags, f"--run={tiny_copy}", "--steps=20")
    assert "no checkpoint can be read: " in line
    with pytest.raises(UserError, match="no checkpoint can be read: "):
        checkpoints.load_model(str(tiny_copy))


def test_list_of_checkpoints_lost(program, tiny_flags, tiny_copy):
    (tiny_copy / "checkpoints/checkpoint").write_text("")
    outcome = program("train", *tiny_flags, f"--run={tiny_copy}", "--steps=20")
    assert f"resuming {tiny_copy} at step 20" in outcome.out


@pytest.mark.parametrize("name", ["evaluate", "decompose", "export"])
def test_file_in_the_way_of_the_output(refused, tiny_run, tiny_data, tmp_path, name):
    (tmp_path / "file").write_text("mine")
    data = () if name == "export" else (f"--data_dir={tiny_data}",)
    for output, reason in (("file", "File exists"), ("file/o", "Not a directory")):
        path = tmp_path / output
        line = refused(name, f"--run={tiny_run}", f"--output={path}", *data)
        assert f"error: {reason} ({path})" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_file_in_the_way_of_the_run(refused, tiny_flags, tmp_path):
    (tmp_path / "file").write_text("mine")
    for run in ("file", "file/run"):
        line = refused("train", *tiny_flags, f"--run={tmp_path / run}")
        assert "directory" in line or "exists" in line
    assert (tmp_path / "file").read_text() == "mine"
