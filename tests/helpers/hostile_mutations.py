"""Seeded damage: to bytes, to JSON, and to files whose checksums are made right again after it.

Damage that a checksum gives away tests the checksum alone. So where a format has one there is a
mutation that mends it, and the damage reaches what reads the content.
"""

import gzip
import json
import math
import random
import struct
import zlib

from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

HOSTILE_NUMBERS = (
    *(0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e-320, 1e308),
    *(math.nan, math.inf, -math.inf),
)
HOSTILE_STRINGS = (
    "",
    "x",
    "..",
    "../../escaped",
    "/etc/passwd",
    "\x00",
    "\ud800",
    "%s{0}",
    "é" * 9,
)
HOSTILE_OTHERS = (None, True, False, [], {}, [[]], [None], {"": 0}, [1, "a"], "9" * 5000)
_TABLE_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)  # at the end of a LevelDB table
DEEP = 100_000  # levels, far more than Python's own limit of recursion


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """One to four random changes: bits, a cut, pieces copied, overwritten, put in or left out."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _damage_once(changed, chance)
    return bytes(changed)


def _damage_once(content: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(content) + 1)
    length = chance.choice((1, 2, 4, 8, 64, 1024))
    kind = chance.randrange(7)
    if kind == 0:  # bits
        for _ in range(chance.choice((1, 3, 20)) if content else 0):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif kind == 1:  # cut off
        del content[place:]
    elif kind == 2:  # left out
        del content[place : place + length]
    elif kind == 3:  # spliced
        start = chance.randrange(len(content) + 1)
        content[place : place + length] = content[start : start + length]
    elif kind == 4:  # put in
        content[place:place] = chance.randbytes(length)
    elif kind == 5:  # a huge number, a small one, one below 0
        number = chance.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1))
        width = chance.choice((1, 2, 4, 8))
        order = chance.choice(("little", "big"))
        number &= 256**width - 1
        content[place : place + width] = number.to_bytes(width, order)
    else:  # zeros
        content[place : place + length] = bytes(length)


def damage_json(text: str, chance: random.Random) -> bytes:
    """JSON with one to three values replaced, lost, renamed or nested; or damaged as bytes."""
    if chance.random() < 0.2:
        return damage_bytes(text.encode(), chance)
    if chance.random() < 0.03:
        opening = chance.choice(("[", '{"model":', '{"a":['))
        return (opening * DEEP).encode()
    values = json.loads(text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(values))
        if not places:
            break
        _damage_value(*chance.choice(places), chance)
    return json.dumps(values).encode("utf-8", "surrogatepass")


def _places(values):
    """Every (container, key) within nested dictionaries and lists."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _damage_value(container, key, chance: random.Random) -> None:
    kind, old = chance.randrange(8), container[key]
    if kind <= 2:
        container[key] = chance.choice(HOSTILE_NUMBERS)
    elif kind == 3:
        container[key] = chance.choice(HOSTILE_STRINGS)
    elif kind == 4:
        container[key] = chance.choice(HOSTILE_OTHERS)
    elif kind == 5 and isinstance(old, int | float) and math.isfinite(old):
        container[key] = old * chance.choice((2, 10, 100, 1000, 10_000))
    elif kind == 5 and isinstance(old, list):
        container[key] = old * chance.choice((2, 5, 100, 10_000))
    elif kind == 6 and isinstance(container, dict):
        container[chance.choice(("kind", "model", "\x00", key + "_"))] = container.pop(key)
    elif isinstance(container, dict):
        del container[key]
    else:
        container.append(old)


def damage_tfrecord(content: bytes, chance: random.Random) -> bytes:
    """A TFRecord file, GZIP or not: damage outside, within the stream, or within the records."""
    packed = content[:2] == b"\x1f\x8b"
    if chance.random() < 0.3:
        return damage_bytes(content, chance)
    try:
        plain = gzip.decompress(content) if packed else content
        records = list(_records(plain))
    except (EOFError, OSError, struct.error, zlib.error):  # damaged before
        return damage_bytes(content, chance)
    if chance.random() < 0.3 or not records:
        plain = damage_bytes(plain, chance)
    else:
        start, record = chance.choice(records)
        framed = _framed(damage_bytes(record, chance))
        if chance.random() < 0.2:
            framed = _length(chance.choice((2**31, 2**40, 2**63, 2**64 - 1))) + framed[12:]
        plain = plain[:start] + framed + plain[start + len(record) + 16 :]
    return gzip.compress(plain, 1) if packed else plain


def _records(plain: bytes):
    """Where each record starts, and what it holds."""
    place = 0
    while place < len(plain):
        (length,) = struct.unpack_from("<Q", plain, place)
        yield place, plain[place + 12 : place + 12 + length]
        place += length + 16


def _framed(record: bytes) -> bytes:
    return _length(len(record)) + record + struct.pack("<I", masked_crc32c(record))


def _length(number: int) -> bytes:
    """A record's length with its checksum."""
    length = struct.pack("<Q", number)
    return length + struct.pack("<I", masked_crc32c(length))


def damage_checkpoint_index(content: bytes, chance: random.Random) -> bytes:
    """An index of a checkpoint, a LevelDB table, with one block damaged and its checksum right."""
    if chance.random() < 0.3 or content[-8:] != _TABLE_MAGIC:
        return damage_bytes(content, chance)
    footer, place, handles = content[-48:], 0, []
    for _ in range(4):
        number, place = _varint(footer, place)
        handles.append(number)
    first_block = (0, handles[0] - 5)  # it holds all entries of a small checkpoint
    start, size = chance.choice((first_block, first_block, (handles[2], handles[3])))
    damaged = bytearray(content[start : start + size])
    for _ in range(chance.choice((1, 2, 6))):
        # In place: the other blocks stay where the footer says they are.
        spot = chance.randrange(len(damaged))
        damaged[spot] = chance.choice(
            (0, 1, 127, 128, 255, damaged[spot] ^ 1 << chance.randrange(8))
        )
    kind = content[start + size : start + size + 1]
    checksum = struct.pack("<I", masked_crc32c(bytes(damaged) + kind))
    return content[:start] + bytes(damaged) + kind + checksum + content[start + size + 5 :]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = content[place]
        number, shift, place = number | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return number, place


def damage_png(content: bytes, chance: random.Random) -> bytes:
    """A PNG damaged anywhere, or in one chunk whose checksum is right: its sizes, its mode."""
    if chance.random() < 0.5 or content[:4] != b"\x89PNG":
        return damage_bytes(content, chance)
    chunks, place = [], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += length + 12
    if not chunks:  # damaged before
        return damage_bytes(content, chance)
    number = chance.choice((0, chance.randrange(len(chunks))))
    name, data = chunks[number]
    chunks[number] = (name, damage_bytes(data, chance))
    if chance.random() < 0.2:
        chunks.insert(number, chunks[chance.randrange(len(chunks))])
    return content[:8] + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def damage_gzip(content: bytes, chance: random.Random) -> bytes:
    """A GZIP file damaged outside or inside."""
    if chance.random() < 0.4:
        return damage_bytes(content, chance)
    try:
        return gzip.compress(damage_bytes(gzip.decompress(content), chance), 1)
    except (EOFError, OSError, zlib.error):  # damaged before
        return damage_bytes(content, chance)
