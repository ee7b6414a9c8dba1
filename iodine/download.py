"""Downloading a file so that it is either there and whole, or not there."""

import base64
import contextlib
import hashlib
import http.client
import math
import pathlib
import urllib.request
from collections.abc import Iterator

from iodine.errors import UserError
from iodine.progress import Progress

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


def download(url: str, path: pathlib.Path, remedy: str) -> None:
    """Downloads a file to a path, where it appears only after it has been checked.

    What is checked: the announced length, and the MD5 that Cloud Storage announces.

    Args:
        url: of the file.
        path: where to put it; its folder is made.
        remedy: what the user can do where there is no connection.

    Raises:
        UserError: if it cannot be fetched, or does not arrive intact; the partial file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        _receive(url, partial, remedy)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _receive(url: str, path: pathlib.Path, remedy: str) -> None:
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with _connection_to(url, remedy):
        response = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)
    with response, path.open("wb") as file:
        length = int(response.headers.get("Content-Length") or 0)
        announced = _announced_md5(response.headers)
        progress = Progress(0, _megabytes(length) or None, url.rsplit("/", 1)[-1], "MB")
        with contextlib.closing(progress):
            while True:
                with _connection_to(url, remedy):
                    chunk = response.read(_CHUNK)
                if not chunk:
                    break
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                progress.update(_megabytes(received))
    if length and received != length:
        raise UserError(f"{url} arrived cut off: {received:,} of {length:,} bytes; try again")
    if announced and digest.digest() != announced:
        raise UserError(f"{url} arrived damaged: not the MD5 that its server announces; try again")


@contextlib.contextmanager
def _connection_to(url: str, remedy: str) -> Iterator[None]:
    """Turns what a connection can raise into a UserError; holds no writing, which may fail too."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:  # also URLError, SSLError, timeouts
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise UserError(f"cannot download {url}: {reason}; {remedy}") from None


def _megabytes(num_bytes: int) -> int:
    return math.ceil(num_bytes / 1e6)


def _announced_md5(headers: http.client.HTTPMessage) -> bytes | None:
    """Of the file as it is stored; None if there is none, or another form of it arrives."""
    if headers.get("x-goog-stored-content-encoding", "identity") != "identity":
        return None
    for entry in ",".join(headers.get_all("x-goog-hash") or []).split(","):
        name, _, value = entry.strip().partition("=")
        if name == "md5":
            return base64.b64decode(value)
    return None
