"""Clips of moving Tetrominoes, in pure NumPy: ours, for models of sequences.

Three pieces of three colours, bevelled as the published ones are, each move at a velocity of their
own of whole pixels a frame, turn back at the borders of the image and pass over and under each
other in an order that the clip keeps. Without late pieces, frame 0 is a scene as in the published
data: three pieces that may touch and do not overlap.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from iodine.datasets import motion
from iodine.datasets.random_streams import below, raw_numbers, shuffled
from iodine.datasets.tetromino_generator import (
    BEVEL,
    COLORS,
    NUM_PIECES,
    SHAPES,
    piece_levels,
)

IMAGE_SIZE = 35
NUM_FRAMES = 12
MAX_SPEED = 2  # pixels a frame, along each axis
HIDDEN = 0.9  # a piece counts as hidden with this part of it behind others

_BLOCK = len(BEVEL)
_PIXELS = 4 * _BLOCK**2  # of a whole piece
_MIN_SHOWN = 0.5  # part of every piece that shows in some frame


class Piece(NamedTuple):
    """A piece and its way; positions are row and column of its bounding box's corner."""

    shape: int  # an id of `SHAPES`
    color: tuple[int, int, int]  # of `COLORS`
    path: motion.Path


def generate_clip(
    seed: int, split: str, index: int, num_frames: int = NUM_FRAMES, late: bool = False
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one clip, a pure function of its arguments.

    Shapes are uniform, colours uniform among those that differ, velocities uniform among all whole
    numbers up to `MAX_SPEED` along each axis that are not both 0. Frame 0 is drawn again until no
    two pieces overlap.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated clips.
      index: the clip's number within its split, from 0.
      num_frames: F, at least 2. The first frames of a longer clip are those of the shorter one,
        unless pieces are late.
      late: whether one or two of the pieces, as often, come in from outside the image, first seen
        in any frame from 1 to half of F. Clips are drawn again until half of every piece or more
        shows in some frame.

    Returns:
      With L = 4: `image` uint8 `[F, 35, 35, 3]`; `label_map` uint8 `[F, 35, 35]`, the piece that is
      in front; `visibility` float32 `[L]`, all 1; `factors` as the function of that name says.
    """
    numbers = raw_numbers(seed, split, index)
    while True:
        pieces = _pieces(num_frames, late, numbers)
        order = shuffled(range(NUM_PIECES), numbers)
        image, label_map, inside = draw(pieces, order, num_frames)
        made = factors(pieces, order, label_map, inside)
        if (made["shown"][1:].max(axis=1) >= _MIN_SHOWN).all():
            return {
                "image": image,
                "label_map": label_map,
                "visibility": np.ones(1 + NUM_PIECES, np.float32),
                "factors": made,
            }


def draw(
    pieces: list[Piece], order: list[int], num_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws N pieces over each other.

    Args:
      pieces: whole positions; what lies outside the image is cut off.
      order: the indices of `pieces` from the farthest to the nearest.
      num_frames: F.

    Returns:
      The image, uint8 `[F, H, W, 3]`; the label map, uint8 `[F, H, W]`, 1 to N in the order of
      `pieces`; how many pixels of each piece lie in the image, hidden ones too, `[N, F]`.
    """
    side = IMAGE_SIZE
    image = np.zeros((num_frames, side, side, 3), np.uint8)
    label_map = np.zeros((num_frames, side, side), np.uint8)
    inside = np.zeros((len(pieces), num_frames), np.int64)
    for number in order:
        levels = piece_levels(pieces[number].shape, _BLOCK)
        channels = np.asarray(pieces[number].color) > 0
        for frame, (row, column) in enumerate(pieces[number].path.positions.astype(int)):
            bottom, right = row + levels.shape[0], column + levels.shape[1]
            rows, columns = (
                slice(*np.clip(ends, 0, side)) for ends in ((row, bottom), (column, right))
            )
            part = levels[
                rows.start - row : rows.stop - row, columns.start - column : columns.stop - column
            ]
            mask = part > 0
            label_map[frame, rows, columns][mask] = 1 + number
            image[frame, rows, columns][mask] = part[mask][:, None] * channels
            inside[number, frame] = np.count_nonzero(mask)
    return image, label_map, inside


def factors(
    pieces: list[Piece], order: list[int], label_map: np.ndarray, inside: np.ndarray
) -> dict[str, np.ndarray]:
    """What was drawn, a row an entity, that of the background 0.

    Of `[L, ...]`: `shape` int32, an id of `SHAPES`; `color` `[L, 3]` in {0, 1}; `depth` int32, 1
    for the piece in front of all; `position` `[L, F, 2]`, row and column of the bounding box, in
    pixels; `velocity` `[L, F, 2]`, with which a piece leaves the frame, pixels a frame; `shown`
    `[L, F]`, the part of the whole piece that the frame shows; `hidden` int32 `[L, F]`, 1 where
    half of the piece or more is in the image and `HIDDEN` of that is behind other pieces. All
    others float32.
    """
    ids = 1 + np.arange(len(pieces))
    pixels = np.stack([(label_map == entity).sum(axis=(1, 2)) for entity in ids])  # [N, F]
    depth = np.zeros(len(pieces), np.int32)
    depth[order] = len(pieces) - np.arange(len(pieces))
    covered = inside - pixels >= HIDDEN * inside
    rows = {
        "shape": np.array([piece.shape for piece in pieces], np.int32),
        "color": np.array([piece.color for piece in pieces], np.float32) / 255,
        "depth": depth,
        "position": np.stack([piece.path.positions for piece in pieces]).astype(np.float32),
        "velocity": np.stack([piece.path.velocities for piece in pieces]).astype(np.float32),
        "shown": (pixels / _PIXELS).astype(np.float32),
        "hidden": (covered & (2 * inside >= _PIXELS)).astype(np.int32),
    }
    return {name: np.concatenate([0 * row[:1], row]) for name, row in rows.items()}


def factor_features(num_frames: int) -> dict[str, tfds.features.Tensor]:
    """The factors as TFDS stores them."""
    entities = 1 + NUM_PIECES
    floats = {
        "color": (entities, 3),
        "position": (entities, num_frames, 2),
        "velocity": (entities, num_frames, 2),
        "shown": (entities, num_frames),
    }
    integers = {"shape": (entities,), "depth": (entities,), "hidden": (entities, num_frames)}
    return {
        name: tfds.features.Tensor(shape=shape, dtype=dtype)
        for shapes, dtype in ((floats, np.float32), (integers, np.int32))
        for name, shape in shapes.items()
    }


def _pieces(num_frames: int, late: bool, numbers: Iterator[int]) -> list[Piece]:
    """Pieces of which those that are there in frame 0 do not overlap in it."""
    shape_ids = [1 + below(len(SHAPES), numbers) for _ in range(NUM_PIECES)]
    colors = shuffled(list(COLORS.values()), numbers)[:NUM_PIECES]
    num_late = 1 + below(NUM_PIECES - 1, numbers) if late else 0
    which = shuffled(range(NUM_PIECES), numbers)[:num_late]
    while True:
        pieces = []
        for number, (shape_id, color) in enumerate(zip(shape_ids, colors, strict=True)):
            first = 1 + below(max(1, num_frames // 2), numbers) if number in which else 0
            path = _path(shape_id, first, num_frames, numbers)
            pieces.append(Piece(shape_id, color, path))
        first_frame = [piece._replace(path=_first_of(piece.path)) for piece in pieces]
        _, label_map, inside = draw(first_frame, range(NUM_PIECES), 1)
        if np.count_nonzero(label_map) == inside.sum():
            return pieces


def _path(shape_id: int, first: int, num_frames: int, numbers: Iterator[int]) -> motion.Path:
    """A way that begins in the image, or, if `first` is not 0, comes into view in that frame."""
    extent = np.array(piece_levels(shape_id, _BLOCK).shape)
    limit = IMAGE_SIZE - extent
    start = np.array([below(int(size) + 1, numbers) for size in limit])
    velocity = np.zeros(2, int)
    while not velocity.any():
        velocity = np.array([below(2 * MAX_SPEED + 1, numbers) - MAX_SPEED for _ in range(2)])
    if first:
        axis, away = below(2, numbers), below(2, numbers)
        speed = 1 + below(MAX_SPEED, numbers)
        before = extent[axis] + speed * (first - 1)  # outside by so much in frame 0
        start[axis] = limit[axis] + before if away else -before
        velocity[axis] = -speed if away else speed
    return motion.bounce(start, velocity, limit, num_frames)


def _first_of(path: motion.Path) -> motion.Path:
    return motion.Path(path.positions[:1], path.velocities[:1])
