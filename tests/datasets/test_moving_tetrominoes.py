"""Clips of moving Tetrominoes, drawn again pixel by pixel from what their factors say."""

import collections
import functools

import numpy as np
import pytest
from scipy import stats

from iodine.datasets import moving_tetrominoes as moving
from iodine.datasets.tetromino_generator import SHAPES, generate_scene

BLOCK = [
    [191, 255, 255, 255, 223],
    [127, 159, 159, 159, 191],
    [127, 159, 159, 159, 191],
    [127, 159, 159, 159, 191],
    [95, 63, 63, 63, 127],
]
FRAMES = {"within": 12, "entering": 13, "occluded": 16}


@functools.cache
def clips_of(kind):
    number = 12 if kind == "occluded" else 60
    return [moving.generate_clip(2, "train", i, FRAMES[kind], kind) for i in range(number)]


@pytest.fixture(params=FRAMES)
def clips(request):
    return clips_of(request.param)


def pixels_of(shape, corner):
    """Row, column and level of each pixel of a piece, also outside the image."""
    for block_row, line in enumerate(SHAPES[shape].split("/")):
        for block_column, char in enumerate(line):
            for i in range(5 * (char == "#")):
                for j in range(5):
                    row, column = corner[0] + 5 * block_row + i, corner[1] + 5 * block_column + j
                    yield int(row), int(column), BLOCK[i][j]


def painted(factors, frame):
    """Image, label map, and how many of each piece's pixels lie in the image."""
    image, label_map = np.zeros((35, 35, 3), int), np.zeros((35, 35), int)
    inside = collections.Counter()
    for piece in np.argsort(-factors["depth"])[:3]:  # from the farthest to the nearest
        for row, column, level in pixels_of(
            factors["shape"][piece], factors["position"][piece, frame]
        ):
            if 0 <= row < 35 and 0 <= column < 35:
                image[row, column] = level * factors["color"][piece]
                label_map[row, column] = piece
                inside[piece] += 1
    return image, label_map, inside


def test_factors_give_every_pixel(clips):
    """Image, label map, and with them the order in which pieces hide each other."""
    seen_overlaps = 0
    for clip in clips[:8]:
        factors = clip["factors"]
        for frame in range(len(clip["image"])):
            image, label_map, inside = painted(factors, frame)
            np.testing.assert_array_equal(clip["image"][frame], image)
            np.testing.assert_array_equal(clip["label_map"][frame], label_map)
            seen_overlaps += sum(inside.values()) > np.count_nonzero(label_map)
            for piece in (1, 2, 3):
                shown = np.count_nonzero(label_map == piece)
                assert factors["shown"][piece, frame] == np.float32(shown / 100)
                is_hidden = inside[piece] >= 50 and inside[piece] - shown >= 0.9 * inside[piece]
                assert factors["hidden"][piece, frame] == is_hidden
    assert seen_overlaps > 10


def test_labels_are_of_the_colour_that_the_image_shows(clips):
    for clip in clips:
        colors = clip["factors"]["color"]
        np.testing.assert_array_equal(clip["image"] > 0, colors[clip["label_map"]] > 0)
        assert len({tuple(color) for color in colors[1:]}) == 3
        assert colors[1:].any(axis=1).all()
        np.testing.assert_array_equal(clip["visibility"], [1, 1, 1, 1])
        for name, values in clip["factors"].items():
            assert not values[0].any(), name


def test_pieces_go_on_and_turn_at_the_borders(clips):
    """Each position is the one before it and the velocity, or its mirror image at a border."""
    turns = 0
    for clip in clips:
        for shape, places, velocities in zip(
            *(clip["factors"][name][1:] for name in ("shape", "position", "velocity")), strict=True
        ):
            rows = SHAPES[shape].split("/")
            limits = 35 - 5 * len(rows), 35 - 5 * len(rows[0])
            assert np.ptp(np.abs(velocities), axis=0).max() == 0
            assert 1 <= np.abs(velocities).max() <= moving.MAX_SPEED
            for axis, limit in enumerate(limits):
                for frame in range(1, len(places)):
                    straight = places[frame - 1, axis] + velocities[frame - 1, axis]
                    mirrored = {-straight, 2 * limit - straight}
                    was_inside = 0 <= places[frame - 1, axis] <= limit
                    if was_inside and not 0 <= straight <= limit:
                        assert places[frame, axis] in mirrored
                        turns += 1
                    else:
                        assert places[frame, axis] == straight
    assert turns > 5


