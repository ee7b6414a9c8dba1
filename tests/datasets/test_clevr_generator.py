"""What CLEVR scenes hold, drawn without Blender; labels come from discs in place of objects."""

import numpy as np
import pytest

from iodine.datasets import catalogue, clevr_images
from iodine.datasets import clevr_generator as clevr
from iodine.datasets.random_streams import raw_numbers

GREEN, SPHERE = 5, 3  # of the alphabetical lists


def discs(layout):
    """Labels of a picture in which every object is a disc that nothing hides."""
    labels = np.zeros(clevr.IMAGE_SIZE, np.uint8)
    for entity in range(1, 1 + len(layout.objects)):
        labels.ravel()[entity * 1000 : entity * 1000 + 200] = entity
    return labels


def draw(index, variant=None, seed=0, split="train", labels_of=discs, **arguments):
    numbers = raw_numbers(seed, split, index)
    return clevr.draw_scene(numbers, variant or clevr.Variant(), labels_of, **arguments)[0]


@pytest.fixture(scope="module")
def layouts():
    return [draw(index) for index in range(400)]


def test_a_layout_is_a_function_of_seed_split_and_index():
    assert draw(3) == draw(3)
    others = [draw(4), draw(3, seed=1), draw(3, split="test")]
    assert len({draw(3).camera, *(other.camera for other in others)}) == 4


def test_numbers_of_objects_are_uniform_over_3_to_10(layouts):
    counts = np.bincount([len(layout.objects) for layout in layouts], minlength=11)
    assert counts[:3].sum() == 0
    assert len(counts) == 11
    np.testing.assert_allclose(counts[3:], 50, atol=4 * np.sqrt(50))


@pytest.mark.parametrize(
    ("name", "count"), [("shape", 3), ("size", 2), ("material", 2), ("color", 8)]
)
def test_properties_are_uniform(layouts, name, count):
    values = [getattr(o, name) for layout in layouts for o in layout.objects]
    seen = np.bincount(values, minlength=count + 1)
    assert seen[0] == 0
    assert len(seen) == count + 1
    expected = len(values) / count
    # Small objects find room more often than large ones, where little is left.
    tolerance = 0.1 * expected if name == "size" else 5 * np.sqrt(expected)
    np.testing.assert_allclose(seen[1:], expected, atol=tolerance)


def test_colours_materials_shapes_and_sizes_are_those_of_clevr():
    assert list(clevr.COLORS) == sorted(clevr.COLORS)
    assert clevr.COLORS["gray"] == (87, 87, 87)
    assert clevr.COLORS["yellow"] == (255, 238, 51)
    assert clevr.SHAPES == ("cube", "cylinder", "sphere")
    assert clevr.MATERIALS == ("metal", "rubber")
    assert clevr.SIZES == {"large": 0.7, "small": 0.35}


def test_places_and_rotations(layouts):
    places = np.array([(o.x, o.y) for layout in layouts for o in layout.objects])
    assert np.abs(places).max() <= 3
    assert places.min(axis=0).max() < -2.9
    assert places.max(axis=0).min() > 2.9
    rotations = np.array([o.rotation for layout in layouts for o in layout.objects])
    assert 0 <= rotations.min() < 5
    assert 355 < rotations.max() < 360


def test_objects_keep_their_distance(layouts):
    gaps, margins = [], []
    for layout in layouts:
        # Left and front as the camera has them, by angles rather than by vectors.
        heading = np.arctan2(layout.camera[1], layout.camera[0])
        turn = np.array([
            [np.cos(heading), np.sin(heading)],
            [-np.sin(heading), np.cos(heading)],
        ])  # fmt: skip
        for i, a in enumerate(layout.objects):
            for b in layout.objects[:i]:
                offset = np.array([a.x - b.x, a.y - b.y])
                gaps.append(np.linalg.norm(offset) - a.radius - b.radius)
                margins.append(np.abs(turn @ offset).min())
    assert 0.25 <= min(gaps) < 0.26
    assert 0.4 - 1e-9 <= min(margins) < 0.41


def test_heights_and_radii():
    def built(shape, size):
        return clevr.SceneObject(shape, size, 1, 1, 0.0, 0.0, 0.0)

    assert [built(shape, 1).radius for shape in (1, 2, 3)] == [0.7] * 3
    assert [built(shape, 2).radius for shape in (1, 2, 3)] == [0.35] * 3
    assert built(1, 1).half_height == pytest.approx(0.494975, abs=1e-6)  # its corners at 0.7
    assert built(2, 1).half_height == built(3, 1).half_height == 0.7


def test_camera_and_lamps_are_jittered_all_over(layouts):
    cameras = np.array([layout.camera for layout in layouts])
    offsets = cameras - (7.48113, -6.50764, 5.34367)
    assert 0.49 < np.abs(offsets).max() <= 0.5
    np.testing.assert_allclose(offsets.mean(axis=0), 0, atol=4 * 0.5 / np.sqrt(3 * len(cameras)))
    assert set(layouts[0].lamps) == {"key", "fill", "back"}
    for name in layouts[0].lamps:
        places = np.array([layout.lamps[name] for layout in layouts])
        spread = places.max(axis=0) - places.min(axis=0)
        assert np.all((spread > 1.95) & (spread <= 2))


def test_objects_are_drawn_again_until_all_are_seen():
    seen = []

    def labels_of(layout):
        labels = discs(layout)
        if len(seen) < 2:  # one pixel too few
            labels.ravel()[1000] = 0
        seen.append(layout)
        return labels

    layout = draw(0, labels_of=labels_of)
    assert len(seen) == 3
    assert layout == seen[-1]
    assert len({tuple(each.objects) for each in seen}) == 3
    assert len({(each.camera, len(each.objects), each.noise_seed) for each in seen}) == 1


