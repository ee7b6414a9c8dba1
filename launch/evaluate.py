"""`iodine-evaluate`: segmentation, reconstruction and likelihood over a data set."""

import contextlib
import math
import pathlib

import numpy as np
from absl import flags

from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.evaluation import summary as summary_lib
from iodine.evaluation.evaluator import Evaluator
from iodine.launch import app
from iodine.progress import track
from iodine.training import checkpoints
from iodine.training import run_folder as runs

_RUN = flags.DEFINE_string(
    "run", None, "Folder of a run, or pretrained:NAME for weights of the package.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets, as given to iodine-data.", required=True
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "Data set to evaluate on; by default the one that the run was trained on."
)
_SPLIT = flags.DEFINE_string("split", "test", "Split of the data set.")
_NUM_IMAGES = flags.DEFINE_integer(
    "num_images", 320, "Number of images, from the start of the split.", lower_bound=1
)
_NUM_SLOTS = flags.DEFINE_integer(
    "num_slots", None, "Number of slots K; by default as trained.", lower_bound=1
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations", None, "Number of iterations T; by default as trained.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the latent samples.", lower_bound=0, upper_bound=2**31 - 1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Images at a time; changes memory and speed only.", lower_bound=1
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ("latest", "best"), "Newest weights, or best by validation loss."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder for evaluation.json; the run's folder by default."
)


def main() -> None:
    """Reads the flags, evaluates, writes evaluation.json and prints a table."""
    config, model = checkpoints.load_model(_RUN.value, _CHECKPOINT.value)
    path = pathlib.Path(_OUTPUT.value or _default_output(_RUN.value)) / "evaluation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    name = _DATASET.value or config.data.dataset
    evaluator = Evaluator(model, _NUM_SLOTS.value, _NUM_ITERATIONS.value, _SEED.value)
    with pipelines.readable(_DATA_DIR.value, name):
        batches = pipelines.evaluation_batches(
            _DATA_DIR.value, name, _SPLIT.value, _BATCH_SIZE.value, _NUM_IMAGES.value
        )
        num_batches = math.ceil(_NUM_IMAGES.value / _BATCH_SIZE.value)
        tracked = track(batches.as_numpy_iterator(), num_batches, "evaluation", "batches")
        with contextlib.closing(tracked):
            values = evaluator(tracked)
    if reason := summary_lib.divergence(values):
        raise UserError(f"{reason}; train longer, or give a smaller --num_iterations")
    summary = summary_lib.summarize(values)
    runs.write_json(path, summary)
    np.savez_compressed(path.with_name("evaluation.npz"), **values)
    print(summary_lib.table(summary))
    print(f"written to {path}; every image and iteration in evaluation.npz beside it")


def _default_output(run_name: str) -> str:
    is_pretrained = run_name.startswith(runs.PRETRAINED_PREFIX)
    return "." if is_pretrained else run_name


def run() -> None:
    """Entry point of `iodine-evaluate`."""
    app.run(main)


if __name__ == "__main__":
    run()
