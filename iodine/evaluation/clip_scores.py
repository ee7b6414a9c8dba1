"""Figures of clips: segmentation, tracking, prediction. Of one clip, and over a data set."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from iodine.errors import UserError
from iodine.evaluation import tracking
from iodine.evaluation.bootstrap import confidence_interval
from iodine.evaluation.tracking import MotCounts, Occlusions

# Means over clips, and what they are the mean of: all float64 [N] of `columns`.
MEANS = (
    "clip_fg_ari",
    "frame_fg_ari",
    "slot_instability",
    "next_frame_error",
    "copy_last_error",
)
# Whole images, and the pixels of true objects only: see `tracking.overlap`.
REGIONS = {"mot": False, "mot_foreground": True}
_SHARES = ("matches", "switches", "misses", "false_positives")  # of object-frames


class ClipScores(NamedTuple):
    """Of one clip, from the first scored frame on; F' frames count."""

    next_frame_errors: np.ndarray  # float64 [F'], mean over pixels and channels
    copy_last_errors: np.ndarray  # float64 [F'], NaN for frame 0, which has none before it
    # Only with true masks:
    clip_fg_ari: float = math.nan  # NaN without foreground
    frame_fg_aris: np.ndarray | None = None  # float64 [F'], NaN without foreground
    mot: dict[str, MotCounts] | None = None  # by the names of `REGIONS`
    occlusions: dict[str, Occlusions] | None = None


def score_clip(
    frames: np.ndarray,
    predictions: np.ndarray,
    labels: np.ndarray,
    num_slots: int,
    true_masks: np.ndarray | None = None,
    hidden: np.ndarray | None = None,
    first_frame: int = 1,
) -> ClipScores:
    """Scores predictions of a clip.

    Args:
        frames: [F, H, W, C] in [0, 1].
        predictions: of each frame from those before it, [F, H, W, C].
        labels: the slot of the largest predicted mask, [F, H, W]; like the predictions.
        num_slots: K.
        true_masks: one-hot [F, L, H, W], entity 0 the background.
        hidden: bool [L, F], true where an entity cannot be seen; by default where it has no pixel.
        first_frame: the frames before are not scored. Frame 0 is predicted by the prior alone.

    Raises:
        UserError: for a clip without a frame to score.
    """
    if len(frames) <= first_frame:
        raise UserError(
            f"a clip of {len(frames)} frame{'s' * (len(frames) > 1)} has no frame {first_frame} to "
            "be scored on; give longer clips"
        )
    scored = slice(first_frame, None)
    errors = _errors(predictions, frames)[scored]
    copied = np.append(np.nan, _errors(frames[:-1], frames[1:]))[scored]
    if true_masks is None:
        return ClipScores(errors, copied)
    hidden = tracking.hidden_in(true_masks) if hidden is None else np.asarray(hidden, bool)
    clip = true_masks[scored], labels[scored], num_slots
    overlaps = {name: tracking.overlap(*clip, only) for name, only in REGIONS.items()}
    return ClipScores(
        next_frame_errors=errors,
        copy_last_errors=copied,
        clip_fg_ari=tracking.clip_foreground_ari(*clip),
        frame_fg_aris=tracking.frame_foreground_ari(*clip),
        mot={name: tracking.clear_mot(x) for name, x in overlaps.items()},
        occlusions={
            name: tracking.occlusions(x, hidden[:, scored]) for name, x in overlaps.items()
        },
    )


def columns(scores: Sequence[ClipScores]) -> dict[str, np.ndarray]:
    """What `MEANS` names of each clip, float64 [N]; NaN where it is not defined.

    `frame_fg_ari` is the mean over the frames with foreground; `slot_instability` is by how much
    the foreground ARI of the clip is below it.
    """
    clip_ari = np.array([clip.clip_fg_ari for clip in scores])
    frame_ari = np.array([_mean(clip.frame_fg_aris) for clip in scores])
    return {
        "clip_fg_ari": clip_ari,
        "frame_fg_ari": frame_ari,
        "slot_instability": frame_ari - clip_ari,
        "next_frame_error": np.array([_plain_mean(clip.next_frame_errors) for clip in scores]),
        "copy_last_error": np.array([_mean(clip.copy_last_errors) for clip in scores]),
    }


