"""A budget, and the trainings that an artifact asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.models import registry
from iodine.reproduction.framework import workloads
from iodine.reproduction.framework.tasks import IODINE, Workload

# Variants that are compared with each other train less, and report more often.
_SHORT = {"train.steps": 6_000, "train.validate_every": 500}

Choice = TypeVar("Choice")


@dataclasses.dataclass(frozen=True)
class Training:
    """One run that an artifact needs."""

    label: str  # unique within the artifact
    place: str  # what of the artifact it is for: several seeds share it, else it is the label
    model: str
    task: str
    workload: Workload | None  # None: the budget does not train this
    config: Config | None
    overrides: Mapping[str, Any]  # what the artifact varies, by the dotted name of a field

    @property
    def is_of_seeds(self) -> bool:
        """Whether its place is for several seeds."""
        return self.label != self.place


@dataclasses.dataclass(frozen=True)
class Budget:
    """One of `tasks.BUDGETS`."""

    name: str

    def choose(self, *, smoke: Choice, cpu: Choice, paper: Choice) -> Choice:
        """The value for this budget."""
        return {"smoke": smoke, "cpu": cpu, "paper": paper}[self.name]

    @property
    def num_images(self) -> int:
        """Images that a figure is the mean of: 320, as for Table 1."""
        return self.choose(smoke=16, cpu=320, paper=320)

    @property
    def data_sizes(self) -> dict[str, int]:
        """The sizes of generated data sets that are not there yet; the data sets' own if empty."""
        return self.choose(
            smoke={"num_train": 32, "num_validation": 8, "num_test": 64, "num_frames": 4},
            cpu={},
            paper={},
        )

    def workload(self, task: str, model: str = IODINE) -> Workload | None:
        """How this budget trains a model for a task; None if it does not."""
        return workloads.find(self.name, model, task)

    def training(
        self,
        label: str,
        task: str,
        overrides: Mapping[str, Any] | None = None,
        *,
        model: str = IODINE,
        seed: int = 0,
        short: bool = False,
        stand_in: bool = False,
    ) -> Training:
        """A run for a task, with some fields changed.

        Args:
            label: what the artifact calls it.
            task: one of `tasks.TASKS`.
            overrides: by the dotted name of a configuration's field.
            model: as its workloads are registered.
            seed: `train.seed`.
            short: one of many variants that are compared with each other, not with the paper's
                figures: budget `cpu` trains them for fewer steps, and reports more often.
            stand_in: whether simpler data may stand in for the task's own.
        """
        overrides = dict(overrides or {})
        workload = self.workload(task, model)
        if workload is None or (workload.stands_in and not stand_in):
            return Training(label, label, model, task, None, None, overrides)
        fields = {**workload.overrides, **(_SHORT if short and self.name == "cpu" else {})}
        fields.update(overrides, **{"train.seed": seed})
        config = config_lib.override(registry.preset(workload.preset), fields)
        return Training(label, label, model, task, workload, config, overrides)

    def seeds(self, place: str, task: str, count: int, model: str = IODINE) -> list[Training]:
        """The task as it is, with seeds 0 to `count` - 1: one place of the artifact.

        A single record stands for all of them where the budget does not train the task.
        """
        trainings = [
            dataclasses.replace(
                self.training(f"{place}, seed {seed}", task, model=model, seed=seed), place=place
            )
            for seed in range(count)
        ]
        if trainings[0].config is None:
            return [dataclasses.replace(trainings[0], label=f"{place}, all seeds")]
        return trainings

    def why_not(self, training: Training) -> str:
        """Why a training without a configuration has none."""
        if workloads.kind_of(training.model) is None:
            return f"{training.model} is not part of this package"
        return f"{training.model} is not trained on {training.task} at --budget={self.name}"


def deconv_decoder(budget: Budget) -> dict[str, Any]:
    """Overrides for the deconvolutional decoder of section 4.3, as the table in C.1 has it."""
    channels, mlp_sizes, kernel_size = budget.choose(
        smoke=((4, 4, 4), (8, 8), 3),
        cpu=((32, 32, 32), (128, 128), 3),
        paper=((64, 64, 64, 64, 64), (512, 512), 5),
    )
    return {
        "model.decoder.kind": "deconv",
        "model.decoder.channels": channels,
        "model.decoder.mlp_sizes": mlp_sizes,
        "model.decoder.kernel_size": kernel_size,
    }
