"""Generated Multi-dSprites against appendix B.2 and against what they say about themselves."""

import colorsys

import numpy as np
import polygon_sprites
import pytest
from scipy import ndimage, stats

from iodine.datasets import catalogue
from iodine.datasets import multi_dsprites_generator as generator
from iodine.datasets.multi_dsprites_generator import Style

VARIANTS = {
    "colored_on_grayscale": (2, 5, 6),
    "binarized": (2, 3, 4),
    "colored_on_colored": (1, 4, 5),
    "single": (1, 1, 2),
}


def config_of(variant):
    return catalogue.find(f"multi_dsprites/{variant}_generated")[1]


@pytest.fixture(scope="module", params=VARIANTS)
def scenes(request):
    config = config_of(request.param)
    return request.param, [
        generator.generate_scene(3, "train", i, config.style, config.num_entities)
        for i in range(600)
    ]


def coverage(factors, entity):
    """The covered fraction of every pixel, drawn from the factors alone by another method."""
    return polygon_sprites.coverage(
        factors["shape"][entity],
        factors["scale"][entity],
        factors["orientation"][entity],
        16 + 32 * np.array([factors["x"][entity], factors["y"][entity]]),
    )


@pytest.mark.parametrize("index", range(6))
def test_factors_and_order_of_ids_give_the_scene(index):
    """A scene with occlusion, drawn again from the stored factors."""
    config = config_of("colored_on_colored")
    scene = generator.generate_scene(1, "train", index, config.style, config.num_entities)
    factors = scene["factors"]
    image = np.broadcast_to(factors["color"][0], (64, 64, 3))
    label_map, sure = np.zeros((64, 64), int), np.ones((64, 64), bool)
    for entity in range(1, int(scene["visibility"].sum())):
        covered = coverage(factors, entity)
        image = image + covered[..., None] * (factors["color"][entity] - image)
        label_map[covered >= 0.5] = entity
        sure &= np.abs(covered - 0.5) > 0.15
    difference = np.abs(scene["image"] / 255 - image)
    assert difference.max() < 0.2  # 16 points a pixel against 100
    assert difference.mean() < 0.001
    np.testing.assert_array_equal(scene["label_map"][sure], label_map[sure])
    assert sure.mean() > 0.97


@pytest.mark.parametrize("shape", generator.SHAPES)
def test_area_centroid_and_smooth_edges(shape):
    """Of sprites that lie alone."""
    found = 0
    for index in range(150):
        scene = generator.generate_scene(2, "train", index, Style(1, 1), 2)
        factors = scene["factors"]
        if factors["shape"][1] != shape or np.ptp(factors["color"], axis=0).max() < 0.4:
            continue
        found += 1
        channel = np.argmax(np.ptp(factors["color"], axis=0))
        ground, color = factors["color"][:, channel]
        covered = (scene["image"][..., channel] / 255 - ground) / (color - ground)
        area = {1: 400, 2: np.pi * 14 * 9, 3: 225 * (1 + np.pi / 4)}[shape]
        assert covered.sum() == pytest.approx(area * factors["scale"][1] ** 2, rel=0.03)
        place = np.array(ndimage.center_of_mass(covered)) + 0.5
        expected = 16 + 32 * np.array([factors["y"][1], factors["x"][1]])
        np.testing.assert_allclose(place, expected, atol=0.1)
        assert np.mean((covered > 0.1) & (covered < 0.9)) > 0.003
    assert found > 20


def test_number_of_sprites_and_masks(scenes):
    variant, scenes = scenes
    low, high, num_entities = VARIANTS[variant]
    numbers = []
    for scene in scenes:
        assert scene["image"].shape == (64, 64, 3)
        assert scene["label_map"].shape == (64, 64)
        areas = np.bincount(scene["label_map"].ravel(), minlength=num_entities)
        assert len(areas) == num_entities  # so no id beyond: masks are disjoint and cover
        np.testing.assert_array_equal(scene["visibility"], areas > 0)
        numbers.append(int(scene["visibility"].sum()) - 1)
        np.testing.assert_array_equal(np.sort(scene["visibility"])[::-1], scene["visibility"])
    counts = np.bincount(numbers)[low:]
    assert len(counts) == high - low + 1
    assert sum(counts) == len(scenes)
    assert low == high or stats.chisquare(counts).pvalue > 0.01


