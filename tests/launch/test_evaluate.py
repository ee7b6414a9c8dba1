"""Figures of `evaluation.json` against what the model gives image by image."""

import itertools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score, jaccard_score

from iodine.datasets import pipelines, preparation
from iodine.models.parts.noise import draw_noise
from iodine.models.registry import preset
from iodine.training import checkpoints

DATASET = "tetrominoes/generated_small"
METRICS = (
    *("fg_ari", "ari", "miou", "mbo", "covering"),
    *("mse", "kl", "neg_log_likelihood", "neg_elbo"),
)


@pytest.fixture
def evaluate(program, tiny_run, tiny_data, tmp_path):
    """Runs `iodine-evaluate` with more flags; gives the JSON and what was printed."""

    def call(*flags, run=tiny_run):
        common = (f"--run={run}", f"--data_dir={tiny_data}", f"--output={tmp_path / 'o'}")
        outcome = program("evaluate", *common, *flags)
        assert outcome.code == 0, outcome.err
        return json.loads((tmp_path / "o/evaluation.json").read_text()), outcome.out

    return call


def figures(run, data_dir, split, num_images, num_slots, num_iterations, seed, dataset=DATASET):
    """[T + 1, N] by metric, one image at a time, with scikit-learn's index."""
    _, model = checkpoints.load_model(str(run))
    scenes = pipelines.evaluation_batches(data_dir, dataset, split, 1, num_images)
    values = {name: [] for name in METRICS}
    for i, scene in enumerate(scenes.as_numpy_iterator()):
        noise = draw_noise((seed, i), model.noise(num_slots, num_iterations), 1)["z"]
        truth = scene["mask"][0].argmax(axis=0).ravel()
        image = scene["image"].astype(np.float64)
        rows = {name: [] for name in METRICS}
        for t in model(tf.constant(scene["image"]), num_slots, num_iterations, noise):
            masks = t.mixture.masks.numpy().astype(np.float64)[0]
            means = t.mixture.means.numpy().astype(np.float64)[0]
            labels = masks.argmax(axis=0).ravel()
            rows["ari"].append(adjusted_rand_score(truth, labels))
            rows["fg_ari"].append(adjusted_rand_score(truth[truth > 0], labels[truth > 0]))
            objects = [truth == entity for entity in np.unique(truth) if entity]
            overlaps = np.array(
                [[jaccard_score(o, labels == k) for k in range(num_slots)] for o in objects]
            )
            columns = itertools.permutations(range(num_slots), len(objects))
            matched = [overlaps[range(len(objects)), list(c)].mean() for c in columns]
            rows["miou"].append(max(matched))
            rows["mbo"].append(overlaps.max(axis=1).mean())
            areas = [o.sum() for o in objects]
            rows["covering"].append(np.average(overlaps.max(axis=1), weights=areas))
            rows["mse"].append(np.mean(((masks[..., None] * means).sum(axis=0) - image[0]) ** 2))
            mean = t.posterior.mean().numpy().astype(np.float64)
            scale = t.posterior.stddev().numpy().astype(np.float64)
            kl = np.sum(0.5 * (scale**2 + mean**2 - 1) - np.log(scale))
            normal = -0.5 * ((image - means) / 0.3) ** 2 - np.log(0.3 * np.sqrt(2 * np.pi))
            nll = -np.log((masks * np.exp(normal.sum(axis=-1))).sum(axis=0)).sum()
            rows["kl"].append(kl)
            rows["neg_log_likelihood"].append(nll)
            rows["neg_elbo"].append(kl + nll)
        for name in METRICS:
            values[name].append(rows[name])
    return {name: np.array(value).T for name, value in values.items()}


def assert_summarises(summary, expected):
    assert tuple(summary) == METRICS
    for name, value in expected.items():
        entry = summary[name]
        fields = {"mean", "std", "ci95", "num_images", "num_left_out", "per_iteration"}
        fields |= {"mean_over_all", "num_diverged"}
        assert set(entry) == fields
        tolerance = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(entry["mean"], value[-1].mean(), **tolerance)
        np.testing.assert_allclose(entry["std"], value[-1].std(), **tolerance)
        np.testing.assert_allclose(entry["per_iteration"], value.mean(axis=1), **tolerance)
        assert (entry["num_images"], entry["num_left_out"]) == (value.shape[1], 0)
        low, high = entry["ci95"]
        assert low <= entry["mean"] <= high


def test_figures(evaluate, tiny_run, tiny_data):
    summary, printed = evaluate("--num_images=9")
    expected = figures(tiny_run, tiny_data, "test", 9, 3, 2, 0)
    assert_summarises(summary, expected)
    assert expected["ari"].shape == (3, 9)
    assert expected["ari"][-1].std() > 0.001
    assert "left out" not in printed
    for name in METRICS:
        (line,) = [line for line in printed.splitlines() if line.split()[0] == name]
        assert line.split()[1:3] == [f"{summary[name]['mean']:.4f}", f"{summary[name]['std']:.4f}"]


