"""Fetching a zip file of checkpoints."""

import lzma
import pathlib
import struct
import zipfile
import zlib

from iodine.download import download
from iodine.errors import UserError

# What reading a damaged zip file raises: RuntimeError for one that is encrypted, OSError where it
# names a place that the file does not have.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError),
)
MAX_BYTES = 2**33  # unpacked; more is not a checkpoint of this model


def fetch_zip(url: str, folder: pathlib.Path) -> pathlib.Path:
    """Downloads a zip file into `folder`, checks it, and unpacks it there.

    What is checked: what `download` checks, and the CRC of every member. Members stay within the
    folder (`zipfile` sees to it). A file that is already there and intact is not fetched again.

    Returns:
        The folder that it was unpacked into.

    Raises:
        UserError: if it cannot be fetched, or does not arrive intact; the file is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rsplit("/", 1)[-1]
    if not (path.exists() and _is_intact(path)):
        download(url, path, "fetch it elsewhere, unpack it and give --checkpoint=PREFIX")
        if not _is_intact(path):
            path.unlink()
            raise UserError(f"{url} did not arrive as an intact zip file; try again")
    unpacked = folder / path.stem
    with zipfile.ZipFile(path) as archive:
        archive.extractall(unpacked)
    return unpacked


def _is_intact(path: pathlib.Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MAX_BYTES:
                raise UserError(f"{path} would unpack to {size:,} bytes; it is not the file sought")
            return archive.testzip() is None
    except _DAMAGED:
        return False
