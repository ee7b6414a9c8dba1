"""Multi-dSprites scenes in pure NumPy: appendix B.2 of the paper.

Several sprites (square, ellipse, heart) of any place, size and rotation lie on one another on a
plain ground. dSprites (Matthey et al., 2017) states position in [0, 1], scale in [0.5, 1] and
orientation in [0, 2 pi], but neither it nor Multi-dSprites says what these are in pixels. Here
positions 0 and 1 are pixels 16 and 48, so that no sprite leaves the image, and at scale 1 each
shape covers about 400 pixels.
"""

import colorsys
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from iodine.datasets.random_streams import below, raw_numbers, uniform

IMAGE_SIZE = 64
SHAPES = {1: "square", 2: "ellipse", 3: "heart"}  # the released ids
SCALES = (0.5, 1.0)
CENTERS = (16.0, 48.0)  # of positions 0 and 1, in pixels from the image's left or upper edge

# In pixels at scale 1, at orientation 0 and around the centroid.
SQUARE_SIDE = 20.0
ELLIPSE_SEMI_AXES = (14.0, 9.0)  # along x, along y
# The heart is a square that stands on a corner, with half a disc on each upper side.
HEART_SIDE = 15.0
HEART_RISE = HEART_SIDE * (3 * math.pi + 4) / (6 * math.sqrt(2) * (math.pi + 4))

_REACH = 15  # no sprite extends further from its centroid
_BOX = 2 * _REACH + 1  # so one of this side holds it, wherever in its middle pixel it is centred
_POINTS = 4  # a pixel's coverage is the fraction of 4 x 4 points in it that the sprite covers
_OFFSETS = ((np.arange(_BOX * _POINTS) + 0.5) / _POINTS).astype(np.float32)


class Style(NamedTuple):
    """What tells the three variants of the data apart.

    `binary` draws white sprites on black, every pixel one or the other. Otherwise sprites have
    saturated colours and smooth edges, and the ground is gray, or coloured if `colored_ground`.
    """

    min_sprites: int
    max_sprites: int
    binary: bool = False
    colored_ground: bool = False


class _Sprite(NamedTuple):
    shape: int
    x: float
    y: float
    scale: float
    orientation: float


