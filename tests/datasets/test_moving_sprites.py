"""Clips of moving sprites, drawn again as polygons from what their factors say."""

import functools

import numpy as np
import polygon_sprites
import pytest
from scipy import stats

from iodine.datasets import moving_sprites as moving

FRAMES = {"within": 12, "entering": 12, "occluded": 16}


@functools.cache
def clips_of(kind):
    number = 8 if kind == "occluded" else 30
    return [moving.generate_clip(4, "train", i, FRAMES[kind], kind) for i in range(number)]


@pytest.fixture(params=FRAMES)
def clips(request):
    return clips_of(request.param)


def sprites_of(clip):
    return range(1, int(clip["visibility"].sum()))


def polygon(factors, sprite, place, draw=polygon_sprites.vertices):
    """A sprite with its centroid at some row and column."""
    looks = (factors[name][sprite] for name in ("shape", "scale", "orientation"))
    return draw(*looks, place[::-1])


def covered(factors, sprite, frame):
    return polygon(factors, sprite, factors["position"][sprite, frame], polygon_sprites.coverage)


def test_factors_give_image_labels_and_what_is_hidden(clips):
    """Drawn from the farthest sprite to the nearest; few pixels are near half covered."""
    compared = 0
    for clip in clips[:4]:
        factors = clip["factors"]
        for frame in range(0, len(clip["image"]), 4):
            image = np.broadcast_to(factors["color"][0], (64, 64, 3))
            label_map, sure = np.zeros((64, 64), int), np.ones((64, 64), bool)
            inside = {}
            for sprite in sorted(sprites_of(clip), key=lambda n: -factors["depth"][n]):
                fraction = covered(factors, sprite, frame)
                image = image + fraction[..., None] * (factors["color"][sprite] - image)
                label_map[fraction >= 0.5] = sprite
                sure &= np.abs(fraction - 0.5) > 0.15
                inside[sprite] = (fraction >= 0.5).sum()
            difference = np.abs(clip["image"][frame] / 255 - image)
            assert difference.max() < 0.25  # 16 points a pixel against 100
            assert difference.mean() < 0.001
            np.testing.assert_array_equal(clip["label_map"][frame][sure], label_map[sure])
            for sprite in inside:
                shown, hidden = factors["shown"][sprite, frame], factors["hidden"][sprite, frame]
                area = {1: 400, 2: np.pi * 14 * 9, 3: 225 * (1 + np.pi / 4)}
                area = area[factors["shape"][sprite]] * factors["scale"][sprite] ** 2
                pixels = (label_map == sprite).sum()
                assert abs(shown - pixels / area) < 0.06
                if inside[sprite] > 0.6 * area and abs(pixels - 0.1 * inside[sprite]) > 4:
                    assert hidden == (pixels < 0.1 * inside[sprite])
                    compared += 1
    assert compared >= 15


def test_sprites_go_on_and_turn_where_they_touch_a_border(clips):
    turns = 0
    for clip in clips:
        for sprite in sprites_of(clip):
            places = clip["factors"]["position"][sprite].astype(float)
            velocities = clip["factors"]["velocity"][sprite].astype(float)
            speed = np.hypot(*velocities.T)
            np.testing.assert_allclose(speed, speed[0], rtol=1e-5)
            assert moving.MIN_SPEED <= speed[0] <= np.hypot(moving.MAX_SPEED, moving.MAX_SPEED)
            straight = np.abs(np.diff(places, axis=0) - velocities[:-1]) < 1e-4
            turned = np.sign(velocities[1:]) != np.sign(velocities[:-1])
            # Where the velocity is the same at both ends of a step, the step is straight.
            np.testing.assert_array_equal(straight | turned, True)
            for frame, axis in np.argwhere(turned & ~straight):
                turns += 1
                # At the border, the ways before and behind it make up one step.
                place = places[frame].copy()
                place[axis] += places[frame + 1, axis] + velocities[frame, axis]
                place[axis] /= 2
                outermost = polygon(clip["factors"], sprite, place)[:, 1 - axis]
                gap = outermost.min() if velocities[frame, axis] < 0 else 64 - outermost.max()
                assert -0.3 < gap < 1.3  # to a pixel
    assert turns > 5