def test_every_image_is_kept(evaluate, tiny_run, tiny_data, tmp_path):
    evaluate("--num_images=5")
    expected = figures(tiny_run, tiny_data, "test", 5, 3, 2, 0)
    with np.load(tmp_path / "o/evaluation.npz") as arrays:
        assert set(arrays) == {*METRICS, "selection"}
        weight = preset("tetrominoes_small").model.objective.kl_weight
        trained = expected["neg_log_likelihood"][-1:] + weight * expected["kl"][-1:]
        np.testing.assert_allclose(arrays["selection"], trained, rtol=1e-4)
        for name, value in expected.items():
            np.testing.assert_allclose(arrays[name], value, rtol=1e-4, atol=1e-5)


def test_flags(evaluate, tiny_run, tiny_data):
    flags = ("--num_slots=5", "--num_iterations=4", "--seed=7", "--split=validation")
    summary, _ = evaluate("--num_images=6", "--batch_size=4", *flags)
    assert_summarises(summary, figures(tiny_run, tiny_data, "validation", 6, 5, 4, 7))


def test_another_data_set_than_that_of_training(program, tiny_run, tmp_path):
    other = "tetrominoes/ambiguous_small"
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 4}
    flags = (f"--run={tiny_run}", f"--data_dir={tmp_path}", f"--output={tmp_path}")
    flags = (*flags, "--num_images=4", f"--dataset={other}")
    assert f"no data of {other} in" in program("evaluate", *flags).error()
    preparation.prepare(other, str(tmp_path), settings=sizes)
    outcome = program("evaluate", *flags)
    assert outcome.code == 0, outcome.err
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    assert_summarises(summary, figures(tiny_run, tmp_path, "test", 4, 3, 2, 0, other))


def test_images_without_foreground_are_left_out_and_counted(
    evaluate, tiny_run, tiny_data, tmp_path, monkeypatch
):
    expected = figures(tiny_run, tiny_data, "test", 6, 3, 2, 0)
    batched = pipelines.evaluation_batches

    def only_background(place, scenes):
        """Scenes 1 and 4 show nothing but the background."""
        numbers = 2 * place + tf.range(2, dtype=tf.int64)
        is_empty = tf.reduce_any(numbers[:, tf.newaxis] == [1, 4], axis=1)
        is_background = tf.range(tf.shape(scenes["mask"])[1]) == 0
        background = tf.cast(is_background, scenes["mask"].dtype)[:, tf.newaxis, tf.newaxis]
        empty = background * tf.ones_like(scenes["mask"])
        return {**scenes, "mask": tf.where(is_empty[:, None, None, None], empty, scenes["mask"])}

    monkeypatch.setattr(
        pipelines,
        "evaluation_batches",
        lambda *arguments: batched(*arguments).enumerate().map(only_background),
    )
    summary, printed = evaluate("--num_images=6", "--batch_size=2")
    kept = [0, 2, 3, 5]
    for name in ("fg_ari", "miou", "mbo", "covering"):
        entry, value = summary[name], expected[name][:, kept]
        assert (entry["num_images"], entry["num_left_out"]) == (4, 2)
        np.testing.assert_allclose(entry["per_iteration"], value.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(entry["mean"], value[-1].mean(), atol=1e-5)
        assert entry["ci95"][0] <= entry["mean"] <= entry["ci95"][1]
    for name in ("ari", "mse", "neg_elbo"):
        assert (summary[name]["num_images"], summary[name]["num_left_out"]) == (6, 0)
    assert "\n2 images without foreground left out of fg_ari, miou, mbo, covering\n" in printed
    with np.load(tmp_path / "o/evaluation.npz") as arrays:
        assert np.isnan(arrays["fg_ari"]).all(axis=0).tolist() == [i not in kept for i in range(6)]


def test_batch_size_changes_nothing(evaluate):
    first, _ = evaluate("--num_images=7", "--batch_size=7")
    second, _ = evaluate("--num_images=7", "--batch_size=3")
    for name in METRICS:
        assert second[name]["mean"] == pytest.approx(first[name]["mean"], rel=1e-5, abs=1e-6)
        assert second[name]["std"] == pytest.approx(first[name]["std"], rel=1e-4, abs=1e-6)


def test_best_checkpoint_and_default_output(program, tiny_run, tiny_data, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    common = (f"--run={run}", f"--data_dir={tiny_data}", "--num_images=2")
    assert program("evaluate", *common).code == 1
    assert program("evaluate", *common, "--checkpoint=best").code == 0
    assert (run / "evaluation.json").exists()


def test_divergence_is_said_and_nothing_is_written(
    program, tiny_run, tiny_data, tmp_path, monkeypatch
):
    values = np.array([[1.0, 2.0, 3.0], [1.0, np.inf, 3.0], [1.0, np.nan, np.nan]])
    monkeypatch.setattr(
        "iodine.launch.evaluate.Evaluator.__call__", lambda *_: {"neg_elbo": values}
    )
    flags = (f"--run={tiny_run}", f"--data_dir={tiny_data}", f"--output={tmp_path}")
    outcome = program("evaluate", *flags, "--num_images=3")
    assert outcome.code == 1
    assert "the ELBO of 2 of 3 images is not finite, from iteration 1 of 2 on" in outcome.err
    assert not (tmp_path / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [("--num_images=99", "99 scenes asked for, but"), ("--split=x", "no split 'x'; it has ")],
)
def test_more_than_there_is(program, tiny_run, tiny_data, flag, message):
    outcome = program("evaluate", f"--run={tiny_run}", f"--data_dir={tiny_data}", flag)
    assert message in outcome.error()
    assert outcome.code == 1