def generate_scene(
    seed: int, split: str, index: int, style: Style, num_entities: int
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one scene, a pure function of its arguments.

    The number of sprites, and each sprite's shape, position, scale, orientation and hue are uniform
    and independent. Sprites are drawn in the order of their ids, so of two that overlap the one of
    the larger id is in front. If a sprite is hidden altogether, all but the number of sprites is
    drawn again: every present entity has at least one pixel, so `visibility`, the masks and the
    number of objects agree. Sprites of which little shows do occur.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated scenes.
      index: the scene's number within its split, from 0.
      style: the variant.
      num_entities: L, at least 1 + `style.max_sprites`; further entities are absent.

    Returns:
      `image` uint8 `[64, 64, 3]`; `label_map` uint8 `[64, 64]`: the frontmost sprite that covers
      half of the pixel or more, else 0; `visibility` float32 `[L]`, 1 for the ground and the
      sprites; `factors` of `[L, ...]`: `x` (to the right) and `y` (downwards), the centroid in
      [0, 1]; `scale` in [0.5, 1]; `orientation` in radians, clockwise; `shape`, an id of `SHAPES`;
      `color` float32 `[L, 3]` in multiples of 1/255. The ground has a colour and no other factor;
      absent entities have zeros only.
    """
    numbers = raw_numbers(seed, split, index)
    num_sprites = style.min_sprites + below(style.max_sprites - style.min_sprites + 1, numbers)
    while True:
        sprites = [_random_sprite(numbers) for _ in range(num_sprites)]
        layers = [_coverage(sprite) for sprite in sprites]
        label_map = _label_map(layers)
        if np.bincount(label_map.ravel(), minlength=1 + num_sprites).all():
            break
    palette = _palette(style, num_sprites, numbers)
    image = palette[label_map] if style.binary else _blend(layers, palette)
    return {
        "image": image,
        "label_map": label_map,
        "visibility": (np.arange(num_entities) <= num_sprites).astype(np.float32),
        "factors": _factors(sprites, palette, num_entities),
    }


def _random_sprite(numbers: Iterator[int]) -> _Sprite:
    return _Sprite(
        shape=1 + below(len(SHAPES), numbers),
        x=uniform(0, 1, numbers),
        y=uniform(0, 1, numbers),
        scale=uniform(*SCALES, numbers),
        orientation=uniform(0, 2 * math.pi, numbers),
    )


def _palette(style: Style, num_sprites: int, numbers: Iterator[int]) -> np.ndarray:
    """Colours of the ground and the sprites, uint8 `[1 + num_sprites, 3]`."""
    if style.binary:
        return np.array([(0, 0, 0)] + [(255, 255, 255)] * num_sprites, np.uint8)
    if style.colored_ground:
        ground = colorsys.hsv_to_rgb(*(uniform(0, 1, numbers) for _ in range(3)))
    else:
        ground = (uniform(0, 1, numbers),) * 3
    sprites = [colorsys.hsv_to_rgb(uniform(0, 1, numbers), 1, 1) for _ in range(num_sprites)]
    return np.rint(255 * np.array([ground, *sprites])).astype(np.uint8)


def _coverage(sprite: _Sprite) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where the sprite's box lies in the image, and the covered fraction of its pixels."""
    first, last = CENTERS
    center = first + (last - first) * sprite.y, first + (last - first) * sprite.x
    (top, left), covered = coverage(sprite.shape, sprite.scale, sprite.orientation, center)
    return (slice(top, top + _BOX), slice(left, left + _BOX)), covered


def coverage(
    shape: int, scale: float, orientation: float, center: tuple[float, float]
) -> tuple[tuple[int, int], np.ndarray]:
    """How much of every pixel a sprite covers, in a box that holds it.

    Args:
      shape: an id of `SHAPES`.
      scale: in `SCALES`.
      orientation: in radians, clockwise.
      center: row and column of the centroid, in pixels from the image's upper left corner.

    Returns:
      Row and column of the box's first pixel, and the fractions in [0, 1], float32 `[31, 31]`.
    """
    center_y, center_x = center
    left, top = math.floor(center_x) - _REACH, math.floor(center_y) - _REACH
    x = (_OFFSETS + (left - center_x)) / scale
    y = (_OFFSETS + (top - center_y)) / scale
    cosine, sine = math.cos(orientation), math.sin(orientation)
    along = cosine * x + sine * y[:, np.newaxis]
    across = cosine * y[:, np.newaxis] - sine * x
    inside = _INSIDE[shape](along, across)
    points = inside.reshape(_BOX, _POINTS, _BOX, _POINTS)
    covered = np.count_nonzero(points, axis=(1, 3)) / np.float32(_POINTS**2)
    return (top, left), covered


def _in_square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) <= SQUARE_SIDE / 2


def _in_ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    width, height = ELLIPSE_SEMI_AXES
    return np.square(x / width) + np.square(y / height) <= 1


def _in_heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = np.abs(x), y - HEART_RISE  # y grows downwards
    half_diagonal = HEART_SIDE / math.sqrt(2)
    in_square = x + np.abs(y) <= half_diagonal
    # The disc's centre is the middle of the upper right side.
    from_center = np.square(x - half_diagonal / 2) + np.square(y + half_diagonal / 2)
    return in_square | (from_center <= (HEART_SIDE / 2) ** 2)


_INSIDE = {1: _in_square, 2: _in_ellipse, 3: _in_heart}


def _label_map(layers: list[tuple[tuple[slice, slice], np.ndarray]]) -> np.ndarray:
    label_map = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for entity, (box, coverage) in enumerate(layers, 1):
        label_map[box][coverage >= 0.5] = entity
    return label_map


def _blend(layers: list[tuple[tuple[slice, slice], np.ndarray]], palette: np.ndarray) -> np.ndarray:
    """The layers one over the other, each as opaque as it covers the pixel."""
    image = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    image[:] = palette[0]
    for color, (box, coverage) in zip(palette[1:].astype(np.float32), layers, strict=True):
        image[box] += coverage[..., np.newaxis] * (color - image[box])
    return np.rint(image).astype(np.uint8)


def _factors(
    sprites: list[_Sprite], palette: np.ndarray, num_entities: int
) -> dict[str, np.ndarray]:
    present = slice(1, 1 + len(sprites))
    factors = {}
    for name in _Sprite._fields:
        factors[name] = np.zeros(num_entities, np.int32 if name == "shape" else np.float32)
        factors[name][present] = [getattr(sprite, name) for sprite in sprites]
    color = np.zeros((num_entities, 3), np.float32)
    color[: len(palette)] = palette / np.float32(255)
    return {**factors, "color": color}