def green_spheres(layout):
    return sum(o.color == GREEN and o.shape == SPHERE for o in layout.objects)


@pytest.mark.parametrize("max_objects", [6, 9, 10])
@pytest.mark.parametrize("wanted", [None, True, False])
def test_variants(layouts, max_objects, wanted):
    variant = clevr.Variant(max_objects, wanted)
    drawn = [draw(index, variant) for index in range(60)]
    counts = [len(layout.objects) for layout in drawn]
    assert set(counts) <= set(range(3, max_objects + 1))
    assert len(set(counts)) > 3
    if wanted is not None:
        assert {green_spheres(layout) > 0 for layout in drawn} == {wanted}
    for layout in layouts[:100]:
        agrees = wanted is None or (green_spheres(layout) > 0) == wanted
        assert variant.wants(layout.objects) == (len(layout.objects) <= max_objects and agrees)


def test_single_objects_are_as_others_and_within_the_view():
    """An object is a square of 20 pixels a side around its centre."""
    view = slice(24, 216), slice(64, 256)

    def squares(layout):
        labels = np.zeros(clevr.IMAGE_SIZE, np.uint8)
        (place,) = clevr.pixel_coordinates(clevr.centres(layout.objects), layout.camera)
        column, row = np.rint(place[:2]).astype(int)
        labels[max(row - 10, 0) : row + 10, max(column - 10, 0) : column + 10] = 1
        return labels

    single = catalogue.find("clevr/single_generated")[1]
    assert single.variant == clevr.Variant(max_objects=1, min_objects=1)
    assert single.all_in_view
    assert clevr_images.view(single.top) == view
    anywhere = [draw(i, single.variant, labels_of=squares) for i in range(300)]
    seen = [draw(i, single.variant, labels_of=squares, view=view) for i in range(300)]
    assert {len(layout.objects) for layout in anywhere + seen} == {1}
    pixels = [[squares(x)[view].sum() for x in layouts] for layouts in (anywhere, seen)]
    assert min(pixels[0]) < 200 <= min(pixels[1])
    same = [a == b for a, b, n in zip(anywhere, seen, pixels[0], strict=True) if n >= 200]
    assert all(same)  # only the others were drawn again
    assert 200 < len(same) < 300
    visibility, factors = clevr.factors(seen[0], single.num_entities)
    np.testing.assert_array_equal(visibility, [1, 1])
    assert factors["shape"].shape == (2,)
    for name, count in (("shape", 3), ("size", 2), ("material", 2), ("color", 8)):
        assert {getattr(layout.objects[0], name) for layout in seen} == set(range(1, count + 1))


def test_pixel_coordinates_are_those_of_clevr():
    """Against a scene of CLEVR v1.0 (its validation scene 0), in pixels of 480 x 320.

    Its camera's place is not given; this one was fitted to all five points and lies within the
    jitter. That the others agree to half a pixel, to which CLEVR rounds, shows that focal length,
    sensor and what the camera looks at are CLEVR's.
    """
    camera = (7.8517, -6.2220, 4.9491)
    points = [
        (-1.49372, -1.99360, 0.7),
        (1.55571, -2.10474, 0.7),
        (-2.34218, -0.52050, 0.35),
        (-0.80731, 1.91412, 0.7),
        (2.67638, 0.03454, 0.35),
    ]
    recorded = np.array([
        (119, 131, 10.80197),
        (198, 190, 8.60104),
        (161, 118, 12.37273),
        (282, 100, 12.49500),
        (337, 195, 9.16121),
    ])  # fmt: skip
    ours = clevr.pixel_coordinates(points, camera)
    np.testing.assert_allclose((ours[:, 0] - 160) * 1.5 + 240, recorded[:, 0], atol=0.75)
    np.testing.assert_allclose((ours[:, 1] - 120) * 1.5 + 160, recorded[:, 1], atol=0.75)
    np.testing.assert_allclose(ours[:, 2], recorded[:, 2], atol=0.01)


def test_the_camera_looks_at_the_origin():
    camera = (7.0, -6.0, 5.0)
    ((column, row, depth),) = clevr.pixel_coordinates([(0, 0, 0)], camera)
    np.testing.assert_allclose([column, row, depth], [160, 120, np.sqrt(110)])
    ((column, row, _),) = clevr.pixel_coordinates([(0, 0, 1)], camera)
    assert column == pytest.approx(160)  # upright
    assert row < 120


def test_factors_are_padded(layouts):
    layout = next(each for each in layouts if len(each.objects) == 4)
    visibility, factors = clevr.factors(layout, 7)
    np.testing.assert_array_equal(visibility, [1, 1, 1, 1, 1, 0, 0])
    for name in ("shape", "size", "material", "color", "x", "y", "rotation"):
        expected = [0, *(getattr(o, name) for o in layout.objects), 0, 0]
        np.testing.assert_allclose(factors[name], expected, rtol=1e-6)
        is_category = name in ("shape", "size", "material", "color")
        assert factors[name].dtype == (np.int32 if is_category else np.float32)
    heights = [o.radius / (2**0.5 if o.shape == 1 else 1) for o in layout.objects]
    np.testing.assert_allclose(factors["z"], [0, *heights, 0, 0], rtol=1e-6)
    places = clevr.pixel_coordinates(clevr.centres(layout.objects), layout.camera)
    np.testing.assert_allclose(factors["pixel_coords"][1:5], places, rtol=1e-6)
    assert not factors["pixel_coords"][[0, 5, 6]].any()
