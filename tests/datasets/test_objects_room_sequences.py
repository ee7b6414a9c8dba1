"""Objects Room sequences: what is drawn, without Blender; what is rendered, with it."""

import colorsys
import math

import numpy as np
import pytest
from scipy import stats

from iodine.datasets import objects_room_sequences as sequences
from iodine.datasets import pipelines, preparation
from iodine.datasets.random_streams import raw_numbers


@pytest.fixture(scope="module")
def rooms():
    return [sequences.draw_room(raw_numbers(0, "train", index)) for index in range(1_000)]


@pytest.fixture(scope="module")
def rendered():
    pytest.importorskip("bpy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequences, "_SAMPLES", 4)
        return sequences.generate(0, "train", 1)


def test_camera_flies_on_a_ring_inside_the_room(rooms):
    """At constant velocities, its pitch within (-25, 22) degrees, as appendix B.5 has it."""
    for room in rooms:
        places = np.array([sequences.camera(room, frame)[0] for frame in range(16)])
        np.testing.assert_allclose(np.hypot(*places[:, :2].T), sequences.RING_RADIUS)
        assert np.ptp(places[:, 2]) == 0
        angles = np.unwrap(np.arctan2(places[:, 1], places[:, 0]))
        np.testing.assert_allclose(np.diff(angles, n=2), 0, atol=1e-9)
        np.testing.assert_allclose(np.diff(room.pitches, n=2), 0, atol=1e-9)
        assert (np.abs(np.diff(room.azimuths)) <= sequences.MAX_AZIMUTH_VELOCITY + 1e-9).all()
    pitches = np.array([room.pitches for room in rooms])
    assert pitches.shape == (1_000, 16)
    assert pitches.min() > -25
    assert pitches.max() < 22
    assert sequences.RING_RADIUS < sequences.ROOM


def test_camera_faces_the_centre_tilted_by_its_pitch(rooms):
    for room in rooms[:50]:
        for frame in (0, 7, 15):
            place, target = sequences.camera(room, frame)
            direction = (target - place) / np.linalg.norm(target - place)
            across = place[0] * direction[1] - place[1] * direction[0]
            assert abs(across) < 1e-9
            assert direction[:2] @ place[:2] < 0
            np.testing.assert_allclose(math.degrees(math.asin(direction[2])), room.pitches[frame])


def test_flights_of_another_length_start_alike_and_keep_within_the_angles(rooms):
    for index in range(50):
        short, long = rooms[index], sequences.draw_room(raw_numbers(0, "train", index), 17)
        assert long.bodies == short.bodies
        assert long.azimuths.shape == long.pitches.shape == (17,)
        np.testing.assert_array_equal(long.azimuths[:16], short.azimuths)
        np.testing.assert_allclose(long.pitches[[0, -1]], short.pitches[[0, -1]])
        np.testing.assert_allclose(np.diff(long.pitches, n=2), 0, atol=1e-9)
        shapes = {name: value.shape for name, value in sequences.factors(long).items()}
        assert shapes["camera_pitch"] == shapes["camera_azimuth"] == (4, 17)


def test_velocities_and_starts_are_uniform(rooms):
    starts = np.array([room.azimuths[0] for room in rooms]) / 360
    velocities = np.array([room.azimuths[1] - room.azimuths[0] for room in rooms])
    velocities = 0.5 + velocities / (2 * sequences.MAX_AZIMUTH_VELOCITY)
    pitches = (np.array([room.pitches[[0, -1]] for room in rooms]) + 25) / 47
    for values in (starts, velocities, *pitches.T):
        assert stats.kstest(values, "uniform").pvalue > 0.01


def test_objects_stand_on_the_floor_apart_from_each_other_and_from_the_camera(rooms):
    for room in rooms:
        assert len(room.bodies) == 3
        for body in room.bodies:
            x, y, z = body.position
            assert z == body.size
            assert sequences.MIN_SIZE <= body.size <= sequences.MAX_SIZE
            half = body.size * (math.sqrt(2) if body.shape == "cube" else 1)
            assert math.hypot(x, y) + half < sequences.RING_RADIUS - 0.3
        for i, a in enumerate(room.bodies):
            for b in room.bodies[:i]:
                gap = math.dist(a.position[:2], b.position[:2])
                assert gap > sequences.footprint(a) + sequences.footprint(b)


def test_shapes_and_hues_are_uniform(rooms):
    shapes = [sequences.SHAPES.index(body.shape) for room in rooms for body in room.bodies]
    # Large ones are redrawn more often, cubes among them.
    assert stats.chisquare(np.bincount(shapes)[[0, 2, 3, 4, 5]]).pvalue > 0.01
    assert 0.6 < np.bincount(shapes)[1] / np.mean(np.bincount(shapes)) < 1
    of_bodies = [body.color for room in rooms for body in room.bodies]
    colors = (of_bodies, [room.floor_color for room in rooms], [room.wall_color for room in rooms])
    for group in colors:
        hues = [colorsys.rgb_to_hsv(*color)[0] for color in group]
        assert stats.kstest(hues, "uniform").pvalue > 0.01


def test_sequences_depend_only_on_seed_split_and_index():
    def first_azimuth(seed, split, index):
        return sequences.draw_room(raw_numbers(seed, split, index)).azimuths[0]

    cases = [(0, "train", 0), (0, "train", 1), (0, "test", 0), (1, "train", 0)]
    drawn = {case: first_azimuth(*case) for case in cases}
    assert len(set(drawn.values())) == 4
    assert {case: first_azimuth(*case) for case in reversed(cases)} == drawn


def test_factors_say_what_was_drawn(rooms):
    room = rooms[5]
    factors = sequences.factors(room)
    for row, body in enumerate(room.bodies, 1):
        assert sequences.SHAPES[factors["shape"][row] - 1] == body.shape
        for name in ("color", "position", "size", "rotation"):
            np.testing.assert_allclose(factors[name][row], getattr(body, name), rtol=1e-6)
    for name in ("shape", "color", "position", "size", "rotation"):
        assert not factors[name][0].any()
    expected = [sequences.SKY_COLOR, room.floor_color, room.wall_color, room.wall_color]
    np.testing.assert_allclose(factors["background_color"][0], expected, rtol=1e-6)
    np.testing.assert_allclose(factors["camera_azimuth"][0], room.azimuths, rtol=1e-6)
    np.testing.assert_allclose(factors["camera_pitch"][0], room.pitches, rtol=1e-6)
    for name in ("background_color", "camera_azimuth", "camera_pitch"):
        assert not factors[name][1:].any()


def test_a_frame_without_object_is_refused():
    label_map = np.zeros((16, 64, 64), np.uint8)
    label_map[:, :5, :2] = 5
    assert sequences._is_admissible(label_map)
    label_map[9, 0, 0] = 1
    assert not sequences._is_admissible(label_map)


def test_every_frame_is_covered_and_shows_objects(rendered):
    assert rendered["image"].shape == (16, 64, 64, 3)
    label_map = rendered["label_map"]
    assert label_map.shape == (16, 64, 64)
    assert label_map.max() <= 6  # each pixel has one id, so masks cover the frame and are disjoint
    for frame in label_map:
        assert 1 <= len(np.unique(frame[frame > 3])) <= 3
        assert max(np.sum(frame == entity) for entity in (4, 5, 6)) >= sequences.MIN_PIXELS
    seen = [float((label_map == entity).any()) for entity in range(7)]
    np.testing.assert_array_equal(rendered["visibility"], seen)


def test_stored_colours_are_those_of_the_pixels(rendered):
    """By hue, which shade leaves alone and light from coloured walls shifts a little."""
    factors, label_map = rendered["factors"], rendered["label_map"]
    colors = [*factors["background_color"][0], *factors["color"][1:]]
    compared = 0
    for entity in range(1, 7):
        inside = interior(label_map == entity)
        if inside.sum() < 20:
            continue
        seen = np.median(rendered["image"][inside], axis=0) / 255
        gap = abs(colorsys.rgb_to_hsv(*seen)[0] - colorsys.rgb_to_hsv(*colors[entity])[0])
        assert min(gap, 1 - gap) < 0.1
        compared += 1
    assert compared >= 4


def test_stored_places_are_those_of_the_pixels(rendered):
    """Each object's centre, projected by a pinhole camera of 50 degrees, lies amid its pixels."""
    factors, compared = rendered["factors"], 0
    for frame, label_map in enumerate(rendered["label_map"]):
        azimuth = math.radians(factors["camera_azimuth"][0, frame])
        pitch = math.radians(factors["camera_pitch"][0, frame])
        eye = np.array([2.7 * math.cos(azimuth), 2.7 * math.sin(azimuth), 1.2])
        ahead = np.array([
            *(-math.cos(pitch) * np.array([math.cos(azimuth), math.sin(azimuth)])),
            math.sin(pitch),
        ])  # fmt: skip
        right = np.cross(ahead, [0, 0, 1]) / np.linalg.norm(np.cross(ahead, [0, 0, 1]))
        up = np.cross(right, ahead)
        for entity in (4, 5, 6):
            ray = factors["position"][entity - 3] - eye
            scale = 32 / math.tan(math.radians(25)) / (ray @ ahead)
            column, row = 32 + scale * (ray @ right), 32 - scale * (ray @ up)
            radius = scale * factors["size"][entity - 3] * math.sqrt(3)
            rows, columns = np.nonzero(label_map == entity)
            assert (np.hypot(rows + 0.5 - row, columns + 0.5 - column) < 1.3 * radius + 1).all()
            compared += len(rows) > 0
    assert compared >= 16


def test_rendering_again_gives_the_same(rendered, monkeypatch):
    monkeypatch.setattr(sequences, "_SAMPLES", 4)
    sequences._build(sequences.draw_room(raw_numbers(0, "train", 2)))  # leaves no trace
    room = sequences.draw_room(raw_numbers(0, "train", 1))
    sequences._build(room)
    for frame in (1, 8):
        np.testing.assert_array_equal(sequences._labels(room, frame), rendered["label_map"][frame])
        np.testing.assert_array_equal(sequences._image(room, frame), rendered["image"][frame])


def test_stored_and_read_as_scenes(tmp_path, monkeypatch):
    pytest.importorskip("bpy")
    name = "objects_room/sequences_generated"
    monkeypatch.setattr(sequences, "_SAMPLES", 1)
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1, "num_frames": 2}
    preparation.prepare(name, str(tmp_path), settings=sizes, num_workers=1)
    batch = next(pipelines.evaluation_batches(str(tmp_path), name, "test", 1).as_numpy_iterator())
    expected = sequences.generate(0, "test", 0, 2)
    np.testing.assert_allclose(batch["image"][0], expected["image"] / 255, atol=1e-6)
    ids = np.maximum(expected["label_map"].astype(int) - 3, 0)
    for entity in range(4):
        np.testing.assert_array_equal(batch["mask"][0, :, entity], ids == entity)
    np.testing.assert_array_equal(batch["visibility"][0], [1, *expected["visibility"][4:]])
    for key, value in expected["factors"].items():
        assert len(value) == 4
        np.testing.assert_array_equal(batch["factors"][key][0], value)


def interior(mask):
    """Pixels `[T, H, W]` whose four neighbours belong to the mask too."""
    inside = mask.copy()
    for axis in (1, 2):
        for step in (-1, 1):
            inside &= np.roll(mask, step, axis)
    inside[:, [0, -1]] = inside[:, :, [0, -1]] = False
    return inside
