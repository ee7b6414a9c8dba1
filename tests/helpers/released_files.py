"""Writes files in the format of Multi-Object Datasets, and looks at how bad ones are refused."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.datasets import preparation
from iodine.errors import UserError


def byte_strings(values):
    """Every element a one-byte string of its own."""
    values = np.asarray(values, np.uint8).ravel()
    # As it is on the wire, field 1 of length 1: CLEVR has a million of them in each record.
    wire = np.stack([np.full_like(values, 10), np.ones_like(values), values], axis=1).tobytes()
    return tf.train.Feature(bytes_list=tf.train.BytesList.FromString(wire))


def floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))


def serialize(record):
    """A dict of arrays as a record: uint8 as one-byte strings, all others as float32."""
    kinds = {name: byte_strings if value.dtype == np.uint8 else floats
             for name, value in record.items()}  # fmt: skip
    features = {name: kinds[name](value) for name, value in record.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(path, records, compression="GZIP"):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(serialize(record))


def refusal(name, folder, path, sizes):
    """The message for a file that cannot be converted: one line, its name in it, nothing left."""
    with pytest.raises(UserError) as error:
        preparation.prepare(name, str(folder), settings=sizes, source=str(path))
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert [file for file in folder.rglob("*tfrecord*") if file.is_file()] == []
    return message
