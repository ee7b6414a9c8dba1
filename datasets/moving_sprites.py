"""Clips of moving sprites, in pure NumPy: Multi-dSprites in motion, ours, for models of sequences.

Squares, ellipses and hearts of saturated colours on plain gray, as in `multi_dsprites_generator`,
each at a velocity of its own. They keep size and orientation, turn back where they touch a border
of the image and pass over and under each other in an order that the clip keeps.
"""

import colorsys
import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from iodine.datasets import motion
from iodine.datasets.multi_dsprites_generator import IMAGE_SIZE, SCALES, SHAPES, coverage
from iodine.datasets.random_streams import below, raw_numbers, shuffled, uniform

NUM_FRAMES = 12
MIN_SPRITES, MAX_SPRITES = 2, 4
MIN_SPEED, MAX_SPEED = 0.5, 3.0  # pixels a frame
# Scales, out of `SCALES`, of the sprite that vanishes and of the one that hides it.
SMALL, LARGE = (0.5, 0.6), (0.9, 1.0)

_MIN_COVERAGE = 0.5  # from which on a pixel is the sprite's
_FAR = 4.0  # pixels between the centres of the two in the frame in which the one is hidden, at most


class Sprite(NamedTuple):
    """A sprite and its way; positions are row and column of its centroid, in pixels."""

    shape: int  # an id of `SHAPES`
    scale: float
    orientation: float
    path: motion.Path


