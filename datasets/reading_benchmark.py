"""How fast a data set is read as converted, and how fast in the format it was released in."""

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from iodine.datasets import pipelines, reading, record_checks, released_records
from iodine.datasets.scene_builder import SceneBuilder

_SPLIT = "train"
_BATCH_SIZE = 32


class Effort(NamedTuple):
    """How long to measure."""

    num_passes: int = 5
    seconds: float = 2.0  # a pass, at least


EFFORT = Effort()


class Reading(NamedTuple):
    """What reading some scenes takes."""

    what: str
    images: list[float]  # images a second of each pass, if nothing but the image is wanted
    scenes: list[float]  # scenes a second, image, masks and factors
    bytes_a_scene: float  # on disk


def measure(
    data_dir: str, name: str, source: str | None = None, effort: Effort | None = None
) -> list[Reading]:
    """Reads the training scenes several times in each format.

    The first pass is not counted, so files come from the operating system's cache.

    Args:
      data_dir: the folder given to `iodine-data`.
      name: such as "tetrominoes/generated".
      source: a file in the released format with as many records; None writes one, for the time of
        the measurement, with the scenes of the split (enlarged, if the released images are larger).
      effort: number and length of the passes; `EFFORT` by default.

    Returns:
      The converted data; before them the released format, if the data set has one.

    Raises:
      UserError: if the data are not there, or damaged.
    """
    effort = effort or EFFORT
    builder = reading.open_dataset(data_dir, name)
    size = reading.num_examples(builder, _SPLIT)
    with tempfile.TemporaryDirectory() as folder, pipelines.readable(data_dir, name):
        readings = []
        if schema := builder.released_schema():
            path = source or os.path.join(folder, "released.tfrecords")
            if source is None:
                write_released(builder, schema, path)
            readings.append(_released(path, schema, size, effort))
        readings.append(_converted(builder, data_dir, size, effort))
    return readings


def report(name: str, readings: list[Reading], needed: float | None = None) -> str:
    """The measurements as a table, medians with the slowest and the fastest pass.

    Args:
      name: of the data set.
      readings: what `measure` returned.
      needed: images a second that training takes, for comparison.
    """
    rows = [("", "images/s", "whole scenes/s", "bytes a scene")]
    for one in readings:
        rows.append((one.what, _rates(one.images), _rates(one.scenes), f"{one.bytes_a_scene:,.0f}"))
    if needed is not None:
        rows.append(("training takes", f"{needed:,.1f}", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        f"  {label.ljust(widths[0])}  "
        + "  ".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        for label, *cells in rows
    ]
    title = f"{name}, {len(readings[-1].images)} passes, median (slowest to fastest):"
    return "\n".join([title, *(line.rstrip() for line in lines)])


def write_released(builder: SceneBuilder, schema: released_records.Schema, path: str) -> None:
    """Writes the training scenes of a data set in its released format."""
    paths = reading.files(builder, _SPLIT)
    stored = tf.data.TFRecordDataset(paths).map(lambda record: reading.decode(builder, record))
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for scene in stored.as_numpy_iterator():
            writer.write(released_record(scene, schema))


def released_record(scene: Mapping[str, Any], schema: released_records.Schema) -> bytes:
    """A stored scene as a serialised record of the released format.

    Image and masks are resized if the schema wants another size; a factor that the scene does not
    have in the schema's shape is zero.

    Args:
      scene: uint8 `image` `[h, w, 3]` and `label_map` `[h, w, 1]`, `visibility`, `factors`.
      schema: of the released records.
    """
    height, width, channels = schema["image"].shape
    image, label_map = (
        np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST))
        for pixels in (scene["image"], scene["label_map"][..., 0])
    )
    shape = schema["mask"].shape
    entities_first = shape[1:3] == (height, width)
    masks = 255 * (label_map == np.arange(shape[0 if entities_first else 2])[:, None, None])
    masks = masks if entities_first else np.moveaxis(masks, 0, 2)
    values = {
        **scene.get("factors", {}),
        "visibility": scene["visibility"],
        "image": image[..., :channels],
        "mask": masks[..., None],
    }
    features = {}
    for key, kind in schema.items():
        value = np.asarray(values.get(key, 0.0))
        if value.size != np.prod(kind.shape):
            value = np.zeros(kind.shape)
        features[key] = _feature(value.ravel(), kind)
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _feature(values: np.ndarray, kind: released_records.Bytes | released_records.Floats):
    if isinstance(kind, released_records.Bytes):
        strings = [bytes([value]) for value in values.astype(np.uint8).tolist()]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=strings))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _released(path: str, schema: released_records.Schema, size: int, effort: Effort) -> Reading:
    def batches(names) -> tf.data.Dataset:
        wanted = {name: schema[name] for name in names}
        return (
            tf.data.TFRecordDataset(path, record_checks.compression(path))
            .take(size)
            .map(
                lambda record: released_records.decode(released_records.parse(record, wanted)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .batch(_BATCH_SIZE)
            .prefetch(tf.data.AUTOTUNE)
        )

    return Reading(
        "released format",
        _passes(batches(["image"]), effort),
        _passes(batches(list(schema)), effort),
        os.path.getsize(path) / size,
    )


def _converted(builder: SceneBuilder, data_dir: str, size: int, effort: Effort) -> Reading:
    def batches(keys) -> tf.data.Dataset:
        return pipelines.evaluation_batches(
            data_dir, builder.full_name, _SPLIT, _BATCH_SIZE, keys=keys
        )

    num_bytes = sum(os.path.getsize(path) for path in reading.files(builder, _SPLIT))
    return Reading(
        "converted",
        _passes(batches(("image",)), effort),
        _passes(batches(reading.available_keys(builder)), effort),
        num_bytes / size,
    )


def _passes(batches: tf.data.Dataset, effort: Effort) -> list[float]:
    """Scenes a second of each pass; one more, the first, is not counted.

    A pass reads the data over and over; its clock starts with its second batch, when all threads
    are at work.
    """
    rates = []
    for _ in range(1 + effort.num_passes):
        iterator = iter(batches.repeat())
        next(iterator)
        start, count, elapsed = time.perf_counter(), 0, 0.0
        while elapsed < effort.seconds:
            count += len(next(iterator)["image"])
            elapsed = time.perf_counter() - start
        rates.append(count / elapsed)
    return rates[1:]


def _rates(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
