"""`iodine.load`: the same numbers as the models themselves, for models of every kind."""

import subprocess
import sys

import linear_slots
import numpy as np
import pytest
import tensorflow as tf
from small_models import SIDE, build_model, random_images, small_config, whole_config

import iodine
from iodine.analysis import traversals
from iodine.api.model import Model
from iodine.evaluation import inference
from iodine.models.parts.noise import draw_same_noise
from iodine.models.vae.config import EncoderConfig, VaeConfig
from iodine.models.vae.model import Vae

SHAPE = (SIDE, SIDE, 3)
IMAGES = random_images(5).numpy()


def vae():
    config = VaeConfig(latent_size=3, encoder=EncoderConfig(channels=(4,), mlp_sizes=(5,)))
    return Vae(config, SHAPE)


def linear():
    return linear_slots.LinearSlots(linear_slots.LinearSlotsConfig(), SHAPE, 1)


@pytest.fixture(scope="module", params=["iodine", "vae", "linear_slots"])
def model(request):
    """Of a kind with slots and posterior, with one slot, and with neither posterior nor prior."""
    made = {
        "iodine": lambda: build_model(small_config()),
        "vae": vae,
        "linear_slots": linear,
    }[request.param]()
    return Model(whole_config(made.config), made, request.param)


@pytest.fixture(scope="module")
def small():
    made = build_model(small_config())
    return Model(whole_config(made.config), made, "small")


def steps_of(model, images, seed=0, slots=None, rounds=None):
    """By the interface of the models, without `inference`."""
    specs = model.scene_model.noise(*model.scene_model.call_sizes(slots, rounds))
    noise = draw_same_noise(seed, specs, len(images))
    return model.scene_model.infer(tf.constant(images), noise, slots, rounds)


def test_a_result_is_what_the_model_infers(model):
    result = model.decompose(IMAGES, seed=3, all_iterations=True, batch_size=2)
    steps = steps_of(model, IMAGES, seed=3)
    assert len(result.iterations) == len(steps)
    for record, step in zip(result.iterations, steps, strict=True):
        assert all(isinstance(field, np.ndarray) for field in record if field is not None)
        np.testing.assert_allclose(record.masks, step.masks, atol=1e-5)
        np.testing.assert_allclose(record.components, step.components, atol=1e-5)
        np.testing.assert_allclose(record.latent_mean, step.latents, atol=1e-5)
        kl = 0 if step.kl is None else np.sum(step.kl, axis=1)
        np.testing.assert_allclose(record.elbo, step.log_likelihood - kl, rtol=1e-4)
    last = result.iterations[-1]
    for name in last._fields:
        np.testing.assert_array_equal(getattr(result, name), getattr(last, name))
    assert (result.latent_scale is None) == (steps[-1].latent_scale is None)
    mixture = np.einsum("bkhw,bkhwc->bhwc", result.masks, result.components)
    np.testing.assert_allclose(result.reconstruction, mixture, atol=1e-5)
    np.testing.assert_array_equal(result.images, IMAGES)
    np.testing.assert_array_equal(result.labels, np.argmax(steps[-1].masks, axis=1))
    assert result.segmentation.shape == IMAGES.shape


def test_with_a_graph_it_is_the_same(model):
    plain = model.decompose(IMAGES, seed=1, compiled=False)
    graph = model.decompose(IMAGES, seed=1, compiled=True, batch_size=2)
    for name in plain.decomposition._fields:
        if getattr(plain, name) is not None:
            np.testing.assert_allclose(
                getattr(graph, name), getattr(plain, name), rtol=1e-4, atol=1e-5, err_msg=name
            )
    assert graph.iterations == ()
    other = model.decompose(IMAGES, seed=2, compiled=True)
    is_free_of_noise = not model.scene_model.noise(*model.scene_model.call_sizes(None, None))
    assert np.array_equal(other.components, graph.components) == is_free_of_noise


def test_slots_iterations_and_seed_are_free_where_the_model_is(small):
    result = small.decompose(IMAGES[:1], num_slots=5, num_iterations=4, seed=7)
    expected = steps_of(small, IMAGES[:1], 7, 5, 4)[-1]
    np.testing.assert_allclose(result.masks, expected.masks, atol=1e-5)
    assert small.encode(IMAGES, num_slots=2).mean.shape == (5, 2, small.spec.latent_size)


