"""The list at the end of the suite."""

import pathlib
import re
import subprocess
import sys

import left_out
import pytest

ROOT = pathlib.Path(__file__).parents[1]


def test_lines():
    reasons = [
        "could not import 'bpy': No module named 'bpy'",
        "could not import 'bpy': No module named 'bpy'",
        "could not import 'apache_beam': No module named 'apache_beam'",
        "no Chromium: set CHROMIUM, or have one of these: chromium",
        "the number of iterations is fixed",
    ]
    assert left_out.lines(reasons) == [
        "2 that need Blender: make test-blender",
        "1 that needs Apache Beam: make test-beam",
        "1 that needs a browser: apt-get install chromium",
    ]
    assert left_out.lines(["the number of iterations is fixed"]) == []


@pytest.mark.parametrize("flags", [(), ("-n", "2")])
def test_the_suite_ends_with_it(tmp_path, flags):
    (tmp_path / "conftest.py").write_text(
        f"import sys\nsys.path.append({str(ROOT / 'tests' / 'helpers')!r})\n"
        "from left_out import pytest_terminal_summary\n"
    )
    (tmp_path / "test_some.py").write_text(
        "import pytest\n\n\ndef test_one():\n    pytest.importorskip('bpy_of_nobody')\n\n\n"
        "def test_two():\n    pytest.skip(\"could not import 'bpy': No module named 'bpy'\")\n\n\n"
        "@pytest.mark.slow\ndef test_three():\n    pass\n"
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -m 'not slow' -p no:cacheprovider\nmarkers = slow\n"
    )
    command = [sys.executable, "-m", "pytest", *flags, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    _, _, told = done.stdout.partition("left out on this machine")
    assert "1 that needs Blender: make test-blender" in told
    assert "those that take minutes: make test-slow" in told
    assert "bpy_of_nobody" not in told


def test_make_knows_the_commands():
    makefile = (ROOT / "Makefile").read_text()
    commands = [need.command.removeprefix("sudo ") for need in left_out.NEEDS]
    targets = [command.split()[1] for command in commands if command.startswith("make ")]
    assert {"test-blender", "test-beam", "test"} == set(targets)
    for target in (*targets, "test-slow"):
        assert re.search(rf"^(?:[\w-]+ )*{target}\b.*:", makefile, re.MULTILINE)
