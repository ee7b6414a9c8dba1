"""Figures of clips and of several together, beside plain loops and numbers counted by hand."""

import json

import numpy as np
import pytest

from iodine.errors import UserError
from iodine.evaluation import clip_scores, clip_table, tracking

SLOTS = 4


def one_hot(labels, number=3):
    return labels[:, np.newaxis] == np.arange(number)[:, np.newaxis, np.newaxis]


def columns(*frames):
    """Label maps [F, 6, W] of frames given by a digit for each column."""
    rows = np.array([[int(digit) for digit in frame] for frame in frames])
    return np.repeat(rows[:, np.newaxis], 6, axis=1)


def pictures(seed, shape):
    random = np.random.default_rng(seed)
    return np.float32(random.random((2, *shape, 3)))


def clip(true, labels, seed=0, **kwargs):
    frames, predictions = pictures(seed, true.shape)
    return clip_scores.score_clip(frames, predictions, labels, SLOTS, one_hot(true), **kwargs)


TRUE = columns("00000012", "00000012", "00000012", "00000012")
SWAPPED = columns("00000012", "00000012", "00000021", "00000021")
NOTHING = np.zeros_like(TRUE)


def test_errors_are_those_of_a_loop_over_the_scored_frames():
    frames, predictions = pictures(1, (5, 4, 6))
    for first in (1, 2):
        scores = clip_scores.score_clip(
            frames, predictions, np.zeros((5, 4, 6), int), SLOTS, first_frame=first
        )
        expected = [((frames[f] - predictions[f]) ** 2).mean() for f in range(first, 5)]
        copied = [((frames[f] - frames[f - 1]) ** 2).mean() for f in range(first, 5)]
        np.testing.assert_allclose(scores.next_frame_errors, expected, rtol=1e-5)
        np.testing.assert_allclose(scores.copy_last_errors, copied, rtol=1e-5)
        values = clip_scores.columns([scores])
        assert values["next_frame_error"][0] == pytest.approx(np.mean(expected), rel=1e-5)
        assert np.isnan(values["clip_fg_ari"][0])
        summary = clip_scores.summarize([scores], first)
        assert summary["error_ratio"] == pytest.approx(np.mean(expected) / np.mean(copied))
        assert "mot" not in summary


def test_frame_0_has_none_before_it():
    frames, predictions = pictures(2, (3, 4, 6))
    labels = np.zeros((3, 4, 6), int)
    scores = clip_scores.score_clip(frames, predictions, labels, SLOTS, first_frame=0)
    assert len(scores.next_frame_errors) == 3
    assert np.isnan(scores.copy_last_errors).tolist() == [True, False, False]
    without = clip_scores.score_clip(frames, predictions, labels, SLOTS)
    ratios = [clip_scores.summarize([x])["error_ratio"] for x in (scores, without)]
    assert ratios[0] == pytest.approx(ratios[1])  # over the same frames
    assert clip_scores.summarize([scores], 0)["per_frame"]["copy_last_error"][0] is None


def test_a_single_frame_cannot_be_predicted():
    with pytest.raises(UserError, match="a clip of 1 frame has no frame 1 to be scored on"):
        clip(TRUE[:1], TRUE[:1])


def test_unscored_frames_change_nothing():
    wrong = np.concatenate([columns("01230123")[:1], SWAPPED[1:]])
    first, second = clip(TRUE, SWAPPED), clip(TRUE, wrong)
    assert first.mot == second.mot
    assert first.clip_fg_ari == second.clip_fg_ari
    assert clip(TRUE, wrong, first_frame=0).mot != first.mot


def test_instability_is_what_swapped_slots_cost():
    values = clip_scores.columns([clip(TRUE, TRUE), clip(TRUE, SWAPPED), clip(NOTHING, TRUE)])
    np.testing.assert_array_equal(values["frame_fg_ari"], [1, 1, np.nan])
    np.testing.assert_array_equal(values["clip_fg_ari"][[0, 2]], [1, np.nan])
    expected = tracking.clip_foreground_ari(one_hot(TRUE[1:]), SWAPPED[1:], SLOTS)
    assert expected < 0.5
    np.testing.assert_allclose(values["slot_instability"], [0, 1 - expected, np.nan])


