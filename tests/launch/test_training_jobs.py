"""Which GPU each of several trainings at once is given; the parent takes none."""

import collections
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import tensorflow as tf

from iodine import locking
from iodine.launch import training_jobs
from iodine.models import registry


def gpus(count):
    return lambda kind: {"GPU": [SimpleNamespace(name=f"GPU:{i}") for i in range(count)]}[kind]


@pytest.mark.parametrize(
    ("allowed", "count", "expected"),
    [
        (None, 3, ["0", "1", "2"]),
        ("4, 6", 2, ["4", "6"]),
        ("GPU-1a2b,MIG-3c4d", 2, ["GPU-1a2b", "MIG-3c4d"]),
        ("5,-1,7", 1, ["5"]),  # what follows is hidden
        ("", 0, []),
        (None, 0, []),
    ],
)
def test_gpus_are_those_that_this_process_may_use(monkeypatch, allowed, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    monkeypatch.setattr(tf.config, "list_physical_devices", gpus(count))
    assert training_jobs.usable_gpus() == expected


class Finished:
    """A training that is done at once."""

    returncode = 0
    pid = 0

    def poll(self):
        return 0


def test_trainings_at_once_share_the_allowed_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr(tf.config, "list_physical_devices", gpus(2))
    monkeypatch.setattr(training_jobs, "_SECONDS_BETWEEN_LOOKS", 0)
    given, flags = collections.Counter(), []

    def start(command, env, **_):
        given[env["CUDA_VISIBLE_DEVICES"]] += 1
        flags.append(command)
        return Finished()

    monkeypatch.setattr(subprocess, "Popen", start)
    config = registry.preset("tetrominoes_small")
    jobs = [(config, tmp_path / str(i)) for i in range(4)]
    assert training_jobs.train_all(jobs, str(tmp_path), num_at_once=2) == {}
    assert given == {"4": 2, "6": 2}
    assert all("--strategy=none" in command for command in flags)


class Counting:
    """A training that is at the next count of its log at each look, then done."""

    returncode = 0
    pid = 0

    def __init__(self, log, counts):
        self._log, self._counts = log.name, list(counts)

    def poll(self):
        if not self._counts:
            return 0
        with open(self._log, "a") as log:
            log.write(f"training: {self._counts.pop(0):,} of 14,000 steps, 3.0 steps/s\n")
        return None


def test_a_table_says_how_far_the_trainings_at_once_are(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tf.config, "list_physical_devices", gpus(0))
    monkeypatch.setattr(training_jobs.os, "sched_setaffinity", lambda *_: None)
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + 60))
    counts = iter([(600, 1200, 1800), (2000, 3200, 4400)])

    def start(command, stdout, **_):
        return Counting(stdout, next(counts))

    monkeypatch.setattr(subprocess, "Popen", start)
    config = registry.preset("tetrominoes_small")
    jobs = [(config, tmp_path / name) for name in "ab"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "training.log").write_text("training: 9,999 of 14,000 steps\n")  # earlier
    assert training_jobs.train_all(jobs, str(tmp_path), num_at_once=2) == {}
    lines = [re.split("  +", line) for line in capsys.readouterr().err.splitlines()]
    of_a = [line[1:] for line in lines if line[0] == "a"]
    assert of_a == [
        ["0 of 14,000", "?"],
        ["600 of 14,000", "?"],
        ["10.0/s", "1,200 of 14,000", "21 min"],  # 12,800 at 10 a second
    ]
    everything = [line for line in lines if line[0] == "all"]
    # Both at once, so until the slower one is done; a mean of 10 and 20 a second is not asked for.
    assert everything[2] == ["all", "0 of 1 over", "0 of 2", "15 %", "21 min"]
    assert everything[-1] == ["all", "0 of 1 over", "2 of 2", "100 %", "-"]


def test_the_parent_starts_no_device_before_its_trainings_have_ended(tmp_path):
    """In a process of its own; TensorFlow refuses new logical devices once it has started any."""
    code = f"""if True:
        import iodine, sys, tensorflow as tf
        from iodine.launch import reproduce, training_jobs
        from iodine.training import run_folder
        def train_all(jobs, data_dir, num_at_once, standing):
            cpu = tf.config.list_physical_devices("CPU")[0]
            two = [tf.config.LogicalDeviceConfiguration()] * 2
            tf.config.set_logical_device_configuration(cpu, two)  # raises if one has started
            print("trains", len(jobs), "at once", num_at_once)
            for config, folder in jobs:
                run_folder.start_or_resume(folder, config)
            return {{folder: "not really" for _, folder in jobs}}
        training_jobs.train_all = train_all
        sys.argv = ["x", "--artifact=figure5,figure4", "--budget=smoke", "--jobs=2",
                    "--data_dir={tmp_path}/data", "--runs={tmp_path}/runs", "--output={tmp_path}/o"]
        reproduce.run()
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.count("at once 2") == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("num_at_once", [1, 2])
def test_runs_of_another_process_are_not_called_failed(monkeypatch, tmp_path, num_at_once):
    config = registry.preset("tetrominoes_small")
    jobs = [(config, tmp_path / name) for name in "ab"]
    with (
        locking.held(tmp_path / "b", ""),
        pytest.raises(locking.InUseError, match=f"{tmp_path}/b is in use by process"),
    ):
        training_jobs.train_all(jobs, str(tmp_path), num_at_once)
    assert not (tmp_path / "a").exists()
