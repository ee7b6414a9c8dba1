"""Which checkpoints a run keeps and reads."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.errors import UserError
from iodine.training import checkpoint_folder

WEIGHTS_ONLY = "holds weights only, not the state of a training, so there is nothing to go on with"


@pytest.fixture
def folder(tmp_path):
    """Checkpoints 0, 10 and 20, each holding its own number."""
    for step in (0, 10, 20):
        checkpoint_folder.write(tmp_path, state(step), step)
    return tmp_path


def state(number):
    return tf.train.Checkpoint(number=tf.Variable(number))


def read(path):
    found = state(-1)
    found.restore(path).assert_consumed()
    return int(found.number)


def steps(folder):
    return [checkpoint_folder.step_of(path) for path in checkpoint_folder.newest_first(folder)]


def test_newest_first_by_number(folder):
    checkpoint_folder.write(folder, state(9), 9)
    assert steps(folder) == [20, 10, 9, 0]
    assert [read(path) for path in checkpoint_folder.newest_first(folder)] == [20, 10, 9, 0]
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-9")


def test_what_is_removed_leaves_nothing(folder):
    (folder / "ckpt-15_temp").mkdir()  # of a process that was killed
    checkpoint_folder.write(folder, state(30), 30)
    checkpoint_folder.remove_all_but(folder, {10, 30})
    assert steps(folder) == [30, 10]
    parts = {"checkpoint", *(f"ckpt-{s}.{p}" for s in (10, 30)
                             for p in ("index", "data-00000-of-00001"))}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == parts
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-30")


def test_checkpoint_that_exists_is_replaced(folder):
    checkpoint_folder.write(folder, state(7), 20)
    assert read(str(folder / "ckpt-20")) == 7


def test_first_readable_passes_over_the_damaged(folder, capsys):
    data = folder / "ckpt-20.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:2])
    found = []
    path = checkpoint_folder.first_readable(
        checkpoint_folder.newest_first(folder), lambda path: found.append(read(path))
    )
    assert path == str(folder / "ckpt-10")
    assert found == [10]
    assert f"passed over: {folder / 'ckpt-20'} (" in capsys.readouterr().err
    assert checkpoint_folder.first_readable([], read) is None
    with pytest.raises(UserError, match=r"no checkpoint can be read: .*ckpt-20.*; start another"):
        checkpoint_folder.first_readable([str(folder / "ckpt-20")], read)


def test_only_bare_weights_cannot_be_trained_on(program, tiny_run, tiny_flags, tmp_path):
    weights = tmp_path / "weights"
    flags = (f"--run={tiny_run}", "--format=weights", f"--output={weights}")
    assert program("export", *flags).code == 0
    outcome = program("train", *tiny_flags, f"--run={weights}", "--steps=20")
    assert outcome.code == 1
    assert f"ckpt-0 {WEIGHTS_ONLY}; give another --run" in outcome.error()
    outcome = program("export", f"--run={weights}", "--checkpoint=best", f"--output={tmp_path}/o")
    assert outcome.code == 1
    assert f"{weights} has no best model: only a training's validation keeps one" in outcome.error()
    assert "use --checkpoint=latest" in outcome.error()


def test_run_of_version_0_1_0_goes_on(program, tiny_flags, tmp_path):
    run, old = tmp_path / "run", tmp_path / "old"
    flags = ("train", *tiny_flags, "--config.train.decay=none")
    assert program(*flags, f"--run={run}", "--steps=10").code == 0
    # That version had no number of rollbacks, neither in its checkpoints nor in its configuration.
    reader = tf.train.load_checkpoint(str(run / "checkpoints/ckpt-10"))
    assert reader.get_tensor("rollbacks/.ATTRIBUTES/VARIABLE_VALUE") == 0
    from iodine.training import checkpoints
    from iodine.training import run_folder as runs
    from iodine.training.devices.strategy import choose_strategy
    from iodine.training.trainer import Trainer

    trainer = Trainer(runs.read_config(run), choose_strategy("none"))
    saver = checkpoints.TrainingCheckpoints(run, trainer)
    assert saver.restore()
    saver._state = saver._older_state
    saver._folder = old / "checkpoints"
    saver.save()
    (old / "config.json").write_text((run / "config.json").read_text())
    for folder in (run, old):
        outcome = program(*flags, f"--run={folder}", "--steps=20")
        assert outcome.code == 0, outcome.err
        assert f"resuming {folder} at step 10" in outcome.out
    name = "model/initial_posterior/.ATTRIBUTES/VARIABLE_VALUE"
    one, two = (tf.train.load_variable(f"{f}/checkpoints/ckpt-20", name) for f in (run, old))
    np.testing.assert_allclose(one, two, atol=1e-6)
