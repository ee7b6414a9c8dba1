"""Runs one damaged input through what reads it, and watches time, memory, writing and unpickling.

As a program, `python hostile_watch.py FOLDER` reads lines "SUBJECT:SEED" and answers each with an
`Outcome` as JSON: damage may bring native code down, which only another process survives.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import iodine  # noqa: F401  imports TensorFlow without its noise
from iodine.launch import failures

MAX_SECONDS = 10  # of the processor; what waits, or finds it busy with other things, has
PATIENCE_SECONDS = 120
MAX_MEGABYTES = 2_000  # more than before
_ADDRESS_SPACE = 16 * 2**30  # that of TensorFlow itself is large
# Of each event: which of its arguments is the path, where the last is the folder it is relative to.
_WRITING = {"os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1, "os.symlink": 1,
            "os.link": 1}  # fmt: skip
_FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen")
_HARMLESS = ("/dev/null", "/proc/")


class _Hang(BaseException):
    """The watchdog's; no `except Exception` swallows it."""


@dataclasses.dataclass
class Outcome:
    """What came of one damaged input."""

    subject: str
    seed: int
    what: str  # which files were damaged
    verdict: str  # "refused", "accepted" or "crashed"
    detail: str  # the line that a user sees, or what went wrong
    seconds: float  # of the clock
    megabytes: float  # that the process grew by at its largest


class _Events:
    """What Python's audit events say while it is on: `sys.addaudithook` cannot be undone."""

    def __init__(self):
        self.allowed: str | None = None
        self.found: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.allowed is None:
            return
        if event in _FORBIDDEN:
            self.found.append(f"{event} {arguments!r:.100}")
        elif event == "open" and _is_writing(*arguments[1:]):
            self._check(event, arguments[0])
        elif event in _WRITING:
            self._check(event, arguments[_WRITING[event]], arguments[-1])

    def _check(self, event: str, path, folder: object = -1) -> None:
        if isinstance(path, int):  # opened before, and looked at then
            return
        base = os.getcwd() if folder == -1 else os.readlink(f"/proc/self/fd/{folder}")
        path = os.path.normpath(os.path.join(base, os.fsdecode(path)))
        if not path.startswith((self.allowed, tempfile.gettempdir(), *_HARMLESS)):
            self.found.append(f"{event} {path}")


def _is_writing(mode, flags) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


_EVENTS = _Events()


def run_case(subject, seed: int, scratch: pathlib.Path) -> Outcome:
    """Makes the damaged input number `seed` of a subject, reads it and judges what happens."""
    chance = random.Random(f"{subject.name} {seed}")
    folder, temporary = scratch / "case", scratch.parent / "temporary"
    for path in (folder, temporary):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    what = subject.make(folder, chance)
    around = _listing(scratch, folder)
    before = _reset_peak()
    began = time.monotonic()
    before_temporary, tempfile.tempdir = tempfile.tempdir, str(temporary)
    try:
        verdict, detail = _judge(subject, folder)
    finally:
        tempfile.tempdir = before_temporary
    seconds, megabytes = time.monotonic() - began, _peak() - before
    problems = list(_EVENTS.found)
    if _listing(scratch, folder) != around:
        problems.append("something was written beside the folder")
    if megabytes > MAX_MEGABYTES:
        problems.append(f"{megabytes:.0f} MB")
    if verdict != "crashed" and problems:
        verdict, detail = "crashed", "; ".join(problems)
    return Outcome(subject.name, seed, what, verdict, detail, seconds, megabytes)


def _judge(subject, folder: pathlib.Path) -> tuple[str, str]:
    def hang(*_):
        raise _Hang

    limits = ((signal.SIGPROF, signal.ITIMER_PROF, MAX_SECONDS),
              (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE_SECONDS))  # fmt: skip
    handlers = [signal.signal(number, hang) for number, _, _ in limits]
    for _, timer, seconds in limits:
        signal.setitimer(timer, seconds)
    _EVENTS.found.clear()
    _EVENTS.allowed = str(folder)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            subject.read(folder)
        return "accepted", ""
    except _Hang:
        return "crashed", f"still at it: {traceback.format_exc()[-1500:]}"
    except Exception as error:
        line = failures.describe(error)
        if line is None:
            return "crashed", traceback.format_exc()[-3000:]
        if line.startswith("not enough memory"):
            return "crashed", line
        return "refused", " ".join(line.split())
    finally:
        _EVENTS.allowed = None
        for (number, timer, _), handler in zip(limits, handlers, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _listing(scratch: pathlib.Path, folder: pathlib.Path) -> set[str]:
    return {str(path) for path in scratch.rglob("*") if folder not in (path, *path.parents)}


def _reset_peak() -> float:
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1e3
    raise LookupError(name)


def _main(folder: str) -> None:
    import hostile_subjects  # it may be slow, and a test imports this file first

    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    answers = os.fdopen(os.dup(1), "w")
    scratch = pathlib.Path(folder)
    subjects = hostile_subjects.all_subjects(scratch / "sound")
    for line in sys.stdin:
        name, seed = line.rstrip("\n").split(":")
        outcome = run_case(subjects[name], int(seed), scratch / "cases")
        print(json.dumps(dataclasses.asdict(outcome)), file=answers, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
