"""Ambiguous stimuli of the Tetrominoes kind: section 4.4 and Figure 10 of the paper.

Twelve connected blocks of one colour on black that can be taken apart into three tetrominoes in
exactly three ways, all of them equally valid readings. Every block looks the same, those of 5 x 5
pixels bevelled like the others of `tetromino_generator`: the edges of blocks show, but where one
piece ends and another begins never does. Nothing but the arrangement tells pieces apart.
"""

import functools
from collections.abc import Iterator

import numpy as np

from iodine.datasets.random_streams import below, raw_numbers
from iodine.datasets.tetromino_generator import (
    COLORS,
    NUM_PIECES,
    SHAPES,
    draw_pieces,
    shape_mask,
)

NUM_READINGS = 3

_GRID = 7  # arrangements lie within 7 x 7 blocks, which is all of 35 pixels at blocks of 5
_STRIDE = _GRID + 1  # an empty column keeps the ends of neighbouring rows apart

Piece = tuple[int, int, int]  # id of `SHAPES`, row and column of the bounding box, in blocks
Reading = tuple[Piece, ...]

# Symmetric, and no piece of one reading is a piece of another.
CANONICAL = ((19, 0, 1), (18, 1, 0), (17, 1, 2))
_CANONICAL_COLOR = COLORS["red"]


