"""A training that is killed, robbed of checkpoints, disk and a worker, and ends with the same bits.

Others want its folder meanwhile, or give it other data: they are refused with a line.

`pytest -m slow -s tests/launch/test_soak.py` shows what happens as it happens.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from iodine.datasets import preparation

STEPS, EVERY = 2_000, 20
NUM_KILLS, NUM_TRUNCATIONS, NUM_COMPETITORS = 20, 2, 2
SEED = 0
FLAGS = (
    f"--steps={STEPS}",
    f"--config.train.checkpoint_every={EVERY}",
    f"--config.train.log_every={EVERY}",
    "--config.train.validate_every=400",
    "--config.train.image_every=1000000",
)
RESUMING = re.compile(r"resuming \S+ at step ([\d,]+)")


@pytest.fixture
def disk(tmp_path):
    """A disk of 8 MB of its own; where mounting is not allowed, a folder and False."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    allowed = bool(shutil.which("mount")) and not subprocess.run(command, check=False).returncode
    yield folder, allowed
    if allowed:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Soak:
    """One training and what is done to it."""

    def __init__(self, flags, folder):
        self._flags, self.folder = flags, folder
        self._began, self._output = time.monotonic(), folder.parent / f"{folder.name}.output"

    def start(self, *flags, tf_config="{}", output=None, **options):
        """Starts or resumes it as a process of its own, whose output goes to a file."""
        command = [sys.executable, "-m", "iodine.launch.train", *self._flags, *FLAGS]
        # The level was set by this process's own import of the package.
        environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
        environment["TF_CONFIG"] = tf_config
        with (output or self._output).open("w") as file:
            return subprocess.Popen(
                [*command, f"--run={self.folder}", *flags],
                stdout=file,
                stderr=file,
                env=environment,
                **options,
            )

    def output(self):
        """What the last process printed."""
        return self._output.read_text()

    def resumed_at(self):
        """Where the last process began."""
        found = RESUMING.search(self.output())
        return int(found[1].replace(",", "")) if found else 0

    def newest(self):
        """The step of the newest checkpoint, also while it is being written."""
        names = [path.name for path in self.folder.glob("checkpoints/ckpt-*")]
        return max((int(re.match(r"ckpt-(\d+)", name)[1]) for name in names), default=0)

    def reach(self, process, step):
        """Waits until the process begins to write a checkpoint of that step or later."""
        while not (RESUMING.search(self.output()) or self.newest()) or self.newest() < step:
            assert process.poll() is None, f"ended before step {step}: {self.output()}"
            time.sleep(0.002)

    def say(self, line):
        """A line of the log."""
        print(f"{time.monotonic() - self._began:6.0f} s  {line}", flush=True)

    def interrupt(self, number, step, delay):
        """Starts it, lets it come to a step and a moment further, and kills it."""
        process = self.start()
        self.reach(process, step)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL, self.output()
        self.say(
            f"{number + 1:2}. killed {delay * 1000:3.0f} ms after step {step} was due; began at "
            f"{self.resumed_at()}, newest checkpoint {self.newest()}"
        )

    def refused(self, *flags):
        """The only line of a process with more flags that must be refused."""
        output = self._output.with_suffix(".refused")
        process = self.start(*flags, output=output)
        process.wait()
        text = output.read_text()
        assert process.returncode == 1, text
        (line,) = text.splitlines()
        return line.removeprefix("error: ")

    def compete(self):
        """Two more processes want the folder while one trains in it."""
        process = self.start(start_new_session=True)  # the end of a shell would wake it up again
        self.reach(process, self.newest() + EVERY)
        process.send_signal(signal.SIGSTOP)  # or it would be done before they have started
        for _ in range(NUM_COMPETITORS):
            line = self.refused()
            holder = f"{self.folder} is in use by process {process.pid} on {socket.gethostname()};"
            assert line.startswith(holder), line
            self.say(f"    refused: {line}")
        assert process.poll() is None, self.output()
        process.kill()
        process.wait()

    def change_data(self, data_dir):
        """The same command with other data of the same name."""
        line = self.refused(f"--data_dir={data_dir}")
        assert line.startswith(f"run {self.folder} was started with other data of "), line
        self.say(f"    refused: {line}")

    def lose_worker(self):
        """Two workers go on, one is lost; what two have computed is not kept, since bits differ."""
        addresses = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                addresses.append(f"127.0.0.1:{free.getsockname()[1]}")
        configs = [
            json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}})
            for i in range(2)
        ]
        never = "--config.train.checkpoint_every=1000000"
        before = self.newest()
        chief = self.start(never, tf_config=configs[0])
        output = self._output.with_suffix(".worker")
        worker = self.start(never, tf_config=configs[1], output=output)
        while not RESUMING.search(self.output()):
            assert chief.poll() is None, self.output()
            time.sleep(0.05)
        worker.kill()
        worker.wait()
        chief.wait()
        line = self.output().splitlines()[-1]
        assert chief.returncode == 1, self.output()
        assert line.startswith("error: training stopped: another worker was lost"), line
        assert self.newest() == before
        self.say(f"    {line}")

    def truncate(self):
        """Cuts the newest checkpoint in half, and makes sure that the one before is used."""
        steps = sorted(int(p.stem[5:]) for p in self.folder.glob("checkpoints/ckpt-*.index"))
        path = self.folder / f"checkpoints/ckpt-{steps[-1]}.data-00000-of-00001"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        process = self.start()
        while not RESUMING.search(self.output()):
            assert process.poll() is None, self.output()
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert "warning: damaged checkpoints are passed over: " in self.output()
        assert self.resumed_at() == steps[-2]
        self.say(f"    truncated checkpoint {steps[-1]}; resumed at {steps[-2]}")

    def fill_disk(self, delay):
        """Lets it meet a full disk while it trains; it must end by itself and say why."""
        process = self.start()
        self.reach(process, self.newest() + EVERY)
        time.sleep(delay)
        fill = self.folder.parent / "fill"
        with fill.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1024)):
                    pass
            except OSError:
                pass
        process.wait()
        assert process.returncode == 1, self.output()
        assert "o space left on" in self.output().splitlines()[-1]
        fill.unlink()
        self.say(f"    disk full: ended by itself; newest checkpoint {self.newest()}")