def test_clips_without_late_pieces_begin_like_the_still_scenes():
    for clip in clips_of("within"):
        assert np.count_nonzero(clip["label_map"][0]) == 300
        np.testing.assert_array_equal(clip["factors"]["shown"][1:, 0], [1, 1, 1])


def test_a_longer_clip_begins_like_the_shorter_one():
    short, long = (moving.generate_clip(1, "test", 3, frames) for frames in (5, 24))
    np.testing.assert_array_equal(long["image"][:5], short["image"])
    np.testing.assert_array_equal(long["factors"]["position"][:, :5], short["factors"]["position"])


def test_clips_are_functions_of_seed_split_and_index():
    cases = [(0, "train", 0), (0, "train", 1), (0, "test", 0), (1, "train", 0)]
    images = [moving.generate_clip(*case, 2)["image"] for case in cases]
    assert len({image.tobytes() for image in images}) == 4
    again = [moving.generate_clip(*case, 2)["image"] for case in cases]
    np.testing.assert_array_equal(images, again)
    assert images[0][0].tobytes() != generate_scene(0, "train", 0)["image"].tobytes()


def test_choices_are_uniform():
    clips = [moving.generate_clip(0, "train", index, 2) for index in range(1_500)]
    shapes = np.concatenate([clip["factors"]["shape"][1:] for clip in clips])
    velocities = np.concatenate([clip["factors"]["velocity"][1:, 0] for clip in clips])
    steps = np.concatenate([np.ptp(clip["factors"]["position"][1:], axis=1) for clip in clips])
    assert stats.chisquare(np.bincount(shapes)[1:]).pvalue > 0.001
    depths = [tuple(clip["factors"]["depth"][1:]) for clip in clips]
    assert stats.chisquare(list(collections.Counter(depths).values())).pvalue > 0.01
    # The sign of a velocity may have turned in frame 0, its size cannot.
    sizes = collections.Counter(map(tuple, np.abs(velocities).astype(int)))
    expected = {(a, b): (1 + (a > 0)) * (1 + (b > 0)) / 24 for a in range(3) for b in range(3)}
    del expected[0, 0]
    counts = [sizes[pair] for pair in expected]
    assert sum(counts) == len(velocities)
    assert (
        stats.chisquare(counts, len(velocities) * np.array(list(expected.values()))).pvalue > 0.01
    )
    assert steps.max() == moving.MAX_SPEED


def test_late_pieces_come_in():
    numbers = []
    for clip in clips_of("entering"):
        shown = clip["factors"]["shown"][1:]
        # A piece may come in behind another one: then it is in the image before it shows.
        places, shapes = clip["factors"]["position"][1:], clip["factors"]["shape"][1:]
        in_image = np.array([
            [any(0 <= row < 35 and 0 <= column < 35 for row, column, _ in pixels_of(shape, place))
             for place in path]
            for shape, path in zip(shapes, places, strict=True)
        ])  # fmt: skip
        first = in_image.argmax(axis=1)
        assert in_image.any(axis=1).all()
        assert (first <= 6).all()
        assert (np.diff(in_image.astype(int), axis=1) >= 0).all()
        assert (shown.max(axis=1) >= 0.5).all()
        numbers.append(np.count_nonzero(first))
    assert set(numbers) == {1, 2}


def test_one_piece_vanishes_and_comes_out_again():
    vanishing = []
    for clip in clips_of("occluded"):
        (piece,) = {piece for piece, _ in np.argwhere(clip["factors"]["hidden"])}
        frames = np.flatnonzero(clip["factors"]["hidden"][piece])
        assert len(frames) >= 3
        assert frames.tolist() == list(range(frames[0], frames[-1] + 1))
        pixels = (clip["label_map"] == piece).sum(axis=(1, 2))
        assert (pixels[frames] <= 10).all()
        assert (pixels[: frames[0]] >= 75).sum() >= 2
        assert (pixels[frames[-1] :] >= 75).sum() >= 2
        assert clip["factors"]["depth"][piece] == 3
        vanishing.append(piece)
    assert set(vanishing) == {1, 2, 3}
