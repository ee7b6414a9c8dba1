"""Which checkpoints a run keeps and reads."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.training import checkpoint_folder, checkpoints
from iodine.training import run_folder as runs
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
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


@pytest.fixture
def trainer():
    """A tiny training that keeps three states."""
    changes = {
        "data.image_size": 6,
        "model.num_iterations": 1,
        "model.latent_size": 4,
        "model.decoder.channels": (4,),
        "model.refinement.channels": (4,),
        "model.refinement.mlp_sizes": (4,),
        "model.refinement.lstm_size": 0,
        "train.checkpoint_every": 10,
    }
    return Trainer(override(registry.preset("tetrominoes"), changes), choose_strategy("none"))


def at(trainer, step):
    """Pretends that the training is at this step; its weights tell which."""
    trainer.optimizer.iterations.assign(step)
    trainer.model.initial_posterior.assign(
        tf.fill(trainer.model.initial_posterior.shape, float(step))
    )


def best_model(folder):
    """The step at which the model in `best/` was saved, by its weights."""
    [path] = checkpoint_folder.newest_first(folder / "best")
    value = tf.train.load_variable(path, f"averaged_model/initial_posterior{SUFFIX}")
    assert (value == checkpoint_folder.step_of(path)).all()
    return checkpoint_folder.step_of(path)


def validated(saver, trainer, losses):
    """Goes through validations {step: loss}, saving the state at each; says which were best."""
    found = []
    for step, loss in losses.items():
        at(trainer, step)
        found.append(saver.save_if_best(loss))
        saver.save()
    return found


def test_best_model_survives_a_rollback(trainer, tmp_path):
    saver = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert validated(saver, trainer, {10: 5.0, 20: 7.0}) == [True, False]
    at(trainer, 25)
    assert saver.save_if_best(3.0)
    assert saver.go_back() == 20
    assert validated(saver, trainer, {30: 4.0, 40: float("nan")}) == [False, False]
    assert best_model(tmp_path) == 25
    assert validated(saver, trainer, {50: 2.0}) == [True]
    assert best_model(tmp_path) == 50


def test_best_model_survives_a_resume_from_an_older_state(trainer, tmp_path):
    saver = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert validated(saver, trainer, {10: 5.0, 20: 3.0}) == [True, True]
    for path in (tmp_path / "checkpoints").glob("ckpt-20.*"):
        path.unlink()
    again = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert again.restore()
    assert trainer.step == 10
    assert validated(again, trainer, {15: 4.0}) == [False]
    assert best_model(tmp_path) == 20
    assert validated(again, trainer, {20: 2.5}) == [True]


def test_without_the_best_model_its_loss_counts_for_nothing(trainer, tmp_path):
    saver = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert validated(saver, trainer, {10: 5.0}) == [True]
    shutil.rmtree(tmp_path / "best")
    again = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert again.restore()
    assert validated(again, trainer, {20: 6.0}) == [True]


def test_damaged_best_model_is_replaced(trainer, tmp_path):
    saver = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert validated(saver, trainer, {10: 5.0}) == [True]
    for path in (tmp_path / "best").glob("ckpt-10.data*"):
        path.write_bytes(b"")
    again = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert again.restore()
    assert validated(again, trainer, {20: 6.0}) == [True]
    assert best_model(tmp_path) == 20


def test_best_model_of_a_version_that_kept_its_loss_in_the_state(trainer, tmp_path):
    """Up to 0.3; also after a rollback, and after the state has been written by this version."""
    old = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    old._best = tf.train.Checkpoint(averaged_model=trainer.averaged_model)
    assert validated(old, trainer, {10: 5.0, 20: 3.0}) == [True, True]
    names = tf.train.load_checkpoint(str(tmp_path / "best/ckpt-20")).get_variable_to_shape_map()
    assert f"best_loss{SUFFIX}" not in names
    new = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert new.restore()
    at(trainer, 25)
    assert not new.save_if_best(4.0)
    for path in (tmp_path / "checkpoints").glob("ckpt-20.*"):
        path.unlink()
    assert new.go_back() == 10
    assert validated(new, trainer, {30: 4.0}) == [False]
    newer = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert newer.restore()
    assert validated(newer, trainer, {40: 4.0, 50: 2.0}) == [False, True]
    assert best_model(tmp_path) == 50


def test_best_model_loads_with_and_without_its_loss(trainer, tmp_path):
    config = trainer.config
    runs.start_or_resume(tmp_path, config)
    saver = checkpoints.TrainingCheckpoints(tmp_path, trainer)
    assert validated(saver, trainer, {10: 5.0}) == [True]
    for best in (saver._best, tf.train.Checkpoint(averaged_model=trainer.averaged_model)):
        shutil.rmtree(tmp_path / "best")
        checkpoint_folder.write(tmp_path / "best", best, 10)
        _, model = checkpoints.load_model(str(tmp_path), "best")
        assert (model.initial_posterior.numpy() == 10).all()
