"""What importing the package leaves of standard error: all that is not TensorFlow's noise."""

import contextlib
import os
import subprocess
import sys
import threading

import pytest

from iodine import _quiet

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795550459.704550   10391 cudart_stub.cc:31] Could not find cuda drivers on your "
    b"machine, GPU will not be used.\n"
    b"E0000 00:00:1732481505.123456     140 cuda_fft.cc:467] Unable to register cuFFT factory\n"
    b"2026-11-24 19:53:35.123456: I tensorflow/core/util/port.cc:113] oneDNN custom operations\n"
    b"2026-11-24 19:53:35.123456: W external/local_xla/xla/stream.cc:9] Could not load library\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow\n"
)
OTHERS = (
    b"F0000 00:00:1795550459.704550   10391 cpu_feature_guard.cc:10] not compiled for this CPU\n"
    b"I1124 19:53:35.123456 140 mine.py:31] a log message of Python's absl\n"
    b"/x.py:1: DeprecationWarning: old\n"
    b"  import x\n"
    b"\xff no text \x00\n"
    b"without an end"
)


@contextlib.contextmanager
def stderr_in(folder, threads=1):
    """Descriptor 2 leads to a file; gives what was written to it so far."""
    path, saved = folder / "stderr", os.dup(2)
    with path.open("wb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "active_count", lambda: threads)  # whatever the test runner has
        os.dup2(file.fileno(), 2)
        try:
            yield path.read_bytes
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def test_noise_is_dropped_and_all_else_is_shown_in_order(tmp_path):
    with stderr_in(tmp_path) as stderr:
        with _quiet.native_stderr_held(_quiet._NOISE.match):
            for noise, other in zip(NOISE.splitlines(True), OTHERS.splitlines(True), strict=True):
                os.write(2, noise)
                os.write(2, other)
            assert stderr() == b""
        assert stderr() == OTHERS
        os.write(2, NOISE)
        assert stderr() == OTHERS + NOISE


def test_all_is_shown_where_the_import_fails(tmp_path):
    @_quiet.native_stderr_held(_quiet._NOISE.match)
    def fail():
        os.write(2, NOISE + OTHERS)
        raise ImportError

    with stderr_in(tmp_path) as stderr:
        with pytest.raises(ImportError):
            fail()
        assert stderr() == NOISE + OTHERS


def test_nothing_is_held_back_beside_another_thread(tmp_path):
    with (
        stderr_in(tmp_path, threads=2) as stderr,
        _quiet.native_stderr_held(_quiet._NOISE.match),
    ):
        os.write(2, NOISE + OTHERS)
        assert stderr() == NOISE + OTHERS


def imported(code):
    """Standard error of a process that runs this code."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment, text=True
    )
    return done.stderr


def test_what_is_written_while_the_package_is_imported_is_shown():
    """By an import hook, as TensorFlow's modules are about to be found."""
    said = imported(
        "import os, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tensorflow':\n"
        "            print('hook', file=sys.stderr); os.write(2, b'descriptor\\n')\n"
        "            os.system('echo child >&2')\n"
        "sys.meta_path.insert(0, Hook())\n"
        "import iodine\n"
        "print('done', file=sys.stderr)\n"
    )
    assert said.splitlines() == ["hook", "descriptor", "child", "done"]


def test_without_standard_error():
    code = "import os, sys; os.close(2); sys.stderr = None; import iodine; iodine.__version__"
    assert imported(code) == ""
