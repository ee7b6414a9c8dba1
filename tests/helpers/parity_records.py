"""The records of the released code, and trainers that start from its weights."""

import pathlib

import numpy as np
import tensorflow as tf

from iodine.config import override
from iodine.models import registry
from iodine.models.iodine import released_checkpoints
from iodine.training.trainer import Trainer

DATASETS = ("tetrominoes", "multi_dsprites")
_FOLDER = pathlib.Path(__file__).parents[1] / "models" / "iodine" / "parity"


def load(name):
    """The arrays of a file of `tests/models/iodine/parity/` by released name."""
    with np.load(_FOLDER / f"{name}.npz") as arrays:
        return {key.replace("|", "/"): arrays[key] for key in arrays.files}


def released_trainer(dataset, **values):
    """A trainer of the released preset for the recorded batch of 2, with random weights.

    Args:
        dataset: one of `DATASETS`, or "clevr6".
        **values: overrides of the configuration, with `__` for dots.
    """
    values = {name.replace("__", "."): value for name, value in values.items()}
    config = override(registry.preset(f"{dataset}_released"), {"train.batch_size": 2, **values})
    return Trainer(config, tf.distribute.get_strategy())


def recorded_trainer(dataset):
    """A trainer with the recorded weights before the first step."""
    trainer = released_trainer(dataset)
    released_checkpoints.assign(trainer, load(f"{dataset}_weights"))
    return trainer


def in_released_layout(entry, parts):
    """The inverse of `entry.split`, which only moves numbers: follow where each index goes."""
    indices = np.arange(np.prod(entry.shape)).reshape(entry.shape)
    flat = np.full(indices.size, np.nan)
    for positions, part in zip(entry.split(indices), parts, strict=True):
        flat[positions.reshape(-1)] = np.reshape(part, -1)
    return flat.reshape(entry.shape)


def at_recorded_indices(array, indices):
    """The entries that the records keep: all, or those at flat indices."""
    return array if indices is None else array.reshape(-1)[indices]
