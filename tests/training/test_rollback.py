"""A loss that is not finite leads back to a checkpoint, with a smaller learning rate."""

import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader

from iodine.training import loop, reports

PLAIN = (
    "--config.train.warmup_steps=0",
    "--config.train.decay=none",
    "--config.train.learning_rate=1e-3",
    "--config.train.adam_epsilon=1e-3",  # rounding of tiny gradients would show otherwise
)
ROLLBACKS = (*PLAIN, "--config.train.max_rollbacks=2")


def stored(folder, name, step):
    path = f"{folder}/checkpoints/ckpt-{step}"
    return tf.train.load_variable(path, f"{name}/.ATTRIBUTES/VARIABLE_VALUE")


def weights(folder, step):
    reader = tf.train.load_checkpoint(f"{folder}/checkpoints/ckpt-{step}")
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if n.startswith("model/")}


def assert_same_weights(actual, expected, atol):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=atol, err_msg=name)


def scalars(folder, tag):
    found = []
    for path in sorted(folder.glob("tensorboard/events.*")):
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            found += [(event.step, float(tf.make_ndarray(value.tensor)))
                      for value in event.summary.value if value.tag == tag]  # fmt: skip
    return found


@pytest.fixture
def bad_steps(monkeypatch):
    """Makes the look at step s, after r rollbacks, find something bad: {(s, r), ...}."""
    bad, trainers = set(), []
    build = loop.Trainer

    def built(*arguments):
        trainers.append(build(*arguments))
        return trainers[-1]

    def first_bad_term(metrics):
        del metrics
        step, rollbacks = trainers[-1].step, int(trainers[-1].rollbacks.numpy())
        return f"kl of rollback {rollbacks} is nan" if (step, rollbacks) in bad else None

    monkeypatch.setattr(loop, "Trainer", built)
    monkeypatch.setattr(loop, "first_bad_term", first_bad_term)
    return bad


def test_diverged_training_goes_on_with_a_smaller_step(program, tiny_flags, tmp_path):
    rolled, plain = tmp_path / "rolled", tmp_path / "plain"
    outcome = program(
        "train", *tiny_flags, *ROLLBACKS, f"--run={rolled}", "--steps=20",
        "--config.train.learning_rate=1e30", "--config.train.rollback_factor=1e-33",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "; back to the checkpoint of step 0, learning rate x 1e-33 (rollback 1 of 2)" in (
        outcome.err
    )
    assert program("train", *tiny_flags, *PLAIN, f"--run={plain}", "--steps=20").code == 0
    assert_same_weights(weights(rolled, 20), weights(plain, 20), atol=1e-6)
    start = weights(plain, 0)
    assert max(np.abs(v - start[n]).max() for n, v in weights(plain, 20).items()) > 1e-3
    assert [count for _, count in scalars(rolled, "train/rollbacks")] == [1.0]
    assert [rate for _, rate in scalars(rolled, "schedule/learning_rate")] == (
        pytest.approx([1e-3] * 4, rel=1e-5)
    )


@pytest.mark.slow
def test_interruption_between_rollbacks_changes_nothing(
    program, tiny_flags, tmp_path, bad_steps, monkeypatch
):
    bad_steps |= {(25, 0), (30, 1)}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = ("train", *tiny_flags, *ROLLBACKS, "--steps=40", "--config.train.keep_checkpoints=1")
    outcome = program(*flags, f"--run={whole}")
    assert outcome.code == 0, outcome.err
    told = [line for line in outcome.err.splitlines() if "rollback" in line]
    assert [line.partition(";")[0] for line in told] == [
        "at step 21 kl of rollback 0 is nan",  # the first step since the look before
        "at step 26 kl of rollback 1 is nan",
    ]
    assert all("back to the checkpoint of step 20" in line for line in told)

    count = reports.Reports.count

    def count_and_stop(self, step):
        count(self, step)
        if step == 27:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(reports.Reports, "count", count_and_stop)
        assert program(*flags, f"--run={broken}").code == 128 + signal.SIGTERM
    assert stored(broken, "rollbacks", 27) == 1
    assert (broken / "checkpoints/ckpt-20.index").exists()  # kept besides the newest one
    outcome = program(*flags, f"--run={broken}")
    assert outcome.code == 0, outcome.err
    assert f"resuming {broken} at step 27" in outcome.out
    assert "back to the checkpoint of step 20" in outcome.err
    assert stored(broken, "rollbacks", 40) == stored(whole, "rollbacks", 40) == 2
    assert_same_weights(weights(broken, 40), weights(whole, 40), atol=1e-6)
    assert not (broken / "checkpoints/ckpt-27.index").exists()


def test_rollbacks_come_to_an_end(program, tiny_flags, tmp_path, bad_steps):
    bad_steps |= {(15, rollbacks) for rollbacks in range(9)}
    outcome = program("train", *tiny_flags, *ROLLBACKS, f"--run={tmp_path}", "--steps=20")
    assert outcome.code == 1
    assert "error: training stopped after 2 rollbacks: at step 11 kl of" in outcome.error()
    assert "the checkpoint of step 10 is kept" in outcome.error()
    assert "go back with a smaller step by --config.train.max_rollbacks=5" in outcome.error()
    assert scalars(tmp_path, "train/rollbacks") == [(11, 1.0), (11, 2.0)]
    record = json.loads((tmp_path / "diverged.json").read_text())
    assert record == {"step": 11, "reason": "kl of rollback 2 is nan"}
    # More of them may be allowed later: the configuration of the run takes it.
    bad_steps.clear()
    more = ("--config.train.max_rollbacks=3", f"--run={tmp_path}", "--steps=20")
    assert program("train", *tiny_flags, *ROLLBACKS, *more).code == 0
    assert not (tmp_path / "diverged.json").exists()