def test_what_is_there_and_what_is_not(clips):
    for clip in clips:
        count = len(sprites_of(clip))
        np.testing.assert_array_equal(clip["visibility"], [1] * (1 + count) + [0] * (4 - count))
        assert clip["label_map"].max() <= count
        for name, values in clip["factors"].items():
            assert len(values) == 5
            assert not values[1 + count :].any()
            assert name == "color" or not values[0].any()
        assert sorted(clip["factors"]["depth"][1 : 1 + count]) == list(range(1, 1 + count))
        grounds = clip["image"][clip["label_map"] == 0]
        assert np.median(grounds) == np.rint(255 * clip["factors"]["color"][0, 0])


def test_late_sprites_come_in():
    numbers = set()
    for clip in clips_of("entering"):
        count = len(sprites_of(clip))
        late = 0
        for sprite in sprites_of(clip):
            factors = clip["factors"]
            outlines = np.array([
                polygon(factors, sprite, place) for place in factors["position"][sprite]
            ])  # fmt: skip
            # A tip that no point of a pixel meets is not drawn.
            in_image = ((outlines > 0.3) & (outlines < 63.7)).all(axis=2).any(axis=1)
            first = in_image.argmax()
            assert in_image[first:].all()
            assert first <= 7  # the frame in which it begins to show, to a pixel
            assert factors["shown"][sprite].max() >= 0.5
            late += first > 0
        assert 1 <= late < count
        numbers.add(late)
    assert numbers == {1, 2, 3}


def test_one_sprite_vanishes_and_comes_out_again():
    for clip in clips_of("occluded"):
        (sprite,) = {sprite for sprite, _ in np.argwhere(clip["factors"]["hidden"])}
        frames = np.flatnonzero(clip["factors"]["hidden"][sprite])
        pixels = (clip["label_map"] == sprite).sum(axis=(1, 2))
        area = covered(clip["factors"], sprite, frames[0]).sum()
        assert len(frames) >= 3
        assert np.ptp(frames) == len(frames) - 1
        assert (pixels[frames] <= 0.1 * area + 2).all()
        assert (pixels[: frames[0]] >= 0.75 * area - 3).sum() >= 2
        assert (pixels[frames[-1] :] >= 0.75 * area - 3).sum() >= 2


def test_clips_are_functions_of_seed_split_and_index():
    cases = [(0, "train", 0), (0, "train", 1), (0, "test", 0), (1, "train", 0)]
    images = {case: moving.generate_clip(*case, 3)["image"] for case in cases}
    assert len({image.tobytes() for image in images.values()}) == 4
    for case in reversed(cases):
        np.testing.assert_array_equal(moving.generate_clip(*case, 3)["image"], images[case])


def test_choices_are_uniform():
    clips = [moving.generate_clip(0, "train", index, 2) for index in range(250)]
    counts = np.bincount([len(sprites_of(clip)) for clip in clips])[2:]
    assert len(counts) == 3
    assert stats.chisquare(counts).pvalue > 0.01
    rows = [(clip["factors"], sprite) for clip in clips for sprite in sprites_of(clip)]
    velocities = np.array([factors["velocity"][sprite, 0] for factors, sprite in rows])
    speeds, angles = np.hypot(*velocities.T), np.arctan2(*velocities.T)
    assert stats.kstest((speeds - 0.5) / 2.5, "uniform").pvalue > 0.01
    assert stats.kstest(0.5 + angles / (2 * np.pi), "uniform").pvalue > 0.01
    scales = np.array([factors["scale"][sprite] for factors, sprite in rows])
    assert scales.min() >= 0.5
    assert scales.max() <= 1
