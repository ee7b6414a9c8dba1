"""Clips of moving Tetrominoes, in pure NumPy: ours, for models of sequences.

Three pieces of three colours, bevelled as the published ones are, each move at a velocity of their
own of whole pixels a frame, turn back at the borders of the image and pass over and under each
other in an order that the clip keeps. Without late pieces, frame 0 is a scene as in the published
data: three pieces that may touch and do not overlap.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from iodine.datasets import ambiguous_tetrominoes, motion
from iodine.datasets.random_streams import below, raw_numbers, shuffled
from iodine.datasets.tetromino_generator import BEVEL, COLORS, NUM_PIECES, SHAPES, piece_levels

IMAGE_SIZE = 35
NUM_FRAMES = 12
MAX_SPEED = 2  # pixels a frame, along each axis
OCCLUDER = 2, 4  # blocks that the two pieces fill that a third one vanishes behind, or upright

_BLOCK = len(BEVEL)
_PIXELS = 4 * _BLOCK**2  # of a whole piece


class Piece(NamedTuple):
    """A piece and its way; positions are row and column of its bounding box's corner."""

    shape: int  # an id of `SHAPES`
    color: tuple[int, int, int]  # of `COLORS`
    path: motion.Path


def generate_clip(
    seed: int, split: str, index: int, num_frames: int = NUM_FRAMES, kind: str = "within"
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one clip, a pure function of its arguments.

    Shapes are uniform, colours uniform among those that differ, velocities uniform among all whole
    numbers up to `MAX_SPEED` along each axis that are not both 0, depths uniform among all orders.

    Of kind "within", frame 0 is drawn again until no two pieces overlap; the first frames of a long
    clip are those of the short one. "entering": one or two pieces, as often, come in from outside
    the image, first seen in any frame from 1 to half of the clip. "occluded": two pieces fill a
    rectangle of 4 x 2 or 2 x 4 blocks and move as one while no border turns them; the third passes
    behind them. Clips of these two are drawn until `motion.is_admissible`.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated clips.
      index: the clip's number within its split, from 0.
      num_frames: F, at least `motion.MIN_FRAMES` of the kind.
      kind: out of `motion.MIN_FRAMES`.

    Returns:
      With L = 4: `image` uint8 `[F, 35, 35, 3]`; `label_map` uint8 `[F, 35, 35]`, the piece that is
      in front; `visibility` float32 `[L]`, all 1; `factors`: those of `motion.factors`, the
      positions being row and column of the bounding box, `shape` int32 `[L]`, an id of `SHAPES`,
      `color` float32 `[L, 3]` in {0, 1}.
    """
    numbers = raw_numbers(seed, split, index)
    while True:
        pieces, order = _DRAW[kind](num_frames, numbers)
        image, label_map, inside = draw(pieces, order, num_frames)
        paths = [piece.path for piece in pieces]
        made = motion.factors(paths, order, label_map, inside, [_PIXELS] * NUM_PIECES)
        if motion.is_admissible(kind, made):
            break
    shapes = np.array([piece.shape for piece in pieces], np.int32)
    colors = np.array([piece.color for piece in pieces], np.float32) / 255
    return {
        "image": image,
        "label_map": label_map,
        "visibility": np.ones(1 + NUM_PIECES, np.float32),
        "factors": {
            **made,
            "shape": motion.with_background(shapes),
            "color": motion.with_background(colors),
        },
    }


def factor_features(num_frames: int) -> dict[str, tfds.features.Tensor]:
    """The factors as TFDS stores them."""
    entities = 1 + NUM_PIECES
    return {
        **motion.factor_features(entities, num_frames),
        "shape": tfds.features.Tensor(shape=(entities,), dtype=np.int32),
        "color": tfds.features.Tensor(shape=(entities, 3), dtype=np.float32),
    }


def draw(
    pieces: Sequence[Piece], order: Sequence[int], num_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws N pieces over each other; what lies outside the image is cut off.

    Args:
      pieces: their positions are whole numbers.
      order: the indices of `pieces` from the farthest to the nearest.
      num_frames: F, at most those of the paths.

    Returns:
      The image, uint8 `[F, H, W, 3]`; the label map, uint8 `[F, H, W]`, 1 to N in the order of
      `pieces`; how many pixels of each piece lie in the image, hidden ones too, `[N, F]`.
    """
    image = np.zeros((num_frames, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    label_map = np.zeros((num_frames, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    inside = np.zeros((len(pieces), num_frames), np.int64)
    for number in order:
        levels = piece_levels(pieces[number].shape, _BLOCK)
        channels = np.asarray(pieces[number].color) > 0
        for frame, corner in enumerate(pieces[number].path.positions[:num_frames].astype(int)):
            window, part_shown = motion.window(corner, levels.shape, IMAGE_SIZE)
            part = levels[part_shown]
            mask = part > 0
            label_map[frame][window][mask] = 1 + number
            image[frame][window][mask] = part[mask][:, None] * channels
            inside[number, frame] = np.count_nonzero(mask)
    return image, label_map, inside


def _within(num_frames: int, numbers: Iterator[int], num_late: int = 0):
    """Pieces, of which those that are there in frame 0 do not overlap in it, and their order."""
    shape_ids = [1 + below(len(SHAPES), numbers) for _ in range(NUM_PIECES)]
    colors = _colors(numbers)
    late = shuffled(range(NUM_PIECES), numbers)[:num_late]
    while True:
        pieces = []
        for number, (shape_id, color) in enumerate(zip(shape_ids, colors, strict=True)):
            start = [below(int(limit) + 1, numbers) for limit in _limit(shape_id)]
            velocity = _velocity(numbers)
            if number in late:
                _put_outside(start, velocity, shape_id, num_frames, numbers)
            path = motion.bounce(start, velocity, _limit(shape_id), num_frames)
            pieces.append(Piece(shape_id, color, path))
        _, label_map, inside = draw(pieces, range(NUM_PIECES), 1)
        if np.count_nonzero(label_map) == inside.sum():
            return pieces, shuffled(range(NUM_PIECES), numbers)


def _entering(num_frames: int, numbers: Iterator[int]):
    return _within(num_frames, numbers, num_late=1 + below(NUM_PIECES - 1, numbers))


def _put_outside(start, velocity, shape_id: int, num_frames: int, numbers: Iterator[int]) -> None:
    """Changes a start and a velocity to those of a piece that comes in over any of the borders."""
    axis, from_end = below(2, numbers), below(2, numbers)
    speed = 1 + below(MAX_SPEED, numbers)
    first = 1 + below(max(1, num_frames // 2), numbers)
    ahead = piece_levels(shape_id, _BLOCK).shape[axis] + speed * (first - 1)
    start[axis] = _limit(shape_id)[axis] + ahead if from_end else -ahead
    velocity[axis] = -speed if from_end else speed


def _occluded(num_frames: int, numbers: Iterator[int]):
    """Two pieces that move as one in front of a third, which is behind them in a middle frame."""
    blocks = OCCLUDER if below(2, numbers) else OCCLUDER[::-1]
    readings = _rectangle_readings(*blocks)
    reading = readings[below(len(readings), numbers)]
    fitting = [shape_id for shape_id in SHAPES if (_free(shape_id, blocks) >= 0).all()]
    shape_id = fitting[below(len(fitting), numbers)]
    frame = num_frames // 3 + below(num_frames // 3, numbers)
    corner = np.array([below(IMAGE_SIZE - _BLOCK * size + 1, numbers) for size in blocks])
    behind = corner + [below(int(free) + 1, numbers) for free in _free(shape_id, blocks)]
    velocity = _velocity(numbers)
    placed = [(shape_id, behind, _velocity(numbers))]
    placed += [(piece[0], corner + _BLOCK * np.array(piece[1:]), velocity) for piece in reading]
    pieces = [
        Piece(each, color, motion.bounce_through(place, speed, _limit(each), frame, num_frames))
        for color, (each, place, speed) in zip(_colors(numbers), placed, strict=True)
    ]
    numbering = shuffled(range(NUM_PIECES), numbers)
    front = shuffled([numbering.index(1), numbering.index(2)], numbers)
    return [pieces[number] for number in numbering], [numbering.index(0), *front]


def _rectangle_readings(height: int, width: int) -> list[ambiguous_tetrominoes.Reading]:
    """All ways to fill a rectangle with pieces."""
    return ambiguous_tetrominoes.tilings(ambiguous_tetrominoes.rectangle(height, width))


def _free(shape_id: int, blocks: tuple[int, int]) -> np.ndarray:
    """By how many pixels a rectangle of blocks is larger than the piece, `[2]`."""
    return _BLOCK * np.array(blocks) - piece_levels(shape_id, _BLOCK).shape


def _limit(shape_id: int) -> np.ndarray:
    """The greatest row and column of a corner in the image, `[2]`."""
    return IMAGE_SIZE - np.array(piece_levels(shape_id, _BLOCK).shape)


def _colors(numbers: Iterator[int]) -> list[tuple[int, int, int]]:
    return shuffled(list(COLORS.values()), numbers)[:NUM_PIECES]


def _velocity(numbers: Iterator[int]) -> np.ndarray:
    while True:
        velocity = np.array([below(2 * MAX_SPEED + 1, numbers) - MAX_SPEED for _ in range(2)])
        if velocity.any():
            return velocity


_DRAW = {"within": _within, "entering": _entering, "occluded": _occluded}
