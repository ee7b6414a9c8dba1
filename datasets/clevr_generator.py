"""What is in a CLEVR scene, drawn in pure Python and NumPy: appendix B.1 of the paper.

The rules are those of the public description of CLEVR (Johnson et al., 2017,
https://github.com/facebookresearch/clevr-dataset-gen): 3 to 10 objects, all properties uniform and
independent, positions uniform over a square but apart from each other, camera and lamps jittered,
every object seen with at least 200 pixels. `clevr_rendering.py` makes pictures of them.

Lengths are in Blender units; z is up, the ground is z = 0. Pixel coordinates are (column, row,
depth): pixel (i, j) covers [j, j + 1] x [i, i + 1], depth is the distance along the camera's axis.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from iodine.datasets.random_streams import below, uniform

IMAGE_SIZE = (240, 320)  # of what is rendered, before any cropping
MIN_OBJECTS, MAX_OBJECTS = 3, 10

# Ids count from 1, in alphabetical order; 0 is the background. Those of the released file differ.
COLORS = {  # sRGB of the public description
    "blue": (42, 75, 215),
    "brown": (129, 74, 25),
    "cyan": (41, 208, 208),
    "gray": (87, 87, 87),
    "green": (29, 105, 20),
    "purple": (129, 38, 192),
    "red": (173, 35, 35),
    "yellow": (255, 238, 51),
}
MATERIALS = ("metal", "rubber")
SHAPES = ("cube", "cylinder", "sphere")
SIZES = {"large": 0.7, "small": 0.35}  # radius; a cube's edge is root 2 times as long

FOCAL_LENGTH, SENSOR_WIDTH = 35.0, 32.0
PIXELS_A_SLOPE = FOCAL_LENGTH / SENSOR_WIDTH * IMAGE_SIZE[1]  # image size of 1 at distance 1

_CAMERA = (7.48113, -6.50764, 5.34367)
_CAMERA_JITTER = 0.5
_LAMPS = {  # the names and places that Kubric (Greff et al., 2022) gives for CLEVR's
    "key": (6.44671, -2.90517, 4.2584),
    "fill": (-4.67112, -4.0136, 3.01122),
    "back": (-1.1685, 2.64602, 5.81574),
}
_LAMP_JITTER = 1.0
_HALF_SIDE = 3.0  # of the square of positions
_MIN_GAP = 0.25  # between the circles around two objects
_MIN_MARGIN = 0.4  # between two centres, both left to right and front to back
_MAX_TRIES = 50  # to place one object, before all are drawn again
MIN_PIXELS = 200  # of each object that are seen

_GREEN = 1 + list(COLORS).index("green")
_SPHERE = 1 + SHAPES.index("sphere")


class SceneObject(NamedTuple):
    """An object on the ground; properties are ids, counted from 1."""

    shape: int
    size: int
    material: int
    color: int
    x: float
    y: float
    rotation: float  # about the vertical axis, degrees in [0, 360)

    @property
    def radius(self) -> float:
        """Of the circle around it, seen from above."""
        return list(SIZES.values())[self.size - 1]

    @property
    def half_height(self) -> float:
        """Also the height of its centre, and a cube's half edge."""
        return self.radius / math.sqrt(2) if SHAPES[self.shape - 1] == "cube" else self.radius


class Layout(NamedTuple):
    """All that a picture depends on."""

    camera: tuple[float, float, float]  # it looks at the origin
    lamps: dict[str, tuple[float, float, float]]  # of "key", "fill" and "back"
    objects: tuple[SceneObject, ...]
    noise_seed: int  # of the renderer, 0 to 2^31 - 1


class Variant(NamedTuple):
    """Which scenes are wanted.

    `green_spheres` True asks for at least one, False for none, None for either. CLEVR has no scene
    of fewer than three objects; where `min_objects` is less, they are drawn by the same rules.
    """

    max_objects: int = MAX_OBJECTS
    green_spheres: bool | None = None
    min_objects: int = MIN_OBJECTS

    def wants(self, objects: tuple[SceneObject, ...]) -> bool:
        """Whether a scene of these objects is one of them."""
        has_green = any(o.color == _GREEN and o.shape == _SPHERE for o in objects)
        has_number = self.min_objects <= len(objects) <= self.max_objects
        return has_number and self.green_spheres in (None, has_green)


