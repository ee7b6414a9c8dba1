"""How things move in generated clips: straight on, and back at the borders."""

from typing import NamedTuple

import numpy as np


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
