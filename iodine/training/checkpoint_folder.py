"""A folder of numbered checkpoints: what is in it, writing one, reading the newest sound one.

`tf.train.CheckpointManager` cannot do this: it knows checkpoints by a list alone, which a kill may
leave old; it passes over no damaged one; it keeps the last N, whatever their steps.
"""

import pathlib
import shutil
import sys
from collections.abc import Callable, Collection, Iterable

import tensorflow as tf
from google.protobuf import message

from iodine import checkpoint_index
from iodine.errors import UserError, first_line

# What TensorFlow raises for a damaged checkpoint, or one of another model.
_UNREADABLE = (
    *(tf.errors.OpError, AssertionError, LookupError, RuntimeError, TypeError, ValueError),
    *(message.DecodeError, OSError),
)


def newest_first(folder: pathlib.Path) -> list[str]:
    """The checkpoints of a folder, found by their files: a kill may leave the list of them old."""
    paths = [str(path.with_suffix("")) for path in folder.glob("ckpt-[0-9]*.index")]
    return sorted(paths, key=step_of, reverse=True)


def step_of(path: str) -> int:
    """The number that a checkpoint was written under."""
    return int(path.rpartition("-")[2])


def write(folder: pathlib.Path, state: tf.train.Checkpoint, step: int) -> None:
    """Writes the checkpoint of a step, beside those there are.

    Raises:
        UserError: if it cannot be written; the others are left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state.save_counter.assign_add(1)  # as `save` does: `restore` looks for it
        state.write(str(folder / f"ckpt-{step}"))
        _list(folder, step)
    except (tf.errors.OpError, OSError) as error:
        _remove_half_written(folder)
        raise UserError(
            f"cannot save a checkpoint in {folder}: {first_line(error)}; the ones there are kept; "
            "make room and run the same command to go on"
        ) from error
    _remove_half_written(folder)  # by a kill


def is_sound(path: str) -> bool:
    """Whether every value of a checkpoint can be read; TensorFlow compares their checksums."""
    try:
        stored = tf.train.load_checkpoint(path)
        for name in stored.get_variable_to_shape_map():
            stored.get_tensor(name)
    except _UNREADABLE:
        return False
    return True


def remove_all_but(folder: pathlib.Path, steps: Collection[int]) -> None:
    """Removes the checkpoints of all other steps."""
    for path in newest_first(folder):
        if step_of(path) not in steps:
            pathlib.Path(f"{path}.index").unlink()  # first: without it nobody looks for the rest
            for part in folder.glob(f"{pathlib.Path(path).name}.data-*"):
                part.unlink()
    if remaining := newest_first(folder):
        _list(folder, step_of(remaining[0]))


def first_readable(
    paths: Iterable[str], read: Callable[[str], None], remedy: str = "start another --run"
) -> str | None:
    """Reads the first of the checkpoints that can be read; None if there are none at all.

    Says which ones had to be passed over. Raises UserError if all of them are damaged.
    """
    damaged = []
    for path in paths:
        try:
            checkpoint_index.check(path)
            read(path)
        except _UNREADABLE as error:
            damaged.append(f"{path} ({first_line(error)})")
            continue
        if damaged:
            print(
                f"warning: damaged checkpoints are passed over: {', '.join(damaged)}; using {path}",
                file=sys.stderr,
            )
        return path
    if damaged:
        raise UserError(f"no checkpoint can be read: {', '.join(damaged)}; {remedy}")
    return None


def _list(folder: pathlib.Path, newest: int) -> None:
    """Writes the file by which `tf.train.latest_checkpoint` finds the newest."""
    names = [pathlib.Path(path).name for path in reversed(newest_first(folder))]
    lines = [f'model_checkpoint_path: "ckpt-{newest}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
    new_file = folder / "checkpoint.new"
    new_file.write_text("\n".join(lines) + "\n")
    new_file.replace(folder / "checkpoint")


def _remove_half_written(folder: pathlib.Path) -> None:
    for path in folder.glob("ckpt-*_temp"):
        shutil.rmtree(path, ignore_errors=True)
