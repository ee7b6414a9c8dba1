"""Several trainings, one after another in this process or several at once in their own."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import tensorflow as tf

from iodine import locking, progress
from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.errors import UserError, first_line
from iodine.launch.training_run import train
from iodine.models import registry
from iodine.reproduction.framework.standing import Standing

_WAIT = 300.0  # seconds, for other machines, of which there are none here
_SECONDS_BETWEEN_LOOKS = 0.5
_LOG = "training.log"
_END_OF_LOG = 4096  # bytes, in which there is a line of progress

Job = tuple[Config, pathlib.Path]


def train_all(
    jobs: Sequence[Job], data_dir: str, num_at_once: int, standing: Standing | None = None
) -> dict[pathlib.Path, str]:
    """Trains each configuration in its folder; a run that was begun goes on.

    Args:
        jobs: configurations and folders.
        data_dir: folder of the data sets.
        num_at_once: 1 trains in this process, with all of the machine. More trains each in a
            process of its own, with one GPU each where there are GPUs, out of those that
            CUDA_VISIBLE_DEVICES allows, else with an equal share of the processor's cores; what
            they report is in `training.log` of their folders. This process starts no device.
        standing: knows these and others; it is told how far they are, and what it says is shown.

    Returns:
        Of those that failed the folder and the reason, in one line. The others are finished.

    Raises:
        InUseError: before anything is trained, if another process trains in one of the folders.
    """
    failed = {}
    for _, folder in jobs:
        locking.check_free(folder, "give other --runs")
    if standing is None:
        standing = Standing({"": {folder: (config, 0) for config, folder in jobs}}, num_at_once)
    if num_at_once > 1 and len(jobs) > 1:
        return _train_side_by_side(jobs, data_dir, num_at_once, standing)
    for number, (config, folder) in enumerate(jobs, 1):
        standing.begin(folder)
        if standing.is_worth_a_table:
            print("\n".join(standing.lines()), file=sys.stderr, flush=True)
        print(f"training {number} of {len(jobs)}: {folder}", flush=True)
        try:
            train(config, str(folder), data_dir, "auto", _WAIT)
        except UserError as error:
            print(f"warning: {folder}: {error}", file=sys.stderr)
            failed[folder] = str(error)
        standing.end(folder, folder in failed)
    return failed


def _train_side_by_side(
    jobs: Sequence[Job], data_dir: str, num_at_once: int, standing: Standing
) -> dict[pathlib.Path, str]:
    """As `train_all`; SIGINT and SIGTERM stop all of them, which then have saved."""
    waiting = list(enumerate(jobs, 1))
    running: dict[int, _Running] = {}
    failed: dict[pathlib.Path, str] = {}
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    table = progress.Table()
    try:
        while waiting or running:
            for place in range(num_at_once):
                if waiting and place not in running:
                    number, (config, folder) = waiting.pop(0)
                    line = f"training {number} of {len(jobs)}: {folder}/{_LOG}"
                    table.say(line, is_output=True)
                    running[place] = _Running(config, folder, data_dir, place, num_at_once)
                    standing.begin(folder)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            for place, run in list(running.items()):
                standing.reach(run.folder, progress.last_count(run.told()))
                if (code := run.process.poll()) is not None:
                    del running[place]
                    if code:
                        failed[run.folder] = _last_error(run.folder, code)
                        table.say(f"warning: {run.folder}: {failed[run.folder]}")
                    standing.end(run.folder, bool(code))
            table.show(standing.lines())
    finally:
        table.close()
        signal.signal(signal.SIGTERM, before)
        for run in running.values():
            run.process.terminate()
        for run in running.values():
            run.process.wait()
    return failed


class _Running:
    """A training in a process of its own."""

    def __init__(
        self, config: Config, folder: pathlib.Path, data_dir: str, place: int, num_at_once: int
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        gpus = usable_gpus()
        environment = dict(os.environ)
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        share = cores[place::num_at_once] if len(cores) >= num_at_once and not gpus else []
        command = [
            *(sys.executable, "-m", "iodine.launch.train", f"--run={folder}"),
            *(f"--data_dir={data_dir}", f"--preset={config.preset}", "--strategy=none"),
            *_override_flags(config),
        ]
        with (folder / _LOG).open("a") as log:
            self._log_began = log.tell()
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        if share:
            os.sched_setaffinity(self.process.pid, share)

    def told(self) -> str:
        """The end of what the process has printed."""
        with contextlib.suppress(OSError), (self.folder / _LOG).open("rb") as log:
            length = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_began, length - _END_OF_LOG))
            return log.read().decode(errors="replace")
        return ""


def usable_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: numbers or UUIDs.

    Takes no memory of theirs.
    """
    count = len(tf.config.list_physical_devices("GPU"))
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(count)) if allowed is None else map(str.strip, allowed.split(","))
    return list(names)[:count]  # CUDA drops what follows a name that it does not know


def _override_flags(config: Config) -> list[str]:
    usual = config_lib.flatten(registry.preset(config.preset))
    values = config_lib.flatten(config)
    return [f"--config.{name}={v}" for name, v in values.items() if v != usual[name]]


def _last_error(folder: pathlib.Path, code: int) -> str:
    lines = (folder / _LOG).read_text().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return first_line(errors[-1]) if errors else f"the training ended with exit code {code}"
