"""Scores of shown scenes, mask logits and colours of true masks, against other computations."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score

from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import workloads
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.paper import figure04_16_to_18 as decompositions
from iodine.reproduction.paper import figure20_to_22 as mask_logits
from iodine.training import checkpoints


def one_hot(labels, count):
    """[..., H, W] to [..., count, H, W]."""
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


@pytest.fixture(scope="module")
def random_scenes():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, size=(5, 8, 8))
    noise = rng.integers(0, 3, size=true.shape)
    labels = np.where(rng.uniform(size=true.shape) < 0.75, true % 3, noise)
    return true, labels


def test_found_objects_by_loops(random_scenes):
    true, labels = random_scenes
    true = np.where(true[..., :] == 3, 2, true)  # entity 3 has no pixel
    present, found = decompositions.found_objects(one_hot(true, 4), labels, 3)
    for b in range(len(true)):
        for entity in (1, 2, 3):
            here = true[b] == entity
            overlaps = [
                (here & (labels[b] == k)).sum() / max((here | (labels[b] == k)).sum(), 1)
                for k in range(3)
            ]
            assert present[b, entity - 1] == here.any()
            assert found[b, entity - 1] == (max(overlaps) > 0.5)
    assert found.any()
    assert not found.all()


def test_a_slot_of_two_equal_objects_finds_neither():
    true = np.array([[[1, 1, 2, 2], [0, 0, 0, 0]]])
    labels = np.where(true > 0, 1, 0)
    present, found = decompositions.found_objects(one_hot(true, 3), labels, 2)
    assert present.all()
    assert not found.any()


def test_scores_of_scenes(random_scenes):
    true, labels = random_scenes
    scores = decompositions.scene_scores({"mask": one_hot(true, 4)}, one_hot(labels, 3))
    for b, score in enumerate(scores):
        is_object = true[b] > 0
        expected = adjusted_rand_score(true[b][is_object], labels[b][is_object])
        assert score["fg_ari"] == pytest.approx(expected)
        assert score["objects"] == len(set(true[b].flat) - {0})
    without = decompositions.scene_scores({}, one_hot(labels, 3))
    assert {score["fg_ari"] for score in without} == {None}


def test_rows_show_masked_slots_or_all_that_slots_paint():
    rng = np.random.default_rng(1)
    masks = one_hot(rng.integers(0, 3, size=(2, 4, 4)), 3)
    components = rng.uniform(size=(2, 3, 4, 4, 3))
    reconstruction = np.einsum("bkhw,bkhwc->bhwc", masks, components)
    result = Decomposition(masks, components, reconstruction, None, None, None)
    images = rng.uniform(size=(2, 4, 4, 3))
    masked = decompositions.decomposition_block("", images, result)
    whole = decompositions.decomposition_block("", images, result, is_masked=False)
    for b in range(2):
        np.testing.assert_array_equal(masked.rows[b][0], images[b])
        np.testing.assert_array_equal(masked.rows[b][1], reconstruction[b])
        np.testing.assert_allclose(sum(masked.rows[b][3:]), reconstruction[b])
        np.testing.assert_array_equal(whole.rows[b][3:], components[b])
        winner = masks[b].argmax(axis=0)
        np.testing.assert_allclose(masked.rows[b][2], plots.SLOT_COLORS[winner])
    np.testing.assert_array_equal(masked.borders[4], plots.slot_color(1))


def test_last_masks_are_those_of_the_decomposition():
    _, model = checkpoints.load_model("pretrained:tetrominoes_small")
    model.config = dataclasses.replace(model.config, num_iterations=2)
    images = np.random.default_rng(2).uniform(size=(2, 8, 8, 3)).astype(np.float32)
    masks, logits = mask_logits.last_masks(model, images, seed=5)
    expected = inference.decompose_iterations(model, tf.constant(images), seed=5)[-1]
    np.testing.assert_allclose(masks, expected.masks, atol=1e-6)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(masks, softmax, atol=1e-5)


def test_gray_range_leaves_out_what_is_extreme_or_not_finite():
    logits = np.concatenate([np.linspace(-1, 1, 201), [np.nan, np.inf]])
    assert mask_logits.gray_range(logits) == pytest.approx((-0.98, 0.98))
    assert mask_logits.gray_range(np.full(4, 3.0)) == (3.0, 4.0)
    assert mask_logits.gray_range(np.full(4, np.nan)) == (0.0, 1.0)


def test_contrast_by_hand():
    logits = np.array([[[[5.0, 3.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 4.0]]]])
    masks = one_hot(np.array([[[0, 0], [1, 1]]]), 2)
    assert mask_logits.contrast(masks, logits) == pytest.approx(((4 - 0) + (3 - 1)) / 2)
    assert mask_logits.contrast(one_hot(np.zeros((1, 2, 2), int), 2), logits) is None


def test_true_masks_have_the_colours_of_their_slots():
    true = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]])
    slots = np.array([[1, 1, 2, 2], [1, 1, 0, 0], [1, 1, 0, 1]])  # entity 3 has none of its own
    shown = mask_logits.true_segmentation(one_hot(true, 4), one_hot(slots, 3))
    for entity, slot in ((0, 1), (1, 2), (2, 0)):
        np.testing.assert_allclose(
            shown[true == entity], np.tile(plots.slot_color(slot), ((true == entity).sum(), 1))
        )
    left_over = shown[true == 3][0]
    assert not any(np.allclose(left_over, plots.slot_color(slot)) for slot in range(3))


def test_parts_that_were_not_run_have_a_place():
    context = Context(
        workloads.Budget("cpu"), "nowhere", {}, dict.fromkeys(decompositions.TASKS, "no data")
    )
    blocks, rows = decompositions._blocks(context, 2)
    assert list(blocks) == list(decompositions.TASKS)
    assert all(block.not_run == "no data" for block in blocks.values())
    assert rows == []


def test_shown_scenes_are_the_first_of_the_test_split(tiny_data):
    training = workloads.Budget("cpu").training("Tetris", workloads.TETRIS)
    run = Run(training, "pretrained:tetrominoes_small", training.config)
    missing = dict.fromkeys(set(decompositions.TASKS) - {workloads.TETRIS}, "no data")
    context = Context(workloads.Budget("cpu"), tiny_data, {"Tetris": run}, missing)
    blocks, rows = decompositions._blocks(context, 2)
    scenes = context.scenes(training.config.data.dataset, 2)
    for row, image in zip(blocks["Tetris"].rows, scenes["image"], strict=True):
        np.testing.assert_array_equal(row[0], image)
    assert [row["objects"] for row in rows] == [3, 3]
    words = decompositions.compare_by_task(rows)
    assert f"{sum(row['found'] for row in rows)} of 6 objects in 2 shown scenes" in words
