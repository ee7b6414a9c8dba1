"""Generated scenes against appendix B.3 and against what they say about themselves."""

import itertools

import numpy as np
import pytest
from scipy import stats

from iodine.datasets import random_streams
from iodine.datasets import tetromino_generator as generator

SIZES = [(35, 5), (14, 2)]


@pytest.fixture(scope="module", params=SIZES, ids=["35x35", "14x14"])
def sized_scenes(request):
    image_size, block_size = request.param
    scenes = [generator.generate_scene(3, "train", i, image_size, block_size) for i in range(400)]
    return scenes, image_size, block_size


def test_the_19_shapes_are_all_fixed_tetrominoes():
    def is_connected(cells):
        reached, frontier = set(), {min(cells)}
        while frontier:
            reached |= frontier
            steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
            near = {(r + a, c + b) for r, c in frontier for a, b in steps}
            frontier = (near & cells) - reached
        return reached == cells

    expected = set()
    for cells in itertools.combinations(itertools.product(range(4), repeat=2), 4):
        if is_connected(set(cells)):
            top, left = (min(cell[axis] for cell in cells) for axis in (0, 1))
            expected.add(frozenset((r - top, c - left) for r, c in cells))
    actual = [
        frozenset(map(tuple, np.argwhere(generator.shape_mask(i, 1)).tolist()))
        for i in generator.SHAPES
    ]
    assert len(expected) == 19
    assert set(actual) == expected
    assert len(actual) == 19
    assert list(generator.SHAPES) == list(range(1, 20))


def test_shape_mask_keeps_orientation():
    assert generator.shape_mask(5, 1).tolist() == [[False, False, True], [True, True, True]]
    assert generator.shape_mask(12, 1).tolist() == [[False, True, True], [True, True, False]]


def test_each_piece_is_four_blocks_so_none_is_overlapped(sized_scenes):
    scenes, image_size, block_size = sized_scenes
    piece = 4 * block_size**2
    for scene in scenes:
        counts = np.bincount(scene["label_map"].ravel(), minlength=4)
        assert counts.tolist() == [image_size**2 - 3 * piece, piece, piece, piece]


@pytest.mark.parametrize("may_touch", [True, False])
def test_pieces_share_an_edge_only_where_they_may(may_touch):
    touching = 0
    for index in range(300):
        labels = generator.generate_scene(3, "train", index, 8, 1, may_touch)["label_map"]
        for first, second in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
            touching += np.sum((first != second) & (first > 0) & (second > 0))
    assert (touching > 0) == may_touch


def test_number_of_pieces_is_uniform_and_the_rest_is_absent():
    scenes = [
        generator.generate_scene(5, "test", i, 8, 1, may_touch=False, num_pieces=(3, 5))
        for i in range(300)
    ]
    counts = []
    for scene in scenes:
        count = int(scene["label_map"].max())
        present = np.arange(6) <= count
        np.testing.assert_array_equal(scene["visibility"], present)
        areas = np.bincount(scene["label_map"].ravel(), minlength=6)
        np.testing.assert_array_equal(areas, [64 - 4 * count, *np.where(present[1:], 4, 0)])
        for factor in scene["factors"].values():
            assert not factor[~present].any()
        counts.append(count)
    assert stats.chisquare(np.bincount(counts, minlength=6)[3:]).pvalue > 0.001


@pytest.mark.parametrize(
    ("pieces", "may_touch", "side"),
    [(3, True, 6), (3, False, 6), (4, True, 6), (4, False, 7), (5, True, 6), (5, False, 7)],
)
def test_an_image_too_small_for_the_pieces_is_refused(pieces, may_touch, side):
    with pytest.raises(ValueError, match=f"cannot hold {pieces} pieces of blocks of 1"):
        generator.generate_scene(0, "train", 0, side, 1, may_touch, (3, pieces))
    generator.generate_scene(0, "train", 0, side + 1, 1, may_touch, (3, pieces))


def test_five_pieces_fit_into_seven_blocks_where_they_may_touch():
    """As many in the size of the paper's images, whose number is drawn before anything else."""
    counts = np.zeros(6, int)
    for index in range(120):
        scene = generator.generate_scene(5, "test", index, num_pieces=(3, 5))
        counts[int(scene["label_map"].max())] += 1
        areas = np.bincount(scene["label_map"].ravel())
        assert areas[1:].tolist() == [100] * int(scene["visibility"][1:].sum())
    assert stats.chisquare(counts[3:]).pvalue > 0.001


