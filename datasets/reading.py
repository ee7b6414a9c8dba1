"""Opens a data set on disk and reads its stored examples."""

import contextlib
import os
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.datasets import catalogue, quiet, record_checks, scenes
from iodine.datasets.scene_builder import DAMAGED_DESCRIPTION, SceneBuilder
from iodine.errors import UserError, first_line

_LOADING_BATCH = 1024
_IN_READING = "IteratorGetNext"  # names the operation that draws a batch, of any kind of iterator


def open_dataset(data_dir: str, name: str) -> SceneBuilder:
    """The builder of a data set that has been made.

    Its `info` holds splits and features, `builder_config` image size and number of entities,
    `stored_settings` the sizes and the seed it was made with.

    Args:
      data_dir: the folder given to `iodine-data`.
      name: such as "tetrominoes/generated".

    Raises:
      UserError: for an unknown name, and if the data are not there, with the command to make them.
    """
    builder_class, config = catalogue.find(name)
    data_dir = os.path.expanduser(data_dir)
    try:
        with quiet.tfds_warnings_off():
            builder = builder_class(config=config.name, data_dir=data_dir)
            prepared = builder.is_prepared()
            if prepared:
                for part in ("settings", "file_bytes"):  # read now, for what is wrong with them
                    dict(builder.info.metadata.get(part, {}))
    except DAMAGED_DESCRIPTION as error:
        raise UserError(
            f"the description of {name} in {data_dir} is damaged; delete "
            f"{os.path.join(data_dir, name)} and make it again with {_command(data_dir, name)}"
        ) from error
    if not prepared:
        raise UserError(
            f"no data of {name} in {data_dir}; make them with: {_command(data_dir, name)}"
        )
    return builder


@contextlib.contextmanager
def readable(data_dir: str, name: str) -> Iterator[None]:
    """Turns a damaged or missing shard met while iterating into a UserError.

    Put it around the loop that draws batches, because tf.data reads lazily.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise _damaged(os.path.expanduser(data_dir), name, first_line(error)) from error
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        # The second where TensorFlow's message quotes bytes of a record.
        if _IN_READING not in str(error) and isinstance(error, tf.errors.OpError):
            raise
        reason = "a record that is not of this data set"
        raise _damaged(os.path.expanduser(data_dir), name, reason) from error


def num_examples(builder: SceneBuilder, split: str) -> int:
    """How many scenes a split holds; UserError for a split that does not exist."""
    splits = builder.info.splits
    if split not in splits:
        raise UserError(f"{builder.full_name} has no split {split!r}; it has {', '.join(splits)}")
    return splits[split].num_examples


def files(builder: SceneBuilder, split: str) -> list[str]:
    """The split's shards, in order.

    Raises:
      UserError: if one is missing or they are not as long as they were written.
    """
    paths = [os.fspath(path) for path in builder.info.splits[split].filepaths]
    written = builder.info.metadata.get("file_bytes", {}).get(split)
    root = os.fspath(builder.data_path.parents[2])
    try:
        found = sum(os.path.getsize(path) for path in paths)
    except FileNotFoundError as error:
        raise _damaged(root, builder.full_name, f"{error.filename} is missing") from error
    if written is not None and found != written:
        reason = f"split {split} has {found:,} bytes of {written:,}"
        raise _damaged(root, builder.full_name, reason)
    try:
        for path in paths:
            record_checks.check_lengths(path)
    except ValueError as error:
        raise _damaged(root, builder.full_name, str(error)) from None
    return paths


def decode(builder: SceneBuilder, serialized: tf.Tensor) -> dict[str, Any]:
    """A serialised record as the stored example: uint8 images and the factors.

    In a graph, what the caller does not use of it is not decoded either.
    """
    with quiet.tfds_warnings_off():  # of clips it says that something of its own is deprecated
        return builder.info.features.deserialize_example(serialized)


def available_keys(builder: SceneBuilder) -> tuple[str, ...]:
    """The parts of a scene that the data set has, out of `scenes.KEYS`."""
    return tuple(key for key, name in scenes.STORED_NAMES.items() if name in builder.info.features)


def require_keys(builder: SceneBuilder, keys: Collection[str]) -> None:
    """Raises UserError for parts of a scene that the data set does not have."""
    available = available_keys(builder)
    if missing := [key for key in keys if key not in available]:
        raise UserError(
            f"{builder.full_name} has no {missing[0]}, only {', '.join(available)}; choose "
            "another data set or leave out what needs it (config.train.factor_regression)"
        )


def load(builder: SceneBuilder, split: str, keys: Collection[str]) -> dict[str, Any]:
    """Reads a whole split into memory, decoded but not yet scaled to scenes.

    Args:
      builder: from `open_dataset`.
      split: name of the split.
      keys: the parts of a scene that will be made of it, out of `scenes.KEYS`.

    Returns:
      The stored arrays that `keys` need, `[N, ...]`, on the CPU.
    """
    names = [scenes.STORED_NAMES[key] for key in keys if key in available_keys(builder)]
    examples = (
        tf.data.TFRecordDataset(files(builder, split))
        .map(
            lambda record: {name: decode(builder, record)[name] for name in names},
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .batch(_LOADING_BATCH)
    )
    batches = list(examples.as_numpy_iterator())
    with tf.device("CPU:0"):
        return tf.nest.map_structure(
            lambda *parts: tf.convert_to_tensor(np.concatenate(parts)), *batches
        )


def _damaged(data_dir: str, name: str, reason: str) -> UserError:
    return UserError(
        f"a file of {name} under {os.path.join(data_dir, name)} is missing, truncated or damaged "
        f"({reason}); delete that folder and make it again with: {_command(data_dir, name)}"
    )


def _command(data_dir: str, name: str) -> str:
    _, config = catalogue.find(name)
    source = f" --source={config.needs_source}" if config.needs_source else ""
    return f"iodine-data --dataset={name} --data_dir={data_dir}{source}"
