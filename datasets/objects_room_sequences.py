"""Objects Room sequences, rendered with Blender (`bpy`): appendix B.5 of the paper.

From the paper: 16 frames of 64 x 64 pixels of a cubic room with randomly coloured walls, floor and
objects; three randomly shaped objects, one to three of them visible in any frame; a camera on a
ring inside the room that faces the centre, tilted by an angle within (-25, 22) degrees; its
position and angle change at a constant velocity, drawn for each sequence.

Chosen here, as paper and released data do not say: all sizes; no ceiling but a sky, as in the
released data; one colour for all walls; hues uniform; objects stand on the floor; "visible" is a
pixel or more, but one object of each frame has to show `MIN_PIXELS`.

Lengths are in a unit of which the room measures six; x and y are horizontal, z is the height above
the floor, the origin is the floor's centre. Angles are in degrees.
"""

import colorsys
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from iodine.datasets import blender
from iodine.datasets.random_streams import below, raw_numbers, uniform

NUM_FRAMES = 16  # as in the paper, unless another number is asked for
NUM_OBJECTS = 3
NUM_BACKGROUND = 4  # ids: 0 the sky, 1 the floor, 2 and 3 two halves of the walls
SHAPES = ("sphere", "cube", "cylinder", "cone", "torus", "icosahedron")
MIN_PITCH, MAX_PITCH = -25.0, 22.0
MIN_PIXELS = 10

ROOM = 3.0  # half of the room's side
RING_RADIUS = 2.7
CAMERA_HEIGHT = 1.2
MAX_AZIMUTH_VELOCITY = 8.0  # degrees a frame
MIN_SIZE, MAX_SIZE = 0.3, 0.5  # half of an object's extent
MAX_DISTANCE = 1.6  # of an object's centre from the room's axis: keeps it off the ring

SKY_COLOR = (0.62, 0.8, 0.95)  # sRGB
_IMAGE_SIZE = 64
_FOCAL_LENGTH = 0.5 * blender.SENSOR_WIDTH / math.tan(math.radians(25))  # a view of 50 degrees
_SAMPLES = 16


class Body(NamedTuple):
    """An object of the room."""

    shape: str  # out of `SHAPES`
    color: tuple[float, float, float]  # sRGB in [0, 1]
    size: float  # half of its extent
    position: tuple[float, float, float]  # of its centre
    rotation: float  # about the vertical, degrees


class Room(NamedTuple):
    """All that is drawn for a sequence."""

    floor_color: tuple[float, float, float]
    wall_color: tuple[float, float, float]
    bodies: tuple[Body, ...]
    azimuths: np.ndarray  # [F], the camera's place on the ring, degrees from the x axis
    pitches: np.ndarray  # [F], upwards, degrees


def generate(
    seed: int, split: str, index: int, num_frames: int = NUM_FRAMES
) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
    """Renders one sequence, a pure function of its arguments.

    Rooms are drawn until one to three objects are visible in every frame.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated.
      index: the sequence's number within its split, from 0.
      num_frames: F, at least 2.

    Returns:
      `image` uint8 `[F, 64, 64, 3]`; `label_map` uint8 `[F, 64, 64]`, ids as `NUM_BACKGROUND`
      says, then the objects; `visibility` float32 `[7]`, 1 for what any frame shows; `factors` as
      the function of that name says.

    Raises:
      UserError: if Blender is not installed.
    """
    numbers = raw_numbers(seed, split, index)
    while True:
        room = draw_room(numbers, num_frames)
        _build(room)
        label_map = np.stack([_labels(room, frame) for frame in range(num_frames)])
        if _is_admissible(label_map):
            break
    ids = np.arange(NUM_BACKGROUND + NUM_OBJECTS)
    return {
        "image": np.stack([_image(room, frame) for frame in range(num_frames)]),
        "label_map": label_map,
        "visibility": np.isin(ids, label_map).astype(np.float32),
        "factors": factors(room),
    }


def draw_room(numbers: Iterator[int], num_frames: int = NUM_FRAMES) -> Room:
    """Draws colours, objects that do not touch, and the camera's flight.

    The flight's first place on the ring and its velocity along it are uniform, and so are the first
    and the last pitch, which decide the velocity of the pitch.
    """
    floor_color, wall_color = _color(numbers), _color(numbers)
    while True:
        bodies = tuple(_body(numbers) for _ in range(NUM_OBJECTS))
        pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[:i]]
        if all(
            math.dist(a.position[:2], b.position[:2]) > footprint(a) + footprint(b)
            for a, b in pairs
        ):
            break
    azimuth = uniform(0.0, 360.0, numbers)
    velocity = uniform(-MAX_AZIMUTH_VELOCITY, MAX_AZIMUTH_VELOCITY, numbers)
    first, last = (uniform(MIN_PITCH, MAX_PITCH, numbers) for _ in range(2))
    return Room(
        floor_color,
        wall_color,
        bodies,
        azimuth + velocity * np.arange(num_frames),
        first + (last - first) * np.arange(num_frames) / (num_frames - 1),
    )


def footprint(body: Body) -> float:
    """Radius of a circle on the floor within which the whole object stands."""
    return body.size * (math.sqrt(2) if body.shape == "cube" else 1.0)