def mot_ratios(counts: Sequence[MotCounts]) -> dict[str, Any]:
    """MOTA, MOTP and shares of several clips taken together, and the counts.

    Returns:
        `mota`, 1 less misses, false positives and switches by object-frames; `motp`, the mean
        intersection over union of objects and their segments, in [0.5, 1]; the counts of
        `MotCounts`; `..._share`, of object-frames or of objects. What has nothing to be a share of
        is None.
    """
    total = MotCounts(*(sum(values) for values in zip(*counts, strict=True)))
    frames, found = total.object_frames, total.matches + total.switches
    errors = total.misses + total.false_positives + total.switches
    ratios: dict[str, Any] = {
        "mota": 1 - errors / frames if frames else None,
        "motp": _ratio(total.iou_sum, found),
    }
    counted = total._asdict()
    del counted["iou_sum"]
    ratios |= counted
    ratios |= {f"{name}_share": _ratio(counted[name], frames) for name in _SHARES}
    for name in ("mostly_tracked", "mostly_detected"):
        ratios[f"{name}_share"] = _ratio(counted[name], total.objects)
    return ratios


def retention(outcomes: Sequence[Occlusions]) -> dict[str, Any]:
    """In which share of cases an object had its slot again after it was hidden, None for no case.

    Besides the numbers of `Occlusions` and `cases`, without those that are no case.
    """
    total = Occlusions(*(sum(values) for values in zip(*outcomes, strict=True)))
    cases = total.kept + total.moved + total.lost
    return {"retained": _ratio(total.kept, cases), "cases": cases, **total._asdict()}


def summarize(scores: Sequence[ClipScores], first_frame: int = 1) -> dict[str, Any]:
    """Figures over clips, as JSON types.

    Args:
        scores: of at least one clip.
        first_frame: as given to `score_clip`.

    Returns:
        For each of `MEANS`: `mean`, `std` (population, over clips), `ci95`, bounds of the mean's
        95 % bootstrap interval over clips, `num_clips` that count and `num_left_out`, clips that
        the metric is not defined for. For each of `REGIONS`: `mot_ratios` of all clips together,
        and `occlusions`, their `retention`. What is defined for no clip is left out.
        `error_ratio`: the error of the predictions by that of copying the last frame, None if
        nothing ever changes. `per_frame`: means over clips of each frame from `first_frame` on,
        with `frame`, its number.
    """
    summary: dict[str, Any] = {"num_clips": len(scores), "first_frame": first_frame}
    for name, values in columns(scores).items():
        counted = values if name == "next_frame_error" else values[~np.isnan(values)]
        if counted.size:
            summary[name] = {
                "mean": float(counted.mean()),
                "std": float(counted.std()),
                "ci95": confidence_interval(counted),
                "num_clips": len(counted),
                "num_left_out": len(values) - len(counted),
            }
    summary["error_ratio"] = _error_ratio(scores)
    with_masks = [clip for clip in scores if clip.mot is not None]
    for name in REGIONS if with_masks else ():
        summary[name] = mot_ratios([clip.mot[name] for clip in with_masks])
        summary[name]["occlusions"] = retention([clip.occlusions[name] for clip in with_masks])
    summary["per_frame"] = _per_frame(scores, first_frame)
    return summary


def _error_ratio(scores: Sequence[ClipScores]) -> float | None:
    """Over the frames that have one before them, each clip counting the same."""
    means = [
        [errors[~np.isnan(clip.copy_last_errors)].mean() for errors in clip[:2]]
        for clip in scores
        if not np.isnan(clip.copy_last_errors).all()
    ]
    return _ratio(*(float(sum(errors)) for errors in zip(*means, strict=True))) if means else None


def _per_frame(scores: Sequence[ClipScores], first_frame: int) -> dict[str, list[Any]]:
    """Means over the clips that are long enough; None where there is no number."""
    count = max(len(clip.next_frame_errors) for clip in scores)
    curves: dict[str, list[Any]] = {"frame": list(range(first_frame, first_frame + count))}
    for name, field, mean in (
        ("next_frame_error", "next_frame_errors", _plain_mean),
        ("copy_last_error", "copy_last_errors", _mean),
        ("frame_fg_ari", "frame_fg_aris", _mean),
    ):
        arrays = [x for clip in scores if (x := getattr(clip, field)) is not None]
        means = [mean(np.array([x[i] for x in arrays if i < len(x)])) for i in range(count)]
        curves[name] = [m if math.isfinite(m) else None for m in means]
    return curves


def _errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean squared difference of each frame, [F]."""
    return np.square(np.float64(a) - np.float64(b)).mean(axis=(1, 2, 3))


def _plain_mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan


def _mean(values: np.ndarray | None) -> float:
    """Of the values that are numbers; NaN if there is none."""
    return math.nan if values is None else _plain_mean(values[~np.isnan(values)])


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
