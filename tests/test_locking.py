"""A folder is one process's at a time, and a dead process holds nothing."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import filelock
import pytest

from iodine import locking

# Without the package, whose import takes seconds: a lock as any process has it.
HOLDER = """
import filelock, json, os, pathlib, socket, sys, time
folder = pathlib.Path(sys.argv[1])
lock = filelock.FileLock(folder / ".lock")
lock.acquire()
told = {"host": socket.gethostname(), "process": os.getpid()}
(folder / ".lock.holder").write_text(json.dumps(told))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder `tmp_path`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def refusal(folder):
    with (
        pytest.raises(locking.InUseError) as refused,
        locking.held(folder, "give another --run"),
    ):
        raise AssertionError("it was free")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_second_process_is_told_machine_and_process(tmp_path, holder):
    assert refusal(tmp_path) == (
        f"{tmp_path} is in use by process {holder.pid} on {socket.gethostname()}; wait until it "
        "has ended, or give another --run"
    )
    with pytest.raises(locking.InUseError):
        locking.check_free(tmp_path, "")


def test_a_process_that_is_killed_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".lock.holder").exists()
    with locking.held(tmp_path, ""):
        told = json.loads((tmp_path / ".lock.holder").read_text())
        assert told == {"host": socket.gethostname(), "process": os.getpid()}
        assert f"process {os.getpid()} on" in refusal(tmp_path)
    assert not (tmp_path / ".lock.holder").exists()
    locking.check_free(tmp_path, "")


def test_what_a_dead_process_has_left_is_not_told(tmp_path, holder, monkeypatch):
    """The living one has the lock and has not yet written who it is."""
    monkeypatch.setattr(locking, "_SECONDS_TO_TELL", 0.2)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    told = {"host": socket.gethostname(), "process": gone.pid}
    (tmp_path / ".lock.holder").write_text(json.dumps(told))
    began = time.monotonic()
    assert "in use by another process;" in refusal(tmp_path)
    assert time.monotonic() - began >= 0.2
    told["host"] = "elsewhere"  # where nobody can look
    (tmp_path / ".lock.holder").write_text(json.dumps(told))
    assert f"in use by process {gone.pid} on elsewhere;" in refusal(tmp_path)
    (tmp_path / ".lock.holder").write_text("{")
    assert "in use by another process;" in refusal(tmp_path)


def test_folders_that_were_made_in_vain_are_removed(tmp_path):
    with locking.held(tmp_path / "a/b", ""):
        assert (tmp_path / "a/b").is_dir()
    assert not (tmp_path / "a").exists()
    with locking.held(tmp_path / "a/b", ""):
        (tmp_path / "a/x").touch()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"x"}
    with locking.held(tmp_path / "a", ""):
        pass
    assert (tmp_path / "a/x").exists()
    locking.check_free(tmp_path / "nowhere", "")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with locking.held(tmp_path, ""):
        pass
    assert f"warning: {tmp_path} cannot be locked on this file system" in capsys.readouterr().err
