"""Mask logits and colours of true masks, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.evaluation import inference
from iodine.figures import decompositions as plots
from iodine.reproduction.paper import figure20_to_22 as mask_logits
from iodine.training import checkpoints


def one_hot(labels, count):
    """[..., H, W] to [..., count, H, W]."""
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


def test_last_masks_are_those_of_the_decomposition():
    _, model = checkpoints.load_model("pretrained:tetrominoes_small")
    model.spec = model.spec._replace(num_iterations=2)
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
