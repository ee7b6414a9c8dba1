"""Trains one configuration in a folder: what `iodine-train` and `iodine-reproduce` share."""

import contextlib
import os
import pathlib

from iodine import locking
from iodine.config import Config
from iodine.datasets import identity, pipelines
from iodine.datasets.scene_builder import SceneBuilder
from iodine.errors import UserError
from iodine.models import registry
from iodine.training.devices import cluster as cluster_lib
from iodine.training.devices import numerics
from iodine.training.devices.strategy import choose_strategy
from iodine.training.devices.workers import Workers
from iodine.training.loop import TrainingData, TrainingLoop

NUM_VALIDATION_IMAGES = 320


def train(config: Config, run_folder: str, data_dir: str, strategy_name: str, wait: float) -> None:
    """Trains a configuration in a folder.

    Raises:
        UserError: for missing or unreadable data, others than the run began with, a folder of
            another run or in use by another process, a loss that is not finite, a full disk, a
            malformed TF_CONFIG, or a worker that was lost.
    """
    cluster = cluster_lib.parse(os.environ.get("TF_CONFIG"))
    name = config.data.dataset
    stored = pipelines.open_dataset(data_dir, name)
    _check_fits(config, stored)
    num_validation = min(NUM_VALIDATION_IMAGES, stored.info.splits["validation"].num_examples)
    data = TrainingData(
        batches_from=lambda step, keys, context: pipelines.training_batches(
            data_dir,
            name,
            batch_size=config.train.batch_size,
            seed=config.train.seed,
            start_step=step,
            keys=keys,
            input_context=context,
        ),
        validation=lambda: pipelines.evaluation_batches(
            data_dir, name, "validation", 64, num_validation
        ).as_numpy_iterator(),
        identity=identity.identity(stored),
    )
    numerics.follow(config.train)
    with contextlib.ExitStack() as stack:
        if cluster is None or cluster.is_chief:
            stack.enter_context(locking.held(pathlib.Path(run_folder), "give another --run"))
        strategy = choose_strategy(strategy_name, cluster, wait)
        workers = Workers(strategy, cluster)
        stack.enter_context(pipelines.readable(data_dir, name))
        stack.enter_context(workers.losses_told())
        loop = TrainingLoop(config, pathlib.Path(run_folder), data, strategy, workers)
        if loop.resumed:
            print(f"resuming {run_folder} at step {loop.step:,}", flush=True)
        loop.run()
    print(
        f"trained {config.preset} to step {loop.step:,}; evaluate it with "
        f"iodine-evaluate --run={run_folder} --data_dir={data_dir}"
    )


def _check_fits(config: Config, stored: SceneBuilder) -> None:
    """Raises UserError unless the model takes the data set's images, or its clips."""
    name, sides = config.data.dataset, stored.builder_config.image_size
    if set(sides) != {config.data.image_size}:
        raise UserError(
            f"config.data.image_size is {config.data.image_size}, but the images of {name} are "
            f"{' x '.join(map(str, sides))}"
        )
    needed, frames = registry.num_frames(config), stored.builder_config.num_frames
    if (needed is None) != (frames is None):
        is_what = "single images" if frames is None else f"clips of {frames} frames"
        takes = "single images" if needed is None else f"clips of {needed} frames or more"
        raise UserError(
            f"{name} has {is_what}, but preset {config.preset} takes {takes}; give another "
            "--config.data.dataset or --preset"
        )
    if needed is not None and frames < needed:
        raise UserError(
            f"the clips of {name} have {frames} frames, but training reads {needed}; make longer "
            f"ones with iodine-data --num_frames={needed}, or lower --config.model.num_iterations"
        )
    if needed is not None and config.train.factor_regression:
        raise UserError(
            "config.train.factor_regression needs the factors of single images; leave it empty "
            "for clips"
        )
