"""Figures over images: their mean and spread, and which images count."""

import numpy as np
import pytest
import small_models
import tensorflow as tf
from linear_slots import LinearSlots, LinearSlotsConfig

from iodine.evaluation import evaluator as evaluation
from iodine.models.parts.noise import draw_noise


def test_confidence_interval_of_a_mean_has_the_normal_width():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    entry = evaluation.summarize({"mse": values[np.newaxis]})["mse"]
    low, high = entry["ci95"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_one_image_has_no_spread():
    entry = evaluation.summarize({"mse": np.array([[5.0], [4.0]])})["mse"]
    assert entry["ci95"] == [4.0, 4.0]
    assert entry["per_iteration"] == [5.0, 4.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, 2.0], [1.0, 2.0]], None),
        ([[1.0, 2.0], [np.nan, 2.0]], "1 of 2 images is not finite, from iteration 1 of 1 on"),
        ([[np.inf, 2.0], [1.0, np.nan]], "2 of 2 images is not finite, from iteration 0 of 1 on"),
    ],
)
def test_divergence(values, message):
    actual = evaluation.divergence({"neg_elbo": np.array(values)})
    assert actual is None if message is None else message in actual


SOME = np.array([[0.5, np.nan, 0.7], [1.0, np.nan, np.nan]])  # [S, N]
NONE = np.full([2, 3], np.nan)


def test_images_without_foreground_count_for_the_segmentation_only():
    """Where a model diverges its figures are no numbers either, and so is their mean."""
    for name in ("fg_ari", "ari", "miou", "mbo", "covering"):
        actual = evaluation.mean_over_images(name, SOME)
        np.testing.assert_allclose(actual, [0.6, np.nan])
        np.testing.assert_array_equal(evaluation.mean_over_images(name, NONE), [np.nan] * 2)
    for name in ("mse", "neg_elbo", "selection"):
        assert np.isnan(evaluation.mean_over_images(name, SOME)).all()


def test_images_that_are_left_out_are_counted():
    values = {"fg_ari": SOME, "miou": SOME, "ari": NONE, "mbo": np.ones([2, 3]), "mse": SOME}
    numbers = evaluation.left_out(values)
    assert numbers == {"fg_ari": 1, "miou": 1, "ari": 3}
    assert evaluation.without_foreground(numbers) == (
        "1 image without foreground left out of fg_ari, miou; "
        "3 images without foreground left out of ari"
    )
    assert evaluation.without_foreground({"ari": 0}) == evaluation.without_foreground({}) == ""


def test_summary_of_a_metric_that_leaves_images_out():
    values = {"fg_ari": np.array([[0.5, np.nan, 0.7], [1.0, np.nan, 0.5]]), "ari": NONE}
    summary = evaluation.summarize(values)
    assert list(summary) == ["fg_ari"]
    entry = summary["fg_ari"]
    assert entry["mean"] == pytest.approx(0.75)
    assert entry["std"] == pytest.approx(0.25)
    assert entry["per_iteration"] == pytest.approx([0.6, 0.75])
    assert (entry["num_images"], entry["num_left_out"]) == (2, 1)
    printed = evaluation.table(summary).splitlines()
    assert printed[-1] == "1 image without foreground left out of fg_ari"
    assert len(printed) == 3


@pytest.fixture(scope="module")
def model():
    return small_models.build_model(small_models.small_config({"objective.kl_weight": 0.25}))


def batch_of(num_images):
    labels = np.random.default_rng(0).integers(
        0, 3, [num_images, small_models.SIDE, small_models.SIDE]
    )
    return {
        "image": small_models.random_images(num_images).numpy(),
        "mask": (labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]),
    }


def test_figures_are_those_of_the_steps(model):
    """All decodings t = 0 to T, and what the best model goes by, of each image."""
    batch = batch_of(3)
    values = evaluation.Evaluator(model, num_slots=4, num_iterations=3, seed=5)([batch])
    specs = model.noise(4, 3)
    for i in range(3):
        noise = draw_noise((5, i), specs, 1)
        image = tf.constant(batch["image"][i : i + 1])
        steps = model.infer(image, noise, 4, 3)
        for t, step in enumerate(steps):
            kl, likelihood = np.sum(step.kl), np.sum(step.log_likelihood)
            error = np.mean(np.square(step.reconstruction - image))
            expected = {"mse": error, "kl": kl, "neg_log_likelihood": -likelihood}
            expected["neg_elbo"] = kl - likelihood
            for name, value in expected.items():
                assert values[name].shape == (4, 3)
                assert values[name][t, i] == pytest.approx(value, rel=1e-4), name
        assert values["selection"].shape == (1, 3)
        assert values["selection"][0, i] == pytest.approx(0.25 * kl - likelihood, rel=1e-4)
    assert set(values) == {*evaluation.METRICS, "selection"}


def test_without_masks_there_are_no_figures_of_the_segmentation(model):
    values = evaluation.Evaluator(model)([{"image": batch_of(2)["image"]}])
    assert set(values) == {"mse", "kl", "neg_log_likelihood", "neg_elbo", "selection"}


def test_of_a_model_without_posterior_there_is_no_kl():
    linear = LinearSlots(LinearSlotsConfig(), (8, 8, 3), 1)
    batch = batch_of(2)
    values = evaluation.Evaluator(linear)([batch])
    assert set(values) == {*evaluation.METRICS, "selection"} - {"kl"}
    np.testing.assert_array_equal(values["neg_elbo"], values["neg_log_likelihood"])
    assert values["fg_ari"].shape == (1, 2)


def test_an_image_without_foreground_has_no_figures_of_its_objects(model):
    batch = batch_of(3)
    batch["mask"][1] = np.arange(3)[:, np.newaxis, np.newaxis] == 0
    values = evaluation.Evaluator(model)([batch])
    for name in ("fg_ari", "miou", "mbo", "covering"):
        assert np.isnan(values[name]).tolist() == [[False, True, False]] * 3
    assert np.isfinite(values["ari"]).all()