def camera(room: Room, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is in a frame and a point that it faces, each `[3]`."""
    azimuth, pitch = math.radians(room.azimuths[frame]), math.radians(room.pitches[frame])
    outwards = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    upwards = np.array([0.0, 0.0, 1.0])
    location = RING_RADIUS * outwards + CAMERA_HEIGHT * upwards
    return location, location - math.cos(pitch) * outwards + math.sin(pitch) * upwards


def factors(room: Room) -> dict[str, np.ndarray]:
    """What was drawn, one row an entity, the background as a whole being the first.

    Of the objects `[4, ...]`, the background's row 0: `shape` int32, from 1 on in the order of
    `SHAPES`; `color` `[4, 3]`, sRGB in [0, 1]; `position` `[4, 3]`, of the centre; `size`, half of
    the extent; `rotation`, about the vertical, degrees. Of the background, the objects' rows 0:
    `background_color` `[4, 4, 3]` of sky, floor and the halves of the walls; `camera_azimuth` and
    `camera_pitch` `[4, F]`, degrees. All but `shape` float32.
    """
    bodies = room.bodies
    background = [SKY_COLOR, room.floor_color, room.wall_color, room.wall_color]
    of_objects = {
        "color": [body.color for body in bodies],
        "position": [body.position for body in bodies],
        "size": [body.size for body in bodies],
        "rotation": [body.rotation for body in bodies],
    }
    of_background = {
        "background_color": background,
        "camera_azimuth": room.azimuths,
        "camera_pitch": room.pitches,
    }
    made = {"shape": np.array([0, *(1 + SHAPES.index(body.shape) for body in bodies)], np.int32)}
    for name, values in of_objects.items():
        values = np.array(values, np.float32)
        made[name] = np.concatenate([np.zeros_like(values[:1]), values])
    for name, values in of_background.items():
        values = np.array([values], np.float32)
        made[name] = np.concatenate([values, *[np.zeros_like(values)] * NUM_OBJECTS])
    return made


def _color(numbers: Iterator[int]) -> tuple[float, float, float]:
    hue, saturation = uniform(0.0, 1.0, numbers), uniform(0.5, 1.0, numbers)
    return colorsys.hsv_to_rgb(hue, saturation, uniform(0.5, 1.0, numbers))


def _body(numbers: Iterator[int]) -> Body:
    """An object that stands anywhere in a circle around the room's centre, uniformly."""
    shape = SHAPES[below(len(SHAPES), numbers)]
    color = _color(numbers)
    size = uniform(MIN_SIZE, MAX_SIZE, numbers)
    distance = MAX_DISTANCE * math.sqrt(uniform(0.0, 1.0, numbers))
    angle = uniform(0.0, 2 * math.pi, numbers)
    position = (distance * math.cos(angle), distance * math.sin(angle), size)
    return Body(shape, color, size, position, uniform(0.0, 360.0, numbers))


def _is_admissible(label_map: np.ndarray) -> bool:
    """Whether every frame `[F, H, W]` shows an object well enough; no more than three exist."""
    ids = NUM_BACKGROUND + np.arange(NUM_OBJECTS)
    pixels = np.sum(label_map[..., None] == ids, axis=(1, 2))  # [F, 3]
    return bool((pixels.max(axis=1) >= MIN_PIXELS).all())


def _build(room: Room) -> None:
    blender.reset(_IMAGE_SIZE, _IMAGE_SIZE)
    blender.set_world(blender.linear(SKY_COLOR), strength=1.0)
    # In place of a ceiling, and not seen: nearly even light, weaker on what stands upright.
    blender.add_area_light((0.0, 0.0, 2 * ROOM), (0.0, 0.0, 0.0), power=550.0, size=2 * ROOM)
    floor, wall = _matte(room.floor_color), _matte(room.wall_color)
    blender.add_object("plane", floor, 1, (0.0, 0.0, 0.0), scale=ROOM)
    for side in range(4):
        angle = side * math.pi / 2
        place = (ROOM * math.cos(angle), ROOM * math.sin(angle), ROOM)
        upright = (0.0, -math.pi / 2, angle)  # facing inwards
        blender.add_object("plane", wall, 2 + side // 2, place, ROOM, upright)
    for entity, body in enumerate(room.bodies, NUM_BACKGROUND):
        tilt = math.pi / 2 if body.shape == "torus" else 0.0  # a ring stands on its rim
        rotation = (tilt, 0.0, math.radians(body.rotation))
        blender.add_object(
            body.shape, _matte(body.color), entity, body.position, body.size, rotation
        )


def _matte(color: tuple[float, float, float]):
    return blender.material(blender.linear(color), roughness=0.9, specular=0.1)


def _labels(room: Room, frame: int) -> np.ndarray:
    blender.add_camera(*camera(room, frame), focal_length=_FOCAL_LENGTH)
    return blender.render_labels()


def _image(room: Room, frame: int) -> np.ndarray:
    blender.add_camera(*camera(room, frame), focal_length=_FOCAL_LENGTH)
    return blender.render_image(_SAMPLES, seed=frame, denoise=True)
