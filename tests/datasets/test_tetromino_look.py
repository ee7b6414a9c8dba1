"""How Tetrominoes are drawn, against pictures that are painted here pixel by pixel."""

import numpy as np
import pytest

from iodine.datasets import ambiguous_tetrominoes
from iodine.datasets import tetromino_generator as generator

SIDE = 35
# One block of the released file, in each channel that its colour has.
BLOCK = [
    [191, 255, 255, 255, 223],
    [127, 159, 159, 159, 191],
    [127, 159, 159, 159, 191],
    [127, 159, 159, 159, 191],
    [95, 63, 63, 63, 127],
]
# Row and column of the four blocks of every piece, by the released file's ids.
BLOCKS_OF = {
    1: [(0, 0), (0, 1), (0, 2), (0, 3)],
    2: [(0, 0), (1, 0), (2, 0), (3, 0)],
    3: [(0, 0), (0, 1), (0, 2), (1, 0)],
    4: [(0, 0), (1, 0), (1, 1), (1, 2)],
    5: [(0, 2), (1, 0), (1, 1), (1, 2)],
    6: [(0, 0), (0, 1), (0, 2), (1, 2)],
    7: [(0, 0), (0, 1), (1, 1), (2, 1)],
    8: [(0, 1), (1, 1), (2, 0), (2, 1)],
    9: [(0, 0), (0, 1), (1, 0), (2, 0)],
    10: [(0, 0), (1, 0), (2, 0), (2, 1)],
    11: [(0, 0), (0, 1), (1, 1), (1, 2)],
    12: [(0, 1), (0, 2), (1, 0), (1, 1)],
    13: [(0, 1), (1, 0), (1, 1), (2, 0)],
    14: [(0, 0), (1, 0), (1, 1), (2, 1)],
    15: [(0, 1), (1, 0), (1, 1), (1, 2)],
    16: [(0, 0), (0, 1), (0, 2), (1, 1)],
    17: [(0, 1), (1, 0), (1, 1), (2, 1)],
    18: [(0, 0), (1, 0), (1, 1), (2, 0)],
    19: [(0, 0), (0, 1), (1, 0), (1, 1)],
}
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CYAN, MAGENTA, YELLOW = (0, 255, 255), (255, 0, 255), (255, 255, 0)

# Scenes of (id, row, column, colour).
SCENES = {
    "far apart": [(1, 0, 0, RED), (13, 7, 19, GREEN), (19, 25, 3, BLUE)],
    "in all corners": [(9, 0, 0, CYAN), (7, 0, 25, YELLOW), (10, 20, 0, BLUE), (8, 20, 25, RED)],
    "same colour, touching on one grid": [(19, 3, 4, RED), (18, 13, 4, RED), (2, 3, 14, RED)],
    "same colour, touching between two grids": [(15, 5, 2, MAGENTA), (16, 15, 4, MAGENTA)],
    "one in the other's bounding box, before it and after it": [
        *((4, 4, 6, CYAN), (1, 3, 12, GREEN)),
        *((19, 22, 18, YELLOW), (9, 16, 13, YELLOW)),
    ],
    "five": [
        *((3, 0, 1, RED), (6, 1, 18, RED), (12, 12, 0, BLUE)),
        *((5, 13, 17, CYAN), (14, 20, 10, RED)),
    ],
}


def painted(pieces):
    """The image `[35, 35, 3]` and the label map `[35, 35]` of such a scene."""
    image = np.zeros((SIDE, SIDE, 3), int)
    label_map = np.zeros((SIDE, SIDE), int)
    for number, (shape_id, top, left, color) in enumerate(pieces, start=1):
        for block_row, block_column in BLOCKS_OF[shape_id]:
            for i in range(5):
                for j in range(5):
                    pixel = top + 5 * block_row + i, left + 5 * block_column + j
                    assert label_map[pixel] == 0, "the scene to be painted has an overlap"
                    label_map[pixel] = number
                    for channel in range(3):
                        image[(*pixel, channel)] = BLOCK[i][j] if color[channel] else 0
    return image, label_map


def pieces_of(scene, count):
    factors = scene["factors"]
    return [
        (
            int(factors["shape"][entity]),
            int(factors["x"][entity]),
            int(factors["y"][entity]),
            tuple(factors["color"][entity]),
        )
        for entity in range(1, 1 + count)
    ]


def drawn(pieces):
    shape_ids, rows, columns, colors = zip(*pieces, strict=True)
    corners = list(zip(rows, columns, strict=True))
    return generator.draw_pieces(shape_ids, corners, colors, SIDE, 5)


def assert_drawn_as_painted(image, label_map, pieces):
    expected_image, expected_label_map = painted(pieces)
    assert image.dtype == label_map.dtype == np.uint8
    np.testing.assert_array_equal(image, expected_image)
    np.testing.assert_array_equal(label_map, expected_label_map)


