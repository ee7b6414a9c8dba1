"""Matching of objects to slots against loops, and the collected latents against the model."""

import itertools

import numpy as np
import pytest
from small_models import SIDE, SLOTS, build_model, random_images, small_config

from iodine.analysis.object_latents import ObjectLatents, collect, matching_rate
from iodine.errors import UserError
from iodine.evaluation.matching import best_slots
from iodine.models.parts.noise import draw_noise

B, K, L, H, W = 6, 4, 5, 6, 7
IMAGES, ENTITIES = 5, 4


def one_hot(labels, number):
    return (labels[:, np.newaxis] == np.arange(number)[:, np.newaxis, np.newaxis]).astype(
        np.float32
    )


@pytest.fixture
def batch():
    """Scenes whose last entity is absent in some, and once visible without a pixel."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, ENTITIES, [IMAGES, SIDE, SIDE])
    visibility = np.ones([IMAGES, ENTITIES], np.float32)
    labels[0][labels[0] == 3] = 0  # visible, but no pixel is left of it
    visibility[1, 2] = 0
    return {
        "image": random_images(IMAGES).numpy(),
        "mask": one_hot(labels, ENTITIES),
        "visibility": visibility,
        "factors": {
            "x": rng.normal(size=[IMAGES, ENTITIES]).astype(np.float32),
            "color": rng.normal(size=[IMAGES, ENTITIES, 3]).astype(np.float32),
        },
    }


def split(batch, *sizes):
    """The same scenes in batches of these sizes."""
    borders = np.cumsum([0, *sizes])
    for start, stop in itertools.pairwise(borders):
        factors = {name: v[start:stop] for name, v in batch["factors"].items()}
        rest = {name: batch[name][start:stop] for name in ("image", "mask", "visibility")}
        yield {**rest, "factors": factors}


def test_matching_equals_loops():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, L, [B, H, W])
    labels[rng.random(labels.shape) < 0.1] = 255  # in no entity
    labels[0][labels[0] == 2] = 0
    true_masks = one_hot(labels, L)
    masks = rng.dirichlet(np.full(K, 0.3), [B, H, W]).transpose(0, 3, 1, 2)
    slots, iou = best_slots(true_masks, masks)
    for b in range(B):
        counted = labels[b] != 255
        for entity in range(L):
            inside = labels[b] == entity
            slot = int(np.argmax([masks[b, k][inside].sum() for k in range(K)]))
            segment = (masks[b].argmax(axis=0) == slot) & counted
            assert slots[b, entity] == slot
            expected = (inside & segment).sum() / max((inside | segment).sum(), 1)
            assert iou[b, entity] == pytest.approx(expected)


def test_overlap_counts_soft_masks_not_segments():
    # Slot 1 is nowhere the largest but once, and holds most of the entity all the same.
    masks = np.array([[0.6, 0.6, 0.0], [0.4, 0.4, 1.0]]).reshape(1, 2, 1, 3)
    true_masks = np.array([[0, 0, 0], [1, 1, 1]]).reshape(1, 2, 1, 3)
    slots, iou = best_slots(true_masks, masks)
    assert slots[0, 1] == 1
    assert iou[0, 1] == pytest.approx(1 / 3)


def test_collected_latents_are_those_of_the_model(batch):
    config = small_config()
    model = build_model(config)
    seed, num_slots, num_iterations = 7, SLOTS + 1, 2
    actual = collect(model, split(batch, 3, 2), num_slots, num_iterations, seed)
    row = 0
    for i in range(IMAGES):
        noise = draw_noise((seed, i), model.noise(num_slots, num_iterations), 1)["z"]
        assert noise.shape == (num_iterations + 1, 1, num_slots, config.latent_size)
        last = model(batch["image"][i : i + 1], num_slots, num_iterations, noise)[-1]
        means, masks = last.posterior.mean().numpy()[0], last.mixture.masks.numpy()
        slots, iou = best_slots(batch["mask"][i : i + 1], masks)
        for entity in range(1, ENTITIES):
            if (i, entity) in {(0, 3), (1, 2)}:
                continue
            slot = slots[0, entity]
            np.testing.assert_allclose(actual.latents[row], means[slot], atol=1e-5)
            assert (actual.image[row], actual.slot[row]) == (i, slot)
            assert actual.iou[row] == pytest.approx(iou[0, entity])
            for name, values in batch["factors"].items():
                np.testing.assert_array_equal(actual.factors[name][row], values[i, entity])
            row += 1
    assert row == 13
    assert [len(values) for values in actual[2:]] == [row] * 3
    assert (actual.latents.shape, actual.latents.dtype) == ((row, config.latent_size), np.float32)


def test_defaults_are_the_model_s(batch):
    model = build_model(small_config({"num_iterations": 1}))
    explicit = collect(model, [batch], SLOTS, 1, 0)
    np.testing.assert_array_equal(collect(model, [batch]).latents, explicit.latents)


@pytest.mark.parametrize("name", ["mask", "visibility", "factors"])
def test_data_without_ground_truth(batch, name):
    model = build_model(small_config())
    lacking = {key: value for key, value in batch.items() if key != name}
    with pytest.raises(UserError, match=f"the data have no {name}, which matching"):
        collect(model, [lacking])


def test_data_without_objects(batch):
    model = build_model(small_config())
    with pytest.raises(UserError, match="the data have no factors"):
        collect(model, [{**batch, "factors": {}}])
    batch["visibility"][:, 1:] = 0
    with pytest.raises(UserError, match="none of the 5 images has a visible object"):
        collect(model, [batch])
    with pytest.raises(UserError, match="none of the 0 images"):
        collect(model, [])


def test_matching_rate():
    # Image 0: two share slot 1. Image 1: slot 1 fits, slot 2 does not. Image 2: on the edge.
    latents = ObjectLatents(
        latents=np.zeros([6, 2], np.float32),
        factors={},
        image=np.array([0, 0, 0, 1, 1, 2]),
        slot=np.array([1, 1, 0, 1, 2, 1]),
        iou=np.array([0.9, 0.8, 0.7, 0.9, 0.2, 0.5]),
    )
    assert matching_rate(latents) == pytest.approx(2 / 6)
    assert matching_rate(latents, threshold=0.1) == pytest.approx(4 / 6)
    assert matching_rate(latents, threshold=0.8) == pytest.approx(1 / 6)
