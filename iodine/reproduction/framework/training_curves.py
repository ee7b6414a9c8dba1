"""Reads what a training wrote for TensorBoard."""

import pathlib
import re
from collections.abc import Collection

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from iodine.training import run_folder as runs

Curve = tuple[np.ndarray, np.ndarray]  # steps [S], rising, and values [S]


def read(run: str, prefixes: Collection[str]) -> dict[str, Curve]:
    """The scalars of a run.

    A training that is resumed writes another file, and one that goes back to a checkpoint, or is
    resumed from one, writes steps again. What was written last holds: when a step comes that is
    not later than the one before, what had been written from there on is dropped.

    Args:
        run: folder of a run.
        prefixes: of the tags before the slash, as in "validation" or "train_kl".

    Returns:
        By tag the steps and values, which may be infinite or not numbers. Empty if the folder
        holds no events.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    folder = runs.resolve(run) / "tensorboard"
    for path in sorted(folder.glob("events.out.tfevents.*"), key=_age):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag.split("/")[0] in prefixes:
                    points = found.setdefault(value.tag, [])
                    while points and points[-1][0] >= event.step:
                        points.pop()
                    points.append((event.step, float(tf.make_ndarray(value.tensor))))
    return {
        tag: (np.array([s for s, _ in points]), np.array([v for _, v in points]))
        for tag, points in found.items()
    }


def windowed(curve: Curve, ends: np.ndarray) -> np.ndarray:
    """Means of a curve's values after one step of `ends` and up to the next.

    Args:
        curve: any.
        ends: [E] steps, rising.

    Returns:
        [E]; not a number where no value lies.
    """
    steps, values = curve
    places = np.searchsorted(ends, steps)  # the first end that is not before the step
    windows = [values[places == place] for place in range(len(ends))]
    return np.array([window.mean() if len(window) else np.nan for window in windows])


def _age(path: pathlib.Path) -> list[int]:
    """The numbers in a file's name: the second when it was begun, and what follows."""
    return [int(number) for number in re.findall(r"\d+", path.name)]