def test_one_piece_in_full():
    """Id 12 at row 1, column 0 of a square of 15 pixels, in yellow."""
    image, label_map = generator.draw_pieces([12], [(1, 0)], [YELLOW], 15, 5)
    red = [
        [0] * 15,
        [0, 0, 0, 0, 0, 191, 255, 255, 255, 223, 191, 255, 255, 255, 223],
        [0, 0, 0, 0, 0, 127, 159, 159, 159, 191, 127, 159, 159, 159, 191],
        [0, 0, 0, 0, 0, 127, 159, 159, 159, 191, 127, 159, 159, 159, 191],
        [0, 0, 0, 0, 0, 127, 159, 159, 159, 191, 127, 159, 159, 159, 191],
        [0, 0, 0, 0, 0, 95, 63, 63, 63, 127, 95, 63, 63, 63, 127],
        [191, 255, 255, 255, 223, 191, 255, 255, 255, 223, 0, 0, 0, 0, 0],
        [127, 159, 159, 159, 191, 127, 159, 159, 159, 191, 0, 0, 0, 0, 0],
        [127, 159, 159, 159, 191, 127, 159, 159, 159, 191, 0, 0, 0, 0, 0],
        [127, 159, 159, 159, 191, 127, 159, 159, 159, 191, 0, 0, 0, 0, 0],
        [95, 63, 63, 63, 127, 95, 63, 63, 63, 127, 0, 0, 0, 0, 0],
        *[[0] * 15] * 4,
    ]
    assert image[..., 0].tolist() == red
    assert image[..., 1].tolist() == red
    assert not image[..., 2].any()
    assert label_map.tolist() == [[int(level > 0) for level in row] for row in red]


@pytest.mark.parametrize("pieces", SCENES.values(), ids=SCENES)
def test_scenes_by_hand(pieces):
    assert_drawn_as_painted(*drawn(pieces), pieces)


def test_scenes_by_hand_touch_and_share_bounding_boxes_where_they_say():
    """Else they would not test what they are for."""

    def contacts(name):
        labels = painted(SCENES[name])[1]
        pairs = [(labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])]
        return sum(np.sum((a != b) & (a > 0) & (b > 0)) for a, b in pairs)

    assert contacts("far apart") == contacts("in all corners") == 0
    assert contacts("same colour, touching on one grid") > 0
    assert contacts("same colour, touching between two grids") > 0
    labels = painted(SCENES["one in the other's bounding box, before it and after it"])[1]
    assert set(np.unique(labels[4:14, 6:21])) == {0, 1, 2}  # the bounding box of piece 1
    assert set(np.unique(labels[16:31, 13:23])) == {0, 3, 4}  # that of piece 4


@pytest.mark.parametrize("shape_id", BLOCKS_OF)
def test_every_shape_in_every_colour(shape_id):
    for place, color in enumerate((RED, GREEN, BLUE, CYAN, MAGENTA, YELLOW)):
        pieces = [(shape_id, 2 * place + 1, 15 - 3 * place, color)]
        assert_drawn_as_painted(*drawn(pieces), pieces)


@pytest.mark.parametrize("num_pieces", [(3, 3), (1, 1), (3, 5)])
def test_generated_scenes(num_pieces):
    for index in range(40):
        scene = generator.generate_scene(8, "test", index, num_pieces=num_pieces)
        pieces = pieces_of(scene, int(scene["visibility"][1:].sum()))
        assert_drawn_as_painted(scene["image"], scene["label_map"], pieces)


def test_ambiguous_scenes_look_the_same_in_all_three_readings():
    """So the edges of blocks show, but those of pieces do not."""
    for index in range(40):
        scene = ambiguous_tetrominoes.generate_scene(8, "test", index)
        readings = scene["factors"]["readings"]
        label_maps = ambiguous_tetrominoes.reading_label_maps(readings, SIDE, 5)
        color = tuple(scene["factors"]["color"][1])
        for reading, label_map in enumerate(label_maps):
            pieces = [(*map(int, piece), color) for piece in readings[1:, reading]]
            assert_drawn_as_painted(scene["image"], label_map, pieces)
        np.testing.assert_array_equal(scene["label_map"], label_maps[0])
        assert len({label_map.tobytes() for label_map in label_maps}) == 3


SIZES = [(35, 5), (16, 2), (8, 1)]


@pytest.mark.parametrize(("image_size", "block_size"), SIZES)
def test_the_label_map_is_where_the_image_is_not_black(image_size, block_size):
    for index in range(40):
        place = 2, "train", index, image_size, block_size
        for scene in (
            generator.generate_scene(*place, num_pieces=(1, 5)),
            ambiguous_tetrominoes.generate_scene(*place),
        ):
            is_piece = scene["image"].any(axis=-1)
            np.testing.assert_array_equal(scene["label_map"] > 0, is_piece)


@pytest.mark.parametrize("block_size", [1, 2, 4, 6])
def test_blocks_of_other_sizes_are_flat(block_size):
    for index in range(10):
        place = 2, "train", index, 8 * block_size, block_size
        for scene in (
            generator.generate_scene(*place),
            ambiguous_tetrominoes.generate_scene(*place),
        ):
            colors = 255 * scene["factors"]["color"]
            np.testing.assert_array_equal(scene["image"], colors[scene["label_map"]])
