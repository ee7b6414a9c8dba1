"""A disk that fills up: one line with the reason, and what was saved is still good."""

import shutil
import subprocess

import numpy as np
import pytest

from iodine.training import checkpoints, summaries


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 600 kB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount program")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # TensorBoard holds its file


def fill(folder, leave=0):
    """Writes until nothing but `leave` bytes fits."""
    room = shutil.disk_usage(folder).free
    (folder / "fill").write_bytes(bytes(room - leave))


def test_training(program, tiny_flags, small_disk):
    run = small_disk / "run"
    flags = (*tiny_flags, f"--run={run}", "--config.train.decay=none")
    assert program("train", *flags, "--steps=10").code == 0
    for leave in (40_000, 0):
        fill(small_disk, leave)
        outcome = program("train", *flags, "--steps=60")
        assert outcome.code == 1
        assert "o space left on" in outcome.error()
        assert "make room and run the same command" in outcome.error()
        _, model = checkpoints.load_model(str(run))
        for variable in model.trainable_variables:
            assert np.isfinite(variable.numpy()).all()
        assert not list(run.glob("checkpoints/*_temp"))
        (small_disk / "fill").unlink()
    outcome = program("train", *flags, "--steps=20")
    assert outcome.code == 0, outcome.err
    assert f"resuming {run} at step 10" in outcome.out


def test_disk_that_fills_up_under_tensorboard(program, tiny_flags, small_disk, monkeypatch):
    run = small_disk / "run"
    write = summaries.Summaries.write_training

    def fill_and_write(self, step, *arguments):
        if step == 15:
            fill(small_disk)
            for _ in range(9):  # more than fits into what is left of the file's last page
                write(self, step, *arguments)
        write(self, step, *arguments)

    monkeypatch.setattr(summaries.Summaries, "write_training", fill_and_write)
    outcome = program("train", *tiny_flags, f"--run={run}", "--steps=20")
    assert outcome.code == 1
    assert "error: cannot write to " in outcome.error()
    assert "tensorboard" in outcome.error()
    assert "No space left on device" in outcome.error()
    checkpoints.load_model(str(run))


@pytest.mark.parametrize("name", ["evaluate", "decompose", "export"])
def test_results(program, tiny_run, tiny_data, small_disk, name):
    data = [] if name == "export" else [f"--data_dir={tiny_data}", "--num_images=3"]
    fill(small_disk)
    outcome = program(name, f"--run={tiny_run}", f"--output={small_disk / 'o'}", *data)
    assert outcome.code == 1
    assert "no space left on the disk" in outcome.error()


@pytest.mark.parametrize("name", ["evaluate", "decompose", "export"])
def test_disk_that_cannot_be_written(program, tiny_run, tiny_data, small_disk, name):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    data = [] if name == "export" else [f"--data_dir={tiny_data}", "--num_images=3"]
    outcome = program(name, f"--run={tiny_run}", f"--output={small_disk / 'o'}", *data)
    assert outcome.code == 1
    assert f"Read-only file system ({small_disk / 'o'})" in outcome.error()
