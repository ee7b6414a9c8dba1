"""Ends a process that hangs where no thread of Python runs, with a line that says why."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

# A process of its own, since TensorFlow may wait while it keeps all threads of Python from running.
# It ends when its standard input is closed, as it is also when the other process dies.
_WATCH = """
import os, select, signal, sys
seconds, line, process = sys.argv[1:]
if not select.select([0], [], [], float(seconds))[0]:
    sys.stderr.write(f"{line}\\n")
    sys.stderr.flush()
    os.kill(int(process), signal.SIGALRM)
"""


@contextlib.contextmanager
def ended_after(seconds: float, line: str) -> Iterator[None]:
    """Ends this process by SIGALRM, with a line on standard error, if the block takes longer.

    The exit code is then that of the signal: -14, in shells 142.
    """
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    command = [sys.executable, "-S", "-E", "-c", _WATCH, str(seconds), line, str(os.getpid())]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        watch.stdin.close()
        watch.wait()
        signal.signal(signal.SIGALRM, before)