def test_counts_are_taken_together_before_they_are_divided():
    half = columns("00000010", "00000010", "00000010", "00000010")  # object 2 is in slot 0
    scores = [clip(TRUE, SWAPPED), clip(TRUE, half), clip(NOTHING, NOTHING)]
    summary = clip_scores.summarize(scores)
    mot = summary["mot"]
    # Three scored frames of two objects twice; two switches, three misses.
    assert (mot["object_frames"], mot["switches"], mot["misses"]) == (12, 2, 3)
    assert (mot["matches"], mot["false_positives"]) == (7, 0)
    assert mot["mota"] == pytest.approx(1 - 5 / 12)
    assert mot["motp"] == 1
    assert mot["switches_share"] == pytest.approx(2 / 12)
    assert (mot["mostly_tracked"], mot["mostly_detected"], mot["objects"]) == (1, 3, 4)
    assert mot["mostly_tracked_share"] == 0.25
    # In the foreground slot 0 is that of object 2.
    assert summary["mot_foreground"]["misses"] == 0
    assert summary["clip_fg_ari"]["num_clips"] == 2
    assert summary["clip_fg_ari"]["num_left_out"] == 1


def test_hidden_objects():
    true = columns("00000012", "00000012", "00000002", "00000012", "00000002", "00000012")
    labels = columns("00000012", "00000012", "00000012", "00000012", "00000002", "00000032")
    one = clip(true, labels)
    for name in clip_scores.REGIONS:
        assert one.occlusions[name] == (1, 1, 0, 0)
    never = clip(true, labels, hidden=np.zeros((3, 6), bool))
    summary = clip_scores.summarize([one, one, never])
    occlusions = summary["mot"]["occlusions"]
    assert (occlusions["retained"], occlusions["cases"], occlusions["kept"]) == (0.5, 4, 2)
    alone = clip_scores.summarize([never])["mot"]["occlusions"]
    assert (alone["retained"], alone["cases"]) == (None, 0)


def test_curves_over_frames_are_means_over_clips_of_each():
    short = clip(TRUE[:3], SWAPPED[:3], seed=3)
    scores = [clip(TRUE, SWAPPED), short, clip(NOTHING, NOTHING)]
    curves = clip_scores.summarize(scores)["per_frame"]
    assert curves["frame"] == [1, 2, 3]
    assert curves["frame_fg_ari"] == [1, 1, 1]
    expected = [np.mean([x.next_frame_errors[i] for x in scores]) for i in range(2)]
    expected.append(np.mean([x.next_frame_errors[2] for x in (scores[0], scores[2])]))
    np.testing.assert_allclose(curves["next_frame_error"], expected)


def test_the_table_shows_the_figures():
    scores = [clip(TRUE, SWAPPED), clip(TRUE, TRUE, seed=1), clip(NOTHING, NOTHING)]
    summary = clip_scores.summarize(scores)
    assert json.loads(json.dumps(summary)) == summary
    lines = clip_table.table(summary).splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert cells["clip_fg_ari"][0] == f"{summary['clip_fg_ari']['mean']:.4f}"
    assert cells["error_ratio"] == [f"{summary['error_ratio']:.4f}"]
    assert cells["mota"] == ["0.8333", "0.8333"]
    assert cells["id_switches"] == ["0.1667", "(2)"] * 2
    assert cells["kept_when_hidden"] == ["-", "(0", "of", "0)"] * 2
    assert lines[-2] == "3 clips, scored from frame 1 on"
    assert lines[-1].startswith("1 clip left out of clip_fg_ari, frame_fg_ari, slot_instability")


def test_without_masks_there_are_errors_only():
    frames, predictions = pictures(0, (3, 4, 4))
    scores = clip_scores.score_clip(frames, predictions, np.zeros((3, 4, 4), int), SLOTS)
    summary = clip_scores.summarize([scores])
    assert not {"clip_fg_ari", "mot", "mot_foreground"} & set(summary)
    table = clip_table.table(summary)
    assert "next_frame_error" in table
    assert "mota" not in table
