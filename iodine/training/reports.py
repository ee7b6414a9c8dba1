"""What the chief of a training reports: progress, validation, TensorBoard, `metrics.csv`."""

import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.summary import left_out, mean_over_images, without_foreground
from iodine.progress import Progress
from iodine.training.checkpoints import TrainingCheckpoints
from iodine.training.metrics_file import MetricsFile
from iodine.training.stopwatch import Stopwatch
from iodine.training.summaries import Summaries
from iodine.training.trainer import StepMetrics, Trainer


class Reports:
    """Reports on one training, on standard error and in its run's folder."""

    def __init__(
        self,
        folder: pathlib.Path,
        trainer: Trainer,
        checkpoints: TrainingCheckpoints,
        validation: Callable[[], Iterable[dict[str, Any]]],
        fixed_images: np.ndarray,
    ):
        """Starts at the trainer's step.

        Args:
            folder: of the run.
            trainer: the training.
            checkpoints: where the best model is kept.
            validation: gives the same finite batches at every call.
            fixed_images: a few scenes [B, H, W, 3] in [0, 1] that are shown again and again.
        """
        self._trainer = trainer
        self._train = trainer.config.train
        self._checkpoints = checkpoints
        self._validation = validation
        self._evaluator = Evaluator(trainer.averaged_model)
        self._summaries = Summaries(folder, trainer.config, trainer.schedules, fixed_images)
        self._metrics = MetricsFile(folder, trainer.step)
        if trainer.step == 0:
            self._summaries.write_hyperparameters()
        self._progress = Progress(trainer.step, self._train.steps)
        self._watch = Stopwatch()

    def count(self, step: int) -> None:
        """Says that `step` is done."""
        self._watch.count()
        self._progress.update(step)

    def log(self, step: int, metrics: StepMetrics) -> None:
        """Reports the training batch of a step."""
        rate = self._train.batch_size * self._watch.steps_per_second()
        learning_rate = float(self._trainer.learning_rate(step))
        self._summaries.write_training(step, metrics, rate, learning_rate)
        self._metrics.write(step, "train", self._training_figures(step, metrics, rate))
        self._progress.note = (
            f"loss {float(metrics.loss):.1f}, mse {float(metrics.mse):.4f}, {rate:.0f} images/s"
        )

    def validate(self, step: int) -> None:
        """Evaluates the validation images and keeps the model if it is the best so far."""
        with self._watch.stopped():
            values = self._evaluator(self._validation())
            means = {name: mean_over_images(name, value) for name, value in values.items()}
            loss = float(means.pop("selection")[-1])
            is_best = np.isfinite(loss) and self._checkpoints.save_if_best(loss)
            self._summaries.write_validation(step, means)
            last = {name: float(values[-1]) for name, values in means.items()}
            self._metrics.write(step, "validation", {"loss": loss, **last})
        figures = ", ".join(f"{n} {v[-1]:.4g}" for n, v in means.items())
        remark = " (best)" if is_best else ""
        if not np.isfinite(loss):
            remark = " (never kept as the best: more iterations than are trained with may diverge)"
        if absent := without_foreground(left_out(values)):
            remark += f"; {absent}"
        self.say(f"validation at step {step:,}: loss {loss:.4g}, {figures}{remark}")

    def draw(self, step: int) -> None:
        """Draws what the model makes of the fixed scenes."""
        with self._watch.stopped():
            self._summaries.write_images(step, self._trainer.averaged_model)

    def save(self) -> None:
        """Saves the state of the training."""
        with self._watch.stopped():
            self._checkpoints.save()

    def rolled_back(self, step: int, back_to: int, reason: str) -> None:
        """Says that training went back from a step to an earlier one."""
        count, limit = int(self._trainer.rollbacks.numpy()), self._train.max_rollbacks
        self._summaries.write_rollback(step, count)
        self._metrics.cut(back_to)
        self._progress.close()
        self._progress = Progress(back_to, self._train.steps)
        self.say(
            f"at step {step:,} {reason}; back to the checkpoint of step {back_to:,}, "
            f"learning rate x {self._train.rollback_factor**count:g} (rollback {count} of {limit})"
        )

    def say(self, line: str) -> None:
        """Prints a line."""
        self._progress.say(line)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        self._progress.close()

    def _training_figures(
        self, step: int, metrics: StepMetrics, images_per_second: float
    ) -> dict[str, float]:
        """One figure each; of what there is for every step of inference, that of the last."""
        figures = {"loss": metrics.loss, "mse": metrics.mse}
        figures |= {name: values[-1] for name, values in metrics.terms.items()}
        if self._trainer.regressor:
            figures["factor_loss"] = metrics.factor_loss
        figures["gradient_norm"] = metrics.gradient_norm
        figures["images_per_second"] = images_per_second
        figures["learning_rate"] = self._trainer.learning_rate(step)
        figures |= {name: of(step) for name, of in self._trainer.schedules.items()}
        return {name: float(value) for name, value in figures.items()}
