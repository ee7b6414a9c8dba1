"""The training loop: steps, stopping, going back, saving, resuming."""

import dataclasses
import functools
import json
import pathlib
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.config import Config, checks
from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.training import data_record
from iodine.training import run_folder as runs
from iodine.training.checkpoints import TrainingCheckpoints
from iodine.training.devices.workers import Workers
from iodine.training.interruption import StopRequest
from iodine.training.reports import Reports
from iodine.training.trainer import StepMetrics, Trainer, first_bad_term

NUM_FIXED_SCENES = 6


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Where a training's batches come from."""

    # (first step, parts of a scene, who shares a batch or None) -> endless training batches
    batches_from: Callable[
        [int, Collection[str], tf.distribute.InputContext | None], tf.data.Dataset
    ]
    validation: Callable[[], Iterable[dict[str, Any]]]  # the same finite batches at every call
    identity: Mapping[str, Any] | None = None  # what tells them from others; of `datasets.identity`


class _NotFiniteError(Exception):
    """A step whose loss is not finite: its number, and which term is what."""

    def __init__(self, step: int, reason: str):
        super().__init__(f"at step {step} {reason}")
        self.step, self.reason = step, reason


class TrainingLoop:
    """Trains one run from where its folder stands to its last step."""

    def __init__(
        self,
        config: Config,
        folder: pathlib.Path,
        data: TrainingData,
        strategy: tf.distribute.Strategy,
        workers: Workers | None = None,
    ):
        """Restores the newest checkpoint of the folder, if there is one.

        Args:
            config: of the run.
            folder: of the run; only the chief of several workers reads and writes it.
            data: the same on all workers.
            strategy: what trains.
            workers: all machines that train; this one alone by default.

        Raises:
            UserError: for a folder of another configuration or data, one that cannot be written,
                or workers with different configurations or data.
        """
        checks.check(config)
        self._workers = workers = workers or Workers(strategy)
        if workers.is_chief:
            runs.check_same(folder, config)
            data_record.check_same(folder, data.identity)
        self._config, self._folder = config, folder
        self._data = data
        fixed = np.asarray(next(iter(data.validation()))["image"][:NUM_FIXED_SCENES])
        workers.agree("flags", json.dumps(config_lib.to_dict(config), sort_keys=True).encode())
        workers.agree("data", _told_by(data.identity, fixed))
        self._trainer = Trainer(config, strategy)
        self._checkpoints = self._reports = None
        if workers.is_chief:
            self._checkpoints = TrainingCheckpoints(folder, self._trainer)
            self._checkpoints.restore()
        workers.copy_from_chief(self._trainer.state)
        self.resumed = self.step > 0
        if workers.is_chief:
            runs.start_or_resume(folder, config)  # only now, because what can be wrong is not
            data_record.keep(folder, data.identity)
            (folder / runs.DIVERGED).unlink(missing_ok=True)
            self._reports = Reports(
                folder, self._trainer, self._checkpoints, data.validation, fixed
            )
        self._unchecked: list[tuple[int, StepMetrics]] = []

    @property
    def step(self) -> int:
        """Number of updates made so far."""
        return self._trainer.step

    def run(self) -> None:
        """Trains to `config.train.steps`.

        Raises:
            UserError: if a loss is not finite and no rollback is left, saying at which step and
                which term; nothing is saved after it.
            SystemExit: after SIGINT or SIGTERM of any worker, with the state saved; the code is
                128 + signal.
        """
        if self._reports and self.step == 0:
            self._checkpoints.save()
        try:
            with StopRequest() as stop:
                stopped = False
                while self.step < self._config.train.steps and not stopped:
                    try:
                        stopped = self._train_on(stop)
                    except _NotFiniteError as bad:
                        self._go_back(bad)
                        stopped = stop.signal is not None and not self._workers.several
                if stopped:
                    self._leave(stop)
            self._workers.wait_for_all()  # until the chief has validated and saved
        finally:
            if self._reports:
                self._reports.close()

    def _train_on(self, stop: StopRequest) -> bool:
        """Trains to the last step, or until any worker is asked to stop; says whether one was.

        Raises:
            _NotFiniteError: for a loss.
        """
        step, last = self.step, self._config.train.steps
        batches = iter(self._batches(step))
        stopped, before = False, None
        while step < last and not stopped:
            metrics = self._trainer.train_step(next(batches), stop=stop.signal is not None)
            step += 1
            self._unchecked.append((step, metrics))
            if self._reports:
                self._reports.count(step)
            self._do_what_is_due(step, final=step == last)
            if not self._workers.several:
                stopped = stop.signal is not None
            elif before is not None:  # the step before: this one may still be running
                stopped = float(before.stop) > 0
            before = metrics
        self._check_finite()
        return stopped and step < last

    def _batches(self, step: int) -> Iterable[Any]:
        strategy, keys = self._trainer.strategy, self._trainer.batch_keys
        if strategy.num_replicas_in_sync == 1:
            return self._data.batches_from(step, keys, None)

        def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            batches = self._data.batches_from(step, keys, context)
            # Otherwise all workers ask each other before every step whether they have a batch.
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return batches.apply(endless)

        return strategy.distribute_datasets_from_function(share)

    def _do_what_is_due(self, step: int, final: bool) -> None:
        """Reports and saves. Whatever is saved has been checked before, by all workers."""
        train, reports = self._config.train, self._reports

        def due(every: int) -> bool:
            return final or step % every == 0

        if due(train.log_every):
            metrics = self._check_finite()
            if reports:
                reports.log(step, metrics)
        if any(map(due, (train.validate_every, train.image_every, train.checkpoint_every))):
            self._check_finite()
        if not reports:
            return
        if due(train.validate_every):
            reports.validate(step)
        if due(train.image_every):
            reports.draw(step)
        if due(train.checkpoint_every):
            reports.save()

    def _check_finite(self) -> StepMetrics | None:
        """Looks at the steps since the last look; returns the newest one's metrics."""
        metrics = None
        for step, metrics in self._unchecked:
            if bad := first_bad_term(metrics):
                raise _NotFiniteError(step, bad)
        self._unchecked.clear()
        return metrics

    def _go_back(self, bad: _NotFiniteError) -> None:
        """Restores an earlier state with a smaller learning rate, or gives up with a UserError."""
        trainer, limit = self._trainer, self._config.train.max_rollbacks
        count = int(trainer.rollbacks.numpy()) + 1
        self._unchecked.clear()
        if count > limit:
            if self._workers.is_chief:
                record = {"step": bad.step, "reason": bad.reason}
                runs.write_json(self._folder / runs.DIVERGED, record)
            raise UserError(self._reason_to_stop(bad, limit))
        if self._checkpoints:
            self._checkpoints.go_back()
        trainer.rollbacks.assign(count)
        self._workers.copy_from_chief(trainer.state)
        if self._reports:
            self._reports.rolled_back(bad.step, self.step, bad.reason)

    def _reason_to_stop(self, bad: _NotFiniteError, limit: int) -> str:
        kept = ""
        if self._checkpoints:
            kept = f"the checkpoint of step {self._checkpoints.latest_step} is kept; "
        after = f" after {limit} rollback{'s' * (limit > 1)}" if limit else ""
        return (
            f"training stopped{after}: {bad}; {kept}try a lower config.train.learning_rate, a "
            "larger scale of the model's likelihood (if it has one) or another seed, in another "
            "--run; or let the same one go back with a smaller step by "
            f"--config.train.max_rollbacks={limit + 3}"
        )

    def _leave(self, stop: StopRequest) -> None:
        """Saves, says so and ends the process."""
        if self._checkpoints:
            self._checkpoints.save()
        self._workers.wait_for_all()
        name = stop.signal.name if stop.signal else "a signal to another worker"
        say = self._reports.say if self._reports else functools.partial(print, file=sys.stderr)
        say(f"stopped by {name} at step {self.step:,}; saved; run the same command to go on")
        raise SystemExit(128 + (stop.signal or signal.SIGTERM))


def _told_by(identity: Mapping[str, Any] | None, fixed: np.ndarray) -> bytes:
    """What workers with the same data have in common, and others have not."""
    if identity is None:
        return fixed.tobytes()
    return json.dumps(identity, sort_keys=True).encode()
