"""The wheel: what is in it, what is not, and that it works alone."""

import configparser
import pathlib
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLACES = {"iodine": "iodine", "datasets": "iodine/datasets", "launch": "iodine/launch"}
# What Python finds of an editable installation of the package is not what is tested here.
WITHOUT_EDITABLE = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "")]
"""
THREE_LINES = """
import numpy as np, iodine
model = iodine.load("pretrained:tetrominoes_fast")
result = model.decompose(np.zeros([70, 35, 3], np.uint8))
print(iodine.__file__, result.masks.shape, "%.4f" % result.masks.sum(axis=1).mean())
"""

# Building takes an environment of its own, with the newest setuptools.
pytestmark = pytest.mark.slow


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def pip(command, *words):
    return run(sys.executable, "-m", "pip", "--disable-pip-version-check", command, *words)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy, because building leaves files behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in PLACES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(checkout))
    if done.returncode and "setuptools>=77" in done.stderr:
        pytest.skip("setuptools can be had from no index")
    assert done.returncode == 0, done.stderr
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the package and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    done = pip("install", "--no-deps", "--target", str(folder), str(wheel))
    assert done.returncode == 0, done.stderr
    return folder


def test_it_holds_the_package_and_nothing_else(checkout, wheel):
    expected = {
        f"{place}/{path.relative_to(checkout / name).as_posix()}"
        for name, place in PLACES.items()
        for path in (checkout / name).rglob("*")
        if path.is_file()
    }
    assert "iodine/py.typed" in expected
    assert len([name for name in expected if "pretrained/" in name and ".data-" in name]) == 4
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        told = {name.partition(".dist-info/")[2] for name in file.namelist()} - {""}
    assert names == expected
    assert told == {
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"),
        "licenses/LICENSE",
    }


def test_it_is_small(wheel):
    assert wheel.stat().st_size < 10e6


def test_it_needs_and_brings_what_the_project_says(wheel):
    with zipfile.ZipFile(wheel) as file:
        texts = {name.rpartition("/")[2]: name for name in file.namelist()}
        metadata = file.read(texts["METADATA"]).decode()
        programs = configparser.ConfigParser()
        programs.read_string(file.read(texts["entry_points.txt"]).decode())
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert sum("extra ==" not in line for line in needed) == len(PROJECT["dependencies"])
    assert dict(programs["console_scripts"]) == PROJECT["scripts"]
    assert wheel.name == f"iodine_tf2-{PROJECT['version']}-py3-none-any.whl"


def test_it_works_alone(installed, tmp_path):
    code = WITHOUT_EDITABLE + f"sys.path.insert(0, {str(installed)!r})" + THREE_LINES
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where = f"{installed}/iodine/__init__.py"
    assert done.stdout == f"{where} (1, 4, 35, 35) 1.0000\n"
    assert done.stderr == ""


def test_python_started_in_the_checkout_works_too(checkout, installed):
    """It finds `iodine` there first, which has two folders less than what is installed."""
    code = WITHOUT_EDITABLE + f"sys.path.append({str(installed)!r})" + THREE_LINES
    done = run(sys.executable, "-c", code, cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{checkout}/iodine/__init__.py (1, 4, 35, 35) 1.0000\n"
