"""A first slot that is made for the background; `test_model.py` compares all of it with NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import normal_kl
from small_models import LATENT, SLOTS, build_model, random_images, small_config, whole_config

from iodine import Model
from iodine.analysis import traversals
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.models.iodine import background
from iodine.models.iodine.background import BackgroundConfig

NARROW, SHARP = 0.25, 0.4  # of the first slot; the others have 1 and 0.5
BOTH = {"background.latent_scale": NARROW, "background.likelihood_scale": SHARP}


@pytest.fixture(scope="module")
def model():
    config = small_config(BOTH)
    return Model(whole_config(config), build_model(config))


def test_without_it_nothing_is_computed():
    config, plain = BackgroundConfig(), build_model(small_config())
    assert plain.prior_of_slots(SLOTS) is plain.prior
    posterior = plain._posterior(tf.zeros([1, SLOTS, 2 * LATENT]))
    assert background.posterior_of_slots(config, posterior) is posterior
    assert background.likelihood_scales(config, 0.3, 0.5, SLOTS) == 0.3


def test_scales_keep_their_ratio_while_they_are_annealed():
    scales = background.likelihood_scales(BackgroundConfig(0, 0.4), 2.0, 0.5, 4)
    np.testing.assert_allclose(scales[:, 0, 0, 0], [1.6, 2, 2, 2], rtol=1e-6)


@pytest.mark.parametrize("slots", [2, 5])
def test_of_any_number_of_slots_the_first_begins_at_its_prior(model, slots):
    """Lambda(1) is 0.2 of noise away from N(0, 1); scaled, the KL stays what it is."""
    scene_model = model.scene_model
    noise = tf.random.stateless_normal([2, 1, slots, LATENT], [3, 4])
    first = scene_model.infer(random_images(1), {"z": noise}, slots, 1)[0]
    latents, scales = first.latents[0].numpy(), first.latent_scale[0].numpy()
    np.testing.assert_allclose(latents[0], NARROW * latents[1], rtol=1e-5)
    np.testing.assert_allclose(scales[0], NARROW * scales[1], rtol=1e-5)
    np.testing.assert_allclose(first.kl[0], np.full(slots, first.kl[0, 1]), rtol=1e-4)
    prior = np.array([NARROW, *[1.0] * (slots - 1)])[:, np.newaxis]
    kl = normal_kl(latents.astype(np.float64), scales, prior)
    np.testing.assert_allclose(first.kl[0], kl.sum(axis=1), rtol=1e-4)


def test_kl_of_each_latent_is_by_the_slots_own_prior(model):
    noise = tf.random.stateless_normal([3, 2, SLOTS, LATENT], [3, 4])
    step = model.scene_model.infer(random_images(2), {"z": noise})[-1]
    result = Decomposition(None, None, None, step.latents, step.latent_scale, None)
    kl = traversals.latent_kl(model.scene_model, result)
    np.testing.assert_allclose(kl.sum(axis=-1), step.kl, rtol=1e-4)


def test_samples_have_a_narrow_first_slot(model):
    latents = model.sample(500, seed=1).latents
    of_slots = latents.std(axis=(0, 2))
    np.testing.assert_allclose(of_slots, [NARROW, 1, 1], rtol=0.08)


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal_of_mean"])
def test_likelihoods_without_a_scale_of_each_slot_refuse_one(likelihood):
    with pytest.raises(UserError, match=f"likelihood={likelihood} slots have no scales"):
        small_config({**BOTH, "likelihood": likelihood}).check()
    small_config({"background.latent_scale": NARROW, "likelihood": likelihood}).check()


def test_recomputed_rounds_have_it_too():
    losses = []
    for recompute in (False, True):
        model = build_model(small_config({**BOTH, "recompute": recompute}))
        noise = tf.random.stateless_normal([3, 2, SLOTS, LATENT], [5, 6])
        steps = model.infer(random_images(2), {"z": noise})
        losses.append(model.losses(steps, None).total.numpy())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
