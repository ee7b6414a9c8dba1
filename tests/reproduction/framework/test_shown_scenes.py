"""Scores and rows of shown scenes, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import shown_scenes


def one_hot(labels, count):
    """[..., H, W] to [..., count, H, W]."""
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


def test_scores_of_scenes():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, size=(5, 8, 8))
    noise = rng.integers(0, 3, size=true.shape)
    labels = np.where(rng.uniform(size=true.shape) < 0.75, true % 3, noise)
    scores = shown_scenes.scene_scores({"mask": one_hot(true, 4)}, one_hot(labels, 3))
    for b, score in enumerate(scores):
        is_object = true[b] > 0
        expected = adjusted_rand_score(true[b][is_object], labels[b][is_object])
        assert score["fg_ari"] == pytest.approx(expected)
        assert score["objects"] == len(set(true[b].flat) - {0})
    without = shown_scenes.scene_scores({}, one_hot(labels, 3))
    assert {score["fg_ari"] for score in without} == {None}


def test_a_scene_without_foreground_has_no_score_and_leaves_the_mean_alone():
    true = np.array([[[1, 1, 2, 2]], [[0, 0, 0, 0]]])
    scores = shown_scenes.scene_scores({"mask": one_hot(true, 3)}, one_hot(true, 3))
    assert [score["fg_ari"] for score in scores] == [1.0, None]
    assert "2 of 2 objects in 2 shown scenes" in shown_scenes.in_words(scores)
    assert shown_scenes.in_words(scores).endswith("foreground ARI 1.000")
    assert shown_scenes.in_words(scores[1:]).endswith("no foreground")


def test_data_sets_are_compared_one_by_one():
    def row(task, found):
        counts = {"objects": 3, "found": found, "found in foreground": 3}
        return {"data set": task, "scene": 0, "fg_ari": 0.5, **counts}

    text = shown_scenes.compare_by_task([row("A", 3), row("B", 1), row("A", 2)])
    first, second = text.split("; ")
    assert first.startswith("A: 5 of 6 objects in 2 shown scenes")
    assert ", 6 if the background does not count, foreground ARI 0.500" in first
    assert second.startswith("B: 1 of 3 objects in 1 shown scenes")


def test_rows_show_masked_slots_or_all_that_slots_paint():
    rng = np.random.default_rng(1)
    masks = one_hot(rng.integers(0, 3, size=(2, 4, 4)), 3)
    components = rng.uniform(size=(2, 3, 4, 4, 3))
    reconstruction = np.einsum("bkhw,bkhwc->bhwc", masks, components)
    result = Decomposition(masks, components, reconstruction, None, None, None)
    images = rng.uniform(size=(2, 4, 4, 3))
    masked = shown_scenes.decomposition_block("", images, result)
    whole = shown_scenes.decomposition_block("", images, result, is_masked=False)
    for b in range(2):
        np.testing.assert_array_equal(masked.rows[b][0], images[b])
        np.testing.assert_array_equal(masked.rows[b][1], reconstruction[b])
        np.testing.assert_allclose(sum(masked.rows[b][3:]), reconstruction[b])
        np.testing.assert_array_equal(whole.rows[b][3:], components[b])
        winner = masks[b].argmax(axis=0)
        np.testing.assert_allclose(masked.rows[b][2], plots.SLOT_COLORS[winner])
    assert masked.titles == [
        "image",
        "reconstruction",
        "segmentation",
        "slot 1",
        "slot 2",
        "slot 3",
    ]
    np.testing.assert_array_equal(masked.borders[4], plots.slot_color(1))


def test_some_slots_keep_their_number_and_colour():
    block = shown_scenes.slots_block("", ["image"], [[None] * 3], slots=[5, 0])
    assert block.titles == ["image", "slot 6", "slot 1"]
    np.testing.assert_array_equal(block.borders[1], plots.slot_color(5))
    assert block.borders[0] is None
