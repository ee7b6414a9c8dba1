"""Keeps TensorFlow's start-up noise off the terminal.

TensorFlow 2.21 writes some lines of its C++ side (oneDNN, missing CUDA libraries) to file
descriptor 2 whatever TF_CPP_MIN_LOG_LEVEL says. So the descriptor itself is set aside meanwhile.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

_SILENT = "3"
# Information, warnings and errors as TensorFlow's C++ side words them, before and after its log is
# set up; what is fatal is not among them.
_NOISE = re.compile(
    rb"[IWE]\d{4} [\d:.]+ +\d+ [\w./-]+\.(cc|cu|h):\d+\] "
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IWE] [\w./-]+\.(cc|cu|h):\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|To enable the following instructions: "
)


@contextlib.contextmanager
def native_stderr_held(is_noise: Callable[[bytes], object]) -> Iterator[None]:
    """Holds back what is written to standard error, and shows it in the end, but for the noise.

    If the block fails, the noise is shown too. Nothing is held back while there are other threads:
    one of them might start a process, which would go on writing to where nobody looks. A process
    that is killed within the block takes what was held with it.

    Args:
        is_noise: says of a line, with its end, whether it may be dropped.
    """
    saved = _copy_of_stderr() if threading.active_count() == 1 else None
    if saved is None:
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            _flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if failed or not is_noise(line):
                    os.write(2, line)


def _copy_of_stderr() -> int | None:
    """Another descriptor of standard error; None if there is none."""
    _flush()
    try:
        return os.dup(2)
    except OSError:
        return None


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def import_tensorflow() -> None:
    """Imports TensorFlow silently; touches no device. A user's own lower log level is respected.

    A child process inherits the level that its parent set here and is as silent.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _SILENT) != _SILENT:
        return
    with native_stderr_held(_NOISE.match):
        import tensorflow  # noqa: F401
