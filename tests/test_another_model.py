"""A model that only the tests know goes through all programs by being registered."""

import csv
import json
import subprocess
import sys

import linear_slots
import numpy as np
import pytest
import tensorflow as tf

from iodine.models import registry
from iodine.training import checkpoints

PRESET = "--preset=linear_slots_small"


@pytest.fixture(scope="module", autouse=True)
def registered():
    entries = dict(registry._ENTRIES)
    linear_slots.register()
    yield
    registry._ENTRIES.clear()
    registry._ENTRIES.update(entries)


@pytest.fixture(scope="module")
def run(program, tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear") / "run"
    outcome = program("train", PRESET, f"--run={folder}", f"--data_dir={tiny_data}")
    assert outcome.code == 0, outcome.err
    return folder


def stored(folder):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder / "checkpoints")))
    names = [n for n in reader.get_variable_to_shape_map() if "CHECKPOINTABLE" not in n]
    return {name: reader.get_tensor(name) for name in names if name.endswith("VARIABLE_VALUE")}


def scalars(folder):
    """The values of every scalar in TensorBoard's files, by tag and step."""
    found = {}
    for path in (folder / "tensorboard").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.tensor
    return found


def test_it_learns_validates_and_draws(run):
    found = scalars(run)
    losses = [float(tf.make_ndarray(v)) for _, v in sorted(found["train/loss"].items())]
    assert losses[-1] < 0.7 * losses[0]
    assert "validation/fg_ari" in found
    assert "train_neg_log_likelihood/iteration_0" in found
    assert found["decomposition"]


def test_it_resumes_bit_for_bit(run, program, tiny_data, tmp_path):
    flags = (PRESET, f"--run={tmp_path / 'run'}", f"--data_dir={tiny_data}")
    assert program("train", *flags, "--steps=17").code == 0
    assert program("train", *flags).code == 0
    expected, actual = stored(run), stored(tmp_path / "run")
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        if "save_counter" not in name:
            np.testing.assert_array_equal(actual[name], value, err_msg=name)


def test_it_is_evaluated_and_decomposes(run, program, tiny_data, tmp_path):
    flags = (f"--run={run}", f"--data_dir={tiny_data}", f"--output={tmp_path}")
    outcome = program("evaluate", *flags, "--num_images=13")
    assert outcome.code == 0, outcome.err
    record = json.loads(next(tmp_path.glob("evaluation*.json")).read_text())
    assert -1 <= record["fg_ari"]["mean"] <= 1
    assert "kl" not in record
    outcome = program("decompose", *flags)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "overview.png").stat().st_size > 1_000


def test_numbers_that_it_does_not_take_are_refused(run, program, tiny_data):
    outcome = program(
        "evaluate", f"--run={run}", f"--data_dir={tiny_data}", "--num_slots=6", "--num_images=13"
    )
    assert outcome.code == 1
    assert "num_slots is 6; this model has 4 and takes no other" in outcome.error()


def test_plain_tensorflow_loads_its_saved_model(run, program, tmp_path):
    assert program("export", f"--run={run}", f"--output={tmp_path / 'saved'}").code == 0
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1] + '/saved')\n"
        "result = model.decompose(np.load(sys.argv[1] + '/images.npy'))\n"
        "assert 'iodine' not in sys.modules\n"
        "np.savez(sys.argv[1] + '/result.npz', **{k: v.numpy() for k, v in result.items()})\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True)
    result = np.load(tmp_path / "result.npz")
    assert "latent_scale" not in result
    _, model = checkpoints.load_model(str(run))
    [step] = model.infer(tf.constant(images), {})
    np.testing.assert_allclose(result["masks"], step.masks, atol=1e-6)
    np.testing.assert_allclose(result["elbo"], step.log_likelihood, rtol=1e-5)


def test_it_stands_in_table_1(program, tmp_path, monkeypatch):
    from iodine.reproduction.framework import tasks, workloads

    # Alone: the trainings of the others are those of tests/launch/test_reproduce.py.
    monkeypatch.setitem(workloads._WORKLOADS, "smoke", {})
    workload = tasks.Workload("linear_slots_small", {"train.steps": 2})
    with workloads.registered("smoke", "Linear slots", tasks.TETRIS, workload):
        outcome = program(
            "reproduce",
            "--artifact=table1",
            "--budget=smoke",
            f"--data_dir={tmp_path / 'data'}",
            f"--runs={tmp_path / 'runs'}",
            f"--output={tmp_path / 'output'}",
        )
    assert outcome.code == 0, outcome.err
    with (tmp_path / "output" / "table1" / "table1.csv").open() as file:
        rows = {row["data set"]: row for row in csv.DictReader(file)}
    assert " +- " in rows[tasks.TETRIS]["Linear slots"]
