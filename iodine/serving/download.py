"""Fetching the authors' released checkpoints."""

import base64
import contextlib
import hashlib
import http.client
import math
import pathlib
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator

from iodine.errors import UserError
from iodine.progress import Progress

RELEASED_CHECKPOINTS_URL = (
    "https://storage.googleapis.com/deepmind-research-iodine/iodine_checkpoints.zip"
)
_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30
# What reading a damaged zip file raises; RuntimeError for one that is encrypted.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


def fetch_zip(url: str, folder: pathlib.Path) -> pathlib.Path:
    """Downloads a zip file into `folder`, checks it, and unpacks it there.

    What is checked: the announced length, the MD5 that Cloud Storage announces, and the CRC of
    every member. A file that is already there and intact is not fetched again.

    Returns:
        The folder that it was unpacked into.

    Raises:
        UserError: if it cannot be fetched, or does not arrive intact; the partial file is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rsplit("/", 1)[-1]
    if not (path.exists() and _is_intact(path)):
        _fetch(url, path)
        if not _is_intact(path):
            path.unlink()
            raise UserError(f"{url} did not arrive as an intact zip file; try again")
    unpacked = folder / path.stem
    with zipfile.ZipFile(path) as archive:
        archive.extractall(unpacked)
    return unpacked


def _fetch(url: str, path: pathlib.Path) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        _receive(url, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _receive(url: str, path: pathlib.Path) -> None:
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with _connection_to(url):
        response = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)
    with response, path.open("wb") as file:
        length = int(response.headers.get("Content-Length") or 0)
        announced = _announced_md5(response.headers.get_all("x-goog-hash") or [])
        progress = Progress(0, _megabytes(length) or None, url.rsplit("/", 1)[-1], "MB")
        with contextlib.closing(progress):
            while chunk := _read(response, url):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                progress.update(_megabytes(received))
    if length and received != length:
        raise UserError(f"{url} arrived cut off: {received:,} of {length:,} bytes; try again")
    if announced and digest.digest() != announced:
        raise UserError(f"{url} arrived damaged: not the MD5 that its server announces; try again")


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    with _connection_to(url):
        return response.read(_CHUNK)


@contextlib.contextmanager
def _connection_to(url: str) -> Iterator[None]:
    """Turns what a connection can raise into a UserError; holds no writing, which may fail too."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:  # also URLError, SSLError, timeouts
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise UserError(
            f"cannot download {url}: {reason}; fetch it elsewhere, unpack it and give "
            "--checkpoint=PREFIX"
        ) from None


def _megabytes(num_bytes: int) -> int:
    return math.ceil(num_bytes / 1e6)


def _announced_md5(hashes: list[str]) -> bytes | None:
    for entry in ",".join(hashes).split(","):
        name, _, value = entry.strip().partition("=")
        if name == "md5":
            return base64.b64decode(value)
    return None


def _is_intact(path: pathlib.Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except _DAMAGED:
        return False
