"""Tetrominoes scenes in pure NumPy: appendix B.3 of the paper.

Three pieces of four blocks each lie on a black ground without overlapping (they may touch, unless
told otherwise), each in one of six colours, anywhere wholly inside the image and not aligned to the
blocks. Variants of ours have one piece, or up to five, no or at least one green square, or pieces
that are aligned to each other's blocks.

Pieces look as in the released file, where every block of 5 x 5 pixels is bevelled: ten records of
it, drawn from their ids, corners and colours alone, came out the same in every pixel. Blocks of
another size, which the paper does not have, are flat.

The paper and the data set's page count 17 pieces "counting rotations", but there are 19 fixed
tetrominoes, and a user who counted the released file found all of them
(google-deepmind/multi_object_datasets, issue 10). All 19 are drawn here.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from iodine.datasets.random_streams import below, raw_numbers

# The released file's ids; rows of a piece are separated by a slash.
SHAPES = {
    1: "####",
    2: "#/#/#/#",
    3: "###/#..",
    4: "#../###",
    5: "..#/###",
    6: "###/..#",
    7: "##/.#/.#",
    8: ".#/.#/##",
    9: "##/#./#.",
    10: "#./#./##",
    11: "##./.##",
    12: ".##/##.",
    13: ".#/##/#.",
    14: "#./##/.#",
    15: ".#./###",
    16: "###/.#.",
    17: ".#/##/.#",
    18: "#./##/#.",
    19: "##/##",
}
COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
}
NUM_PIECES = 3

# Levels of a block's pixels in the released file, in every channel that its colour has.
BEVEL = np.array(
    [
        (191, 255, 255, 255, 223),
        (127, 159, 159, 159, 191),
        (127, 159, 159, 159, 191),
        (127, 159, 159, 159, 191),
        (95, 63, 63, 63, 127),
    ],
    np.uint8,
)
BEVEL.setflags(write=False)

_COLOR_VALUES = tuple(COLORS.values())
_GREEN_SQUARE = 19, COLORS["green"]
# Sides of an image in blocks, by the number of pieces, at which every choice of pieces has layouts
# and they are found: the rarest take 5,500 draws on average (five pieces, 7 blocks of 5 pixels).
_MIN_BLOCKS = {1: 4, 2: 6, 3: 7, 4: 7, 5: 7}
_MIN_BLOCKS_APART = {1: 4, 2: 6, 3: 7, 4: 8, 5: 8}


def shape_mask(shape_id: int, block_size: int) -> np.ndarray:
    """The piece's pixels inside its bounding box, bool `[h, w]`, by the id of `SHAPES`."""
    rows = [[char == "#" for char in row] for row in SHAPES[shape_id].split("/")]
    return np.kron(np.array(rows), np.ones((block_size, block_size), bool)).astype(bool)


def block_levels(block_size: int) -> np.ndarray:
    """Levels 1 to 255 of one block's pixels, uint8 `[block_size, block_size]`; 5 is bevelled."""
    if block_size == len(BEVEL):
        return BEVEL
    return np.full((block_size, block_size), 255, np.uint8)


