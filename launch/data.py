"""`iodine-data`: makes a data set on disk, lists the known ones, shows scenes.

Interrupted, it keeps the files that are finished; the same command goes on from there.
"""

import contextlib
import pathlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from absl import flags

from iodine.datasets import (
    catalogue,
    contact_sheet,
    listing,
    pipelines,
    preparation,
    reading,
    reading_benchmark,
    scene_builder,
)
from iodine.datasets.making import Interrupted
from iodine.errors import UserError
from iodine.launch import app

# Other programs have flags of the same names; a process that imports several keeps the last.
_SHARED: dict[str, Any] = {"allow_override": True}

_DATASET = flags.DEFINE_string(
    "dataset", None, "Name of the data set, such as tetrominoes/generated; see --list.", **_SHARED
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder for all data sets; made if it does not exist.", **_SHARED
)
_SOURCE = flags.DEFINE_string(
    "source", None, "For released data: the TFRecord file at hand; default: download it. For "
    "image_folder and video_folder: the folder of pictures or videos. For imagenet and "
    "movi: TFDS's data folder.", **_SHARED,
)  # fmt: skip
_NUM_TRAIN = flags.DEFINE_integer(
    "num_train", None, "Scenes for training. Default: see --list.", lower_bound=1, **_SHARED
)
_NUM_VALIDATION = flags.DEFINE_integer(
    "num_validation", None, "Scenes for validation. Default: see --list.", lower_bound=1, **_SHARED
)
_NUM_TEST = flags.DEFINE_integer(
    "num_test", None, "Scenes for testing. Default: see --list.", lower_bound=1, **_SHARED
)
_SEED = flags.DEFINE_integer(
    "seed", None, "For generated data: the same seed gives the same scenes. Default: 0.",
    lower_bound=0, upper_bound=2**63 - 1, **_SHARED,
)  # fmt: skip
_NUM_FRAMES = flags.DEFINE_integer(
    "num_frames", None, "For clips: frames of each. Default: see --list.", lower_bound=2, **_SHARED
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", None, "For image_folder, video_folder, imagenet and movi: side of the images "
    "in pixels. Default: see --list.", lower_bound=1, **_SHARED,
)  # fmt: skip
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", None, "Processes that make scenes, at most. The data do not depend on it. "
    "Default: all cores.", lower_bound=1, **_SHARED,
)  # fmt: skip
_BEAM_RUNNER = flags.DEFINE_string(
    "beam_runner", None, "Makes the data as an Apache Beam pipeline on this runner, such as "
    "DirectRunner, DataflowRunner, FlinkRunner or SparkRunner; --data_dir and --source must be "
    "reachable from its workers.", **_SHARED,
)  # fmt: skip
_BEAM_OPTIONS = flags.DEFINE_list(
    "beam_options", [], "Options of the Beam pipeline, such as "
    "project=mine,temp_location=gs://mine/tmp; an option without a value is switched on.",
    **_SHARED,
)  # fmt: skip
_SHOW = flags.DEFINE_string(
    "show", None, "PNG file to write: a row a scene, the image and the masks of its entities, or, "
    "of a clip, a row of frames and one of segmentations.", **_SHARED,
)  # fmt: skip
_NUM_SHOWN = flags.DEFINE_integer(
    "num_shown", 8, "Scenes on that PNG, at most: the first of the test split, or of the only one.",
    lower_bound=1, **_SHARED,
)  # fmt: skip
_MEASURE = flags.DEFINE_bool(
    "measure", False, "Measure how fast the training scenes are read as converted and in the "
    "released format: from --source, else from a temporary file of these scenes.", **_SHARED,
)  # fmt: skip
_NEEDED = flags.DEFINE_float(
    "needed", None, "With --measure: images a second that training takes, as iodine-train prints "
    "them, for comparison.", lower_bound=0, **_SHARED,
)  # fmt: skip
_LIST = flags.DEFINE_bool("list", False, "Print the data sets and stop.", **_SHARED)


