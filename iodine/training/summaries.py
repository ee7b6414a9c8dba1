"""TensorBoard: scalars and pictures of a training."""

import contextlib
import io
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.image import metadata as image_metadata

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.errors import UserError, first_line
from iodine.evaluation import clips, inference
from iodine.figures import decompositions as plots
from iodine.figures import sequences
from iodine.models.interface import SceneModel, Schedule
from iodine.training.trainer import StepMetrics

_NUM_CLIPS = 2  # that are drawn


def hyperparameters(config: Config) -> dict[str, bool | float | str]:
    """Every field of a configuration by its dotted name, in the types of TensorBoard's HParams.

    A list becomes one string, its items separated by commas; what is not set is "none".
    """
    return {name: _hyperparameter(value) for name, value in config_lib.flatten(config).items()}


def _hyperparameter(value: Any) -> bool | float | str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if value is None:
        return "none"
    return value if isinstance(value, bool | str) else float(value)


class Summaries:
    """Writes one run's TensorBoard events."""

    def __init__(
        self,
        folder: pathlib.Path,
        config: Config,
        schedules: Mapping[str, Schedule],
        fixed_images: np.ndarray,
    ):
        """Takes a few scenes that are decomposed again and again.

        These are images [B, H, W, 3] in [0, 1], or clips [B, F, H, W, 3].
        """
        self._config = config
        self._schedules = schedules
        self._fixed_images = tf.constant(fixed_images)
        self._folder = folder / "tensorboard"
        with self._failures_told():
            self._writer = tf.summary.create_file_writer(str(self._folder))
        self._decompose = tf.function(inference.decompose_iterations, autograph=False)
        self._decompose_clips = tf.function(clips.decompose_clips, autograph=False)

    def write_hyperparameters(self) -> None:
        """What the HParams tab compares runs by; belongs to the run, so once is enough."""
        with self._writing(0):
            hparams.hparams(hyperparameters(self._config))

    def write_training(
        self, step: int, metrics: StepMetrics, images_per_second: float, learning_rate: float
    ) -> None:
        """Scalars of the training batch at `step`."""
        with self._writing(step):
            tf.summary.scalar("train/loss", metrics.loss)
            tf.summary.scalar("train/mse", metrics.mse)
            tf.summary.scalar("train/factor_loss", metrics.factor_loss)
            tf.summary.scalar("train/gradient_norm", metrics.gradient_norm)
            tf.summary.scalar("train/images_per_second", images_per_second)
            for name, values in metrics.terms.items():
                for t, value in enumerate(np.asarray(values)):
                    tf.summary.scalar(f"train_{name}/iteration_{t}", value)
            tf.summary.scalar("schedule/learning_rate", learning_rate)
            for name, schedule in self._schedules.items():
                tf.summary.scalar(f"schedule/{name}", schedule(step))

    def write_validation(self, step: int, means: dict[str, np.ndarray]) -> None:
        """Means over the validation images, [S] by metric."""
        with self._writing(step):
            for name, values in means.items():
                tf.summary.scalar(f"validation/{name}", values[-1])
                for t, value in enumerate(values):
                    tf.summary.scalar(f"validation_{name}/iteration_{t}", value)

    def write_rollback(self, step: int, count: int) -> None:
        """That training went back from `step`, for the `count`th time."""
        with self._writing(step):
            tf.summary.scalar("train/rollbacks", count)

    def write_images(self, step: int, model: SceneModel) -> None:
        """Decompositions of the fixed scenes, and the first one over the iterations.

        Of clips the first `_NUM_CLIPS` in the manner of Figure 12, and as animations.
        """
        if model.spec.num_frames is not None:
            self._write_clips(step, model)
            return
        results = self._decompose(model, self._fixed_images)
        images = self._fixed_images.numpy()
        figures = {
            "decomposition": plots.decomposition_figure(images, results[-1]),
            "masks": plots.masks_figure(images, results[-1]),
            "iterations": plots.iterations_figure(images[0], results),
        }
        with self._writing(step):
            for name, figure in figures.items():
                tf.summary.image(name, plots.as_array(figure)[np.newaxis])

    def _write_clips(self, step: int, model: SceneModel) -> None:
        frames = self._fixed_images[:_NUM_CLIPS]
        results = self._decompose_clips(model, frames).each(np.asarray)
        figures, animations = [], []
        for b, clip in enumerate(frames.numpy()):
            result = results.each(lambda field, b=b: field[b])
            figures.append(plots.as_array(sequences.clip_figure(clip, result)))
            animations.append(sequences.animation(clip, result))
        with self._writing(step):
            tf.summary.image("clip", np.stack(figures))
            _write_animations("clip_animation", animations)

    @contextlib.contextmanager
    def _writing(self, step: int) -> Iterator[None]:
        """Writes to the file at once, so that a full disk shows here and not in a later step."""
        with self._failures_told():
            with self._writer.as_default(step):
                yield
            self._writer.flush()

    @contextlib.contextmanager
    def _failures_told(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            raise UserError(
                f"cannot write to {self._folder}: {first_line(error)}; the checkpoints in the run "
                "are kept; make room and run the same command to go on"
            ) from error


def _write_animations(name: str, animations: Sequence[np.ndarray]) -> None:
    """Like `tf.summary.image`, but GIFs; uint8 [F, H, W, 3] each, of one size.

    TensorBoard shows any picture that a browser does.
    """
    height, width = animations[0].shape[1:3]
    encoded = []
    for pictures in animations:
        file = io.BytesIO()
        sequences.save_animation(pictures, file)
        encoded.append(file.getvalue())
    tf.summary.write(
        name,
        tf.constant([str(width).encode(), str(height).encode(), *encoded]),
        metadata=image_metadata.create_summary_metadata(None, None),
    )
