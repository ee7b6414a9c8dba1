"""Paths and factors of moving things, against stepwise simulation and cases worked out by hand."""

import numpy as np
import pytest

from iodine.datasets import motion
from iodine.datasets.motion import Path


def simulated(start, velocity, limit, num_frames):
    """One axis, frame after frame: who meets a border on the way turns there and goes on."""
    place, speed = start, velocity
    positions, velocities = [], []
    has_entered = 0 <= start <= limit
    for _ in range(num_frames):
        positions.append(place)
        velocities.append(speed)
        way = speed
        while True:
            after = place + way
            has_entered |= min(place, after) <= limit and max(place, after) >= 0
            if not has_entered or 0 <= after <= limit:
                break
            border = limit if way > 0 else 0
            way, speed = -(after - border), -speed
            place = border
        place = after
    return np.array(positions), np.array(velocities)


@pytest.mark.parametrize("begin", ["inside", "before the first border", "behind the last border"])
def test_paths_are_those_of_a_simulation(begin):
    rng = np.random.default_rng(0)
    for _ in range(100):
        limit = rng.uniform(4, 40, 2)
        start = rng.uniform(0, limit)
        velocity = rng.uniform(-7, 7, 2)
        if begin != "inside":
            start[0], velocity[0] = -rng.uniform(0, 30), abs(velocity[0])
        if begin == "behind the last border":
            start[0], velocity[0] = limit[0] - start[0], -velocity[0]
        path = motion.bounce(start, velocity, limit, 40)
        for axis in range(2):
            positions, velocities = simulated(start[axis], velocity[axis], limit[axis], 40)
            np.testing.assert_allclose(path.positions[:, axis], positions, atol=1e-9)
            np.testing.assert_allclose(path.velocities[:, axis], velocities, atol=1e-9)


def test_turns_on_whole_pixels():
    """Worked out by hand; at a border the velocity is that of going on."""
    path = motion.bounce((3, -4), (-2, 3), (4, 5), 7)
    np.testing.assert_array_equal(path.positions[:, 0], [3, 1, 1, 3, 3, 1, 1])
    np.testing.assert_array_equal(path.velocities[:, 0], [-2, -2, 2, 2, -2, -2, 2])
    np.testing.assert_array_equal(path.positions[:, 1], [-4, -1, 2, 5, 2, 1, 4])
    np.testing.assert_array_equal(path.velocities[:, 1], [3, 3, 3, -3, -3, 3, 3])


def test_standing_still():
    path = motion.bounce((0, 4), (0, 0), (4, 4), 3)
    np.testing.assert_array_equal(path.positions, [(0, 4)] * 3)
    assert not path.velocities.any()


def test_paths_through_a_place():
    rng = np.random.default_rng(0)
    for _ in range(50):
        limit = rng.integers(5, 20, 2)
        place, velocity = rng.integers(0, limit + 1), rng.integers(-3, 4, 2)
        frame = int(rng.integers(0, 12))
        path = motion.bounce_through(place, velocity, limit, frame, 12)
        np.testing.assert_allclose(path.positions[frame], place)
        again = motion.bounce(path.positions[0], path.velocities[0], limit, 12)
        np.testing.assert_allclose(path.positions, again.positions)
        for axis in range(2):
            if 0 < place[axis] < limit[axis]:
                assert path.velocities[frame, axis] == velocity[axis]
            onwards, _ = simulated(place[axis], velocity[axis], limit[axis], 12 - frame)
            np.testing.assert_allclose(path.positions[frame:, axis], onwards, atol=1e-9)


@pytest.mark.parametrize(
    ("corner", "expected"),
    [
        ((0, 0), (0, 3, 0, 2)),
        ((-2, 7), (0, 1, 7, 8)),
        ((6, 3), (6, 8, 3, 5)),
        ((-3, 3), (0, 0, 3, 5)),
        ((3, 40), (3, 6, 8, 8)),
        ((-50, -50), (0, 0, 0, 0)),
    ],
)
def test_windows(corner, expected):
    """A box of 3 x 2 in an image of 8 x 8, against one that is put on a larger canvas."""
    box = np.arange(1, 7).reshape(3, 2)
    in_image, part = motion.window(np.array(corner), box.shape, 8)
    assert (in_image[0].start, in_image[0].stop, in_image[1].start, in_image[1].stop) == expected
    image = np.zeros((8, 8), int)
    image[in_image] = box[part]
    canvas = np.zeros((200, 200), int)
    canvas[100 + corner[0] : 103 + corner[0], 100 + corner[1] : 102 + corner[1]] = box
    np.testing.assert_array_equal(image, canvas[100:108, 100:108])


def test_factors():
    """Two things of ten pixels: the first passes behind the second and then leaves the image."""
    label_map = np.zeros((4, 5, 8), int)
    for frame, (first, second) in enumerate([(10, 10), (1, 10), (2, 10), (1, 9)]):
        label_map[frame].ravel()[:first] = 1
        label_map[frame].ravel()[20 : 20 + second] = 2
    inside = np.array([(10, 10, 10, 4), (10, 10, 10, 10)])
    paths = [
        Path(np.arange(8).reshape(4, 2) + 0.5, np.full((4, 2), number)) for number in (3.0, 4.0)
    ]
    made = motion.factors(paths, [0, 1], label_map, inside, [10, 10])
    np.testing.assert_array_equal(made["depth"], [0, 2, 1])
    np.testing.assert_allclose(made["shown"][1:], [(1, 0.1, 0.2, 0.1), (1, 1, 1, 0.9)])
    np.testing.assert_array_equal(made["hidden"], [(0,) * 4, (0, 1, 0, 0), (0,) * 4])
    np.testing.assert_array_equal(made["position"][2], np.arange(8).reshape(4, 2) + 0.5)
    np.testing.assert_array_equal(made["velocity"][:, 0, 0], [0, 3, 4])
    for name in ("shown", "position", "velocity"):
        assert not made[name][0].any()
        assert made[name].dtype == np.float32


def test_what_clips_of_a_kind_have_to_show():
    def admissible(kind, shown, hidden):
        made = {"shown": np.array([(0,) * 7, *shown]), "hidden": np.array([(0,) * 7, *hidden])}
        return motion.is_admissible(kind, made)

    clear, never = (1,) * 7, (0,) * 7
    passing, while_passing = (1, 0.8, 0.1, 0, 0.1, 0.8, 1), (0, 0, 1, 1, 1, 0, 0)
    assert admissible("occluded", [clear, passing], [never, while_passing])
    assert not admissible("occluded", [clear, clear], [never, never])
    assert not admissible("occluded", [passing, passing], [while_passing] * 2)
    assert not admissible("occluded", [passing, clear], [(0, 0, 1, 0, 1, 1, 0), never])
    assert not admissible("occluded", [passing, clear], [(0, 0, 1, 1, 0, 0, 0), never])
    late = (1, 0.7, 0.1, 0, 0.1, 0.8, 1)
    assert not admissible("occluded", [late, clear], [while_passing, never])
    assert admissible("entering", [(0, 0, 0, 0, 0, 0.3, 0.5), clear], [never, never])
    assert not admissible("entering", [(0, 0, 0, 0, 0, 0.3, 0.4), clear], [never, never])