def draw_scene(
    numbers: Iterator[int],
    variant: Variant,
    labels_of: Callable[[Layout], np.ndarray],
    view: tuple[slice, slice] = (slice(None), slice(None)),
) -> tuple[Layout, np.ndarray]:
    """Draws a layout, and the labels that it looks like.

    Number of objects, camera and lamps are drawn first; then objects, until all are seen. Scenes
    that `variant` does not want are drawn anew from the start, so that a variant has the very
    distribution that filtering would leave.

    Args:
      numbers: uniform 64-bit numbers, of `random_streams.raw_numbers`.
      variant: which scenes are wanted.
      labels_of: gives the entity of each pixel, uint8 `IMAGE_SIZE`: 0 the ground, n the n-th
        object.
      view: rows and columns where every object has to be seen; by default the whole picture, as
        in CLEVR.
    """
    while True:
        count = variant.min_objects + below(variant.max_objects - variant.min_objects + 1, numbers)
        camera = _jittered(_CAMERA, _CAMERA_JITTER, numbers)
        lamps = {name: _jittered(place, _LAMP_JITTER, numbers) for name, place in _LAMPS.items()}
        noise_seed = below(2**31, numbers)
        while True:
            layout = Layout(camera, lamps, draw_objects(count, camera, numbers), noise_seed)
            labels = labels_of(layout)
            if np.bincount(labels[view].ravel(), minlength=count + 1)[1:].min() >= MIN_PIXELS:
                break
        if variant.wants(layout.objects):
            return layout, labels


def draw_objects(
    count: int, camera: tuple[float, float, float], numbers: Iterator[int]
) -> tuple[SceneObject, ...]:
    """So many objects, far enough from each other; `camera` says where left and front are."""
    ahead = tuple(-value / math.hypot(*camera[:2]) for value in camera[:2])
    while True:
        objects: list[SceneObject] = []
        while len(objects) < count:
            added = _placed(objects, ahead, numbers)
            if added is None:
                break
            objects.append(added)
        else:
            return tuple(objects)


def pixel_coordinates(points: np.ndarray, camera: tuple[float, float, float]) -> np.ndarray:
    """Where a camera that looks at the origin sees points `[N, 3]`: `[N, 3]` (column, row, depth).

    In pixels of an image of `IMAGE_SIZE`, for points outside of it too.
    """
    forward = -np.array(camera) / np.linalg.norm(camera)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    offsets = np.asarray(points, float) - camera
    depth = offsets @ forward
    height, width = IMAGE_SIZE
    columns = width / 2 + PIXELS_A_SLOPE * (offsets @ right) / depth
    rows = height / 2 + PIXELS_A_SLOPE * (offsets @ down) / depth
    return np.stack([columns, rows, depth], axis=-1)


def centres(objects: tuple[SceneObject, ...]) -> np.ndarray:
    """Their centres, `[N, 3]`."""
    return np.array([(o.x, o.y, o.half_height) for o in objects])


def _jittered(place, jitter, numbers) -> tuple[float, float, float]:
    return tuple(value + uniform(-jitter, jitter, numbers) for value in place)


def _are_apart(a: SceneObject, b: SceneObject, ahead: tuple[float, float]) -> bool:
    x, y = a.x - b.x, a.y - b.y
    return (
        math.hypot(x, y) - a.radius - b.radius >= _MIN_GAP
        and abs(x * ahead[0] + y * ahead[1]) >= _MIN_MARGIN
        and abs(x * ahead[1] - y * ahead[0]) >= _MIN_MARGIN
    )


def _placed(others, ahead, numbers) -> SceneObject | None:
    """Another object, None if there is hardly any room for it."""
    size = 1 + below(len(SIZES), numbers)
    for _ in range(_MAX_TRIES):
        x, y = (uniform(-_HALF_SIDE, _HALF_SIDE, numbers) for _ in range(2))
        candidate = SceneObject(0, size, 0, 0, x, y, 0.0)
        if all(_are_apart(candidate, other, ahead) for other in others):
            return candidate._replace(
                shape=1 + below(len(SHAPES), numbers),
                material=1 + below(len(MATERIALS), numbers),
                color=1 + below(len(COLORS), numbers),
                rotation=uniform(0.0, 360.0, numbers),
            )
    return None


def factors(layout: Layout, num_entities: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Visibility, float32 `[num_entities]`, and the factors of a layout as they are stored.

    Factors are `[num_entities, ...]`, entity 0 the background; `pixel_coords` for the picture of
    `IMAGE_SIZE`. What is not there is 0.
    """
    objects, points = layout.objects, centres(layout.objects)

    def padded(values, dtype) -> np.ndarray:
        values = np.asarray(values)
        all_values = np.zeros((num_entities, *values.shape[1:]), dtype)
        all_values[1 : 1 + len(objects)] = values
        return all_values

    visibility = padded(np.ones(len(objects)), np.float32)
    visibility[0] = 1
    return visibility, {
        "shape": padded([o.shape for o in objects], np.int32),
        "size": padded([o.size for o in objects], np.int32),
        "material": padded([o.material for o in objects], np.int32),
        "color": padded([o.color for o in objects], np.int32),
        "x": padded(points[:, 0], np.float32),
        "y": padded(points[:, 1], np.float32),
        "z": padded(points[:, 2], np.float32),
        "rotation": padded([o.rotation for o in objects], np.float32),
        "pixel_coords": padded(pixel_coordinates(points, layout.camera), np.float32),
    }
