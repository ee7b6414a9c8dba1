"""What has to be known of a TFRecord file before TensorFlow reads it."""

import os
import struct

import tensorflow as tf

# A protocol buffer cannot be longer. TensorFlow reserves the memory that a record's length asks
# for before it looks whether the file goes on for so long, and a lack of it ends the process.
_MAX_RECORD_BYTES = 2**31 - 1
_LENGTH = struct.Struct("<Q")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4  # length and its checksum; checksum of the record
_GZIP = b"\x1f\x8b"


def compression(path: str) -> str:
    """How a file is compressed, as `tf.data.TFRecordDataset` is told it: "GZIP" or ""."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return "GZIP" if file.read(len(_GZIP)) == _GZIP else ""


def check_lengths(path: str, num_records: int | None = None) -> None:
    """Looks at the lengths of the records of a file on this machine that is not compressed.

    Whatever else may be wrong with it, TensorFlow finds while reading.

    Args:
      path: of the file; one that TensorFlow alone can reach (`gs://...`) is not looked at.
      num_records: only the first so many; all by default.

    Raises:
      ValueError: for a length that no record can have.
    """
    if "://" in path:
        return
    with open(path, "rb", buffering=0) as file:
        place, number = 0, 0
        while number != num_records:
            header = os.pread(file.fileno(), _LENGTH.size, place)
            if len(header) < _LENGTH.size:
                return
            (length,) = _LENGTH.unpack(header)
            if length > _MAX_RECORD_BYTES:
                raise ValueError(f"record {number} says that it has {length:,} bytes")
            place += _HEADER_BYTES + length + _FOOTER_BYTES
            number += 1
