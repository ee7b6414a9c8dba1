"""How well slots follow objects through a clip, in NumPy.

All functions take one clip: true masks one-hot [F, L, H, W], entity 0 the background, a pixel whose
column is all zero not counted; and `labels` [F, H, W], the slot of the largest predicted mask. The
frames of both are the same. The numbers of slots and entities mean the same in all frames.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from iodine.evaluation import ari
from iodine.evaluation.matching import intersection_over_union

MIN_PIXELS = 5  # an object or segment counts in the frames where it has more
MATCHED = 0.5  # least intersection over union of an object and its segment
BACKGROUND = 0.2  # a segment with more of it in common with the background is no object's
MOSTLY = 0.8  # least share of its frames in which an object is "mostly" tracked or detected
_FORBIDDEN = 1e3  # more than all costs of allowed pairs, which are at most 0.5, together


class Overlap(NamedTuple):
    """Objects, without the background, and segments in each frame; see `overlap`."""

    iou: np.ndarray  # float64 [F, L - 1, K]
    objects: np.ndarray  # bool [F, L - 1], those that count
    segments: np.ndarray  # bool [F, K], those that count

    @property
    def matches(self) -> np.ndarray:
        """Bool [F, L - 1, K], which could be a pair."""
        counts = self.objects[:, :, np.newaxis] & self.segments[:, np.newaxis]
        return counts & (self.iou >= MATCHED)


class MotCounts(NamedTuple):
    """CLEAR MOT (Bernardin & Stiefelhagen, 2008) of one clip or the sum over several."""

    object_frames: int  # objects that count, summed over frames
    matches: int  # with a segment, and not with another slot than the last time
    switches: int  # with a segment of another slot than the last time
    misses: int  # object_frames = matches + switches + misses
    false_positives: int  # segments without an object
    iou_sum: float  # over matches and switches
    objects: int  # that count in any frame
    mostly_tracked: int  # objects with matches in 80 % of their frames
    mostly_detected: int  # the same, switches counted too


class Occlusions(NamedTuple):
    """What became of the slots of objects that were hidden, in numbers of cases."""

    kept: int  # the slot that owned the object before owns it afterwards
    moved: int  # another one does
    lost: int  # none does
    not_owned: int  # no slot owned the object before; not among the cases


def clip_foreground_ari(true_masks: np.ndarray, labels: np.ndarray, num_slots: int) -> float:
    """Foreground ARI of the clip as a whole: one contingency table over all frames.

    An object that goes from slot to slot counts as split. NaN for a clip without foreground.
    """
    as_one_image = np.moveaxis(true_masks, 1, 0)  # [L, F, H, W]
    as_one_image = as_one_image.reshape(1, len(as_one_image), -1, labels.shape[-1])
    flat = labels.reshape(1, -1, labels.shape[-1])  # [1, F H, W]
    return float(ari.adjusted_rand_index(as_one_image, flat, num_slots, foreground_only=True)[0])


def frame_foreground_ari(true_masks: np.ndarray, labels: np.ndarray, num_slots: int) -> np.ndarray:
    """Foreground ARI of each frame by itself, [F]; NaN for a frame without foreground."""
    return ari.adjusted_rand_index(true_masks, labels, num_slots, foreground_only=True)


def overlap(
    true_masks: np.ndarray, labels: np.ndarray, num_slots: int, foreground_only: bool = False
) -> Overlap:
    """Which objects and segments count in each frame, and how much they overlap.

    Objects and segments count with more than `MIN_PIXELS` pixels. Segments of the background do not
    count: these are the ones whose intersection over union with the true background is above
    `BACKGROUND`. (A model that divides the background among all slots has no other segments.)

    Args:
        true_masks: see above.
        labels: see above.
        num_slots: K.
        foreground_only: count the pixels of true objects only, as the foreground ARI does. Then the
            background, and what a segment holds of it, plays no part.
    """
    shared = ari.contingency(true_masks, labels, num_slots)  # [F, L, K]
    if foreground_only:
        shared[:, 0] = 0
    iou = intersection_over_union(shared)
    is_background = iou[:, 0] > BACKGROUND
    return Overlap(
        iou=iou[:, 1:],
        objects=shared.sum(axis=2)[:, 1:] > MIN_PIXELS,
        segments=(shared.sum(axis=1) > MIN_PIXELS) & ~is_background,
    )


def clear_mot(clip: Overlap) -> MotCounts:
    """Follows the objects of a clip by the segments that overlap them.

    In each frame an object keeps its slot of the last time if the two overlap by `MATCHED` or more;
    the others are matched one to one so that as many as possible have a segment, and of these ways
    by the largest sum of overlaps. An object is remembered while it has no segment or is hidden.
    """
    last_slots = np.full(clip.iou.shape[1], -1)
    matches, switches = (np.zeros(len(last_slots), np.int64) for _ in range(2))
    iou_sum, false_positives = 0.0, 0
    for iou, allowed, segments in zip(clip.iou, clip.matches, clip.segments, strict=True):
        slots = _match(iou, allowed, last_slots)
        is_found = slots >= 0
        is_switch = is_found & (last_slots >= 0) & (slots != last_slots)
        switches += is_switch
        matches += is_found & ~is_switch
        iou_sum += iou[is_found, slots[is_found]].sum()
        false_positives += segments.sum() - is_found.sum()
        last_slots = np.where(is_found, slots, last_slots)
    frames = clip.objects.sum(axis=0)  # [L - 1]
    is_there, mostly = frames > 0, MOSTLY * frames
    return MotCounts(
        object_frames=int(frames.sum()),
        matches=int(matches.sum()),
        switches=int(switches.sum()),
        misses=int((frames - matches - switches).sum()),
        false_positives=int(false_positives),
        iou_sum=float(iou_sum),
        objects=int(is_there.sum()),
        mostly_tracked=int((is_there & (matches >= mostly)).sum()),
        mostly_detected=int((is_there & (matches + switches >= mostly)).sum()),
    )


def occlusions(clip: Overlap, hidden: np.ndarray) -> Occlusions:
    """Whether objects have the slot of before after they were hidden.

    A slot owns an object in a frame if the two overlap by `MATCHED` or more. A case is an object
    that is seen, hidden for a frame or more, and seen again. Its slot before is the last one that
    owned it since it was seen first, or hidden the last time; its slot after is the first one that
    owns it until it is hidden again, or the clip ends. So neither the frames in which only a corner
    shows count, nor those that a model needs to notice the object.

    Args:
        clip: of the frames.
        hidden: bool [L, F], true where an entity, row 0 the background, cannot be seen.
    """
    outcomes = dict.fromkeys(Occlusions._fields, 0)
    owned = clip.matches
    owners = np.where(owned.any(axis=2), np.where(owned, clip.iou, 0).argmax(axis=2), -1)
    for of_object, is_hidden in zip(owners.T, np.asarray(hidden, bool)[1:], strict=True):
        stretches = [  # the owners while the object is seen
            [of_object[f] for f in frames if of_object[f] >= 0]
            for gap, frames in itertools.groupby(range(len(of_object)), is_hidden.__getitem__)
            if not gap
        ]
        for before, after in itertools.pairwise(stretches):
            outcomes[_outcome(before, after)] += 1
    return Occlusions(**outcomes)


def hidden_in(true_masks: np.ndarray) -> np.ndarray:
    """Bool [L, F], true where an entity has no pixel: behind others, or out of the picture."""
    return ~true_masks.any(axis=(2, 3)).T


def _match(iou: np.ndarray, allowed: np.ndarray, last_slots: np.ndarray) -> np.ndarray:
    """The slot of each object in a frame, or -1: [L - 1] of overlaps [L - 1, K]."""
    slots, allowed = np.full(len(iou), -1), allowed.copy()
    for entity in np.flatnonzero(last_slots >= 0):
        slot = last_slots[entity]
        if allowed[entity, slot]:
            slots[entity] = slot
            allowed[entity] = allowed[:, slot] = False
    pairs = linear_sum_assignment(np.where(allowed, 1 - iou, _FORBIDDEN))
    for entity, slot in zip(*pairs, strict=True):
        if allowed[entity, slot]:
            slots[entity] = slot
    return slots


def _outcome(before: list[int], after: list[int]) -> str:
    if not before:
        return "not_owned"
    if not after:
        return "lost"
    return "kept" if before[-1] == after[0] else "moved"
