"""Figures of `evaluation.json` against what the model gives image by image."""

import itertools
import json
import pathlib
import re
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
        path = re.search(r"written to (\S+\.json);", outcome.out)[1]
        summary = json.loads(pathlib.Path(path).read_text())
        call.provenance = summary.pop("provenance")
        call.arrays = pathlib.Path(path).with_suffix(".npz")
        return summary, outcome.out

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
        fields = {"mean", "mean_over_all", "std", "ci95", "per_iteration"}
        fields |= {"num_images", "num_diverged", "num_left_out"}
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


def test_settings_data_and_weights_are_told(evaluate, tiny_run):
    evaluate("--num_images=6", "--num_slots=5", "--seed=7", "--batch_size=4")
    told = evaluate.provenance
    assert told["settings"] == {
        "dataset": DATASET,
        "split": "test",
        "num_images": 6,
        "num_slots": 5,
        "num_iterations": 2,
        "seed": 7,
        "checkpoint": "latest",
        "control": None,
        "batch_size": 4,
    }
    assert told["data"] == told["weights"]["trained_on"]
    assert told["data"] == json.loads((tiny_run / "data.json").read_text())
    assert (told["weights"]["run"], told["weights"]["step"]) == (str(tiny_run), 20)
    assert "--num_images=6 --num_slots=5 --seed=7" in told["command"]


def test_other_settings_lie_beside_and_other_runs_are_refused(
    evaluate, program, tiny_run, tiny_data, tmp_path
):
    first, _ = evaluate("--num_images=3")
    kept = (tmp_path / "o/evaluation-num_images_3.json").read_bytes()
    evaluate("--num_images=3", "--num_iterations=2")  # as trained: the same evaluation
    evaluate("--num_images=3", "--num_iterations=3")
    names = {path.name for path in (tmp_path / "o").glob("*.json")}
    assert names == {f"evaluation-num_images_3{e}.json" for e in ("", "-num_iterations_3")}
    other = shutil.copytree(tiny_run, tmp_path / "other")
    for path in (other / "checkpoints").glob("ckpt-20.*"):
        path.unlink()  # so that its weights are others
    flags = (f"--data_dir={tiny_data}", f"--output={tmp_path / 'o'}", "--num_images=3")
    outcome = program("evaluate", f"--run={other}", *flags)
    assert outcome.code == 1
    assert f"holds an evaluation of {tiny_run}, not of {other}; give another" in outcome.error()
    moved = shutil.copytree(tiny_run, tmp_path / "moved")
    assert program("evaluate", f"--run={moved}", *flags).code == 0  # the same weights
    again = json.loads((tmp_path / "o/evaluation-num_images_3.json").read_text())
    assert again.pop("provenance")["weights"]["run"] == str(moved)
    assert again == first
    assert kept != (tmp_path / "o/evaluation-num_images_3.json").read_bytes()


def test_every_image_is_kept(evaluate, tiny_run, tiny_data, tmp_path):
    evaluate("--num_images=5")
    expected = figures(tiny_run, tiny_data, "test", 5, 3, 2, 0)
    with np.load(evaluate.arrays) as arrays:
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
    (path,) = tmp_path.glob("evaluation*.json")
    assert path.name == "evaluation-dataset_tetrominoes_ambiguous_small-num_images_4.json"
    summary = json.loads(path.read_text())
    assert summary.pop("provenance")["data"]["dataset"] == other
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
    with np.load(evaluate.arrays) as arrays:
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
    assert (run / "evaluation-num_images_2-checkpoint_best.json").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--num_images=99", "99 scenes asked for, but"),
        ("--num_images=320", "ask for fewer (--num_images=13, where"),
        ("--split=x", "no split 'x'; it has "),
    ],
)
def test_more_than_there_is(program, tiny_run, tiny_data, flag, message):
    outcome = program("evaluate", f"--run={tiny_run}", f"--data_dir={tiny_data}", flag)
    assert message in outcome.error()
    assert outcome.code == 1