def test_mask_is_the_stored_shape_at_the_stored_corner(sized_scenes):
    scenes, image_size, block_size = sized_scenes
    for scene in scenes:
        factors = scene["factors"]
        for entity in (1, 2, 3):
            expected = np.zeros((image_size, image_size), bool)
            piece = generator.shape_mask(int(factors["shape"][entity]), block_size)
            top, left = int(factors["x"][entity]), int(factors["y"][entity])
            expected[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
            np.testing.assert_array_equal(scene["label_map"] == entity, expected)


def test_pixels_have_the_stored_colour(sized_scenes):
    """In which levels: `test_tetromino_look.py`."""
    scenes, _, _ = sized_scenes
    allowed = {tuple(np.array(color) / 255) for color in generator.COLORS.values()}
    for scene in scenes:
        color = scene["factors"]["color"]
        np.testing.assert_array_equal(scene["image"] > 0, color[scene["label_map"]] > 0)
        assert set(map(tuple, color[1:].tolist())) <= allowed


def test_background_entity_is_black_with_zero_factors(sized_scenes):
    scenes, _, _ = sized_scenes
    for scene in scenes:
        assert scene["visibility"].tolist() == [1, 1, 1, 1]
        assert all(np.all(factor[0] == 0) for factor in scene["factors"].values())
        assert not scene["image"][scene["label_map"] == 0].any()


def test_dtypes():
    scene = generator.generate_scene(0, "train", 0)
    assert scene["image"].dtype == scene["label_map"].dtype == np.uint8
    assert {name: str(value.dtype) for name, value in scene["factors"].items()} == {
        "x": "float32",
        "y": "float32",
        "shape": "int32",
        "color": "float32",
    }


def test_shapes_and_colours_are_uniform():
    scenes = [generator.generate_scene(0, "train", i, 14, 2) for i in range(6000)]
    shapes = np.concatenate([scene["factors"]["shape"][1:] for scene in scenes])
    colors = np.concatenate([scene["factors"]["color"][1:] for scene in scenes]) @ [4, 2, 1]
    color_counts = np.bincount(colors.astype(int), minlength=8)
    assert color_counts[[0, 7]].tolist() == [0, 0]
    assert stats.chisquare(np.bincount(shapes, minlength=20)[1:]).pvalue > 0.01
    assert stats.chisquare(color_counts[1:7]).pvalue > 0.01


def test_pieces_lie_anywhere_and_are_not_aligned_to_blocks(sized_scenes):
    scenes, image_size, block_size = sized_scenes
    covered = np.sum([scene["label_map"] > 0 for scene in scenes], axis=0)
    assert np.mean(covered > 0) > 0.99
    corners = np.stack([scene["factors"]["x"][1:] for scene in scenes]).ravel()
    counts = np.bincount(corners.astype(int) % block_size, minlength=block_size)
    assert counts.min() > 0.5 * counts.mean()
    assert corners.max() <= image_size - block_size


def test_layouts_are_uniform_given_the_shapes():
    """Against a direct enumeration of all layouts of three pieces of one block's height."""
    numbers = random_streams.raw_numbers(0, "train", 0)
    drawn = [tuple(generator._corners([1, 1, 1], 7, 1, True, numbers)) for _ in range(20_000)]
    places = list(itertools.product(range(7), range(4)))

    def overlap(a, b):
        return a[0] == b[0] and abs(a[1] - b[1]) < 4

    layouts = [
        layout
        for layout in itertools.product(places, repeat=3)
        if not any(overlap(a, b) for a, b in itertools.combinations(layout, 2))
    ]
    assert set(drawn) <= set(layouts)
    rows = np.bincount([layout[0][0] * 4 + layout[0][1] for layout in drawn], minlength=28)
    expected = np.bincount([layout[0][0] * 4 + layout[0][1] for layout in layouts], minlength=28)
    assert stats.chisquare(rows, expected / expected.sum() * rows.sum()).pvalue > 0.01


def test_scene_depends_only_on_seed_split_and_index():
    def images(seed, split, indices):
        return {i: generator.generate_scene(seed, split, i)["image"] for i in indices}

    forward, backward = images(1, "train", range(5)), images(1, "train", reversed(range(5)))
    for index in range(5):
        np.testing.assert_array_equal(forward[index], backward[index])
    for other in (images(2, "train", range(5)), images(1, "test", range(5))):
        assert all(not np.array_equal(forward[i], other[i]) for i in range(5))
    assert len({image.tobytes() for image in forward.values()}) == 5
    large = [images(seed, "train", [0])[0].tobytes() for seed in (2**63, 2**64 - 1, 2**64 - 2)]
    assert len(set(large)) == 3


def test_the_stream_of_numbers_does_not_change_between_versions():
    factors = generator.generate_scene(0, "train", 0)["factors"]
    assert factors["shape"].tolist() == [0, 1, 5, 3]
    assert np.stack([factors["x"], factors["y"]]).tolist() == [[0, 29, 6, 18], [0, 15, 4, 2]]


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="side 13 cannot hold"):
        generator.generate_scene(0, "train", 0, image_size=13, block_size=2)


@pytest.mark.parametrize("wanted", [True, False, None])
def test_green_squares_are_asked_for_or_left_out(wanted):
    """A square is one of 19 shapes and green one of 6 colours: of 300 scenes 7.8 have one."""
    scenes = [
        generator.generate_scene(2, "train", i, num_pieces=(3, 3), green_squares=wanted)["factors"]
        for i in range(300)
    ]
    has_one = [
        any(
            shape == 19 and tuple(color) == (0, 1, 0)
            for shape, color in zip(factors["shape"], factors["color"], strict=True)
        )
        for factors in scenes
    ]
    if wanted is None:
        assert 1 <= sum(has_one) <= 20
    else:
        assert set(has_one) == {wanted}
        # All else is still drawn.
        shapes = np.concatenate([factors["shape"][1:] for factors in scenes])
        assert set(shapes.tolist()) == set(generator.SHAPES)


def test_aligned_pieces_share_a_grid_and_in_every_second_scene_a_colour():
    scenes = [generator.generate_scene(3, "train", i, aligned=True) for i in range(600)]
    corners = np.array([[s["factors"]["x"][1:], s["factors"]["y"][1:]] for s in scenes]).astype(int)
    assert np.all((corners - corners[..., :1]) % 5 == 0)
    # Which grid: arrangements seven blocks high or wide have one place, narrower ones any.
    offsets = np.bincount(corners[:, 0, 0] % 5, minlength=5)
    assert offsets.min() > 60
    assert all((s["label_map"] > 0).sum() == 3 * 4 * 25 for s in scenes)
    one_colour = [len(np.unique(s["factors"]["color"][1:], axis=0)) == 1 for s in scenes]
    assert all(one_colour[1::2])
    assert np.mean(one_colour[::2]) < 0.1  # 1/36 is expected
