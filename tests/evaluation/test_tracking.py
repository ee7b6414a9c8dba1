"""Tracking against `motmetrics`, scikit-learn's ARI, and clips that are counted by hand."""

import motmetrics
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iodine.evaluation import tracking
from iodine.evaluation.tracking import MotCounts, Occlusions

FRAMES, SIDE, SLOTS = 12, 16, 6


def one_hot(labels, number):
    return labels[:, np.newaxis] == np.arange(number)[:, np.newaxis, np.newaxis]


def moving_squares(seed, sizes=(7, 5, 4, 3)):
    """Label maps [F, H, W] of squares that jump about, later ones in front; some pixels are 255."""
    random = np.random.default_rng(seed)
    labels = np.zeros((FRAMES, SIDE, SIDE), int)
    for entity, size in enumerate(sizes, 1):
        position = random.integers(0, SIDE, 2)
        for frame in labels:
            position = np.clip(position + random.integers(-2, 3, 2), 0, SIDE)
            row, column = position  # partly or wholly out of the picture at its end
            frame[row : row + size, column : column + size] = entity
    labels[random.random(labels.shape) < 0.02] = 255
    return labels


def predicted(true, seed):
    """Slots that mostly hold an entity each; noise, and slots that swap from time to time."""
    random = np.random.default_rng(seed)
    slots = np.arange(SLOTS)
    labels = np.zeros_like(true)
    for frame, of_frame in zip(true, labels, strict=True):
        if random.random() < 0.3:
            a, b = random.integers(SLOTS, size=2)
            slots[[a, b]] = slots[[b, a]]
        of_frame[:] = slots[np.where(frame == 255, 0, frame)]
        noisy = random.random(frame.shape) < random.choice([0.05, 0.15, 0.4])
        of_frame[noisy] = random.integers(SLOTS, size=frame.shape)[noisy]
        if random.random() < 0.3:
            # An object is split into halves: with an even number of pixels overlaps are 0.5.
            pixels = np.flatnonzero(frame == random.integers(1, 5))
            of_frame.flat[pixels[: len(pixels) // 2]] = random.integers(SLOTS)
    return labels


def accumulated(true, labels, foreground_only):
    """`motmetrics` on the same clip, its distances computed region by region."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame, of_frame in zip(true, labels, strict=True):
        counted = (frame != 255) & ((frame > 0) | (not foreground_only))

        def overlaps(entity, slot, frame=frame, of_frame=of_frame, counted=counted):
            a, b = (frame == entity) & counted, (of_frame == slot) & counted
            return (a & b).sum() / max((a | b).sum(), 1)

        objects = [e for e in range(1, 5) if ((frame == e) & counted).sum() > 5]
        segments = [
            k
            for k in range(SLOTS)
            if ((of_frame == k) & counted).sum() > 5 and overlaps(0, k) <= 0.2
        ]
        distances = np.array([[1 - overlaps(e, k) for k in segments] for e in objects])
        distances[distances > 0.5] = np.nan
        accumulator.update(objects, segments, distances)
    return accumulator


@pytest.mark.parametrize("foreground_only", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_motmetrics(seed, foreground_only):
    true = moving_squares(seed)
    labels = predicted(true, 100 + seed)
    clip = tracking.overlap(one_hot(true, 5), labels, SLOTS, foreground_only)
    actual = tracking.clear_mot(clip)

    accumulator = accumulated(true, labels, foreground_only)
    names = {
        "object_frames": "num_objects",
        "matches": "num_matches",
        "switches": "num_switches",
        "misses": "num_misses",
        "false_positives": "num_false_positives",
        "objects": "num_unique_objects",
        "mostly_detected": "mostly_tracked",  # of motmetrics, for which switches count too
    }
    metrics = [*names.values(), "motp", "mota"]
    expected = motmetrics.metrics.create().compute(accumulator, metrics=metrics).iloc[0]
    for ours, theirs in names.items():
        assert getattr(actual, ours) == expected[theirs], ours
    found = actual.matches + actual.switches
    assert found > 0
    assert actual.iou_sum == pytest.approx(found * (1 - expected["motp"]))
    errors = actual.misses + actual.switches + actual.false_positives
    assert 1 - errors / actual.object_frames == pytest.approx(expected["mota"])

    events = accumulator.mot_events
    by_object = [events[events.OId == entity].Type for entity in range(1, 5)]
    tracked = [(types == "MATCH").sum() for types in by_object]
    frames = [types.isin(["MATCH", "SWITCH", "MISS"]).sum() for types in by_object]
    shares = [t / f for t, f in zip(tracked, frames, strict=True) if f]
    assert actual.mostly_tracked == sum(share >= 0.8 for share in shares)


def test_the_random_clips_show_what_can_happen():
    """Otherwise the comparison would say little."""
    counts = []
    for seed in range(12):
        true = moving_squares(seed)
        clip = tracking.overlap(one_hot(true, 5), predicted(true, 100 + seed), SLOTS)
        counts.append(tracking.clear_mot(clip))
    total = MotCounts(*np.sum(counts, axis=0))
    assert min(total.matches, total.switches, total.misses, total.false_positives) > 10
    assert 0 < total.mostly_tracked < total.mostly_detected < total.objects


def columns(*frames):
    """Label maps [F, 6, W] of frames given by a digit for each column."""
    rows = np.array([[int(digit) for digit in frame] for frame in frames])
    return np.repeat(rows[:, np.newaxis], 6, axis=1)


def clip_of(true, labels, num_slots=4):
    return tracking.overlap(one_hot(true, 3), labels, num_slots)


def test_a_clip_counted_by_hand():
    true = columns("000000112", "000000112", "000000112", "000000102", "000000012")
    labels = columns(
        "000000112",  # slot 1 has object 1, slot 2 object 2
        "000000221",  # swapped: two switches
        "000000223",  # object 1 keeps slot 2; object 2 gets slot 3: a switch
        "000000033",  # object 1 is missed; slot 3 has half of object 2: matched by 1/2
        "000002030",  # slot 2 is false; slot 3 has object 1: a switch; object 2 is missed
    )
    actual = tracking.clear_mot(clip_of(true, labels))
    assert actual == MotCounts(
        object_frames=10,
        matches=4,
        switches=4,
        misses=2,
        false_positives=1,
        iou_sum=7 + 0.5,
        objects=2,
        mostly_tracked=0,
        mostly_detected=2,
    )


def test_small_objects_and_segments_do_not_count():
    true = np.zeros((1, 4, 8), int)
    true[0, 0, :5], true[0, 1, :6] = 1, 2
    clip = clip_of(true, true)
    np.testing.assert_array_equal(clip.objects, [[False, True]])
    np.testing.assert_array_equal(clip.segments, [[False, False, True, False]])  # 0: background
    assert tracking.clear_mot(clip)[:5] == (1, 1, 0, 0, 0)


def test_a_divided_background_hides_objects_unless_only_the_foreground_counts():
    true = columns("000000001122")
    labels = columns("111122221122")
    clip = clip_of(true, labels)
    assert not clip.segments.any()
    assert tracking.clear_mot(clip)[:5] == (2, 0, 0, 2, 0)
    clip = tracking.overlap(one_hot(true, 3), labels, 4, foreground_only=True)
    assert tracking.clear_mot(clip)[:5] == (2, 2, 0, 0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_foreground_ari_of_clip_and_frames_are_those_of_scikit_learn(seed):
    true = moving_squares(seed)
    labels = predicted(true, seed)
    is_foreground = (true > 0) & (true != 255)
    arguments = one_hot(true, 5), labels, SLOTS
    expected = adjusted_rand_score(true[is_foreground], labels[is_foreground])
    assert tracking.clip_foreground_ari(*arguments) == pytest.approx(expected)
    expected = [
        adjusted_rand_score(t[m], k[m]) for t, k, m in zip(true, labels, is_foreground, strict=True)
    ]
    np.testing.assert_allclose(tracking.frame_foreground_ari(*arguments), expected)


def test_swapped_slots_cost_the_clip_and_not_its_frames():
    true = columns("001122", "011220")
    swapped = np.stack([true[0], np.array([0, 2, 1])[true[1]]])
    for labels, expected in ((true, 1), (swapped, -0.03)):
        whole = tracking.clip_foreground_ari(one_hot(true, 3), labels, 3)
        frames = tracking.frame_foreground_ari(one_hot(true, 3), labels, 3)
        assert whole == pytest.approx(expected, abs=0.02)
        np.testing.assert_allclose(frames, 1)


def test_without_foreground_there_is_no_foreground_ari():
    true = columns("0000", "0011")
    first = one_hot(true[:1], 3), true[:1], 3
    assert np.isnan(tracking.clip_foreground_ari(*first))
    frames = tracking.frame_foreground_ari(one_hot(true, 3), true, 3)
    np.testing.assert_array_equal(frames, [np.nan, 1])


def test_what_became_of_hidden_objects():
    true = columns("1100", "1000", "0000", "0011", "0000", "0000", "0011", "0000", "1100", "2222")
    hidden = tracking.hidden_in(one_hot(true, 3))
    np.testing.assert_array_equal(hidden[1], true.max(axis=(1, 2)) != 1)
    labels = columns(
        *("1100", "0000"),  # slot 1, then unnoticed
        "0000",
        "0011",  # kept
        *("0000", "0000"),
        "0022",  # moved
        "0000",
        "0000",  # lost
        "2222",  # another object, which is seen once only
    )
    clip = clip_of(true, labels)
    assert tracking.occlusions(clip, hidden) == Occlusions(kept=1, moved=1, lost=1, not_owned=0)
    # The object is noticed late.
    late = labels.copy()
    late[6:9] = columns("0000", "0000", "1100")
    hidden[1, 7] = False
    true[7] = columns("1100")
    assert tracking.occlusions(clip_of(true, late), hidden) == Occlusions(2, 0, 0, 0)
    # Never owned before it was hidden first.
    never = labels.copy()
    never[0] = 0
    actual = tracking.occlusions(clip_of(true, never), tracking.hidden_in(one_hot(true, 3)))
    assert actual == Occlusions(kept=0, moved=1, lost=0, not_owned=1)


def test_an_object_that_enters_late_or_leaves_is_not_hidden():
    true = columns("0000", "1100", "1100", "0000")
    hidden = tracking.hidden_in(one_hot(true, 3))
    assert tracking.occlusions(clip_of(true, true), hidden) == Occlusions(0, 0, 0, 0)
