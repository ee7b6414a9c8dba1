"""What each budget trains for each task of the paper, by model.

A task is a data set of the paper together with the sizes that appendix C gives it. The budget
`paper` follows the paper; `cpu` is what two cores learn in about an hour, on the published
Tetrominoes; `smoke` runs the same code in seconds and learns nothing.
"""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from iodine.models import registry

BUDGETS = ("smoke", "cpu", "paper")

CLEVR6 = "CLEVR6"
CLEVR6_NO_GREEN_SPHERES = "CLEVR6 without green spheres"
CLEVR6_GRAYSCALE = "grayscale CLEVR6"
MULTI_DSPRITES = "Multi-dSprites"
MULTI_DSPRITES_BINARIZED = "binarized Multi-dSprites"
SHAPES = "Shapes"
TETRIS = "Tetris"
TEXTURED_MNIST = "Textured MNIST"
IMAGENET = "ImageNet"
TASKS = (
    *(CLEVR6, CLEVR6_NO_GREEN_SPHERES, CLEVR6_GRAYSCALE, MULTI_DSPRITES, MULTI_DSPRITES_BINARIZED),
    *(SHAPES, TETRIS, TEXTURED_MNIST, IMAGENET),
)

# Models as the paper names them; more are known as soon as they are registered.
IODINE, MONET, R_NEM, VAE = "IODINE", "MONet", "R-NEM", "VAE"


@dataclasses.dataclass(frozen=True)
class Workload:
    """How a budget trains a model for a task."""

    preset: str  # of the model
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stands_in: bool = False  # trains on something simpler than the task's own data
    more_objects: str = ""  # a data set with more objects than are trained on (Figures 7, 9)
    more_slots: int = 0  # K for that data set
    ambiguous: str = ""  # a data set of stimuli with several readings (Figure 10)


def register(budget: str, model: str, task: str, workload: Workload) -> None:
    """Makes a budget train a model for a task, or train it otherwise than before.

    Args:
        budget: one of `BUDGETS`.
        model: its name in tables and figures, as in "MONet".
        task: one of `TASKS`.
        workload: names a preset of the model, which `iodine.models.registry` knows.

    Raises:
        ValueError: for an unknown budget or task.
    """
    if budget not in BUDGETS or task not in TASKS:
        raise ValueError(f"no budget {budget!r} or no task {task!r}")
    _WORKLOADS[budget][model, task] = workload


@contextlib.contextmanager
def registered(budget: str, model: str, task: str, workload: Workload) -> Iterator[None]:
    """As `register`, until the block ends."""
    before = dict(_WORKLOADS[budget])
    register(budget, model, task, workload)
    try:
        yield
    finally:
        _WORKLOADS[budget].clear()
        _WORKLOADS[budget].update(before)


def find(budget: str, model: str, task: str) -> Workload | None:
    """How a budget trains a model for a task; None if it does not."""
    return _WORKLOADS[budget].get((model, task))


def models_for(budget: str, tasks: Collection[str]) -> list[str]:
    """The models that a budget trains for any of these tasks."""
    return list(dict.fromkeys(model for model, task in _WORKLOADS[budget] if task in tasks))


def kind_of(model: str) -> str | None:
    """The model's `config.model.kind`; None for one that no budget trains for any task."""
    for workloads in _WORKLOADS.values():
        for (name, _), workload in workloads.items():
            if name == model:
                return registry.preset(workload.preset).model.kind
    return None


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
    TETRIS: Workload("tetrominoes", ambiguous="tetrominoes/ambiguous"),
    TEXTURED_MNIST: _TEXTURED_MNIST,
    IMAGENET: _IMAGENET,
}

_CPU_TETRIS = Workload(
    "tetrominoes_fast",
    more_objects="tetrominoes/more",
    more_slots=6,
    ambiguous="tetrominoes/ambiguous",
)
_CPU = {
    CLEVR6: dataclasses.replace(_CPU_TETRIS, stands_in=True),
    CLEVR6_NO_GREEN_SPHERES: dataclasses.replace(_CPU_TETRIS, stands_in=True),
    TETRIS: _CPU_TETRIS,
}

_SMALL_TETRIS = Workload(
    "tetrominoes_small",
    more_objects="tetrominoes/more_small",
    more_slots=6,
    ambiguous="tetrominoes/ambiguous_small",
)
_SMALL = {
    CLEVR6: dataclasses.replace(_SMALL_TETRIS, stands_in=True),
    CLEVR6_NO_GREEN_SPHERES: dataclasses.replace(_SMALL_TETRIS, stands_in=True),
    TETRIS: _SMALL_TETRIS,
}
_TINY = {
    "train.steps": 2,
    "train.batch_size": 2,
    "train.log_every": 1,
    "train.validate_every": 1,
    "train.num_iterations": 0,
    "model.num_iterations": 1,
    "model.latent_size": 4,
    "model.decoder.channels": (4, 4),
    "model.refinement.channels": (4,),
    "model.refinement.mlp_sizes": (8,),
}


def _tiny(workload: Workload) -> Workload:
    return dataclasses.replace(workload, overrides={**workload.overrides, **_TINY})


# CLEVR's own scenes have to be rendered or fetched, which is not a matter of seconds.
_SMOKE = {task: _tiny(workload) for task, workload in {**_PAPER, **_SMALL}.items()}
del _SMOKE[MULTI_DSPRITES_BINARIZED]  # takes as long as the coloured ones, and shows no more

_WORKLOADS: dict[str, dict[tuple[str, str], Workload]] = {
    name: {(IODINE, task): workload for task, workload in by_task.items()}
    for name, by_task in (("smoke", _SMOKE), ("cpu", _CPU), ("paper", _PAPER))
}
