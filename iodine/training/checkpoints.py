"""Saving and restoring: the last few states of a training, and the best model."""

import math
import pathlib

import tensorflow as tf

from iodine.config import Config
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.interface import SceneModel
from iodine.serving import safetensors_file
from iodine.training import checkpoint_folder
from iodine.training import run_folder as runs
from iodine.training.trainer import Trainer

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class TrainingCheckpoints:
    """The checkpoints of one training in its run's folder.

    `checkpoints/` holds the last few full states (weights, averaged weights, optimizer with the
    step, number of rollbacks); `best/` the model of the lowest validation loss, and that loss. Each
    is written completely before an older one goes, so a failure while writing loses nothing.
    """

    def __init__(self, folder: pathlib.Path, trainer: Trainer):
        """Reads nothing yet; see `restore`."""
        self._trainer = trainer
        # Of the model in `best/`. States hold it too: up to version 0.3 nothing else did.
        self._best_loss = tf.Variable(math.inf, trainable=False)
        parts = {
            "model": trainer.model,
            "averaged_model": trainer.averaged_model,
            "optimizer": trainer.optimizer,
            "best_loss": self._best_loss,
        }
        if trainer.regressor:
            parts["regressor"] = trainer.regressor
        self._state = tf.train.Checkpoint(**parts, rollbacks=trainer.rollbacks)
        self._older_state = tf.train.Checkpoint(**parts)  # of version 0.1.0
        self._best = tf.train.Checkpoint(
            averaged_model=trainer.averaged_model, best_loss=self._best_loss
        )
        self._folder = folder / "checkpoints"
        self._best_folder = folder / "best"

    def restore(self) -> bool:
        """Restores the newest readable state; False if there is none at all.

        Raises:
            UserError: if there are checkpoints and none of them can be read.
        """
        paths = checkpoint_folder.newest_first(self._folder)
        return checkpoint_folder.first_readable(paths, self._read) is not None

    def go_back(self) -> int:
        """Restores the newest state that was not left by an interruption; returns its step.

        So the way that training takes does not depend on when it was interrupted. The later states
        lead to where it has come from and are removed.

        Raises:
            UserError: if none of them can be read.
        """
        paths = checkpoint_folder.newest_first(self._folder)
        paths.sort(key=lambda path: self._is_regular(checkpoint_folder.step_of(path)), reverse=True)
        path = checkpoint_folder.first_readable(paths, self._read)
        last = checkpoint_folder.step_of(path)
        steps = {checkpoint_folder.step_of(path) for path in paths}
        checkpoint_folder.remove_all_but(self._folder, {s for s in steps if s <= last})
        return last

    @property
    def latest_step(self) -> int:
        """The step of the newest state that has been saved."""
        return self._steps()[0]

    def save(self) -> None:
        """Saves the full state at the trainer's step.

        Raises:
            UserError: if it cannot be written; those that are there are kept.
        """
        checkpoint_folder.write(self._folder, self._state, self._trainer.step)
        steps = self._steps()
        kept = {self._trainer.step, *steps[: self._trainer.config.train.keep_checkpoints]}
        regular = [step for step in steps if self._is_regular(step)]
        checkpoint_folder.remove_all_but(self._folder, kept | set(regular[:1]))  # see `go_back`

    def save_if_best(self, validation_loss: float) -> bool:
        """Saves the model if its loss is lower than that of the one in `best/`; says whether.

        Raises:
            UserError: if it cannot be written; the one that is there is kept.
        """
        if not validation_loss < float(self._best_loss):  # so that NaN never is
            return False
        self._best_loss.assign(validation_loss)
        checkpoint_folder.write(self._best_folder, self._best, self._trainer.step)
        checkpoint_folder.remove_all_but(self._best_folder, {self._trainer.step})
        return True

    def _steps(self) -> list[int]:
        paths = checkpoint_folder.newest_first(self._folder)
        return [checkpoint_folder.step_of(path) for path in paths]

    def _is_regular(self, step: int) -> bool:
        return step % self._trainer.config.train.checkpoint_every == 0

    def _read(self, path: str) -> None:
        stored = tf.train.load_checkpoint(path)
        if not stored.has_tensor(f"optimizer/_iterations{_VALUE}"):
            raise UserError(
                f"{path} holds weights only, not the state of a training, so there is nothing to "
                "go on with; give another --run"
            )
        has_rollbacks = stored.has_tensor(f"rollbacks{_VALUE}")
        state = self._state if has_rollbacks else self._older_state
        known = float(self._best_loss)
        state.restore(path).assert_consumed()
        # The state may be older than the best model, whose own loss decides.
        self._best_loss.assign(self._loss_in_best(min(known, float(self._best_loss))))

    def _loss_in_best(self, otherwise: float) -> float:
        """The loss that the best model was saved with; infinite if there is no such model.

        Args:
            otherwise: that of a model that was saved without, by a version up to 0.3.
        """
        losses = []

        def read(path: str) -> None:
            stored = tf.train.load_checkpoint(path)
            has_loss = stored.has_tensor(f"best_loss{_VALUE}")
            losses.append(float(stored.get_tensor(f"best_loss{_VALUE}")) if has_loss else otherwise)

        try:
            checkpoint_folder.first_readable(
                checkpoint_folder.newest_first(self._best_folder), read
            )
        except UserError:
            return math.inf
        return losses[0] if losses else math.inf


