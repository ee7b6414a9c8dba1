"""How things move in generated clips, and what is told of it in the factors.

Everything moves straight on at a velocity of its own and turns back at the borders. Of things that
overlap the nearer hides the farther; the order is the clip's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

# Kinds of clips: all things are in the image from the start; some come in from outside; one of them
# vanishes behind others and comes out again. With fewer frames than these that takes too long.
MIN_FRAMES = {"within": 2, "entering": 8, "occluded": 12}

HIDDEN = 0.9  # a thing counts as hidden with this part of it behind others
MIN_SHOWN = 0.5  # in a clip of things that come in, this part of everything shows at some time
# What a clip made to test occlusion shows of the thing in question.
MIN_HIDDEN_FRAMES = 3  # on end
MIN_CLEAR_FRAMES = 2  # before and after
CLEAR = 0.75  # part of it that shows in these, at least


class Path(NamedTuple):
    """Where a thing is, and how it goes on, in every frame."""

    positions: np.ndarray  # float64 [F, 2]
    velocities: np.ndarray  # float64 [F, 2], a frame, those with which it leaves each frame


def bounce(start: np.ndarray, velocity: np.ndarray, limit: np.ndarray, num_frames: int) -> Path:
    """A path of constant speed between two borders, reflected at both, in closed form.

    The axes are independent of each other. Who starts outside on the side that the velocity leads
    away from comes in straight, and is held by the borders from then on.

    Args:
      start: `[2]`, the place in frame 0.
      velocity: `[2]`, a frame, in frame 0.
      limit: `[2]`, the borders are 0 and `limit`, which is positive.
      num_frames: F, at least 1.
    """
    start, velocity, limit = (np.asarray(value, np.float64) for value in (start, velocity, limit))
    # Seen from the border that is left behind, so that the way is forwards on both axes.
    mirrored = velocity < 0
    speed = np.abs(velocity)
    way = np.where(mirrored, limit - start, start) + speed * np.arange(num_frames)[:, None]
    phase = np.mod(way, 2 * limit)
    outside = way < 0
    returning = ~outside & (phase >= limit)
    positions = np.where(returning, 2 * limit - phase, np.where(outside, way, phase))
    velocities = np.where(returning, -speed, speed)
    return Path(
        np.where(mirrored, limit - positions, positions),
        np.where(mirrored, -velocities, velocities),
    )


def bounce_through(
    place: np.ndarray, velocity: np.ndarray, limit: np.ndarray, frame: int, num_frames: int
) -> Path:
    """The path that is at `place`, with `velocity`, in the given frame; otherwise as `bounce`."""
    back = bounce(place, -np.asarray(velocity), limit, frame + 1)
    return bounce(back.positions[-1], -back.velocities[-1], limit, num_frames)


def factors(
    paths: Sequence[Path],
    order: Sequence[int],
    label_map: np.ndarray,
    inside: np.ndarray,
    whole: np.ndarray,
) -> dict[str, np.ndarray]:
    """The factors of motion and occlusion, a row an entity, that of the background 0.

    Args:
      paths: of the N things, in pixels.
      order: indices of the things from the farthest to the nearest.
      label_map: `[F, H, W]`, 1 to N in the order of `paths`.
      inside: `[N, F]`, pixels of each thing that lie in the image, hidden ones too.
      whole: `[N]` or `[N, F]`, all pixels of each thing, outside the image too.

    Returns:
      With L = 1 + N: `depth` int32 `[L]`, 1 for what is in front of all; `position` `[L, F, 2]`,
      down and to the right, in pixels; `velocity` `[L, F, 2]`, with which a thing leaves the frame,
      pixels a frame; `shown` `[L, F]`, the part of the whole thing that the frame shows; `hidden`
      int32 `[L, F]`, 1 where half of the thing or more lies in the image and `HIDDEN` of what lies
      in it is behind others. Float32 but for the two.
    """
    count = len(paths)
    pixels = (label_map == np.arange(1, 1 + count)[:, None, None, None]).sum(axis=(2, 3))  # [N, F]
    whole = np.asarray(whole).reshape(count, -1)
    depth = np.zeros(count, np.int32)
    depth[list(order)] = count - np.arange(count)
    hidden = (inside - pixels >= HIDDEN * inside) & (2 * inside >= whole)
    rows = {
        "depth": depth,
        "position": np.stack([path.positions for path in paths]).astype(np.float32),
        "velocity": np.stack([path.velocities for path in paths]).astype(np.float32),
        "shown": (pixels / whole).astype(np.float32),
        "hidden": hidden.astype(np.int32),
    }
    return {name: with_background(row) for name, row in rows.items()}


def window(
    corner: np.ndarray, size: tuple[int, int], side: int
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box lies in a square image, and which part of the box that is, maybe none.

    Args:
      corner: `[2]`, row and column of the box's first pixel, whole numbers.
      size: rows and columns of the box.
      side: of the image.
    """
    ends = np.clip([corner, np.add(corner, size)], 0, side)
    return (
        tuple(slice(*axis) for axis in ends.T.tolist()),
        tuple(slice(*axis) for axis in (ends - corner).T.tolist()),
    )


def with_background(rows: np.ndarray) -> np.ndarray:
    """Rows of things `[N, ...]` below one of zeros for the background, `[1 + N, ...]`."""
    return np.concatenate([np.zeros_like(rows[:1]), rows])


def factor_features(num_entities: int, num_frames: int) -> dict[str, tfds.features.Tensor]:
    """`factors` as TFDS stores them."""
    rows, frames = (num_entities,), (num_entities, num_frames)
    return {
        "depth": tfds.features.Tensor(shape=rows, dtype=np.int32),
        "position": tfds.features.Tensor(shape=(*frames, 2), dtype=np.float32),
        "velocity": tfds.features.Tensor(shape=(*frames, 2), dtype=np.float32),
        "shown": tfds.features.Tensor(shape=frames, dtype=np.float32),
        "hidden": tfds.features.Tensor(shape=frames, dtype=np.int32),
    }


def is_admissible(kind: str, made: dict[str, np.ndarray]) -> bool:
    """Whether a clip is what its kind promises, by its `factors`.

    Of one with things that come in, `MIN_SHOWN` of each shows at some time. In one made to test
    occlusion one thing vanishes and comes out again as the constants above say, and no other is
    ever hidden.
    """
    shown, hidden = made["shown"][1:], made["hidden"][1:] > 0
    if kind != "occluded":
        return bool((shown.max(axis=1) >= MIN_SHOWN).all())
    vanishing = np.flatnonzero(hidden.any(axis=1))
    if len(vanishing) != 1:
        return False
    frames = np.flatnonzero(hidden[vanishing[0]])
    clear = shown[vanishing[0]] >= CLEAR
    return bool(
        len(frames) >= MIN_HIDDEN_FRAMES
        and np.ptp(frames) == len(frames) - 1
        and clear[: frames[0]].sum() >= MIN_CLEAR_FRAMES
        and clear[frames[-1] :].sum() >= MIN_CLEAR_FRAMES
    )
