"""One process a folder: who comes second is told who has it, and a dead process holds nothing."""

import contextlib
import errno
import json
import os
import pathlib
import socket
import sys
import time
from collections.abc import Iterator

import filelock

from iodine.errors import UserError

_LOCK, _HOLDER = ".lock", ".lock.holder"
_NOT_SUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
_SECONDS_TO_TELL = 1.0  # that a process may take from having the lock to having said so


class InUseError(UserError):
    """Another process has the folder."""


@contextlib.contextmanager
def held(folder: pathlib.Path, remedy: str) -> Iterator[None]:
    """Holds a folder, which is made if it does not exist, for this process alone.

    The system gives the lock up when the process ends, however it ends. Folders that were made and
    are left empty are removed again.

    Args:
        folder: any, also on a file system that several machines share.
        remedy: what to do instead of waiting, as in "give another --run".

    Raises:
        InUseError: if another process holds it, naming machine and process.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = _acquired(folder, remedy)
        try:
            yield
        finally:
            if lock is not None:
                (folder / _HOLDER).unlink(missing_ok=True)
                lock.release()
    finally:
        _remove_if_empty(missing)


def check_free(folder: pathlib.Path, remedy: str) -> None:
    """Raises InUseError if another process holds the folder at this moment."""
    if folder.is_dir():
        with held(folder, remedy):
            pass


def _acquired(folder: pathlib.Path, remedy: str) -> filelock.BaseFileLock | None:
    """The lock; None, with a warning, where the file system knows no locks."""
    lock = filelock.FileLock(folder / _LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise InUseError(
            f"{folder} is in use by {_holder(folder)}; wait until it has ended, or {remedy}"
        ) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NOT_SUPPORTED:
            raise
        print(
            f"warning: {folder} cannot be locked on this file system; see to it that no other "
            "process works on it",
            file=sys.stderr,
        )
        return None
    with contextlib.suppress(OSError):  # a full disk: whoever comes second is told less
        told = {"host": socket.gethostname(), "process": os.getpid()}
        (folder / _HOLDER).write_text(json.dumps(told))
    return lock


def _holder(folder: pathlib.Path) -> str:
    """Who holds the folder, in words; what a dead process of this machine left is not believed."""
    deadline = time.monotonic() + _SECONDS_TO_TELL
    while True:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads((folder / _HOLDER).read_text())
            host, process = str(told["host"]), int(told["process"])
            if host != socket.gethostname() or _is_alive(process):
                return f"process {process} on {host}"
        if time.monotonic() > deadline:
            return "another process"
        time.sleep(0.05)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _remove_if_empty(folders: list[pathlib.Path]) -> None:
    """Removes folders, the innermost first, that hold nothing but what the lock left."""
    for folder in folders:
        try:
            if {path.name for path in folder.iterdir()} <= {_LOCK}:
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()
        except OSError:
            return
