"""`metrics.csv`: every row once, in order, whatever became of the training."""

import csv
import math

import pytest
import tensorflow as tf

from iodine.training.metrics_file import NAME, MetricsFile


def rows_of(folder):
    with (folder / NAME).open(newline="") as file:
        return list(csv.DictReader(file))


def steps_of(folder):
    return [(int(row["step"]), row["event"]) for row in rows_of(folder)]


def write_six(folder):
    file = MetricsFile(folder, 0)
    for step in (5, 10, 15):
        file.write(step, "train", {"loss": step / 3, "kl": 2})
        file.write(step, "validation", {"loss": -step, "fg_ari": 0.25})
    return file


def test_rows_are_what_was_written(tmp_path):
    write_six(tmp_path)
    first, second, *_ = rows_of(tmp_path)
    assert list(first) == ["step", "event", "loss", "kl", "fg_ari"]
    assert first == {"step": "5", "event": "train", "loss": "1.666667", "kl": "2", "fg_ari": ""}
    assert second["kl"] == ""
    assert (float(second["loss"]), float(second["fg_ari"])) == (-5, 0.25)
    assert steps_of(tmp_path) == [(s, e) for s in (5, 10, 15) for e in ("train", "validation")]


def test_values_that_are_no_numbers(tmp_path):
    MetricsFile(tmp_path, 0).write(1, "validation", {"loss": math.nan, "mse": math.inf})
    [row] = rows_of(tmp_path)
    assert math.isnan(float(row["loss"]))
    assert float(row["mse"]) == math.inf


@pytest.mark.parametrize(("step", "left"), [(0, 0), (9, 2), (10, 4), (99, 6)])
def test_rows_after_the_step_that_training_goes_on_from_are_cut(tmp_path, step, left):
    write_six(tmp_path)
    before = steps_of(tmp_path)
    file = MetricsFile(tmp_path, step)
    assert steps_of(tmp_path) == before[:left]
    file.write(100, "train", {"loss": 1, "new": 7})
    assert steps_of(tmp_path) == [*before[:left], (100, "train")]
    assert rows_of(tmp_path)[-1]["new"] == "7"


def test_going_back_cuts_too(tmp_path):
    file = write_six(tmp_path)
    file.cut(5)
    file.write(10, "train", {"loss": 3})
    assert steps_of(tmp_path) == [(5, "train"), (5, "validation"), (10, "train")]


@pytest.mark.parametrize("num_bytes", [1, 3, 12])
def test_a_row_that_a_kill_cut_off_is_dropped(tmp_path, num_bytes):
    write_six(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-num_bytes])
    MetricsFile(tmp_path, 99).write(20, "train", {"loss": 1})
    assert [step for step, _ in steps_of(tmp_path)] == [5, 5, 10, 10, 15, 20]


def test_a_training_s_rows_are_tensorboard_s(tiny_run):
    from tensorboard.backend.event_processing import event_file_loader

    rows = {(int(row["step"]), row["event"]): row for row in rows_of(tiny_run)}
    steps = [(s, "train") for s in (5, 10, 15, 20)] + [(20, "validation")]
    assert list(rows) == steps
    [path] = tiny_run.glob("tensorboard/events.*")
    found = {
        (value.tag, event.step): tf.make_ndarray(value.tensor)
        for event in event_file_loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }
    for step in (5, 10, 15, 20):
        row = rows[step, "train"]
        for name, tag in {
            "loss": "train/loss",
            "mse": "train/mse",
            "gradient_norm": "train/gradient_norm",
            "images_per_second": "train/images_per_second",
            "kl": "train_kl/iteration_2",
            "learning_rate": "schedule/learning_rate",
            "kl_weight": "schedule/kl_weight",
        }.items():
            assert float(row[name]) == pytest.approx(float(found[tag, step]), rel=1e-5)
    row = rows[20, "validation"]
    for name in ("fg_ari", "mse", "kl", "neg_elbo"):
        assert float(row[name]) == pytest.approx(float(found[f"validation/{name}", 20]), rel=1e-5)


def test_an_interrupted_training_has_the_rows_of_one_that_was_not(
    program, tiny_flags, tiny_run, tmp_path
):
    """Of the same values, but for the speed; stopped where nothing had been saved for a while."""
    run = tmp_path / "run"
    assert program("train", *tiny_flags, f"--run={run}", "--steps=20", "--seed=0").code == 0
    for path in run.glob("checkpoints/ckpt-20.*"):  # as if killed after step 15 was logged
        path.unlink()
    assert [step for step, _ in steps_of(run)][-1] == 20
    assert program("train", *tiny_flags, f"--run={run}", "--steps=20", "--seed=0").code == 0
    expected, actual = rows_of(tiny_run), rows_of(run)
    for row in [*expected, *actual]:
        del row["images_per_second"]
    assert [row["step"] for row in actual] == [row["step"] for row in expected]
    for one, other in zip(actual, expected, strict=True):
        assert one.pop("event") == other.pop("event")
        for name, value in one.items():
            assert (value == "") == (other[name] == "")
            if value:
                assert float(value) == pytest.approx(float(other[name]), rel=1e-3, abs=1e-4)
