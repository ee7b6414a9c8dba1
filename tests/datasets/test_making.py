"""The files of a data set: the same bytes however they are made, and none made twice."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tensorflow_datasets as tfds

from iodine.datasets import catalogue, preparation, shards

SMALL = "tetrominoes/generated_small"
SIZES = {"num_train": 50, "num_validation": 7, "num_test": 11, "seed": 5}


def digests(data_dir):
    """SHA-256 of every record file, by its name."""
    paths = sorted(pathlib.Path(data_dir).rglob("*.tfrecord-*"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture
def many_shards(monkeypatch):
    """Makes `SMALL` come in shards of 10, worth a process each."""
    _, config = catalogue.find(SMALL)
    monkeypatch.setattr(config, "scenes_per_shard", 10)
    monkeypatch.setattr(config, "seconds_a_scene", 1.0)


def made_serially(folder):
    preparation.prepare(SMALL, str(folder), settings=SIZES, num_workers=1)
    return digests(folder)


def test_shards_cover_each_split_once(many_shards, tmp_path):
    builder_class, config = catalogue.find(SMALL)
    builder = builder_class(config=config.name, data_dir=str(tmp_path), settings=SIZES)
    for split, size in (("train", 50), ("validation", 7), ("test", 11)):
        planned = [shard for shard in shards.plan(builder) if shard.split == split]
        covered = [i for shard in planned for i in range(shard.start, shard.stop)]
        assert covered == list(range(size))
        assert max(shard.stop - shard.start for shard in planned) <= 10


def test_processes_write_the_same_bytes(many_shards, tmp_path):
    expected = made_serially(tmp_path / "serial")
    assert len(expected) == 5 + 1 + 2
    preparation.prepare(SMALL, str(tmp_path / "pool"), settings=SIZES, num_workers=2)
    assert digests(tmp_path / "pool") == expected


def test_beam_writes_the_same_bytes(many_shards, tmp_path):
    pytest.importorskip("apache_beam")
    expected = made_serially(tmp_path / "serial")
    config = tfds.download.DownloadConfig(beam_runner="DirectRunner")
    preparation.prepare(SMALL, str(tmp_path / "beam"), settings=SIZES, download_config=config)
    assert digests(tmp_path / "beam") == expected


def test_finished_shards_are_not_made_again(many_shards, tmp_path, monkeypatch):
    expected = made_serially(tmp_path / "whole")
    builder_class, _ = catalogue.find(SMALL)
    generate, calls = builder_class.generate, []

    def failing(builder, split, index):
        calls.append((split, index))
        if len(calls) == 36:
            raise KeyboardInterrupt
        return generate(builder, split, index)

    monkeypatch.setattr(builder_class, "generate", failing)
    with pytest.raises(KeyboardInterrupt):
        preparation.prepare(SMALL, str(tmp_path / "cut"), settings=SIZES, num_workers=1)
    preparation.prepare(SMALL, str(tmp_path / "cut"), settings=SIZES, num_workers=1)
    assert digests(tmp_path / "cut") == expected
    assert len(calls) == 36 + 68 - 30  # three shards of ten were finished
    folder = tmp_path / "cut" / SMALL
    assert {path.name for path in folder.iterdir()} == {"1.0.0", ".lock"}


@pytest.mark.slow
def test_killed_while_making_goes_on(tmp_path):
    """SIGKILL leaves finished shards, no data set, and no process behind."""
    command = [
        *(sys.executable, "-m", "iodine.launch.data", "--dataset=tetrominoes/generated"),
        *(f"--data_dir={tmp_path / 'data'}", "--num_train=60000"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.count")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = digests(tmp_path)
    assert finished
    assert not list(tmp_path.rglob("dataset_info.json"))
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("workers outlive the program")
