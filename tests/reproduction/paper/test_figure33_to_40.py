"""Figures 33 to 40 from events that are written here."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.models.iodine.config import RefinementConfig
from iodine.reproduction.framework import providing, tasks, training_curves
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure33_to_40 as ablations

CPU = Budget("cpu")


def write(folder, points, suffix=""):
    """A file of events: (tag, step, value)."""
    writer = tf.summary.create_file_writer(str(folder / "tensorboard"), filename_suffix=suffix)
    with writer.as_default():
        for tag, step, value in points:
            tf.summary.scalar(tag, value, step)
    writer.close()


def test_the_last_written_value_of_a_step_holds(tmp_path):
    steps = [("validation/mse", s, float(s)) for s in (10, 20, 30, 40)]
    write(tmp_path, [*steps, ("other/mse", 10, 5.0)], ".a")
    # Resumed from step 20: 30 is written again, 40 is not.
    write(tmp_path, [("validation/mse", 30, 300.0)], ".b")
    found = training_curves.read(str(tmp_path), ("validation",))
    assert set(found) == {"validation/mse"}
    steps, values = found["validation/mse"]
    assert steps.tolist() == [10, 20, 30]
    assert values.tolist() == [10, 20, 300]


def test_a_rollback_within_a_file(tmp_path):
    points = [(10, 1.0), (20, np.nan), (15, 2.0), (20, 3.0)]
    write(tmp_path, [("train/loss", step, value) for step, value in points])
    steps, values = training_curves.read(str(tmp_path), ("train",))["train/loss"]
    assert steps.tolist() == [10, 15, 20]
    assert values.tolist() == [1, 2, 3]


def test_a_run_without_events(tmp_path):
    assert training_curves.read(str(tmp_path), ("train",)) == {}
    assert len(ablations.curves_of(str(tmp_path))["steps"]) == 0


def test_windows():
    curve = np.array([1, 2, 3, 4, 5, 6]), np.array([1.0, 2, 3, 4, 5, 6])
    means = training_curves.windowed(curve, np.array([2, 3, 5, 5.5]))
    np.testing.assert_allclose(means, [1.5, 3, 4.5, np.nan])


def test_the_curves_of_a_run(tmp_path):
    points = []
    for step in (1, 2, 3, 4):
        points += [("train/loss", step, step), ("train_kl/iteration_0", step, 10 * step)]
        points += [("train_kl/iteration_1", step, 20 * step)]
        if step % 2 == 0:
            points += [("validation/mse", step, 1 / step), ("validation/fg_ari", step, step / 8)]
    write(tmp_path, points)
    found = ablations.curves_of(str(tmp_path))
    expected = {
        "steps": [2, 4],
        "loss": [1.5, 3.5],
        "fg_ari": [0.25, 0.5],
        "mse": [0.5, 0.25],
        "kl": [45, 105],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, err_msg=name)
    assert ablations.final(found) == {
        "steps": 4,
        "loss": 3.5,
        "fg_ari": 0.5,
        "mse": 0.25,
        "kl": 105,
    }


def test_each_training_lacks_one_input():
    trainings = ablations.FIGURE33_40.trainings(Budget("paper"))
    assert len(trainings) == 2 * 13
    every = RefinementConfig()
    for task in (tasks.CLEVR6, tasks.TETRIS):
        lacking = []
        for training in trainings:
            if training.task != task:
                continue
            inputs = training.config.model.refinement
            left = {*inputs.image_inputs, *inputs.flat_inputs}
            lacking.append({*every.image_inputs, *every.flat_inputs} - left)
        names = [*every.image_inputs, *every.flat_inputs]
        assert lacking == [set(), *({name} for name in names)]


def test_all_inputs_is_the_plain_short_training():
    by_label = {t.label: t.config for t in ablations.FIGURE33_40.trainings(CPU)}
    plain = CPU.training("all", tasks.TETRIS, short=True).config
    assert by_label["Tetris, all inputs"] == plain
    assert by_label["CLEVR6, all inputs"] is None
    tetris = [c for label, c in by_label.items() if label.startswith("Tetris")]
    assert len({providing.folder_of(config, "runs") for config in tetris}) == 5


def test_what_hurts():
    def ended(ari):
        return {"fg_ari": ari}

    finals = {
        "all inputs": ended(0.8),
        "without image": ended(0.5),
        "without mask": ended(0.79),
        "without means": ended(np.nan),
    }
    text = ablations.compare(finals)
    assert "ARI 0.800 with all inputs; removing image (-0.300) hurts, " in text
    assert "mask (-0.010)" in text.split("hurts")[1]
    del finals["all inputs"]
    assert "nothing to compare" in ablations.compare(finals)


@pytest.mark.filterwarnings("error")
def test_the_figure_draws_what_ran():
    steps = np.arange(100, 1100, 100)
    record = {"steps": steps, "loss": -steps / 10, "fg_ari": steps / 1000}
    record |= {"mse": 1.0 / steps**2, "kl": np.where(steps == 500, np.inf, 50.0)}
    labels = ["all inputs", "without image"]
    figure = ablations.draw(labels, {"all inputs": record}, 37)
    figure.canvas.draw()
    for axis, metric in zip(figure.axes, ("loss", "fg_ari", "mse", "kl"), strict=True):
        drawn = axis.lines[0].get_ydata()
        expected = np.where(np.isfinite(record[metric]), record[metric], np.nan)
        np.testing.assert_allclose(drawn, expected)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["all inputs", "without image: not run"]
    ablations.draw(labels, {}, 33).canvas.draw()
