"""Ambiguous stimuli: exactly three readings, by an exhaustive search of another kind."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage

from iodine.datasets import ambiguous_tetrominoes as ambiguous
from iodine.datasets import preparation
from iodine.datasets.tetromino_generator import COLORS, shape_mask

SIZES = {"35x35": (35, 5), "8x8": (8, 1)}


def placements(foreground, block_size):
    """Every piece at every pixel at which it lies wholly in the foreground."""
    found = []
    for shape_id in range(1, 20):
        mask = shape_mask(shape_id, block_size)
        windows = np.lib.stride_tricks.sliding_window_view(foreground, mask.shape)
        for row, column in np.argwhere(windows[..., mask].all(-1)):
            placed = np.zeros_like(foreground)
            placed[row : row + mask.shape[0], column : column + mask.shape[1]] = mask
            found.append(placed)
    return found


def all_readings(foreground, block_size):
    """All sets of three disjoint pieces; with twelve blocks these cover the foreground."""
    pieces = [placed.ravel().astype(np.int8) for placed in placements(foreground, block_size)]
    disjoint = np.array(pieces, np.int32) @ np.array(pieces, np.int32).T == 0
    return {
        frozenset(pieces[i].tobytes() for i in triple)
        for triple in itertools.combinations(range(len(pieces)), 3)
        if all(disjoint[pair] for pair in itertools.combinations(triple, 2))
    }


def as_reading(label_map):
    return frozenset((label_map == i).ravel().astype(np.int8).tobytes() for i in (1, 2, 3))


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def sized_scenes(request):
    image_size, block_size = request.param
    places = [("test", 0), *(("train", i) for i in range(25))]
    return [ambiguous.generate_scene(4, *place, image_size, block_size) for place in places], (
        image_size,
        block_size,
    )


def test_exactly_three_readings_even_off_the_grid(sized_scenes):
    """At blocks of 5 pieces are tried at every pixel, not only on the grid of the blocks."""
    scenes, (image_size, block_size) = sized_scenes
    for scene in scenes[:10]:
        label_maps = ambiguous.reading_label_maps(
            scene["factors"]["readings"], image_size, block_size
        )
        assert label_maps.shape == (3, image_size, image_size)
        expected = all_readings(scene["label_map"] > 0, block_size)
        assert len(expected) == 3
        assert set(map(as_reading, label_maps)) == expected
        np.testing.assert_array_equal(label_maps[0], scene["label_map"])


def test_one_connected_region_of_one_colour(sized_scenes):
    scenes, (_, block_size) = sized_scenes
    for scene in scenes:
        foreground = scene["label_map"] > 0
        assert ndimage.label(foreground)[1] == 1  # connected by edges
        areas = np.bincount(scene["label_map"].ravel(), minlength=4)
        assert areas[1:].tolist() == [4 * block_size**2] * 3
        (color,) = np.unique(255 * (scene["image"][foreground] > 0), axis=0)
        assert tuple(color) in COLORS.values()
        assert not scene["image"][~foreground].any()
        np.testing.assert_array_equal(scene["factors"]["color"][1:], [color / 255] * 3)


def test_factors_are_those_of_reading_0(sized_scenes):
    scenes, (_, block_size) = sized_scenes
    for scene in scenes:
        factors = scene["factors"]
        assert not factors["readings"][0].any()
        for entity in (1, 2, 3):
            shape, row, column = factors["readings"][entity, 0]
            assert shape == factors["shape"][entity]
            assert (row, column) == (factors["x"][entity], factors["y"][entity])
            cells = np.argwhere(scene["label_map"] == entity)
            assert cells.min(0).tolist() == [row, column]
            mask = shape_mask(shape, block_size)
            assert (cells.max(0) - cells.min(0) + 1).tolist() == list(mask.shape)


def test_canonical_stimulus():
    """Scene 0 of test whatever the seed: symmetric, no piece in two readings, in the middle."""
    scene = ambiguous.generate_scene(0, "test", 0)
    other = ambiguous.generate_scene(1, "test", 0)
    np.testing.assert_array_equal(scene["image"], other["image"])
    foreground = scene["label_map"][2::5, 2::5] > 0
    drawn = ["".join(".#"[cell] for cell in row) for row in foreground.astype(int)]
    assert [row[1:5] for row in drawn[1:5]] == [".##.", "####", "####", "#..#"]
    assert foreground.sum() == 12
    label_maps = ambiguous.reading_label_maps(scene["factors"]["readings"], 35, 5)
    pieces = [piece for label_map in label_maps for piece in as_reading(label_map)]
    assert len(set(pieces)) == 9


def test_stimuli_differ_in_arrangement_place_and_colour():
    scenes = [ambiguous.generate_scene(0, "train", i) for i in range(60)]
    arrangements = set()
    for scene in scenes:
        cells = np.argwhere(scene["label_map"] > 0)
        arrangements.add((cells - cells.min(0)).tobytes())
    assert len(arrangements) > 50
    assert len({tuple(scene["factors"]["color"][1]) for scene in scenes}) == 6
    assert len({int(scene["factors"]["x"].max()) % 5 for scene in scenes}) == 5


def test_tilings_of_a_rectangle():
    """As many as the independent search finds."""
    rectangle = np.zeros((7, 7), bool)
    rectangle[1:5, 2:5] = True
    bits = sum(1 << int(8 * row + column) for row, column in np.argwhere(rectangle))
    assert len(ambiguous.tilings(bits)) == len(all_readings(rectangle, 1))


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="less than 7 blocks of 5"):
        ambiguous.generate_scene(0, "train", 0, image_size=34)


@pytest.mark.parametrize(("name", "size"), [("ambiguous", (35, 5)), ("ambiguous_small", (8, 1))])
def test_data_set_holds_the_readings(tmp_path, name, size):
    settings = {"num_train": 1, "num_validation": 1, "num_test": 3, "seed": 6}
    preparation.prepare(f"tetrominoes/{name}", str(tmp_path), settings=settings)
    examples = tfds.load(f"tetrominoes/{name}", split="test", data_dir=str(tmp_path))
    for index, example in enumerate(tfds.as_numpy(examples)):
        expected = ambiguous.generate_scene(6, "test", index, *size)
        np.testing.assert_array_equal(example["image"], expected["image"])
        np.testing.assert_array_equal(example["label_map"][..., 0], expected["label_map"])
        for factor, value in expected["factors"].items():
            np.testing.assert_array_equal(example["factors"][factor], value)
