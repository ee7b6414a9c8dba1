"""`iodine-evaluate`: segmentation, reconstruction and likelihood over a data set.

Of a model of clips also how well its slots follow objects, and how well it predicts.
"""

import contextlib
import json
import math
import pathlib
import sys
from typing import Any

import numpy as np
from absl import flags

from iodine.datasets import identity, pipelines
from iodine.errors import UserError
from iodine.evaluation import clip_scores, clip_table, file_name
from iodine.evaluation import summary as summary_lib
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.restarts import Restarted
from iodine.launch import app
from iodine.progress import track
from iodine.training import checkpoints, provenance
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
    "Number of iterations T; by default the configuration's model.num_iterations, of clips as many "
    "as reach the last frame.",
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
    "output",
    None,
    "Folder for evaluation.json; the run's folder by default. The file's name tells settings that "
    "are not the usual ones, as in evaluation-num_iterations_10.json.",
)


def main() -> None:
    """Reads the flags, evaluates, writes the figures as JSON and prints a table."""
    config, model, weights = checkpoints.load(_RUN.value, _CHECKPOINT.value)
    usual = {
        "dataset": config.data.dataset,
        "split": flags.FLAGS["split"].default,
        "num_images": flags.FLAGS["num_images"].default,
        "num_slots": model.spec.num_slots,
        "num_iterations": model.spec.num_iterations,
        "seed": flags.FLAGS["seed"].default,
        "checkpoint": flags.FLAGS["checkpoint"].default,
    }
    given = {name: flags.FLAGS[name].value for name in usual}
    settings = {n: value if given[n] is None else given[n] for n, value in usual.items()}
    num_iterations = _NUM_ITERATIONS.value
    if _CONTROL.value:
        if model.spec.num_frames is None:
            raise UserError(f"--control={_CONTROL.value} is for models of clips; leave it out")
        model, num_iterations = Restarted(model, num_iterations), None
    name = f"evaluation_{_CONTROL.value}" if _CONTROL.value else "evaluation"
    folder = pathlib.Path(_OUTPUT.value or _default_output(_RUN.value))
    path = folder / f"{file_name.stem(settings, usual, name)}.json"
    told = provenance.of_weights(_RUN.value, config, weights)
    if folder.resolve() != runs.resolve(_RUN.value).resolve():
        check_overwrites_no_other(path, told)
    data = identity.identity(pipelines.open_dataset(_DATA_DIR.value, settings["dataset"]))
    folder.mkdir(parents=True, exist_ok=True)
    evaluator = Evaluator(model, _NUM_SLOTS.value, num_iterations, _SEED.value)
    values = evaluate(evaluator, settings["dataset"])
    summary = summary_lib.summarize(values)
    print(summary_lib.table(summary))
    if clips := finite_clips(evaluator, values):
        summary["clips"] = clip_scores.summarize(clips)
        print("above: the last frame, and by iteration the frame of each; below: whole clips")
        print(f"\n{clip_table.table(summary['clips'])}")
    summary["provenance"] = {
        "weights": told,
        "data": data,
        "settings": {**settings, "control": _CONTROL.value, "batch_size": _BATCH_SIZE.value},
        **provenance.of_process(),
    }
    runs.write_json(path, summary)
    np.savez_compressed(path.with_suffix(".npz"), **values)
    what = "clip and frame" if evaluator.clip_scores else "image and iteration"
    print(f"written to {path}; every {what} in {path.stem}.npz beside it")
    if reason := summary_lib.divergence(values):
        print(
            f"warning: {reason}; train longer, or give a smaller --num_iterations", file=sys.stderr
        )


def finite_clips(evaluator: Evaluator, values: dict[str, np.ndarray]) -> list[Any]:
    """The scores of the clips that the model does not diverge on; none for a model of images."""
    scores = evaluator.clip_scores
    if not scores:
        return []
    return [clip for clip, bad in zip(scores, summary_lib.diverged(values), strict=True) if not bad]


def check_overwrites_no_other(path: pathlib.Path, weights: dict[str, Any]) -> None:
    """Raises UserError if the file holds the figures of another run's weights."""
    try:
        other = json.loads(path.read_text())["provenance"]["weights"]
        is_same = other["run"] == weights["run"] or other["digest"] == weights["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not is_same:
        raise UserError(
            f"{path} holds an evaluation of {other['run']}, not of {weights['run']}; give another "
            "--output, or remove it"
        )


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