def main() -> None:
    """Reads the flags and acts on them."""
    if _LIST.value:
        print(listing.table())
        return
    if _DATASET.value is None:
        raise UserError(f"--dataset is missing; known: {catalogue.names()}")
    catalogue.find(_DATASET.value)
    if _DATA_DIR.value is None:
        raise UserError("--data_dir is missing; name a folder for the data")
    settings = {
        "num_train": _NUM_TRAIN.value,
        "num_validation": _NUM_VALIDATION.value,
        "num_test": _NUM_TEST.value,
        "num_frames": _NUM_FRAMES.value,
        "seed": _SEED.value,
        "image_size": _IMAGE_SIZE.value,
    }
    with stoppable():
        make(
            _DATASET.value,
            _DATA_DIR.value,
            {name: value for name, value in settings.items() if value is not None},
            _SOURCE.value,
            _NUM_WORKERS.value,
            beam_config(_BEAM_RUNNER.value, _BEAM_OPTIONS.value),
        )
    if _SHOW.value is not None:
        show(_DATASET.value, _DATA_DIR.value, _SHOW.value, _NUM_SHOWN.value)
    if _MEASURE.value:
        if catalogue.find(_DATASET.value)[1].num_frames is not None:
            raise UserError("--measure is for data of single images; give another --dataset")
        readings = reading_benchmark.measure(_DATA_DIR.value, _DATASET.value, _SOURCE.value)
        print(reading_benchmark.report(_DATASET.value, readings, _NEEDED.value))


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM end the program with a line that says what was finished."""
    received = signal.SIGINT

    def stop(number, _frame):
        nonlocal received
        received = signal.Signals(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        line = str(error) if isinstance(error, Interrupted) else "stopped"
        print(line, file=sys.stderr)
        sys.exit(128 + received)
    finally:
        signal.signal(signal.SIGTERM, before)


def beam_config(runner: str | None, options: list[str]) -> tfds.download.DownloadConfig | None:
    """TFDS's wish for Beam; None if no flag asks for it.

    Raises:
        UserError: if Beam is not installed, or does not know the runner or an option.
    """
    if runner is None and not options:
        return None
    from iodine.datasets import beam_flags  # Beam is an extra

    return beam_flags.download_config(runner, options)


def make(
    name: str,
    data_dir: str,
    settings: dict[str, int],
    source: str | None = None,
    num_workers: int | None = None,
    beam: tfds.download.DownloadConfig | None = None,
) -> None:
    """Makes the data unless they exist, and says which."""
    builder, made = preparation.prepare(
        name,
        data_dir,
        settings=settings,
        source=source,
        num_workers=num_workers,
        download_config=beam,
    )
    sizes = ", ".join(
        f"{builder.info.splits[split].num_examples:,} {split}"
        for split in scene_builder.SPLITS
        if split in builder.info.splits
    )
    seed = builder.stored_settings.get("seed")
    seed_note = "" if seed is None else f", seed {seed}"
    print(
        f"{name}: {sizes} scenes{seed_note}, {'made' if made else 'already'} in {builder.data_dir}"
    )


def show(name: str, data_dir: str, path: str, num_shown: int) -> None:
    """Writes a contact sheet of the first scenes, of the test split if there is one."""
    builder = pipelines.open_dataset(data_dir, name)
    split = "test" if "test" in builder.info.splits else next(iter(builder.info.splits))
    num_shown = min(num_shown, reading.num_examples(builder, split))
    batches = pipelines.evaluation_batches(data_dir, name, split, num_shown, num_shown)
    with pipelines.readable(data_dir, name):
        scenes = next(batches.as_numpy_iterator())
    try:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        contact_sheet.contact_sheet(scenes, path)
    except (FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise UserError(f"cannot write {path} ({error.strerror}); check --show") from error
    print(f"{num_shown} scenes of {name} shown in {path}")


def run() -> None:
    """The console program."""
    app.run(main, runs_models=False)


if __name__ == "__main__":
    run()