def test_numbers_that_it_does_not_take(model):
    if not model.spec.free_slots:
        with pytest.raises(iodine.UserError, match="and takes no other"):
            model.decompose(IMAGES, num_slots=model.spec.num_slots + 1)
    with pytest.raises(iodine.UserError, match="num_iterations is 0; at least 1 is needed"):
        model.decompose(IMAGES, num_iterations=0)


def test_samples_are_the_prior_decoded(model):
    if model.scene_model.prior is None:
        with pytest.raises(iodine.UserError, match="linear_slots has no prior to sample from"):
            model.sample(2)
        return
    scenes = model.sample(400, seed=1)
    slots = model.spec.num_slots
    assert scenes.latents.shape == (400, slots, model.spec.latent_size)
    assert abs(scenes.latents.mean()) < 0.1  # N(0, 1)
    assert scenes.latents.std() == pytest.approx(1, abs=0.05)
    components, logits = model.scene_model.decode(tf.constant(scenes.latents[:3]))
    shares = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scenes.masks[:3], shares, atol=1e-5)
    np.testing.assert_allclose(scenes.components[:3], components, atol=1e-5)
    np.testing.assert_array_equal(model.sample(400, seed=1).latents, scenes.latents)
    assert not np.allclose(model.sample(400, seed=2).latents, scenes.latents)


def test_latents_of_another_shape_are_refused(small):
    with pytest.raises(iodine.UserError, match=r"shape \(2, 3\), expected \[B, K, Z\] with Z = 4"):
        small.decode(np.zeros([2, 3]))


def test_a_traversal_is_that_of_the_decoder(small):
    """Of the latents of largest KL, recomputed by the closed form of two Gaussians."""
    result = small.decompose(IMAGES[1])
    found = small.traverse(IMAGES[1], slot=1, values=(-1.5, 0.5))
    scale, mean = result.latent_scale, result.latent_mean
    kl = (np.square(scale) + np.square(mean) - 1) / 2 - np.log(scale)  # [1, K, Z]
    is_object = traversals.object_slots(result.masks)
    order = np.argsort(-kl[is_object].mean(axis=0))
    np.testing.assert_array_equal(found.latents, order)
    changed = mean.copy()
    changed[0, 1, order[2]] = -1.5
    expected = small.decode(changed).reconstruction[0]
    np.testing.assert_allclose(found.reconstructions[2, 0], expected, atol=1e-5)
    with pytest.raises(iodine.UserError, match="5 images to traverse; give one"):
        small.traverse(IMAGES)


def test_loading_a_run_and_a_picture(tiny_run, tmp_path):
    model = iodine.load(tiny_run)
    assert repr(model) == f"<Model {tiny_run}: iodine, images of 8 x 8, 3 slots of 4 latents, " + (
        "2 iterations>"
    )
    assert model.config.train.steps == 20
    result = model.decompose(np.zeros([20, 10, 3], np.uint8))
    assert repr(result) == (
        "<Result: 1 image of 8 x 8 in 3 slots of 4 latents; "
        "cropped from 10x20 to its centre 10x10, resized to 8x8>"
    )
    expected = inference.decompose_iterations(model.scene_model, tf.zeros([1, 8, 8, 3]))[-1]
    np.testing.assert_allclose(result.masks, expected.masks, atol=1e-6)
    result.save(tmp_path / "new" / "picture.png")
    assert (tmp_path / "new" / "picture.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(iodine.UserError, match="no pretrained weights 'pretrained:nothing'"):
        iodine.load("pretrained:nothing")


def test_importing_the_package_imports_no_model():
    """So it takes no longer than TensorFlow does."""
    code = (
        "import sys, iodine\n"
        "assert not {'sonnet', 'iodine.models.registry'} & set(sys.modules)\n"
        "assert {'load', 'Model', 'Result', '__version__'} <= set(dir(iodine))\n"
        "try:\n"
        "    iodine.nothing\n"
        "except AttributeError as error:\n"
        "    assert str(error) == \"module 'iodine' has no attribute 'nothing'\"\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_shipped_weights_find_three_pieces():
    model = iodine.load("pretrained:tetrominoes_fast")
    image = np.zeros([35, 35, 3], np.uint8)
    image[2:7, 2:22] = (255, 0, 0)
    image[15:35, 25:30] = (0, 0, 255)
    image[20:30, 5:15] = (0, 255, 0)
    labels = model.decompose(image).labels[0]
    slots = [np.bincount(labels[image[..., c] > 0]).argmax() for c in range(3)]
    assert len(set(slots)) == 3
