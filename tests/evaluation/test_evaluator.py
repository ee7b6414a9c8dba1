"""Figures of every image, against the model run on it alone."""

import numpy as np
import pytest
import small_models
import tensorflow as tf
from linear_slots import LinearSlots, LinearSlotsConfig

from iodine.evaluation import evaluator as evaluation
from iodine.evaluation.summary import METRICS
from iodine.models.parts.noise import draw_noise


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
    assert set(values) == {*METRICS, "selection"}


def test_without_masks_there_are_no_figures_of_the_segmentation(model):
    values = evaluation.Evaluator(model)([{"image": batch_of(2)["image"]}])
    assert set(values) == {"mse", "kl", "neg_log_likelihood", "neg_elbo", "selection"}


def test_of_a_model_without_posterior_there_is_no_kl():
    linear = LinearSlots(LinearSlotsConfig(), (8, 8, 3), 1)
    batch = batch_of(2)
    values = evaluation.Evaluator(linear)([batch])
    assert set(values) == {*METRICS, "selection"} - {"kl"}
    np.testing.assert_array_equal(values["neg_elbo"], values["neg_log_likelihood"])
    assert values["fg_ari"].shape == (1, 2)


def test_an_image_without_foreground_has_no_figures_of_its_objects(model):
    batch = batch_of(3)
    batch["mask"][1] = np.arange(3)[:, np.newaxis, np.newaxis] == 0
    values = evaluation.Evaluator(model)([batch])
    for name in ("fg_ari", "miou", "mbo", "covering"):
        assert np.isnan(values[name]).tolist() == [[False, True, False]] * 3
    assert np.isfinite(values["ari"]).all()
