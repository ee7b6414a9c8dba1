"""Every command that a page tells its reader exists, takes these flags, and knows these names."""

import ast
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

import documented
import pytest
from absl import flags

from iodine import config
from iodine.config import checks
from iodine.datasets import catalogue as data_sets
from iodine.launch import configuration
from iodine.models import registry
from iodine.reproduction import catalogue as artifacts
from iodine.reproduction.framework import estimate
from iodine.training import run_folder

ROOT, PROJECT = documented.ROOT, documented.PROJECT
COMMANDS = documented.commands()
OURS = [command for command in COMMANDS if command.module]
OTHERS = [command for command in COMMANDS if not command.module]
OF_A_PRESET = ("train", "benchmark", "import_run")
FEW_SCENES = ("--num_train=3", "--num_validation=1", "--num_test=2")
CHEAP = re.compile(r"--dataset=(tetrominoes|multi_dsprites)/\w*generated\w*")


def fields_of(section):
    return config.flatten(getattr(registry.preset("tetrominoes"), section))


def flag(name):
    return flags.FLAGS[name].value if name in flags.FLAGS else None


def check_names(*_):
    """In the place of a program's `main`: whether there is what its flags name."""
    if flag("preset"):
        checks.check(configuration.from_flags())
    given = flag("dataset")
    for name in given if isinstance(given, list) else [given] if given else []:
        data_sets.find(name)
    for name in flag("artifact") or ():
        if name != "all":
            artifacts.find(name)
    given = flag("run")
    for run in given if isinstance(given, list) else [given] if given else []:
        folder = run.rpartition("=")[2]
        if folder.startswith(run_folder.PRETRAINED_PREFIX):
            run_folder.resolve(folder)


def test_pages_have_commands():
    assert {command.words[0] for command in OURS} >= {"iodine-data", "iodine-train"}
    assert "README.md" in {command.page for command in OTHERS}


@pytest.mark.parametrize("command", [c for c in OURS if not c.is_sketch], ids=str)
def test_program_takes_the_flags(program, command):
    outcome = program(command.module, *command.words[1:], main=check_names)
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("name", sorted({c.module for c in OURS if c.is_sketch}))
def test_program_has_the_flags(program, name):
    """Of commands that the reader has to complete."""
    told = program(name, *(("--preset=clevr6",) if name in OF_A_PRESET else ()), "--help").out
    fields = {field for kind in registry.kinds() for field in registry.model_fields(kind)}
    fields |= {f"{s}.{n}" for s in ("train", "data") for n in fields_of(s)}
    for command in OURS:
        if not command.is_sketch or command.module != name:
            continue
        for word in command.words[1:]:
            flag_name = word.partition("=")[0].removeprefix("--")
            if not word.startswith("--"):
                continue
            if flag_name.startswith("config."):
                assert flag_name.removeprefix("config.") in fields, command
            else:
                pattern = rf"--(\[no\])?{re.escape(flag_name.removeprefix('no'))}\b|--{flag_name}\b"
                assert re.search(pattern, told), command


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_other_program_knows_what_it_is_told(command):
    program, *words = command.words
    if program == "make":
        done = subprocess.run(
            ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        makefile = (ROOT / "Makefile").read_text()
        for name in (word.partition("=")[0] for word in words if "=" in word):
            assert re.search(rf"^{name} \??=", makefile, re.MULTILINE)
    elif program in ("pip", "pip3") or words[:2] == ["-m", "pip"]:
        for extras in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    elif program in ("python", "python3", "pytest"):
        modules = [words[i + 1] for i, word in enumerate(words) if word == "-m" and i == 0]
        assert all(importlib.util.find_spec(module) for module in modules)
        paths = [word for word in words if word.endswith(".py") or "/" in word]
        assert all((ROOT / path.partition("::")[0]).exists() for path in paths if path[0] != "-")
    elif program == "cp":
        assert all((ROOT / word).exists() for word in words if "/" in word)
    elif program in ("sudo", "apt-get", "cd", "git", "export", "."):
        pass  # not ours
    else:
        here = pathlib.Path(sys.executable).with_name(program)
        assert here.exists() or shutil.which(program), "no such program"


TELLING = {c.words: c for c in OURS if {"--list", "--help"} & set(c.words)}


@pytest.mark.parametrize("command", TELLING.values(), ids=str)
def test_what_only_tells_something_is_run(program, monkeypatch, command):
    # Counting the arithmetic takes minutes, and has its own test.
    monkeypatch.setattr(estimate, "hours", lambda config, rate: 1.0)
    outcome = program(command.module, *command.words[1:])
    assert outcome.code == 0, outcome.err
    assert outcome.out


MAKING = [c for c in OURS if c.module == "data" and CHEAP.search(" ".join(c.words))]


@pytest.mark.parametrize("dataset", sorted({CHEAP.search(" ".join(c.words))[0] for c in MAKING}))
def test_data_that_are_cheap_are_made(program, tmp_path, dataset):
    outcome = program("data", dataset, f"--data_dir={tmp_path}", *FEW_SCENES)
    assert outcome.code == 0, outcome.err
    assert "3 train, 1 validation, 2 test" in outcome.out


def test_python_can_be_parsed():
    for listing in documented.listings():
        ast.parse(listing.source, listing.page)
