"""Reads damaged input in a process of its own, which native code may end."""

import contextlib
import json
import math
import os
import pathlib
import selectors
import subprocess
import sys

import hostile_watch

# Of the processor and of the clock: longer is a hang in native code. TensorFlow's import is part.
MAX_SECONDS, PATIENCE_SECONDS = hostile_watch.MAX_SECONDS + 50, 600
_LOOK_SECONDS = 5


class Reader:
    """A process that reads one input after the other, begun again when it ends or hangs."""

    def __init__(self, folder):
        self._folder, self._process = folder, None

    def outcome(self, name, seed):
        """What comes of a case; what native code does to the process is a crash too."""
        if self._process is None:
            self._start()
        self._process.stdin.write(f"{name}:{seed}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline() if (in_time := self._wait()) else b""
        if line:
            return hostile_watch.Outcome(**json.loads(line))
        reason = f"ended with {self._process.wait()}" if in_time else "hung in native code"
        self.close()
        return hostile_watch.Outcome(name, seed, "", "crashed", reason, math.nan, 0.0)

    def close(self):
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def _start(self):
        self._folder = self._folder.with_name(self._folder.name + "_")
        self._folder.mkdir(parents=True)
        self._process = subprocess.Popen(
            [sys.executable, hostile_watch.__file__, str(self._folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _wait(self):
        """Whether there is an answer, or an end, before the process has taken too long."""
        before, waited = self._processor_seconds(), 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(_LOOK_SECONDS):
                waited += _LOOK_SECONDS
                used = self._processor_seconds() - before
                if used > MAX_SECONDS or waited > PATIENCE_SECONDS:
                    return False
        return True

    def _processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def read_all(cases, folder, say):
    """Yields what comes of each (subject's name, seed), and tells it to `say`."""
    with contextlib.closing(Reader(folder)) as reader:
        for name, seed in cases:
            outcome = reader.outcome(name, seed)
            say(outcome)
            yield outcome