def draw_pieces(
    shape_ids: Sequence[int],
    corners: Sequence[tuple[int, int]],
    colors: Sequence[tuple[int, int, int]],
    image_size: int,
    block_size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws N pieces that do not overlap on black.

    Args:
      shape_ids: `[N]` of ids of `SHAPES`.
      corners: `[N, 2]`, row and column of each bounding box in pixels, wholly inside the image.
      colors: `[N, 3]`; the channels that are not 0 get the levels of `block_levels`.
      image_size: side of the image in pixels.
      block_size: side of a block in pixels.

    Returns:
      The image, uint8 `[H, W, 3]`, and the label map, uint8 `[H, W]`: 1 to N in the given order,
      0 the background.
    """
    image = np.zeros((image_size, image_size, 3), np.uint8)
    label_map = np.zeros((image_size, image_size), np.uint8)
    for entity, (shape_id, (row, column), color) in enumerate(
        zip(shape_ids, corners, colors, strict=True), start=1
    ):
        levels = piece_levels(int(shape_id), block_size)
        window = slice(row, row + levels.shape[0]), slice(column, column + levels.shape[1])
        mask = levels > 0
        label_map[window][mask] = entity
        image[window][mask] = levels[mask][:, np.newaxis] * (np.asarray(color) > 0)
    return image, label_map


@functools.cache
def piece_levels(shape_id: int, block_size: int) -> np.ndarray:
    """The piece in white within its bounding box, uint8 `[h, w]`, 0 where there is none of it."""
    levels = np.kron(shape_mask(shape_id, 1), block_levels(block_size))
    levels.setflags(write=False)  # the cache hands out the array itself
    return levels


def generate_scene(
    seed: int,
    split: str,
    index: int,
    image_size: int = 35,
    block_size: int = 5,
    may_touch: bool = True,
    num_pieces: tuple[int, int] = (NUM_PIECES, NUM_PIECES),
    green_squares: bool | None = None,
    aligned: bool = False,
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Draws one scene, a pure function of its arguments.

    Shape and colour of each piece are uniform and independent, drawn again all together until there
    is a green square, or none, where that is asked for. Given the shapes, the positions are
    uniform over all admissible layouts: positions of all pieces are drawn again until none overlap,
    or touch where that is not allowed.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated scenes.
      index: the scene's number within its split, from 0.
      image_size: side of the image in pixels; 7 blocks are enough for up to five pieces, 8 if
        they may not touch.
      block_size: side of a block in pixels.
      may_touch: whether pixels of two pieces may share an edge, as they may in the paper's data.
      num_pieces: least and greatest number of pieces, all equally frequent; 1 to 5.
      green_squares: True asks for at least one green square, False for none, None for either.
      aligned: whether the blocks of all pieces lie on one grid, which lies anywhere, and the pieces
        of scenes with odd indices have one colour, so that only their arrangement tells them apart.

    Returns:
      With L one more than the greatest number of pieces: `image` uint8 `[H, W, 3]`, in each
      channel 0 or the levels of `block_levels`; `label_map` uint8 `[H, W]`, 0 the background and
      from 1 on the pieces; `visibility` float32 `[L]`, 0 for pieces that are not there; `factors`
      of `[L, ...]`: `x` (top row) and `y` (left column) of the bounding box in pixels, float32;
      `shape` int32, an id of `SHAPES`; `color` float32 `[L, 3]` in {0, 1}. Factors of the
      background and of absent pieces are 0.

    Raises:
      ValueError: for an image too small to hold any such pieces.
    """
    least, most = num_pieces
    min_blocks = _MIN_BLOCKS if may_touch else _MIN_BLOCKS_APART
    if image_size < min_blocks[most] * block_size:
        raise ValueError(
            f"an image of side {image_size} cannot hold {most} pieces of blocks of {block_size}"
        )
    numbers = raw_numbers(seed, split, index)
    count = most if least == most else least + below(most - least + 1, numbers)
    while True:
        shape_ids = [1 + below(len(SHAPES), numbers) for _ in range(count)]
        colors = [_COLOR_VALUES[below(len(_COLOR_VALUES), numbers)] for _ in range(count)]
        has_one = _GREEN_SQUARE in zip(shape_ids, colors, strict=True)
        if green_squares in (None, has_one):
            break
    grid = (image_size // block_size, 1) if aligned else (image_size, block_size)
    corners = _corners(shape_ids, *grid, may_touch, numbers)
    if aligned:
        colors = colors[:1] * count if index % 2 else colors
        corners = _pixels_of_blocks(corners, shape_ids, image_size, block_size, numbers)
    image, label_map = draw_pieces(shape_ids, corners, colors, image_size, block_size)
    return {"image": image, "label_map": label_map, **_entities(shape_ids, colors, corners, most)}


@functools.cache
def _piece(shape_id: int, image_size: int, block_size: int) -> tuple[np.ndarray, int]:
    """The piece's mask, and the same as the bits of one number: bit row * stride + column."""
    mask = shape_mask(shape_id, block_size)
    stride = image_size + 1  # an empty column keeps the ends of neighbouring rows apart
    bits = sum(1 << int(row * stride + column) for row, column in np.argwhere(mask))
    return mask, bits


def _pixels_of_blocks(corners, shape_ids, image_size, block_size, numbers):
    """Corners that count blocks, in pixels; all moved alike, uniformly within the image."""
    places = np.array(corners)
    ends = places + [shape_mask(shape_id, 1).shape for shape_id in shape_ids]
    first = places.min(axis=0)
    free = image_size - block_size * (ends.max(axis=0) - first)
    moved = block_size * (places - first) + [below(int(space) + 1, numbers) for space in free]
    return [(int(row), int(column)) for row, column in moved]


def _corners(
    shape_ids: list[int],
    image_size: int,
    block_size: int,
    may_touch: bool,
    numbers: Iterator[int],
) -> list[tuple[int, int]]:
    """Top left corners, redrawn all together until the layout is admissible."""
    pieces = [_piece(shape_id, image_size, block_size) for shape_id in shape_ids]
    stride = image_size + 1
    while True:
        corners = [
            (
                below(image_size - mask.shape[0] + 1, numbers),
                below(image_size - mask.shape[1] + 1, numbers),
            )
            for mask, _ in pieces
        ]
        # Whole-image bit sets make this test far cheaper than drawing the pieces.
        taken = 0
        for (_, bits), (row, column) in zip(pieces, corners, strict=True):
            placed = bits << (row * stride + column)
            if taken & placed:
                break
            taken |= placed if may_touch else _grown(placed, stride)
        else:
            return corners


def _grown(bits: int, stride: int) -> int:
    """The pixels and those that share an edge with them."""
    return bits | bits << 1 | bits >> 1 | bits << stride | bits >> stride


def _entities(shape_ids, colors, corners, most):
    """`visibility` and `factors`, with a row for the background and for each absent piece."""

    def rows(values, dtype):
        table = np.zeros((1 + most, *np.shape(values)[1:]), dtype)
        table[1 : 1 + len(values)] = values
        return table

    positions = rows(corners, np.float32)
    visibility = rows([1] * len(shape_ids), np.float32)
    visibility[0] = 1
    return {
        "visibility": visibility,
        "factors": {
            "x": positions[:, 0],
            "y": positions[:, 1],
            "shape": rows(shape_ids, np.int32),
            "color": rows(np.array(colors) > 0, np.float32),
        },
    }
