"""A process that hangs while it keeps Python from running ends, and says why."""

import pathlib
import signal
import subprocess
import sys

from iodine.training.devices import watchdog

# Without the package, whose import takes seconds. `PyDLL` keeps the lock that all threads of Python
# need, as TensorFlow does while it waits for other workers.
CODE = f"""
import ctypes, importlib.util, sys
spec = importlib.util.spec_from_file_location("x", {str(pathlib.Path(watchdog.__file__))!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.ended_after(float(sys.argv[1]), "error: gone"):
    print(ctypes.PyDLL(None).usleep(int(sys.argv[2])))
print("joined")
"""


def run(limit, microseconds):
    command = [sys.executable, "-c", CODE, str(limit), str(microseconds)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_it_ends_with_a_line():
    done = run(1.0, 10**8)
    assert done.returncode == -signal.SIGALRM
    assert done.stderr == "error: gone\n"
    assert done.stdout == ""


def test_what_ends_in_time_is_left_alone():
    done = run(60.0, 10)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["0", "joined"]
    assert done.stderr == ""
