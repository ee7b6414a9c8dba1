"""Readings of one image that several runs come to, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iodine.analysis import rereading

SIDE, SLOTS = 8, 4


def masks_of(labels):
    """[R, H, W] of slots to masks [R, K, H, W] that are 0.7 where a slot has the pixel."""
    one_hot = labels[:, np.newaxis] == np.arange(SLOTS)[:, np.newaxis, np.newaxis]
    return np.where(one_hot, 0.7, 0.1)


def stripes():
    """Rows in twos, columns in twos, the first again in other slots, and its border moved."""
    rows = np.repeat(np.arange(4), 2)[:, np.newaxis] + np.zeros([SIDE, SIDE], int)
    moved = rows.copy()
    moved[2, :3] = 0  # three pixels
    return np.stack([rows, rows.T, np.array([2, 0, 3, 1])[rows], moved, rows])


ALL = np.ones([SIDE, SIDE], bool)


def test_agreement_is_scikit_learn_s_over_the_counted_pixels():
    masks = np.random.default_rng(0).uniform(size=(5, SLOTS, SIDE, SIDE))
    counted = np.random.default_rng(1).uniform(size=(SIDE, SIDE)) > 0.4
    labels = masks.argmax(axis=1)[:, counted]
    expected = [[adjusted_rand_score(a, b) for b in labels] for a in labels]
    np.testing.assert_allclose(rereading.agreement(masks, counted), expected, atol=1e-12)


def test_runs_that_agree_but_for_some_pixels_or_the_slots_are_one_reading():
    masks = masks_of(stripes())
    first, second = rereading.readings(masks, rereading.agreement(masks, ALL), ALL)
    assert (first.runs, second.runs) == ([0, 2, 3, 4], [1])
    assert first.medoid in (0, 2, 4)  # not the one with a border of its own
    assert (first.orders, second.orders) == (2, 1)


def test_two_runs_and_one():
    masks = masks_of(stripes()[:2])
    assert len(rereading.readings(masks, rereading.agreement(masks, ALL), ALL)) == 2
    [only] = rereading.readings(masks[:1], np.ones([1, 1]), ALL)
    assert only.runs == [0]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_background_that_all_slots_share_does_not_count(is_known):
    masks = masks_of(stripes())
    masks[:, :, 5:] = 0.25
    true = np.zeros([3, SIDE, SIDE])
    true[0, 5:], true[1, :2], true[2, 2:5] = 1, 1, 1
    counted = rereading.counted_pixels(masks, true if is_known else None)
    np.testing.assert_array_equal(counted, np.repeat(np.arange(SIDE) < 5, SIDE).reshape(SIDE, -1))


def test_all_pixels_count_where_none_would():
    masks = np.full([3, SLOTS, SIDE, SIDE], 0.25)
    assert rereading.counted_pixels(masks).all()
    nothing = np.zeros([2, SIDE, SIDE])
    assert rereading.counted_pixels(masks, nothing).all()