def test_values_of_the_factors(scenes):
    _, scenes = scenes
    sprites = {name: [] for name in ("x", "y", "scale", "orientation", "shape")}
    for scene in scenes:
        for name, values in sprites.items():
            factor = scene["factors"][name]
            assert factor[0] == 0
            assert not factor[scene["visibility"] == 0].any()
            values.extend(factor[1:][scene["visibility"][1:] == 1])
        assert not scene["factors"]["color"][scene["visibility"] == 0].any()
    for name, low, high in (
        ("x", 0, 1), ("y", 0, 1), ("scale", 0.5, 1), ("orientation", 0, 2 * np.pi)
    ):  # fmt: skip
        assert stats.kstest(sprites[name], stats.uniform(low, high - low).cdf).pvalue > 0.01
    counts = np.bincount(sprites["shape"], minlength=4)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 0.01


def test_colours(scenes):
    variant, scenes = scenes
    hues, grays, grounds = [], [], []
    for scene in scenes:
        colors = scene["factors"]["color"][scene["visibility"] == 1]
        assert np.all(np.isclose(255 * colors, np.rint(255 * colors), atol=1e-4))
        grounds.append(colors[0])
        if variant == "binarized":
            np.testing.assert_array_equal(colors, [[0] * 3] + [[1] * 3] * (len(colors) - 1))
            np.testing.assert_array_equal(scene["image"].max(-1), 255 * (scene["label_map"] > 0))
            np.testing.assert_array_equal(scene["image"].min(-1), scene["image"].max(-1))
            continue
        hsv = np.array([colorsys.rgb_to_hsv(*color) for color in colors])
        np.testing.assert_allclose(hsv[1:, 1:], 1, atol=1e-6)
        hues.extend(hsv[1:, 0])
        grays.append(colors[0, 0])
    if variant != "binarized":
        assert stats.kstest(hues, "uniform").pvalue > 0.01
    if variant in ("colored_on_grayscale", "single"):
        assert np.ptp(grounds, axis=1).max() == 0
        assert stats.kstest(grays, "uniform").pvalue > 0.01
    if variant == "colored_on_colored":
        assert np.ptp(grounds, axis=1).max() > 0.9


def test_pixels_inside_an_entity_have_its_colour(scenes):
    _, scenes = scenes
    seen = 0
    for scene in scenes[:150]:
        label_map = scene["label_map"]
        inside = ndimage.minimum_filter(label_map, 5) == ndimage.maximum_filter(label_map, 5)
        colors = 255 * scene["factors"]["color"][label_map[inside]]
        np.testing.assert_allclose(scene["image"][inside], colors, atol=1e-4)
        seen += len(np.unique(label_map[inside]))
    assert seen > 280


def test_dtypes_and_the_stream_of_numbers_do_not_change():
    scene = generator.generate_scene(0, "train", 0, Style(2, 5), 6)
    dtypes = {name: str(value.dtype) for name, value in scene["factors"].items()}
    floats = ("x", "y", "scale", "orientation", "color")
    assert dtypes == {"shape": "int32", **dict.fromkeys(floats, "float32")}
    assert scene["image"].dtype == scene["label_map"].dtype == np.uint8
    assert scene["factors"]["shape"].tolist() == [0, 1, 3, 0, 0, 0]
    np.testing.assert_allclose(
        scene["factors"]["x"], [0.0, 0.111426, 0.986066, 0.0, 0.0, 0.0], atol=1e-6
    )


def test_scene_depends_on_seed_split_and_index():
    def image(*place):
        return generator.generate_scene(*place, Style(2, 5), 6)["image"].tobytes()

    assert image(0, "train", 7) == image(0, "train", 7)
    places = [(0, "train", 7), (1, "train", 7), (0, "test", 7), (0, "train", 8)]
    assert len({image(*place) for place in places}) == 4
