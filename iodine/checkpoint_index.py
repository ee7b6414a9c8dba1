"""Whether a checkpoint's files can be given to TensorFlow, which trusts what they say.

The index of a checkpoint is a LevelDB table of `BundleEntryProto`s. TensorFlow's reader ends the
whole process at an entry that it cannot parse, and reserves whatever memory a shape asks for. So
the index is read here first, in Python, where the worst is an exception.
"""

import math
import os
import pathlib
from collections.abc import Iterator

import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import tensor_bundle_pb2

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER_BYTES = 48  # two handles of blocks, padding, magic number
_TRAILER_BYTES = 5  # of a block: kind of compression, checksum
_MAX_INDEX_BYTES = 2**28
_HEADER_KEY = b""
_MAX_SHARDS = 100_000
_MAX_RANK = 254  # TensorFlow's own limit


def check(prefix: str) -> None:
    """Looks through the index of a checkpoint and the sizes of its data files; reads no tensor.

    Args:
        prefix: the path without `.index`.

    Raises:
        ValueError: if the index is damaged, or names what the data files cannot hold.
        OSError: if a file is missing or cannot be read.
    """
    path = pathlib.Path(f"{prefix}.index")
    if path.stat().st_size > _MAX_INDEX_BYTES:
        raise ValueError(f"{path} is too large for an index")
    try:
        entries = list(_table(path.read_bytes()))
        if not entries or entries[0][0] != _HEADER_KEY:
            raise ValueError("no header")
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(entries[0][1])
        if not 0 < header.num_shards <= _MAX_SHARDS:
            raise ValueError(f"{header.num_shards} data files")
        sizes: dict[int, int] = {}
        for key, value in entries[1:]:
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
            if not entry.slices:  # else it only says in which parts a tensor lies
                _check_entry(key, entry, prefix, header.num_shards, sizes)
    except (ValueError, IndexError, message.DecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def _check_entry(
    key: bytes,
    entry: tensor_bundle_pb2.BundleEntryProto,
    prefix: str,
    num_shards: int,
    sizes: dict[int, int],
) -> None:
    """Raises ValueError unless a data file holds as many bytes as the entry's shape asks for."""
    name = key.decode(errors="replace")
    dimensions = [dimension.size for dimension in entry.shape.dim]
    if entry.shape.unknown_rank or len(dimensions) > _MAX_RANK or min(dimensions, default=0) < 0:
        raise ValueError(f"{name} has no shape")
    if not 0 <= entry.shard_id < num_shards:
        raise ValueError(f"{name} lies in no data file")
    if entry.shard_id not in sizes:
        data = f"{prefix}.data-{entry.shard_id:05d}-of-{num_shards:05d}"
        sizes[entry.shard_id] = os.path.getsize(data)
    if min(entry.offset, entry.size) < 0 or entry.offset + entry.size > sizes[entry.shard_id]:
        raise ValueError(f"{name} lies beyond the end of its data file")
    try:
        dtype = tf.dtypes.as_dtype(entry.dtype)
        item_bytes = 0 if dtype == tf.string else dtype.size
    except (TypeError, KeyError):
        raise ValueError(f"{name} has the unknown type {entry.dtype}") from None
    number = math.prod(dimensions)
    # A string takes a byte at least, that of its length.
    fits = number * item_bytes == entry.size if item_bytes else number <= entry.size
    if not fits:
        raise ValueError(f"{name} has {entry.size} bytes, which is not what its shape needs")


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a LevelDB table; ValueError or IndexError if it is none."""
    footer = content[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or not footer.endswith(_MAGIC):
        raise ValueError("no table")
    place, handles = 0, []
    for _ in range(4):
        number, place = _varint(footer, place)
        handles.append(number)
    for _, handle in _block(content, handles[2], handles[3]):
        start, after = _varint(handle, 0)
        size, _ = _varint(handle, after)
        yield from _block(content, start, size)


def _block(content: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of a block. A key is stored as what differs from the end of the one before."""
    if start + size + _TRAILER_BYTES > len(content) or content[start + size]:
        raise ValueError("a block is cut off, or compressed, which TensorFlow never does")
    block = content[start : start + size]
    num_restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 - 4 * num_restarts  # the restarts help to search, not to read
    if size < 4 or end < 0:
        raise ValueError("a block has no end")
    key, place = b"", 0
    while place < end:
        numbers = []
        for _ in range(3):
            number, place = _varint(block, place)
            numbers.append(number)
        shared, own, length = numbers
        if shared > len(key) or place + own + length > end:
            raise ValueError("an entry is cut off")
        key = key[:shared] + block[place : place + own]
        place += own + length
        yield key, block[place - length : place]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where what follows it begins."""
    number = 0
    for shift in range(0, 64, 7):
        byte = content[place]
        number, place = number | (byte & 127) << shift, place + 1
        if byte < 128:
            return number, place
    raise ValueError("a number has no end")