def load_model(run: str, which: str = "latest") -> tuple[Config, SceneModel]:
    """The configuration and the trained model of a run; see `load`."""
    return load(run, which)[:2]


def load(run: str, which: str = "latest") -> tuple[Config, SceneModel, str]:
    """The configuration and the trained model of a run, and the path that the weights are from.

    Args:
        run: a run's folder, or "pretrained:NAME".
        which: "latest" state or "best" model by validation loss. Averaged weights where the run
            kept them.

    Raises:
        UserError: if the folder is not a run, has no such checkpoint, or none can be read.
    """
    folder = runs.resolve(run)
    config = runs.read_config(folder)
    subfolders = {"latest": "checkpoints", "best": "best"}
    if which not in subfolders:
        raise UserError(f"unknown checkpoint {which!r}; known: {', '.join(subfolders)}")
    paths = checkpoint_folder.newest_first(folder / subfolders[which])
    bare_weights = folder / safetensors_file.NAME  # as exported, with no checkpoint beside them
    if not paths and not (which == "latest" and bare_weights.exists()):
        raise UserError(_nothing_to_load(folder, which))
    files = [bare_weights] if not paths else (folder / subfolders[which]).glob("*.data-*")
    model = registry.build(config, sum(path.stat().st_size for path in files))
    if not paths:
        safetensors_file.restore(model, bare_weights)
        return config, model, str(bare_weights)

    def read(path: str) -> None:
        status = tf.train.Checkpoint(averaged_model=model).restore(path)
        status.expect_partial().assert_existing_objects_matched()

    path = checkpoint_folder.first_readable(paths, read, "train the run again")
    return config, model, path


def _nothing_to_load(folder: pathlib.Path, which: str) -> str:
    if which == "best" and checkpoint_folder.newest_first(folder / "checkpoints"):
        return (
            f"{folder} has no best model: only a training's validation keeps one, and imported or "
            "exported weights have none; use --checkpoint=latest"
        )
    return f"{folder / 'checkpoints'} holds no checkpoint; train the run first with iodine-train"


def save_weights(model: SceneModel, config: Config, folder: pathlib.Path) -> None:
    """Makes a run's folder that holds a trained model and nothing to go on training with.

    Raises:
        UserError: if there is a run in the folder already, or it cannot be written.
    """
    if (folder / "config.json").exists():
        raise UserError(f"{folder} already holds a run; give another folder")
    runs.start_or_resume(folder, config)
    checkpoint_folder.write(
        folder / "checkpoints", tf.train.Checkpoint(averaged_model=model), step=0
    )
