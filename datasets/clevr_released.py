"""The released file of CLEVR with masks: its records, and what its ids mean."""

import numpy as np

from iodine.datasets import released_records
from iodine.datasets.clevr_generator import (
    COLORS,
    IMAGE_SIZE,
    MAX_OBJECTS,
    PIXELS_A_SLOPE,
    SHAPES,
    SIZES,
)
from iodine.errors import UserError

CATEGORIES = ("shape", "size", "material", "color")
FACTORS = (*CATEGORIES, "x", "y", "z", "rotation", "pixel_coords")

_NUM_ENTITIES = 1 + MAX_OBJECTS

# Every number of a `Bytes` is a one-byte string of its own in the file.
SCHEMA: released_records.Schema = {
    "image": released_records.Bytes((*IMAGE_SIZE, 3)),
    "mask": released_records.Bytes((_NUM_ENTITIES, *IMAGE_SIZE, 1)),
    **{name: released_records.Bytes((_NUM_ENTITIES,)) for name in CATEGORIES},
    **{name: released_records.Floats((_NUM_ENTITIES,)) for name in ("x", "y", "z", "rotation")},
    "pixel_coords": released_records.Floats((_NUM_ENTITIES, 3)),
    "visibility": released_records.Floats((_NUM_ENTITIES,)),
}

_MAX_UNCLEAR = 0.01  # of the pixels
_RECORDS_TO_LEARN_FROM = 100
_MIN_LEAD = 0.02  # of the greenest colour over the next
_LARGEST_SPHERE, _SMALLEST_CYLINDER = 3.6, 4.1


def num_objects(record: dict[str, np.ndarray]) -> int:
    """How many objects there are, without the background."""
    return int(np.sum(record["visibility"][1:] > 0))


def parts(record: dict[str, np.ndarray], num_entities: int, path: str) -> tuple:
    """Image, label map, visibility and factors of a record, for that many entities.

    Pixels that belong to no entity or to several get the label 255.

    Returns:
      `image` uint8 `[240, 320, 3]`, `labels` uint8 `[240, 320]`, `visibility` float32
      `[num_entities]`, and `factors`, a dict of `[num_entities, ...]`.

    Raises:
      UserError: naming `path`, if more than one pixel in a hundred is of no entity or of several.
    """
    order = np.argsort(record["visibility"] <= 0, kind="stable")[:num_entities]
    masks = record["mask"][order, ..., 0] > 0
    unclear = np.sum(masks, axis=0) != 1
    if np.mean(unclear) > _MAX_UNCLEAR:
        raise UserError(f"{path} has masks that overlap or leave pixels out; check --source")
    labels = np.where(unclear, 255, np.argmax(masks, axis=0)).astype(np.uint8)
    factors = {
        name: record[name][order].astype(np.int32 if name in CATEGORIES else np.float32)
        for name in FACTORS
    }
    return record["image"], labels, record["visibility"][order], factors


def green_and_sphere(path: str, num_records: int) -> tuple[int, int]:
    """The ids that mean "green" and "sphere", which are not published, found in the pictures.

    Green is the colour with the largest share of green light. A sphere of radius r at depth d
    covers pi (f r / d)^2 pixels, f the focal length in pixels; a cylinder of the same size about
    5 (f r / d)^2; a cube's centre is lower than theirs. The first 100 records decide.

    Args:
      path: the released file.
      num_records: it holds at least so many.

    Raises:
      UserError: naming `path`, if the pictures do not tell.
    """
    shares: dict[int, list[float]] = {}
    areas: dict[int, list[float]] = {}
    stop = min(num_records, _RECORDS_TO_LEARN_FROM)
    for record in released_records.read(path, SCHEMA, 0, stop):
        for entity in 1 + np.flatnonzero(record["visibility"][1:]):
            mask = record["mask"][entity, ..., 0] > 0
            if not mask.any():
                continue
            red, green, blue = record["image"][mask].mean(axis=0)
            shares.setdefault(int(record["color"][entity]), []).append(green / (red + green + blue))
            radius = record["z"][entity]
            if min(abs(radius - size) for size in SIZES.values()) < 0.01:  # else it is a cube
                scale = PIXELS_A_SLOPE * radius / record["pixel_coords"][entity, 2]
                areas.setdefault(int(record["shape"][entity]), []).append(mask.sum() / scale**2)
    greenest = sorted(((np.median(values), name) for name, values in shares.items()), reverse=True)
    # Spheres hidden in part are smaller still, so what tells is the upper quarter.
    roundest = sorted((np.quantile(values, 0.75), name) for name, values in areas.items())
    is_clear = (
        len(greenest) == len(COLORS)
        and len(roundest) == len(SHAPES) - 1
        and greenest[0][0] - greenest[1][0] >= _MIN_LEAD
        and roundest[0][0] <= _LARGEST_SPHERE
        and roundest[1][0] >= _SMALLEST_CYLINDER
    )
    if not is_clear:
        raise UserError(
            f"the first {stop} records of {path} do not tell which ids are green and sphere; "
            "read more of them, or use a variant without green_spheres in its name"
        )
    return greenest[0][1], roundest[0][1]