def generate_clip(
    seed: int, split: str, index: int, num_frames: int = NUM_FRAMES, kind: str = "within"
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one clip, a pure function of its arguments.

    The number of sprites, shape, scale, orientation and hue of each and the gray of the ground are
    uniform as in the still data; places are uniform among those where a sprite is inside the image,
    directions and speeds uniform, depths uniform among all orders. Clips are drawn until
    `motion.is_admissible`.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated clips.
      index: the clip's number within its split, from 0.
      num_frames: F, at least `motion.MIN_FRAMES` of the kind.
      kind: out of `motion.MIN_FRAMES`. "entering": one to all but one of the sprites come in from
        outside, first seen in any frame from 1 to half of the clip. "occluded": a small sprite
        passes behind a large one.

    Returns:
      With L = 5: `image` uint8 `[F, 64, 64, 3]`; `label_map` uint8 `[F, 64, 64]`, the frontmost
      sprite that covers half of the pixel or more, else 0; `visibility` float32 `[L]`, 0 for
      sprites that are not there; `factors`, 0 for these: those of `motion.factors`, the positions
      being of the centroid; `shape` int32 `[L]`, an id of `SHAPES`; `scale` and `orientation`
      float32 `[L]`; `color` float32 `[L, 3]` in multiples of 1/255, also of the ground.
    """
    numbers = raw_numbers(seed, split, index)
    count = MIN_SPRITES + below(MAX_SPRITES - MIN_SPRITES + 1, numbers)
    while True:
        sprites, order = _DRAW[kind](count, num_frames, numbers)
        layers = [_layers(sprite) for sprite in sprites]
        label_map = _label_map(layers, order, num_frames)
        paths = [sprite.path for sprite in sprites]
        made = motion.factors(paths, order, label_map, *_pixels(layers))
        if motion.is_admissible(kind, made):
            break
    palette = _palette(count, numbers)
    made |= {
        "shape": motion.with_background(np.array([s.shape for s in sprites], np.int32)),
        "scale": motion.with_background(np.array([s.scale for s in sprites], np.float32)),
        "orientation": motion.with_background(
            np.array([s.orientation for s in sprites], np.float32)
        ),
        "color": palette / np.float32(255),
    }
    absent = MAX_SPRITES - count
    return {
        "image": _blend(layers, order, palette, num_frames),
        "label_map": label_map,
        "visibility": np.repeat(np.float32([1, 0]), [1 + count, absent]),
        "factors": {
            name: np.concatenate([rows, np.zeros((absent, *rows.shape[1:]), rows.dtype)])
            for name, rows in made.items()
        },
    }


def factor_features(num_frames: int) -> dict[str, tfds.features.Tensor]:
    """The factors as TFDS stores them."""
    entities = 1 + MAX_SPRITES
    return {
        **motion.factor_features(entities, num_frames),
        "shape": tfds.features.Tensor(shape=(entities,), dtype=np.int32),
        "scale": tfds.features.Tensor(shape=(entities,), dtype=np.float32),
        "orientation": tfds.features.Tensor(shape=(entities,), dtype=np.float32),
        "color": tfds.features.Tensor(shape=(entities, 3), dtype=np.float32),
    }


# Of a sprite in a frame: where its box lies in the image, how much of each pixel there it covers,
# and how many pixels are its own in all, also outside the image.
_Layer = tuple[tuple[slice, ...], np.ndarray, int]


def _layers(sprite: Sprite) -> list[_Layer]:
    layers = []
    for center in sprite.path.positions.tolist():
        corner, covered = coverage(sprite.shape, sprite.scale, sprite.orientation, center)
        window, part = motion.window(np.array(corner), covered.shape, IMAGE_SIZE)
        whole = np.count_nonzero(covered >= _MIN_COVERAGE)
        layers.append((window, covered[part], whole))
    return layers


def _pixels(layers: Sequence[Sequence[_Layer]]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each sprite that lie in the image, and all that it has, each `[N, F]`."""
    inside = [[np.count_nonzero(covered >= _MIN_COVERAGE) for _, covered, _ in s] for s in layers]
    return np.array(inside), np.array([[whole for _, _, whole in sprite] for sprite in layers])


def _label_map(layers: Sequence[Sequence[_Layer]], order: Sequence[int], num_frames: int):
    label_map = np.zeros((num_frames, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for number in order:
        for frame, (window, covered, _) in zip(label_map, layers[number], strict=True):
            frame[window][covered >= _MIN_COVERAGE] = 1 + number
    return label_map


def _blend(
    layers: Sequence[Sequence[_Layer]], order: Sequence[int], palette: np.ndarray, num_frames: int
) -> np.ndarray:
    """The sprites one over the other, each as opaque as it covers the pixel."""
    image = np.empty((num_frames, IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    image[:] = palette[0]
    for number in order:
        color = palette[1 + number].astype(np.float32)
        for frame, (window, covered, _) in zip(image, layers[number], strict=True):
            frame[window] += covered[..., np.newaxis] * (color - frame[window])
    return np.rint(image).astype(np.uint8)


def _palette(count: int, numbers: Iterator[int]) -> np.ndarray:
    """Colours of the ground and the sprites, uint8 `[1 + count, 3]`."""
    ground = (uniform(0, 1, numbers),) * 3
    sprites = [colorsys.hsv_to_rgb(uniform(0, 1, numbers), 1, 1) for _ in range(count)]
    return np.rint(255 * np.array([ground, *sprites])).astype(np.uint8)


def _within(count: int, num_frames: int, numbers: Iterator[int], num_late: int = 0):
    """Sprites, so many of which are late, and their order."""
    late = shuffled(range(count), numbers)[:num_late]
    sprites = []
    for number in range(count):
        look = _look(SCALES, numbers)
        low, high = _borders(*look)
        start = np.array([uniform(0, limit, numbers) for limit in high - low])
        velocity = _velocity(numbers)
        if number in late:
            _put_outside(start, velocity, low, high, num_frames, numbers)
        sprites.append(_moving(look, motion.bounce(start, velocity, high - low, num_frames)))
    return sprites, shuffled(range(count), numbers)


def _entering(count: int, num_frames: int, numbers: Iterator[int]):
    return _within(count, num_frames, numbers, num_late=1 + below(count - 1, numbers))


def _put_outside(start, velocity, low, high, num_frames: int, numbers: Iterator[int]) -> None:
    """Changes a start and a velocity to those of a sprite that comes in over any of the borders.

    It touches the border from outside in the frame before the one in which it is first seen.
    """
    axis, from_end = below(2, numbers), below(2, numbers)
    speed = uniform(MIN_SPEED, MAX_SPEED, numbers)
    first = 1 + below(max(1, num_frames // 2), numbers)
    extent = low[axis] + IMAGE_SIZE - high[axis]
    ahead = extent + speed * (first - 1)
    start[axis] = (high - low)[axis] + ahead if from_end else -ahead
    velocity[axis] = -speed if from_end else speed


def _occluded(count: int, num_frames: int, numbers: Iterator[int]):
    """Any sprites, a small one of which is behind a large one in a middle frame."""
    sprites, order = _within(count, num_frames, numbers)
    frame = num_frames // 3 + below(num_frames // 3, numbers)
    hidden, hiding = sorted(range(2), key=order.index)  # the nearer of two hides the other
    small, large = _look(SMALL, numbers), _look(LARGE, numbers)
    (low, high), (low_behind, high_behind) = _borders(*large), _borders(*small)
    place = np.array([uniform(*ends, numbers) for ends in zip(low, high, strict=True)])
    behind = place + [uniform(-_FAR, _FAR, numbers) for _ in range(2)]
    behind = np.clip(behind, low_behind, high_behind)
    for number, look, center in ((hiding, large, place), (hidden, small, behind)):
        first, last = _borders(*look)
        path = motion.bounce_through(
            center - first, _velocity(numbers), last - first, frame, num_frames
        )
        sprites[number] = _moving(look, path)
    return sprites, order


def _moving(look: tuple[int, float, float], path: motion.Path) -> Sprite:
    """A sprite whose path was counted from the first place that the borders leave it."""
    low, _ = _borders(*look)
    return Sprite(*look, motion.Path(path.positions + low, path.velocities))


def _look(scales: tuple[float, float], numbers: Iterator[int]) -> tuple[int, float, float]:
    """Shape, scale and orientation."""
    shape = 1 + below(len(SHAPES), numbers)
    return shape, uniform(*scales, numbers), uniform(0, 2 * math.pi, numbers)


@functools.lru_cache(maxsize=64)
def _borders(shape: int, scale: float, orientation: float) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last row and column of a centroid whose sprite is in the image, `[2]` each.

    To a pixel: a sprite that touches a border covers a part of the outermost pixels.
    """
    middle = IMAGE_SIZE // 2
    corner, covered = coverage(shape, scale, orientation, (middle, middle))
    pixels = np.argwhere(covered) + corner
    before, after = middle - pixels.min(axis=0), pixels.max(axis=0) + 1 - middle
    return before.astype(float), (IMAGE_SIZE - after).astype(float)


def _velocity(numbers: Iterator[int]) -> np.ndarray:
    speed, angle = uniform(MIN_SPEED, MAX_SPEED, numbers), uniform(0, 2 * math.pi, numbers)
    return speed * np.array([math.sin(angle), math.cos(angle)])


_DRAW = {"within": _within, "entering": _entering, "occluded": _occluded}
