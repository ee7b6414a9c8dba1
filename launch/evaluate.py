"""`iodine-evaluate`: segmentation, reconstruction and likelihood over a data set.

Of a model of clips also how well its slots follow objects, and how well it predicts.
"""

import contextlib
import math
import pathlib

import numpy as np
from absl import flags

from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.evaluation import clip_scores, clip_table
from iodine.evaluation import summary as summary_lib
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.restarts import Restarted
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
    "num_images", 320, "Number of images, or clips, from the start of the split.", lower_bound=1
)
_NUM_SLOTS = flags.DEFINE_integer(
    "num_slots", None, "Number of slots K; by default as trained.", lower_bound=1
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations",
    None,
    "Number of iterations T; by default as trained, of clips as many as reach the last frame.",
    lower_bound=1,
)
_CONTROL = flags.DEFINE_enum(
    "control",
    None,
    ("restart",),
    "restart: a model of clips remembers nothing. Slots start anew for every frame and read the "
    "one before it --num_iterations times; by default as often as a whole clip of the training is.",
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
    """Reads the flags, evaluates, writes the figures as JSON and prints a table."""
    config, model = checkpoints.load_model(_RUN.value, _CHECKPOINT.value)
    num_iterations = _NUM_ITERATIONS.value
    if _CONTROL.value:
        if model.spec.num_frames is None:
            raise UserError(f"--control={_CONTROL.value} is for models of clips; leave it out")
        model, num_iterations = Restarted(model, num_iterations), None
    name = f"evaluation_{_CONTROL.value}.json" if _CONTROL.value else "evaluation.json"
    path = pathlib.Path(_OUTPUT.value or _default_output(_RUN.value)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    evaluator = Evaluator(model, _NUM_SLOTS.value, num_iterations, _SEED.value)
    values = evaluate(evaluator, _DATASET.value or config.data.dataset)
    if reason := summary_lib.divergence(values):
        raise UserError(f"{reason}; train longer, or give a smaller --num_iterations")
    summary = summary_lib.summarize(values)
    print(summary_lib.table(summary))
    if evaluator.clip_scores:
        summary["clips"] = clip_scores.summarize(evaluator.clip_scores)
        print(f"\n{clip_table.table(summary['clips'])}")
    runs.write_json(path, summary)
    np.savez_compressed(path.with_suffix(".npz"), **values)
    what = "clip and frame" if evaluator.clip_scores else "image and iteration"
    print(f"written to {path}; every {what} in {path.stem}.npz beside it")


def evaluate(evaluator: Evaluator, dataset: str) -> dict[str, np.ndarray]:
    """What the evaluator gives for the images that the flags name."""
    with pipelines.readable(_DATA_DIR.value, dataset):
        batches = pipelines.evaluation_batches(
            _DATA_DIR.value, dataset, _SPLIT.value, _BATCH_SIZE.value, _NUM_IMAGES.value
        )
        num_batches = math.ceil(_NUM_IMAGES.value / _BATCH_SIZE.value)
        tracked = track(batches.as_numpy_iterator(), num_batches, "evaluation", "batches")
        with contextlib.closing(tracked):
            return evaluator(tracked)


def _default_output(run_name: str) -> str:
    is_pretrained = run_name.startswith(runs.PRETRAINED_PREFIX)
    return "." if is_pretrained else run_name


def run() -> None:
    """Entry point of `iodine-evaluate`."""
    app.run(main)


if __name__ == "__main__":
    run()
