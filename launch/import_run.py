"""`iodine-import`: makes a run of a checkpoint of the authors' released TensorFlow 1 code."""

import pathlib
import shutil

from absl import flags

from iodine.config import checks
from iodine.errors import UserError
from iodine.launch import app, configuration
from iodine.models.iodine import released_checkpoints
from iodine.serving.download import fetch_zip
from iodine.training import run_folder as runs
from iodine.training.checkpoints import TrainingCheckpoints
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Prefix of the TensorFlow 1 checkpoint: the path without .index, or its folder.",
)
_RUN = flags.DEFINE_string("run", None, "Folder of the run to make.", required=True)
_DOWNLOAD = flags.DEFINE_bool(
    "download",
    False,
    f"Instead of --checkpoint: fetches {released_checkpoints.URL} into the folder that --run lies "
    "in, unless it is there, and imports the preset's checkpoint from it.",
)
configuration.define()


def main() -> None:
    """Reads the flags, imports, and says what came along."""
    config = configuration.from_flags()
    checks.check(config)
    if bool(_CHECKPOINT.value) == _DOWNLOAD.value:
        raise UserError("give either --checkpoint=PREFIX or --download")
    folder = pathlib.Path(_RUN.value)
    if (folder / "config.json").exists():
        raise UserError(f"{folder} already holds a run; give another --run")
    runs.check_same(folder, config)
    if _DOWNLOAD.value:
        unpacked = fetch_zip(released_checkpoints.URL, folder.parent)
        prefix = released_checkpoints.find_prefix(unpacked, config.preset)
    else:
        prefix = released_checkpoints.resolve_prefix(_CHECKPOINT.value)
    arrays = released_checkpoints.read_arrays(prefix)
    trainer = Trainer(config, choose_strategy("none"))
    imported = released_checkpoints.assign(trainer, arrays)
    _save(folder, trainer)
    print(f"imported {prefix} into {folder} at step {trainer.step:,}: {imported}")


def _save(folder: pathlib.Path, trainer: Trainer) -> None:
    """Leaves a run, or after a failure nothing that would stand in the way of another try."""
    try:
        runs.start_or_resume(folder, trainer.config)
        TrainingCheckpoints(folder, trainer).save()
    except BaseException:
        if folder.is_dir():
            (folder / "config.json").unlink(missing_ok=True)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        raise


def run() -> None:
    """Entry point of `iodine-import`."""
    app.run(main, define_flags=configuration.define_overrides)


if __name__ == "__main__":
    run()