@pytest.mark.slow
def test_soak(tiny_flags, stored_values, disk, tmp_path):
    folder, can_fill = disk
    other_data = tmp_path / "other_data"
    sizes = {"num_train": 60, "num_validation": 8, "num_test": 13, "seed": 4}
    preparation.prepare("tetrominoes/generated_small", str(other_data), settings=sizes)
    undisturbed = Soak(tiny_flags, tmp_path / "undisturbed")
    reference = undisturbed.start()
    soak = Soak(tiny_flags, folder / "run")
    chance = random.Random(SEED)
    truncations = chance.sample(range(3, NUM_KILLS), NUM_TRUNCATIONS)
    full, contested, changed, lost = (chance.randrange(3, NUM_KILLS) for _ in range(4))
    for i in range(NUM_KILLS):
        room = max(1, 2 * (STEPS - soak.newest()) // (NUM_KILLS + 2 - i))
        soak.interrupt(i, soak.newest() + chance.randrange(room), chance.uniform(0, 0.3))
        if i in truncations:
            soak.truncate()
        if i == full and can_fill:
            soak.fill_disk(chance.uniform(0, 0.3))
        if i == contested:
            soak.compete()
        if i == changed:
            soak.change_data(other_data)
        if i == lost:
            soak.lose_worker()
    process = soak.start()
    process.wait()
    assert process.returncode == 0, soak.output()
    soak.say(f"finished; began at {soak.resumed_at()}")
    reference.wait()
    assert reference.returncode == 0, undisturbed.output()
    expected, actual = stored_values(undisturbed.folder), stored_values(soak.folder)
    assert expected["path"] == f"ckpt-{STEPS}"
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    soak.say(f"{len(expected)} stored values are the same, bit for bit")
