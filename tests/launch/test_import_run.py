"""`iodine-import`: what it leaves is a run like any other."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from iodine.datasets import preparation
from iodine.models.iodine import released_checkpoints
from iodine.training import checkpoints
from iodine.training.trainer import Trainer

SIZES = {"num_train": 6, "num_validation": 2, "num_test": 2}
DECODER_WEIGHTS = "pixel_decoder/broadcast_conv/conv_net_2d/conv_2d_0/w"


@pytest.fixture(scope="module")
def released_data(tmp_path_factory):
    """A folder with tetrominoes/released, converted from a file of its format."""
    folder = tmp_path_factory.mktemp("released_data")
    with tf.io.TFRecordWriter(str(folder / "file.tfrecords"), "GZIP") as writer:
        for index in range(sum(SIZES.values())):
            writer.write(released_record(index))
    preparation.prepare(
        "tetrominoes/released", str(folder), settings=SIZES, source=str(folder / "file.tfrecords")
    )
    return folder


def released_record(index):
    rng = np.random.default_rng(index)
    masks = 255 * (rng.integers(0, 4, [35, 35]) == np.arange(4)[:, None, None])

    def numbers(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))

    def single_bytes(values):
        strings = [bytes([value]) for value in np.ravel(values)]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=strings))

    features = {
        "image": single_bytes(rng.integers(0, 256, [35, 35, 3])),
        "mask": single_bytes(masks),
        "visibility": numbers([1, 1, 1, index % 2]),
        "shape": numbers(rng.integers(0, 20, 4)),
        "color": numbers(rng.random([4, 3])),
        **{name: numbers(rng.random(4)) for name in ("x", "y")},
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def state_of(run):
    """A trainer that was restored from a run."""
    trainer = Trainer(checkpoints.load_model(str(run))[0], tf.distribute.get_strategy())
    assert checkpoints.TrainingCheckpoints(pathlib.Path(run), trainer).restore()
    return trainer


def test_weights_moments_and_step_arrive(imported, released):
    trainer = state_of(imported)
    assert trainer.step == released.step
    np.testing.assert_array_equal(trainer.model.decoder.first.w, released.arrays[DECODER_WEIGHTS])
    entries = released_checkpoints.released_variables(trainer.model, trainer.regressor)
    assert set(entries) == set(released.variables)
    for suffix, kind in (("/Adam", "momentum"), ("/Adam_1", "velocity")):
        slots = trainer.optimizer_slots(kind)
        for name, entry in entries.items():
            (variable,) = entry.variables
            np.testing.assert_array_equal(variable, released.arrays[name])
            np.testing.assert_array_equal(slots[variable.ref()], released.arrays[name + suffix])


def test_imported_run_evaluates_decomposes_and_exports(program, imported, released_data, tmp_path):
    data = f"--data_dir={released_data}"
    evaluated = program(
        "evaluate", f"--run={imported}", data, f"--output={tmp_path}", "--num_images=2"
    )
    assert evaluated.code == 0, evaluated.err
    summary = json.loads(next(tmp_path.glob("evaluation*.json")).read_text())
    assert np.isfinite(summary["fg_ari"]["mean"])
    decomposed = program(
        "decompose", f"--run={imported}", data, f"--output={tmp_path / 'd'}", "--num_images=1"
    )
    assert decomposed.code == 0, decomposed.err
    assert (tmp_path / "d" / "overview.png").exists()
    exported = program("export", f"--run={imported}", f"--output={tmp_path / 'model'}")
    assert exported.code == 0, exported.err
    assert (tmp_path / "model" / "saved_model.pb").exists()


def test_training_goes_on(program, released, imported, released_data, tmp_path):
    run = shutil.copytree(imported, tmp_path / "run")
    before = state_of(imported)
    flags = (
        *released.flags,
        f"--run={run}",
        f"--data_dir={released_data}",
        f"--steps={released.step + 1}",
    )
    outcome = program("train", *flags)
    assert outcome.code == 0, outcome.err
    assert f"resuming {run} at step {released.step:,}" in outcome.out
    after = state_of(run)
    assert after.step == released.step + 1
    # m' = 0.95 m + 0.05 g and v' = 0.999 v + 0.001 g^2 with the same g.
    old = [before.optimizer_slots(kind) for kind in ("momentum", "velocity")]
    new = [after.optimizer_slots(kind) for kind in ("momentum", "velocity")]
    for a, b in zip(before.variables, after.variables, strict=True):
        m, v = (np.asarray(slots[a.ref()], np.float64) for slots in old)
        new_m, new_v = (np.asarray(slots[b.ref()], np.float64) for slots in new)
        gradient = (new_m - 0.95 * m) / 0.05
        np.testing.assert_allclose(new_v, 0.999 * v + 0.001 * gradient**2, rtol=1e-3, atol=1e-8)
        rate = 0.0003 * np.sqrt(2 / 256) * 0.1 ** (released.step / 1e6)
        rate *= np.sqrt(1 - 0.999 ** (released.step + 1)) / (1 - 0.95 ** (released.step + 1))
        movement = np.asarray(b, np.float64) - np.asarray(a, np.float64)
        expected = -rate * new_m / (np.sqrt(new_v) + 1e-8)
        # Weights near 0.1 resolve 1e-8.
        np.testing.assert_allclose(movement, expected, rtol=1e-2, atol=3e-8)
        assert np.abs(expected).max() > 1e-6


def test_generated_data_do_as_well(program, released, tmp_path):
    name = "tetrominoes/generated"
    preparation.prepare(name, str(tmp_path), settings=SIZES)
    flags = (*released.flags, f"--config.data.dataset={name}", f"--run={tmp_path / 'run'}")
    outcome = program("import_run", *flags, f"--checkpoint={released.prefix}")
    assert outcome.code == 0, outcome.err
    outcome = program("train", *flags, f"--data_dir={tmp_path}", f"--steps={released.step + 1}")
    assert outcome.code == 0, outcome.err
    assert state_of(tmp_path / "run").step == released.step + 1


def test_weights_alone(program, released, tmp_path):
    prefix = released.save(tmp_path, {name: released.arrays[name] for name in released.variables})
    run = tmp_path / "run"
    outcome = program("import_run", *released.flags, f"--checkpoint={prefix}", f"--run={run}")
    assert outcome.code == 0, outcome.err
    assert "at step 0: " in outcome.out
    assert "no optimizer state, which starts anew" in outcome.out


def test_download(program, released, tmp_path, monkeypatch):
    source = tmp_path / "server"
    inner = source / "zip" / "iodine" / "checkpoints" / "tetrominoes"
    shutil.copytree(pathlib.Path(released.prefix).parent, inner)
    (inner / "checkpoint").write_text('model_checkpoint_path: "/home/author/model.ckpt-1234"')
    shutil.make_archive(str(source / "iodine_checkpoints"), "zip", source / "zip")
    url = (source / "iodine_checkpoints.zip").as_uri()
    monkeypatch.setattr(released_checkpoints, "URL", url)
    run, flags = tmp_path / "runs" / "tetrominoes", (*released.flags, "--download")
    outcome = program("import_run", *flags, f"--run={run}")
    assert outcome.code == 0, outcome.err
    assert f"at step {released.step:,}: " in outcome.out
    assert "iodine_checkpoints.zip: " in outcome.err
    assert state_of(run).step == released.step
    (source / "iodine_checkpoints.zip").unlink()  # the one beside the run is used
    outcome = program("import_run", *flags, f"--run={run.with_name('another')}")
    assert outcome.code == 0, outcome.err
    elsewhere = tmp_path / "elsewhere"
    outcome = program("import_run", *flags, f"--run={elsewhere / 'run'}")
    assert outcome.code == 1
    assert f"cannot download {url}: " in outcome.error()
    assert list(elsewhere.iterdir()) == []
