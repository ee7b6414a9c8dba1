"""What TensorBoard's HParams tab compares the runs of a folder by."""

import pathlib
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from iodine.config import Config
from iodine.errors import UserError, first_line
from iodine.training import run_folder as runs
from iodine.training.summaries import hyperparameters

METRICS = {
    "validation/fg_ari": "foreground ARI",
    "validation/mse": "mean squared error",
    "validation/kl": "KL",
}
_SUFFIX = ".hparams"


def write(runs_dir: str) -> None:
    """Writes the experiment of all runs in a folder; what an earlier call wrote is replaced.

    Its hyperparameters are the fields in which the runs differ, its metrics `METRICS`.

    Raises:
        UserError: if the folder cannot be written.
    """
    folder = pathlib.Path(runs_dir)
    configs = _configs(folder)
    if not configs:
        return
    earlier = list(folder.glob(f"events.out.tfevents.*{_SUFFIX}"))
    try:
        writer = tf.summary.create_file_writer(runs_dir, filename_suffix=_SUFFIX)
        with writer.as_default():
            hparams.hparams_config(
                hparams=[_hparam(name, values) for name, values in differing(configs).items()],
                metrics=[hparams.Metric(tag, display_name=name) for tag, name in METRICS.items()],
            )
        writer.close()
    except tf.errors.OpError as error:
        raise UserError(f"cannot write to {folder}: {first_line(error)}") from error
    for path in earlier:  # only now: a folder that cannot be written keeps what it has
        path.unlink(missing_ok=True)


def differing(configs: list[Config]) -> dict[str, list[Any]]:
    """The fields in which configurations differ and all their values.

    Reporting, saving and the like do not count: they change nothing about what is learned. A field
    of some models only is compared among these.
    """
    values: dict[str, list[Any]] = {}
    for config in configs:
        for name, value in hyperparameters(config).items():
            known = values.setdefault(name, [])
            if name not in runs.FREE_TO_CHANGE and value not in known:
                known.append(value)
    return {name: different for name, different in values.items() if len(different) > 1}


def _hparam(name: str, values: list[Any]) -> hparams.HParam:
    """With its values to choose from, unless they are of several types, as "none" and 0.5."""
    is_uniform = len({type(value) for value in values}) == 1
    return hparams.HParam(name, hparams.Discrete(values) if is_uniform else None)


def _configs(folder: pathlib.Path) -> list[Config]:
    """Of all runs that can be read."""
    configs = []
    for path in sorted(folder.glob("*/config.json")):
        try:
            configs.append(runs.read_config(path.parent))
        except UserError:  # another version's run, which is no part of what is compared
            continue
    return configs
