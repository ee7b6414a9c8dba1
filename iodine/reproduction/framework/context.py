"""What an artifact's functions work with: trained models and scenes."""

import dataclasses
import functools
from typing import Any

import numpy as np

from iodine.config import Config
from iodine.datasets import pipelines
from iodine.errors import UserError
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.summary import diverged, divergence
from iodine.models.interface import SceneModel
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.training import checkpoints, provenance

_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Run:
    """A model that an artifact looks at."""

    training: Training
    folder: str  # or "pretrained:NAME"
    config: Config
    is_given: bool = False  # by the user, in place of the training

    @property
    def model(self) -> SceneModel:
        """The trained model, with averaged weights where the run kept them."""
        return self._loaded[1]

    @property
    def weights(self) -> dict[str, Any] | None:
        """What `provenance.of_weights` says of the model; None if nothing has asked for it."""
        if "_loaded" not in self.__dict__:
            return None
        config, _, path = self._loaded
        return provenance.of_weights(self.folder, config, path)

    @functools.cached_property
    def _loaded(self) -> tuple[Config, SceneModel, str]:
        return checkpoints.load(self.folder)

    @property
    def note(self) -> str:
        """What was trained, in a few words."""
        config, workload = self.config, self.training.workload
        stands_in = workload is not None and workload.stands_in and not self.is_given
        what = f"{config.preset} for {self.training.task}" if stands_in else config.preset
        where = self.folder if self.is_given else f"{config.train.steps:,} steps"
        return f"{what} on {config.data.dataset}, {where}"


@dataclasses.dataclass(frozen=True)
class Context:
    """One artifact at one budget.

    `missing` says of each training, or data set, that could not be had why; an artifact shows the
    place of such a part as "not run". `diverged` are those trainings among them whose loss stopped
    being finite. What `batches` reads and `evaluate` measures is noted in `read` and `evaluated`.
    """

    budget: Budget
    data_dir: str
    runs: dict[str, Run]  # by the training's label, in the artifact's order
    missing: dict[str, str]  # label or name of a data set -> reason
    seed: int = 0
    with_pages: bool = False  # whether HTML pages are asked for
    diverged: frozenset[str] = frozenset()
    read: dict[str, int] = dataclasses.field(default_factory=dict)  # by data set, test images
    evaluated: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def batches(
        self, dataset: str, num_images: int, batch_size: int = _BATCH
    ) -> list[dict[str, Any]]:
        """The first test scenes, as `pipelines.evaluation_batches` makes them, in NumPy."""
        self.read[dataset] = max(num_images, self.read.get(dataset, 0))
        with pipelines.readable(self.data_dir, dataset):
            batches = pipelines.evaluation_batches(
                self.data_dir, dataset, "test", batch_size, num_images
            )
            return list(batches.as_numpy_iterator())

    def scenes(self, dataset: str, num_images: int) -> dict[str, Any]:
        """The same in one batch; for few images."""
        [batch] = self.batches(dataset, num_images, num_images)
        return batch

    def evaluate(
        self,
        run: Run,
        dataset: str | None = None,
        num_slots: int | None = None,
        num_iterations: int | None = None,
        may_diverge: bool = False,
    ) -> dict[str, np.ndarray]:
        """Every metric of `summary.METRICS`, [S, N], over the budget's number of test scenes.

        S counts the steps of inference: of IODINE the decodings t = 0, before any refinement, to T.

        Args:
            run: the model.
            dataset: by default the one it was trained on.
            num_slots: K; the model's by default.
            num_iterations: rounds of inference (T); the model's by default.
            may_diverge: whether values that are not finite are a result like any other.

        Raises:
            UserError: if the ELBO is not finite for some image and may not be.
        """
        evaluator = Evaluator(run.model, num_slots, num_iterations, self.seed)
        name = dataset or run.config.data.dataset
        values = evaluator(self.batches(name, self.budget.num_images))
        self.evaluated.append(
            {
                "run": run.folder,
                "dataset": name,
                "split": "test",
                "num_images": self.budget.num_images,
                "num_slots": num_slots or run.model.spec.num_slots,
                "num_iterations": num_iterations or run.model.spec.num_iterations,
                "seed": self.seed,
                "num_diverged": int(diverged(values).sum()),
            }
        )
        if not may_diverge and (reason := divergence(values)):
            raise UserError(f"{run.folder} on {name}: {reason}")
        return values

    def note(self) -> str:
        """What the shown results come from, for the foot of a figure."""
        notes = dict.fromkeys(run.note for run in self.runs.values())
        return "; ".join([f"budget {self.budget.name}", *notes])
