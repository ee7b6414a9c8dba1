"""One step of training, on however many replicas."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from iodine.config import Config
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.interface import Step
from iodine.models.parts.factor_regression import FactorRegressor, parse_factors
from iodine.models.parts.noise import draw_noise
from iodine.training.learning_rate import LearningRate
from iodine.training.optimizers import build_optimizer


class StepMetrics(NamedTuple):
    """What a step reports: means over the global batch, in nats an image."""

    loss: tf.Tensor  # [], the model's, without the factor regressor's
    terms: dict[str, tf.Tensor]  # by name: [S], what the model reports of each step of inference
    mse: tf.Tensor  # [], of the last reconstruction
    factor_loss: tf.Tensor  # [], of the factor regressor; 0 without one
    gradient_norm: tf.Tensor  # [], global norm before clipping
    stop: tf.Tensor  # [], more than 0 if any worker asked to stop: see `Trainer.train_step`


class Trainer:
    """Holds what training changes: model, regressor, optimizer, averaged weights, rollbacks.

    The averaged weights are a model of their own, so that a validation in the midst of training
    changes nothing that an interruption could leave changed, and a checkpoint holds a whole model.
    """

    def __init__(self, config: Config, strategy: tf.distribute.Strategy):
        """Creates all variables under the strategy, initialised from `config.train.seed`.

        Raises:
            UserError: for a batch size that the replicas cannot share equally.
        """
        replicas = strategy.num_replicas_in_sync
        if config.train.batch_size % replicas:
            raise UserError(
                f"train.batch_size is {config.train.batch_size}, which {replicas} replicas cannot "
                f"share equally; choose a multiple of {replicas}"
            )
        self.config = config
        self.strategy = strategy
        tf.keras.utils.set_random_seed(config.train.seed)  # initial weights only
        with strategy.scope():
            self.model = registry.build(config)
            has_averages = config.train.average_decay > 0
            self.averaged_model = registry.build(config) if has_averages else self.model
            self.regressor = build_regressor(config)
            # How often training went back to a checkpoint after a loss that was not finite.
            self.rollbacks = tf.Variable(0, trainable=False, dtype=tf.int64)
            self.learning_rate = LearningRate(config.train, self.rollbacks)
            self.optimizer = build_optimizer(config.train, self.learning_rate, self.variables)
        self.reset_averages()
        self._num_iterations = config.train.num_iterations or self.model.spec.num_iterations
        self.noise_specs = self.model.noise(self.model.spec.num_slots, self._num_iterations)
        self.schedules = registry.schedules(config)
        self._gradients = tf.function(
            self._loss_and_gradients, autograph=False, jit_compile=config.train.xla or None
        )
        self._run_step = tf.function(self._distributed_step, autograph=False)

    @property
    def step(self) -> int:
        """Number of updates made so far."""
        return int(self.optimizer.iterations.numpy())

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything that a step updates."""
        regressor = self.regressor.trainable_variables if self.regressor else ()
        return [*self.model.trainable_variables, *regressor]

    @property
    def state(self) -> list[tf.Variable]:
        """Everything that decides how training goes on."""
        averages = [average for average, _ in self._averages()]
        moments = [variable.value for variable in self.optimizer.variables]
        return [*self.variables, *averages, *moments, self.rollbacks]

    @property
    def batch_keys(self) -> tuple[str, ...]:
        """The parts of a scene that `train_step` reads."""
        return ("image", "mask", "visibility", "factors") if self.regressor else ("image",)

    def reset_averages(self) -> None:
        """Sets the averaged weights to the weights."""
        for average, variable in self._averages():
            average.assign(variable)

    def optimizer_slots(self, kind: str) -> dict[Any, tf.Variable]:
        """Adam's "momentum" or "velocity", RMSProp's "velocity", by `variable.ref()`."""
        slots = [v for v in self.optimizer.variables if v.name.endswith(kind)]
        return {v.ref(): slot for v, slot in zip(self.variables, slots, strict=True)}

    def train_step(self, batch: Mapping[str, Any], stop: bool = False) -> StepMetrics:
        """Updates the weights once.

        Args:
            batch: `image` float32 [B, H, W, 3] in [0, 1], the global batch; with a factor regressor
                also `mask`, `visibility` and `factors`. Or what the strategy's distributed data
                set yields.
            stop: tells all workers, by their metrics of this step, that this one wants to stop.
        """
        batch = {key: batch[key] for key in self.batch_keys}
        return self._run_step(batch, tf.constant(stop, tf.float32))

    def loss_and_gradients(
        self, batch: Mapping[str, tf.Tensor], noise: Mapping[str, tf.Tensor], step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The loss of a batch on one device and its gradients by `variables`, unclipped.

        Args:
            batch: as for `train_step`.
            noise: as the model's `noise` has it.
            step: number of the update, which schedules follow.
        """
        loss, _, _, factor_loss, gradients = self._loss_and_gradients(
            batch, noise, step, tf.constant(1.0)
        )
        return loss + factor_loss, gradients

    def _distributed_step(self, batch, stop: tf.Tensor) -> StepMetrics:
        step = tf.cast(self.optimizer.iterations, tf.int32)
        per_replica = self.strategy.run(self._replica_step, args=(batch, step, stop))
        # All replicas hold the same means; the first one speaks for them.
        metrics = tf.nest.map_structure(
            lambda value: self.strategy.experimental_local_results(value)[0], per_replica
        )
        decay = self.config.train.average_decay
        for average, variable in self._averages():
            average.assign(decay * average + (1 - decay) * variable)
        return metrics

    def _replica_step(self, batch, step: tf.Tensor, stop: tf.Tensor) -> StepMetrics:
        noise = self._noise(tf.shape(batch["image"])[0], step)
        results = self._gradients(batch, noise, step, self._share_of_entities(batch))
        stop = tf.identity(stop)  # puts it on this replica's device, which the sum needs to know
        (loss, terms, mse, factor_loss, gradients), stop = (
            tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.MEAN, (results, stop)
            )
        )
        # Clipped at the norm of the mean over all replicas, hence averaged before the optimizer
        # sees them. It adds up what the replicas give it, so each gives its share.
        gradients, norm = tf.clip_by_global_norm(gradients, self.config.train.clip_norm)
        replicas = self.strategy.num_replicas_in_sync
        self.optimizer.apply([gradient / replicas for gradient in gradients], self.variables)
        return StepMetrics(loss, terms, mse, factor_loss, norm, stop)

    def _share_of_entities(self, batch) -> tf.Tensor:
        """This replica's visible entities over those of an average one; the regressor's weight.

        Its loss is a mean over visible entities, of which replicas have more or fewer.
        """
        if self.regressor is None or self.strategy.num_replicas_in_sync == 1:
            return tf.constant(1.0)
        visible = tf.reduce_sum(batch["visibility"])
        average = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.MEAN, visible
        )
        return tf.math.divide_no_nan(visible, average)

    def _loss_and_gradients(self, batch, noise, step: tf.Tensor, share_of_entities: tf.Tensor):
        images = batch["image"]
        scheduled = {name: schedule(step) for name, schedule in self.schedules.items()}
        with tf.GradientTape() as tape:
            steps = self.model.infer(
                images,
                noise,
                num_iterations=self._num_iterations,
                scheduled=scheduled,
                training=True,
            )
            losses = self.model.losses(steps, images, scheduled)
            factor_loss = share_of_entities * self._factor_loss(batch, steps[-1])
            total = losses.total + factor_loss
        gradients = tape.gradient(
            total, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        target = images if steps[-1].target is None else steps[-1].target
        mse = tf.reduce_mean(tf.math.squared_difference(steps[-1].reconstruction, target))
        return losses.total, losses.terms, mse, factor_loss, gradients

    def _factor_loss(self, batch, last: Step) -> tf.Tensor:
        if not self.regressor:
            return tf.constant(0.0)
        return self.regressor(
            last.sample, last.masks, batch["mask"], batch["visibility"], batch["factors"]
        ).loss

    def _noise(self, local_batch: tf.Tensor, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """This replica's rows of the noise of the global batch: the same for any replica count."""
        train = self.config.train
        noise = draw_noise(tf.stack([train.seed, step]), self.noise_specs, train.batch_size)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        start = tf.cast(replica, tf.int32) * local_batch
        return {name: value[:, start : start + local_batch] for name, value in noise.items()}

    def _averages(self):
        if self.averaged_model is self.model:
            return []
        return zip(
            self.averaged_model.trainable_variables, self.model.trainable_variables, strict=True
        )


def build_regressor(config: Config) -> FactorRegressor | None:
    """The configuration's factor regressor with its variables created, or None."""
    factors = parse_factors(config.train.factor_regression)
    if not factors:
        return None
    regressor = FactorRegressor(factors)
    regressor.predict_factors(tf.zeros([1, config.model.latent_size]))
    return regressor


def first_bad_term(metrics: StepMetrics) -> str | None:
    """Names what is not finite, or returns None: all terms of the first such iteration."""
    terms = {name: np.asarray(values) for name, values in metrics.terms.items()}
    for t in range(max(map(len, terms.values()), default=0)):
        bad = [
            f"{name} of iteration {t} is {values[t]}"
            for name, values in terms.items()
            if t < len(values) and not np.isfinite(values[t])
        ]
        if bad:
            return ", ".join(bad)
    for name in ("loss", "factor_loss", "gradient_norm"):
        value = float(getattr(metrics, name))
        if not np.isfinite(value):
            return f"{name} is {value}"
    return None
