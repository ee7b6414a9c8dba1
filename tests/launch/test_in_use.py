"""Folders that another process works on: one line, and nothing is touched."""

import os
import pathlib
import socket

import pytest

from iodine import locking
from iodine.reproduction.framework import providing
from iodine.reproduction.framework.budgets import Budget

DATASET = "tetrominoes/generated_small"
ME = f"process {os.getpid()} on {socket.gethostname()}"


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in pathlib.Path(folder).rglob("*")}


def test_a_run_that_another_process_trains(program, tiny_run, tiny_flags):
    with locking.held(tiny_run, ""):
        before = contents(tiny_run)
        outcome = program("train", *tiny_flags, f"--run={tiny_run}", "--steps=20")
        assert contents(tiny_run) == before
    assert outcome.code == 1
    expected = (
        f"error: {tiny_run} is in use by {ME}; wait until it has ended, or give another --run"
    )
    assert outcome.error() == expected


def test_data_that_another_process_makes(program, tmp_path):
    flags = (f"--dataset={DATASET}", f"--data_dir={tmp_path}")
    sizes = ("--num_train=2", "--num_validation=1", "--num_test=1")
    with locking.held(tmp_path / DATASET, ""):
        outcome = program("data", *flags, *sizes)
        with pytest.raises(locking.InUseError):
            providing._make_data([DATASET], Budget("smoke"), str(tmp_path))
    assert outcome.code == 1
    assert f"{tmp_path / DATASET} is in use by {ME};" in outcome.error()
    assert not [path for path in contents(tmp_path) if path.is_file()]
    assert program("data", *flags, *sizes).code == 0
    with locking.held(tmp_path / DATASET, ""):  # what is made may be read by all
        assert "already in" in program("data", *flags, *sizes).out


def test_a_folder_that_is_made_for_nothing_is_removed(program, tiny_flags, tmp_path):
    run = tmp_path / "a/b"
    outcome = program("train", *tiny_flags, f"--run={run}", "--config.train.batch_size=0")
    assert outcome.code == 1
    assert "config.train.batch_size is 0" in outcome.error()
    assert not (tmp_path / "a").exists()
