"""A second Ctrl-C ends a training at once, also in the midst of a long operation."""

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from iodine.training import interruption

# Without the package, whose import takes seconds. The main thread is in C, and out of Python's
# reach, as it is in an operation of TensorFlow.
LONG_STEP = f"""
import hashlib, importlib.util
spec = importlib.util.spec_from_file_location("x", {str(pathlib.Path(interruption.__file__))!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.StopRequest() as stop:
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


@pytest.fixture
def long_step():
    """A process in the midst of a step that takes many minutes."""
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_STEP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job, which the tests may be, hands down that it ignores SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_ctrl_c_ends_at_once(long_step):
    long_step.send_signal(signal.SIGINT)
    assert long_step.stderr.readline() == "\n"
    assert "Ctrl-C again ends at once" in long_step.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        long_step.wait(0.5)
    long_step.send_signal(signal.SIGINT)
    assert long_step.wait(60) == 130
    lines = long_step.stderr.read().split("\n")
    assert lines[1].startswith("ended at once; the newest checkpoint is kept; run the same command")


def test_a_first_signal_is_remembered_and_nothing_is_left_behind():
    before = threading.enumerate()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruption.StopRequest() as stop:
        (watching,) = set(threading.enumerate()) - set(before)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
    watching.join(5)
    assert not watching.is_alive()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert signal.set_wakeup_fd(-1) == -1


class EndedError(Exception):
    """In place of the end of the process."""


@pytest.fixture
def watch(monkeypatch):
    """Gives the watching thread signals at some seconds; returns the exit code or None."""

    def call(*signals):
        def end(code):
            raise EndedError(code)

        reader, writer = os.pipe()
        os.write(writer, bytes(number for number, _ in signals))
        os.close(writer)
        # The clock is looked at once for each signal that could end it.
        seconds = iter([second for _, second in signals])
        monkeypatch.setattr(interruption.time, "monotonic", lambda: next(seconds))
        monkeypatch.setattr(interruption.os, "_exit", end)
        monkeypatch.setattr(interruption.os, "write", lambda *_: None)
        try:
            interruption._watch(reader)
        except EndedError as ended:
            os.close(reader)
            return ended.args[0]
        finally:
            monkeypatch.undo()
        return None

    return call


INT, TERM, OTHER = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1


def test_which_signals_end_at_once(watch):
    assert watch((INT, 0.0)) is None
    assert watch((INT, 0.0), (INT, 0.05)) is None  # one press that came twice
    assert watch((INT, 0.0), (INT, 0.05), (INT, 0.5)) == 130
    assert watch((TERM, 0.0), (INT, 2.0)) == 130
    assert watch((TERM, 0.0), (INT, 0.05)) is None
    assert watch((INT, 0.0), (TERM, 5.0), (TERM, 9.0)) is None
    assert watch((OTHER, 0.0), (OTHER, 5.0)) is None
