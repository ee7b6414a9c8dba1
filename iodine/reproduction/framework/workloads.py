"""What each budget trains for each task of the paper.

A task is a data set of the paper together with the sizes that appendix C gives it. The budget
`paper` follows the paper; `cpu` is what two cores learn in about an hour, on our small preset;
`smoke` runs the same code in seconds and learns nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.models import registry

BUDGETS = ("smoke", "cpu", "paper")

CLEVR6 = "CLEVR6"
CLEVR6_NO_GREEN_SPHERES = "CLEVR6 without green spheres"
CLEVR6_GRAYSCALE = "grayscale CLEVR6"
MULTI_DSPRITES = "Multi-dSprites"
MULTI_DSPRITES_BINARIZED = "binarized Multi-dSprites"
SHAPES = "Shapes"
TETRIS = "Tetris"
TOUCHING_TETRIS = "touching Tetris"  # for Figure 10; in the paper all pieces may touch
TEXTURED_MNIST = "Textured MNIST"
IMAGENET = "ImageNet"
TASKS = (
    *(CLEVR6, CLEVR6_NO_GREEN_SPHERES, CLEVR6_GRAYSCALE, MULTI_DSPRITES, MULTI_DSPRITES_BINARIZED),
    *(SHAPES, TETRIS, TOUCHING_TETRIS, TEXTURED_MNIST, IMAGENET),
)

Choice = TypeVar("Choice")


@dataclasses.dataclass(frozen=True)
class Workload:
    """How a budget trains a task."""

    preset: str
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stands_in: bool = False  # trains on something simpler than the task's own data
    more_objects: str = ""  # a data set with more objects than are trained on (Figures 7, 9)
    more_slots: int = 0  # K for that data set
    ambiguous: str = ""  # a data set of stimuli with several readings (Figure 10)


@dataclasses.dataclass(frozen=True)
class Training:
    """One run that an artifact needs."""

    label: str  # unique within the artifact
    task: str
    workload: Workload | None  # None: the budget does not train this task
    config: Config | None
    is_plain: bool = True  # the task as it is, with seed 0


@dataclasses.dataclass(frozen=True)
class Budget:
    """One of `BUDGETS`."""

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
            smoke={"num_train": 32, "num_validation": 8, "num_test": 64}, cpu={}, paper={}
        )

    def workload(self, task: str) -> Workload | None:
        """How this budget trains a task; None if it does not."""
        return _WORKLOADS[self.name].get(task)

    def training(
        self,
        label: str,
        task: str,
        overrides: Mapping[str, Any] | None = None,
        seed: int = 0,
        short: bool = False,
        stand_in: bool = False,
    ) -> Training:
        """A run for a task, with some fields changed.

        Args:
            label: what the artifact calls it.
            task: as named above.
            overrides: by the dotted name of a configuration's field.
            seed: `train.seed`.
            short: one of many variants that are compared with each other, not with the paper's
                figures: budget `cpu` trains them for fewer steps, and reports more often.
            stand_in: whether simpler data may stand in for the task's own.
        """
        workload = self.workload(task)
        if workload is None or (workload.stands_in and not stand_in):
            return Training(label, task, None, None)
        fields = {**workload.overrides, **(_SHORT if short and self.name == "cpu" else {})}
        fields.update(overrides or {}, **{"train.seed": seed})
        config = config_lib.override(registry.preset(workload.preset), fields)
        is_plain = not (short or overrides or seed)
        return Training(label, task, workload, config, is_plain)


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


_SHORT = {"train.steps": 6_000, "train.validate_every": 500}

# Ours for Figure 11: the paper says nothing about sizes.
_TEXTURED_MNIST = Workload(
    "multi_dsprites",
    {"data.dataset": "textured_mnist/generated", "data.image_size": 28, "model.num_slots": 4},
)
_IMAGENET = Workload("clevr6", {"data.dataset": "imagenet/centre_crop"})

_PAPER = {
    CLEVR6: Workload("clevr6", more_objects="clevr/released_max9", more_slots=11),
    CLEVR6_NO_GREEN_SPHERES: Workload(
        "clevr6",
        {"data.dataset": "clevr/released_max6_no_green_spheres"},
        more_objects="clevr/released_max9_green_spheres",
        more_slots=11,
    ),
    CLEVR6_GRAYSCALE: Workload("clevr6", {"data.dataset": "clevr/released_max6_grayscale"}),
    MULTI_DSPRITES: Workload("multi_dsprites"),
    MULTI_DSPRITES_BINARIZED: Workload(
        "multi_dsprites",
        {"data.dataset": "multi_dsprites/binarized_generated", "model.num_slots": 4},
    ),
    SHAPES: Workload(
        "multi_dsprites",
        {"data.dataset": "shapes/generated", "data.image_size": 28, "model.num_slots": 4},
    ),
    TETRIS: Workload("tetrominoes"),
    TOUCHING_TETRIS: Workload("tetrominoes", ambiguous="tetrominoes/ambiguous"),
    TEXTURED_MNIST: _TEXTURED_MNIST,
    IMAGENET: _IMAGENET,
}

_SMALL = {"more_objects": "tetrominoes/more_small", "more_slots": 6}
_CPU = {
    CLEVR6: Workload("tetrominoes_small", stands_in=True, **_SMALL),
    CLEVR6_NO_GREEN_SPHERES: Workload("tetrominoes_small", stands_in=True, **_SMALL),
    TETRIS: Workload("tetrominoes_small", **_SMALL),
    TOUCHING_TETRIS: Workload(
        "tetrominoes_small",
        {"data.dataset": "tetrominoes/touching_small"},
        ambiguous="tetrominoes/ambiguous_small",
    ),
}

_TINY = {
    "train.steps": 2,
    "train.batch_size": 2,
    "train.log_every": 1,
    "train.validate_every": 1,
    "train.num_iterations": 0,
    "model.num_iterations": 2,
    "model.latent_size": 4,
    "model.decoder.channels": (4, 4),
    "model.refinement.channels": (4,),
    "model.refinement.mlp_sizes": (8,),
}


def _tiny(workload: Workload) -> Workload:
    return dataclasses.replace(workload, overrides={**workload.overrides, **_TINY})


# CLEVR's own scenes have to be rendered or fetched, which is not a matter of seconds.
_SMOKE = {task: _tiny(_CPU.get(task) or workload) for task, workload in _PAPER.items()}
del _SMOKE[MULTI_DSPRITES_BINARIZED]  # takes as long as the coloured ones, and shows no more

_WORKLOADS = {"smoke": _SMOKE, "cpu": _CPU, "paper": _PAPER}
