"""Batches of scenes for training and for evaluation.

Training batches follow one endless sequence of scenes, epoch after epoch, each epoch in an order
that depends on (seed, epoch) alone. Batch number s covers places s * batch_size onwards of that
sequence, across the borders of epochs. Training therefore resumes from the step's number: nothing
of the pipeline's state is stored.
"""

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from iodine.datasets import reading, scenes
from iodine.datasets.reading import open_dataset, readable
from iodine.datasets.scene_builder import SceneBuilder
from iodine.errors import UserError

__all__ = ["evaluation_batches", "open_dataset", "readable", "training_batches"]

# A split whose decoded images and label maps fit into this many bytes is kept in memory.
MEMORY_LIMIT = 2**30
_NUM_FILES_AT_ONCE = 16
_ENDLESS = tf.int64.max
_PREFETCHED_BATCHES = 4


def training_batches(
    data_dir: str,
    name: str,
    *,
    split: str = "train",
    batch_size: int,
    seed: int,
    start_step: int = 0,
    keys: Collection[str] | None = None,
    shuffle_buffer: int = 16_384,
    in_memory: bool | None = None,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Endless shuffled batches; batch s is the same whichever `start_step` <= s reading began at.

    A split that fits into memory is decoded once and shuffled as a whole. A larger one is streamed:
    its files in random order, and their records shuffled within windows of `shuffle_buffer`.

    Args:
      data_dir: the folder given to `iodine-data`.
      name: such as "tetrominoes/generated".
      split: name of the split.
      batch_size: of the global batch, over all workers and replicas.
      seed: decides the order of every epoch.
      start_step: number of the first batch to yield.
      keys: which parts of a scene to make, all by default; training needs the image only.
      shuffle_buffer: records a window when streaming.
      in_memory: None decides by the size of the split. The two ways differ in their order.
      input_context: yields what this worker's replicas need of each global batch, one batch a
        replica, contiguous rows in the order of workers: the global batch is the same for any
        number of workers. For `strategy.distribute_datasets_from_function`.

    Returns:
      A dataset of scenes as `scenes.py` describes, each array with a leading batch axis.

    Raises:
      UserError: for missing or damaged data, an unknown split, a batch that the replicas cannot
        share equally. Files are read lazily when streaming: see `readable`.
    """
    builder = open_dataset(data_dir, name)
    num_examples = reading.num_examples(builder, split)
    keys = reading.available_keys(builder) if keys is None else keys
    reading.require_keys(builder, keys)
    if in_memory is None:
        in_memory = _decoded_bytes(builder, num_examples) <= MEMORY_LIMIT
    if in_memory:
        with readable(data_dir, name):
            order, scenes_of = _from_memory(builder, split, seed, keys)
    else:
        order, scenes_of = _from_files(builder, split, seed, keys, shuffle_buffer)

    first_epoch, skipped = divmod(start_step * batch_size, num_examples)
    places = tf.data.Dataset.range(first_epoch, _ENDLESS).flat_map(order).skip(skipped)
    places = places.batch(batch_size, drop_remainder=True)
    if input_context is not None:
        places = _share_of_worker(places, batch_size, input_context)
    return scenes_of(places).prefetch(_PREFETCHED_BATCHES).with_options(_options())


def evaluation_batches(
    data_dir: str,
    name: str,
    split: str,
    batch_size: int,
    num_examples: int | None = None,
    keys: Collection[str] = scenes.KEYS,
) -> tf.data.Dataset:
    """The first `num_examples` scenes of a split in stored order, each once; all by default.

    Args:
      data_dir: the folder given to `iodine-data`.
      name: such as "tetrominoes/generated".
      split: name of the split.
      batch_size: the last batch may be smaller.
      num_examples: how many scenes.
      keys: which parts of a scene to make, as far as the data set has them.

    Returns:
      A dataset of scenes as `scenes.py` describes, each array with a leading batch axis.

    Raises:
      UserError: for missing data, an unknown split, or fewer scenes than asked for. Files are read
        lazily: see `readable`.
    """
    builder = open_dataset(data_dir, name)
    available = reading.num_examples(builder, split)
    if num_examples is None:
        num_examples = available
    if num_examples > available:
        raise UserError(
            f"{num_examples} scenes asked for, but split {split!r} of {name} in {data_dir} holds "
            f"{available}; ask for fewer (--num_images={available}, where a program has it) or "
            "make more data"
        )
    records = tf.data.TFRecordDataset(reading.files(builder, split)).take(num_examples)
    return (
        _decoded(records, builder, keys)
        .batch(batch_size)
        .prefetch(_PREFETCHED_BATCHES)
        .with_options(_options())
    )


def _from_memory(builder: SceneBuilder, split: str, seed: int, keys: Collection[str]):
    """Order of an epoch as indices into the loaded arrays, and what makes scenes of indices."""
    stored = reading.load(builder, split, keys)
    num_examples = len(tf.nest.flatten(stored)[0])
    config = builder.builder_config

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = _shuffled(tf.range(num_examples, dtype=tf.int64), [seed, epoch])
        return tf.data.Dataset.from_tensor_slices(indices)

    def scenes_at(indices: tf.Tensor) -> dict[str, Any]:
        chosen = tf.nest.map_structure(lambda array: tf.gather(array, indices), stored)
        return scenes.from_stored(chosen, config.num_entities, keys, config.num_background)

    return order, lambda batches: batches.map(scenes_at)


def _from_files(
    builder: SceneBuilder, split: str, seed: int, keys: Collection[str], shuffle_buffer: int
):
    """Order of an epoch as undecoded records, and what makes scenes of records."""
    paths = reading.files(builder, split)

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        files = tf.data.Dataset.from_tensor_slices(_shuffled(tf.constant(paths), [seed, epoch]))
        records = files.interleave(
            tf.data.TFRecordDataset, cycle_length=min(_NUM_FILES_AT_ONCE, len(paths))
        )

        # Dataset.shuffle would do, but its numbers also depend on TensorFlow's global seed.
        def shuffled_window(number: tf.Tensor, window: tf.Tensor) -> tf.data.Dataset:
            window_seed = tf.random.experimental.stateless_fold_in([seed, epoch], number)
            return tf.data.Dataset.from_tensor_slices(_shuffled(window, window_seed))

        return records.batch(shuffle_buffer).enumerate().flat_map(shuffled_window)

    def scenes_of(batches: tf.data.Dataset) -> tf.data.Dataset:
        size = batches.element_spec.shape[0]
        return _decoded(batches.unbatch(), builder, keys).batch(size, drop_remainder=True)

    return order, scenes_of


def _decoded(
    records: tf.data.Dataset, builder: SceneBuilder, keys: Collection[str]
) -> tf.data.Dataset:
    config = builder.builder_config
    return records.map(
        lambda record: scenes.from_stored(
            reading.decode(builder, record), config.num_entities, keys, config.num_background
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _shuffled(values: tf.Tensor, seed: Any) -> tf.Tensor:
    # The algorithm is named because the default one depends on the device.
    return tf.random.experimental.stateless_shuffle(values, seed=seed, alg="philox")


def _share_of_worker(
    batches: tf.data.Dataset, batch_size: int, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    """Of each global batch the rows of one worker, one batch for each of its replicas."""
    replicas, workers = context.num_replicas_in_sync, context.num_input_pipelines
    if batch_size % replicas or replicas % workers:
        raise UserError(
            f"a batch of {batch_size} cannot be shared equally by {replicas} replicas of "
            f"{workers} workers; choose a multiple of {replicas}"
        )
    rows = batch_size // workers
    start = rows * context.input_pipeline_id
    return (
        batches.map(lambda batch: batch[start : start + rows])
        .unbatch()
        .batch(batch_size // replicas, drop_remainder=True)
    )


def _decoded_bytes(builder: SceneBuilder, num_examples: int) -> int:
    height, width = builder.builder_config.image_size
    frames = builder.builder_config.num_frames or 1
    return num_examples * frames * height * width * 4  # three channels and a label


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # Where a strategy splits the batches itself, it must split them, not the files.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options
