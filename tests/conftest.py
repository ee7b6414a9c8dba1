"""Two devices to distribute over, and a tiny run that several tests look at."""

import contextlib
import importlib
import io
import logging as python_logging
import pathlib
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest
import tensorflow as tf
from absl import flags, logging

import iodine  # noqa: F401  imports TensorFlow without its noise
from iodine.datasets.tetrominoes import SMALL_IMAGE_SIZE

# With --import-mode=importlib a test cannot import its neighbours.
sys.path.append(str(pathlib.Path(__file__).parent / "helpers"))
from browsing import browser, open_page  # noqa: F401  fixtures
from left_out import pytest_terminal_summary  # noqa: F401  a hook

# Only possible before TensorFlow's first operation, hence at import.
_CPU = tf.config.list_physical_devices("CPU")[0]
if tf.config.get_logical_device_configuration(_CPU) is None:
    tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)

DATASET = "tetrominoes/generated_small"


class Outcome(NamedTuple):
    """What a program that ran left behind."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """Its only `error:` line, after making sure that it is the last and without traceback."""
        assert "Traceback" not in self.err
        lines = self.err.splitlines()
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:], self.err
        return lines[-1]


@pytest.fixture(scope="session")
def program():
    """Runs a program within this process: `program("train", "--run=...")` gives an `Outcome`.

    `main` stands in for the program's own, once its flags are read.
    """
    from iodine.training.devices import numerics

    def call(name: str, *arguments: str, main: Callable[[], None] | None = None) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with (
            _own_flags(),
            _own_logging(),
            _own_module(f"iodine.launch.{name}") as module,
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            # It would hold for all later tests.
            patch.setattr(numerics, "follow", lambda train: None)
            patch.setattr(sys, "argv", [f"iodine-{name}", *arguments])
            if main is not None:
                patch.setattr(module, "main", main)
            with pytest.raises(SystemExit) as stop:
                module.run()
        return Outcome(stop.value.code or 0, out.getvalue(), err.getvalue())

    return call


@contextlib.contextmanager
def _own_flags():
    """Sets aside the flags of programs that were imported before, whose names are the same."""
    before = {
        name: (flags.FLAGS.find_module_defining_flag(name), flags.FLAGS[name])
        for name in _program_flags()
    }
    for name in before:
        delattr(flags.FLAGS, name)
    try:
        yield
    finally:
        for name in _program_flags():
            delattr(flags.FLAGS, name)
        for name, (module, flag) in before.items():
            flags.FLAGS[name] = flag
            flags.FLAGS.register_flag_by_module(module, flag)


def _program_flags() -> list[str]:
    def is_ours(name: str) -> bool:
        return name.split(".")[0] == "config" or flags.FLAGS.find_module_defining_flag(
            name, ""
        ).startswith("iodine.")

    return [name for name in flags.FLAGS if is_ours(name)]


@contextlib.contextmanager
def _own_module(name: str):
    """A fresh import, whose flags go with it: later imports are not to find it."""
    package, _, last = name.rpartition(".")
    before = sys.modules.pop(name, None)
    try:
        yield importlib.import_module(name)
    finally:
        del sys.modules[name]
        delattr(sys.modules[package], last)
        if before is not None:
            sys.modules[name] = before
            setattr(sys.modules[package], last, before)


@contextlib.contextmanager
def _own_logging():
    verbosity, root = logging.get_verbosity(), python_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.set_verbosity(verbosity)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """A folder with a few small Tetrominoes."""
    from iodine.datasets import preparation

    folder = str(tmp_path_factory.mktemp("tiny_data"))
    sizes = {"num_train": 60, "num_validation": 8, "num_test": 13, "seed": 3}
    preparation.prepare(DATASET, folder, settings=sizes)
    return folder


@pytest.fixture(scope="session")
def tiny_flags(tiny_data):
    """Flags of a training that takes seconds; a later flag overrides an earlier one."""
    values = {
        "train.batch_size": 4,
        "train.num_iterations": 0,
        "train.checkpoint_every": 10,
        "train.log_every": 5,
        "train.validate_every": 20,
        "train.image_every": 1_000,
        "train.average_decay": 0.9,
        "model.num_slots": 3,
        "model.num_iterations": 2,
        "model.latent_size": 4,
        "model.decoder.channels": "(6, 6)",
        "model.refinement.channels": "(6,)",
        "model.refinement.mlp_sizes": "(8,)",
        "data.dataset": DATASET,
        "data.image_size": SMALL_IMAGE_SIZE,
    }
    return (
        "--preset=tetrominoes_small",
        f"--data_dir={tiny_data}",
        *(f"--config.{name}={value}" for name, value in values.items()),
    )


@pytest.fixture(scope="session")
def tiny_run(program, tiny_flags, tmp_path_factory):
    """The folder of a run that was trained for 20 steps. Not to be changed: see `tiny_copy`."""
    folder = tmp_path_factory.mktemp("tiny_run") / "run"
    outcome = program("train", *tiny_flags, f"--run={folder}", "--steps=20")
    assert outcome.code == 0, outcome.err
    return folder