def generate_scene(
    seed: int, split: str, index: int, image_size: int = 35, block_size: int = 5
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one stimulus, a pure function of its arguments.

    Three pieces are drawn as in `tetromino_generator`, on a common grid, until they are connected
    and their blocks have exactly three readings; then a colour and a place, anywhere in the image.
    Scene 0 of `test` is always `CANONICAL`, red, in the middle of the image.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated scenes.
      index: the scene's number within its split, from 0.
      image_size: side of the image in pixels, at least 7 blocks.
      block_size: side of a block in pixels.

    Returns:
      What `tetromino_generator.generate_scene` does, for one of the three readings, and among the
      factors `readings` int32 `[4, 3, 3]`: of each entity in each reading the shape's id, the row
      and the column of its bounding box in pixels; 0 for the background. Reading 0 is the one of
      the label map and of the other factors. `reading_label_maps` draws them.

    Raises:
      ValueError: for an image too small to hold every arrangement.
    """
    if image_size < _GRID * block_size:
        raise ValueError(f"an image of side {image_size} is less than 7 blocks of {block_size}")
    numbers = raw_numbers(seed, split, index)
    is_canonical = (split, index) == ("test", 0)
    pieces = CANONICAL if is_canonical else _random_pieces(numbers)
    readings = _with_first(pieces, tilings(_cells(pieces)))
    top, left = (min(piece[axis] for piece in pieces) for axis in (1, 2))
    height, width = _extent(pieces)
    free = image_size - block_size * height, image_size - block_size * width
    if is_canonical:
        color, (row, column) = _CANONICAL_COLOR, (free[0] // 2, free[1] // 2)
    else:
        color = tuple(COLORS.values())[below(len(COLORS), numbers)]
        row, column = below(free[0] + 1, numbers), below(free[1] + 1, numbers)
    table = np.zeros((1 + NUM_PIECES, NUM_READINGS, 3), np.int32)
    table[1:] = np.array(readings).transpose(1, 0, 2)
    table[1:, :, 1] = row + block_size * (table[1:, :, 1] - top)
    table[1:, :, 2] = column + block_size * (table[1:, :, 2] - left)
    return _scene(table, color, image_size, block_size)


def reading_label_maps(readings: np.ndarray, image_size: int, block_size: int) -> np.ndarray:
    """The label maps of all readings of a stimulus, to score a segmentation against each.

    Args:
      readings: the factor `readings` `[4, 3, 3]`.
      image_size: side of the image in pixels.
      block_size: side of a block in pixels.

    Returns:
      uint8 `[3, H, W]`, 0 the background. The ids 1 to 3 of different readings are unrelated.
    """
    pieces = readings[1:]
    any_color = [_CANONICAL_COLOR] * NUM_PIECES
    drawn = [
        draw_pieces(pieces[:, i, 0], pieces[:, i, 1:], any_color, image_size, block_size)
        for i in range(NUM_READINGS)
    ]
    return np.stack([label_map for _, label_map in drawn])


def tilings(cells: int) -> list[Reading]:
    """All ways to take cells apart into tetrominoes, by trying every piece in the first free cell.

    Pieces off the grid need not be tried: the uppermost cell, of these the leftmost, can be covered
    only by a piece on the grid, and what remains is made of cells again.

    Args:
      cells: bit 8 * row + column for each cell of an arrangement.
    """
    if not cells:
        return [()]
    first = (cells & -cells).bit_length() - 1
    found: list[Reading] = []
    for shape_id, (bits, indent) in _shapes().items():
        covered = bits << first
        if covered & ~cells == 0:
            row, column = divmod(first, _STRIDE)
            piece = (shape_id, row, column - indent)
            found += [(piece, *rest) for rest in tilings(cells & ~covered)]
    return found


def rectangle(height: int, width: int) -> int:
    """The cells of a rectangle in the upper left corner, as `tilings` takes them."""
    row = (1 << width) - 1
    return sum(row << (_STRIDE * number) for number in range(height))


@functools.cache
def _shapes() -> dict[int, tuple[int, int]]:
    """Of each shape its bits, counted from its first cell, and that cell's column."""
    shapes = {}
    for shape_id in SHAPES:
        mask = shape_mask(shape_id, 1)
        bits = sum(1 << int(_STRIDE * row + column) for row, column in np.argwhere(mask))
        indent = int(np.argmax(mask[0]))
        shapes[shape_id] = bits >> indent, indent
    return shapes


def _bits(piece: Piece) -> int:
    shape_id, row, column = piece
    bits, indent = _shapes()[shape_id]
    return bits << (_STRIDE * row + column + indent)


def _cells(pieces: Reading) -> int:
    return sum(_bits(piece) for piece in pieces)


@functools.cache
def _shape_extent(shape_id: int) -> tuple[int, int]:
    return shape_mask(shape_id, 1).shape


def _extent(pieces: Reading) -> tuple[int, int]:
    """Height and width of the arrangement in blocks."""
    corners = [[piece[axis] for piece in pieces] for axis in (1, 2)]
    ends = [
        max(piece[1 + axis] + _shape_extent(piece[0])[axis] for piece in pieces) for axis in (0, 1)
    ]
    return ends[0] - min(corners[0]), ends[1] - min(corners[1])


def _random_pieces(numbers: Iterator[int]) -> Reading:
    while True:
        pieces = tuple(_random_piece(numbers) for _ in range(NUM_PIECES))
        a, b, c = (_bits(piece) for piece in pieces)
        if a & b or a & c or b & c:
            continue
        contacts = sum(bool(_grown(x) & y) for x, y in ((a, b), (a, c), (b, c)))
        if contacts >= 2 and len(tilings(a | b | c)) == NUM_READINGS:
            return pieces


def _random_piece(numbers: Iterator[int]) -> Piece:
    shape_id = 1 + below(len(SHAPES), numbers)
    height, width = _shape_extent(shape_id)
    row, column = below(_GRID - height + 1, numbers), below(_GRID - width + 1, numbers)
    return shape_id, row, column


def _grown(bits: int) -> int:
    """The cells and those that share an edge with them."""
    return bits | bits << 1 | bits >> 1 | bits << _STRIDE | bits >> _STRIDE


def _with_first(first: Reading, readings: list[Reading]) -> list[Reading]:
    """The readings with `first`, whose pieces may be in another order, before the others."""
    return [first, *(reading for reading in readings if set(reading) != set(first))]


def _scene(table: np.ndarray, color: tuple[int, ...], image_size: int, block_size: int):
    shape_ids, corners = table[1:, 0, 0], table[1:, 0, 1:]
    palette = np.array([(0, 0, 0), *[color] * NUM_PIECES])
    image, label_map = draw_pieces(shape_ids, corners, palette[1:], image_size, block_size)
    return {
        "image": image,
        "label_map": label_map,
        "visibility": np.ones(1 + NUM_PIECES, np.float32),
        "factors": {
            "x": table[:, 0, 1].astype(np.float32),
            "y": table[:, 0, 2].astype(np.float32),
            "shape": table[:, 0, 0],
            "color": (palette > 0).astype(np.float32),
            "readings": table,
        },
    }
