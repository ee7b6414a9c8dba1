"""Where figures and weights come from: command, versions, machine, commit, checkpoint, data."""

import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf
import tensorflow_probability as tfp

from iodine.config import Config
from iodine.training import checkpoint_folder, data_record
from iodine.training import run_folder as runs

FILE = "provenance.json"  # beside weights that were exported
_GIT_SECONDS = 10


def of_process() -> dict[str, Any]:
    """What this process is, as JSON types: `command`, `versions`, `device`, `commit`.

    `commit` is that of the checkout that the package lies in, with "-dirty" where files differ from
    it; None where it lies in none.
    """
    return {
        "command": shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": versions(),
        "device": device(),
        "commit": commit(),
    }


def versions() -> dict[str, str]:
    """Of the package and of what it computes with."""
    return {
        "iodine": importlib.metadata.version("iodine-tf2"),
        "tensorflow": tf.__version__,
        "tensorflow_probability": tfp.__version__,
        "sonnet": snt.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def device() -> dict[str, Any]:
    """Names of the processor and of the GPUs that this process sees, and the number of cores."""
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": [detail.get("device_name", "unknown") for detail in details],
    }


def of_weights(run: str, config: Config, path: pathlib.Path | str) -> dict[str, Any]:
    """Which weights these are, as JSON types.

    Args:
        run: a run's folder, or "pretrained:NAME".
        config: of the run.
        path: what the weights were read from: a checkpoint's path without ending, or a file.

    Returns:
        `run`, `preset`, `model`, `training_seed`; `checkpoint`, the path within the run, its `step`
        and the `digest` of its bytes (SHA-256); `trained_on`, the identity of the data that the run
        keeps, None of a run of an older version; for weights that were exported, `exported_from`,
        the same of the weights that they were.
    """
    folder, path = runs.resolve(run), pathlib.Path(path)
    origin = exported_from(folder)
    return {
        "run": run,
        "preset": config.preset,
        "model": config.model.kind,
        "training_seed": config.train.seed,
        "checkpoint": str(path.relative_to(folder)),
        "step": origin["step"] if origin else _step(path),
        "digest": weights_digest(path),
        "trained_on": origin["trained_on"] if origin else data_record.read(folder),
        **({"exported_from": origin} if origin else {}),
    }


def exported_from(folder: pathlib.Path) -> dict[str, Any] | None:
    """What `of_weights` gave where the weights of a folder were exported from; None if nowhere."""
    try:
        weights = json.loads((folder / FILE).read_text())["weights"]
        return weights if {"step", "trained_on"} <= set(weights) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def weights_digest(path: pathlib.Path | str) -> str:
    """SHA-256 of a checkpoint's files in the order of their names, or of a single file."""
    path, digest = pathlib.Path(path), hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}.*"))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def commit() -> str | None:
    """See `of_process`."""
    here = pathlib.Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # not a project that merely installed it
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _step(path: pathlib.Path) -> int | None:
    is_checkpoint = re.fullmatch(r"ckpt-\d+", path.name)
    return checkpoint_folder.step_of(str(path)) if is_checkpoint else None


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
