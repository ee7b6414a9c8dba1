"""Reads the TFRecord files of Multi-Object Datasets: parse -> decode -> NumPy.

The files are GZIP-compressed, and copies that are not are read as well; every element of a byte
feature (a channel of a pixel) is a string of its own, one byte long. That is slow to parse, so
these files are read once, to be converted.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from iodine.datasets import record_checks
from iodine.errors import UserError


class Bytes(NamedTuple):
    """A feature of numbers 0 to 255, each stored as a one-byte string."""

    shape: tuple[int, ...]


class Floats(NamedTuple):
    """A feature of float32 numbers."""

    shape: tuple[int, ...]


Schema = Mapping[str, Bytes | Floats]
# The second where TensorFlow's message quotes bytes of the record.
_OF_ANOTHER_SCHEMA = (tf.errors.InvalidArgumentError, UnicodeDecodeError)


def parse(serialized: tf.Tensor, schema: Schema) -> dict[str, tf.Tensor]:
    """A serialised record as the tensors it holds: strings for `Bytes`, float32 for `Floats`."""
    dtypes = {Bytes: tf.string, Floats: tf.float32}
    features = {
        name: tf.io.FixedLenFeature(kind.shape, dtypes[type(kind)]) for name, kind in schema.items()
    }
    return tf.io.parse_single_example(serialized, features)


def decode(parsed: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """One-byte strings to uint8 of the same shape; other tensors as they are."""

    def to_numbers(strings: tf.Tensor) -> tf.Tensor:
        decoded = tf.io.decode_raw(strings, tf.uint8)
        return tf.squeeze(tf.ensure_shape(decoded, (*strings.shape, 1)), -1)

    return {
        name: to_numbers(value) if value.dtype == tf.string else value
        for name, value in parsed.items()
    }


def read(path: str, schema: Schema, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields records `start` to `stop - 1` of a released file, decoded to NumPy.

    Raises:
      UserError: naming the file, if it does not exist, cannot be read, holds records of another
        schema, or ends before record `stop`.
    """
    records = _raw_records(path, start, stop)
    scenes = records.map(
        lambda serialized: decode(parse(serialized, schema)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)
    yield from _checked(scenes, path, schema, start, stop)


def read_raw(path: str, schema: Schema, start: int, stop: int) -> Iterator[bytes]:
    """Like `read`, but yields the records as they are stored, for others to decode."""
    yield from _checked(_raw_records(path, start, stop), path, schema, start, stop)


def decode_raw(record: bytes, schema: Schema, number: int, path: str) -> dict[str, np.ndarray]:
    """Decodes what `read_raw` yielded; UserError naming the file if it is of another schema."""
    try:
        decoded = decode(parse(tf.constant(record), schema))
    except _OF_ANOTHER_SCHEMA as error:
        raise _other_schema(number, path, schema) from error
    return {name: value.numpy() for name, value in decoded.items()}


def _raw_records(path: str, start: int, stop: int) -> tf.data.Dataset:
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise UserError(f"no such file: {path}; check --source")
    compression = record_checks.compression(path)
    try:
        if not compression:
            record_checks.check_lengths(path, stop)
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    return tf.data.TFRecordDataset(path, compression).skip(start).take(stop - start)


def _checked(records: tf.data.Dataset, path: str, schema: Schema, start: int, stop: int):
    """The records as NumPy; what goes wrong while reading said in one line."""
    num_read = 0
    try:
        for record in records.as_numpy_iterator():
            yield record
            num_read += 1
    except tf.errors.DataLossError as error:
        raise _damaged(path, f"after {start + num_read} records") from error
    except _OF_ANOTHER_SCHEMA as error:
        raise _other_schema(start + num_read, path, schema) from error
    if start + num_read < stop:
        raise UserError(
            f"{path} {_size(start, num_read)} records, but the splits asked for need {stop:,} or "
            "more; pass smaller --num_train, --num_validation and --num_test"
        )


def label_map(masks: np.ndarray, path: str) -> np.ndarray:
    """Masks `[L, H, W]` of 0 and 255 as entity ids `[H, W]`, uint8, 0 the background.

    Raises:
      UserError: naming `path`, unless every pixel belongs to exactly one entity.
    """
    if not np.array_equal(np.sum(masks == 255, axis=0), np.ones(masks.shape[1:])):
        raise UserError(f"{path} has masks that overlap or leave pixels out; check --source")
    return np.argmax(masks, axis=0).astype(np.uint8)


def _damaged(path: str, where: str) -> UserError:
    return UserError(f"{path} is truncated, damaged or no TFRecord file ({where}); fetch it again")


def _other_schema(number: int, path: str, schema: Schema) -> UserError:
    return UserError(
        f"record {number} of {path} is not of this data set (expected {_describe(schema)}); "
        "check that --source is the file of this data set"
    )


def _describe(schema: Schema) -> str:
    return ", ".join(f"{name} {list(kind.shape)}" for name, kind in schema.items())


def _size(start: int, num_read: int) -> str:
    # Nothing read after skipping to `start`: the file may have ended anywhere before.
    return f"holds {start + num_read:,}" if num_read or not start else f"holds at most {start:,}"
