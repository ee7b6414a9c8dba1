"""mIoU, mBO and covering against scikit-learn's Jaccard score and a search over all matchings."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from iodine.evaluation.overlap import segment_overlap

B, H, W = 5, 6, 7


def one_hot(labels, number):
    return (labels[:, np.newaxis] == np.arange(number)[:, np.newaxis, np.newaxis]).astype(np.uint8)


def figures_by_hand(true, predicted, num_labels):
    """Of one image's label maps, without pixels of id 255."""
    counted = true != 255
    true, predicted = true[counted], predicted[counted]
    objects = [entity for entity in np.unique(true) if entity > 0]
    scores = np.array(
        [
            [jaccard_score(true == entity, predicted == slot) for slot in range(num_labels)]
            for entity in objects
        ]
    )
    padded = np.pad(scores, ((0, 0), (0, len(objects))))  # an object may stay without a segment
    matched = max(
        sum(row[column] for row, column in zip(padded, columns, strict=True))
        for columns in itertools.permutations(range(padded.shape[1]), len(objects))
    )
    areas = np.array([(true == entity).sum() for entity in objects])
    best = scores.max(axis=1)
    return matched / len(objects), best.mean(), (best * areas).sum() / areas.sum()


@pytest.mark.parametrize(("num_entities", "num_labels"), [(4, 4), (3, 5), (5, 2)])
def test_random_segmentations(num_entities, num_labels):
    random = np.random.default_rng(num_entities)
    true = random.integers(num_entities, size=(B, H, W))
    guess = random.integers(num_labels, size=(B, H, W))
    predicted = np.where(random.random((B, H, W)) < 0.6, true % num_labels, guess)
    true[random.random((B, H, W)) < 0.1] = 255
    actual = segment_overlap(one_hot(true, num_entities), predicted, num_labels)
    expected = [figures_by_hand(t, p, num_labels) for t, p in zip(true, predicted, strict=True)]
    np.testing.assert_allclose(np.stack(actual, axis=1), expected, rtol=1e-12)


def test_perfect_up_to_the_order_of_slots():
    true = np.random.default_rng(0).integers(4, size=(B, H, W))
    predicted = np.array([2, 0, 3, 1])[true]
    for values in segment_overlap(one_hot(true, 4), predicted, 4):
        np.testing.assert_array_equal(values, np.ones(B))


def test_one_segment_for_everything():
    true = np.zeros((1, 2, 4), int)
    true[0, 0, 0], true[0, 1] = 1, 2  # areas 1 and 4 of 8
    actual = segment_overlap(one_hot(true, 3), np.zeros((1, 2, 4), int), 3)
    np.testing.assert_allclose(actual.miou, [(0 + 4 / 8) / 2])
    np.testing.assert_allclose(actual.mbo, [(1 / 8 + 4 / 8) / 2])
    np.testing.assert_allclose(actual.covering, [(1 / 8 * 1 + 4 / 8 * 4) / 5])


def test_absent_objects_do_not_count_nor_images_without_any():
    true = np.zeros((2, 2, 2), int)
    true[0, 0, 0] = 3  # entities 1 and 2 are absent; the second image has none at all
    actual = segment_overlap(one_hot(true, 4), (true > 0).astype(int), 2)
    for values in actual:
        np.testing.assert_array_equal(values, [1, np.nan])
