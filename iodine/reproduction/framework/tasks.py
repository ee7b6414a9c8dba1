"""The tasks and models of the paper by name, and what it takes to train a model for a task.

A task is a data set of the paper together with the sizes that appendix C gives it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

BUDGETS = ("smoke", "cpu", "paper")

CLEVR6 = "CLEVR6"
CLEVR6_NO_GREEN_SPHERES = "CLEVR6 without green spheres"
CLEVR6_GRAYSCALE = "grayscale CLEVR6"
CLEVR_SINGLE = "CLEVR with one object"
MULTI_DSPRITES = "Multi-dSprites"
MULTI_DSPRITES_BINARIZED = "binarized Multi-dSprites"
SHAPES = "Shapes"
TETRIS = "Tetris"
TEXTURED_MNIST = "Textured MNIST"
IMAGENET = "ImageNet"
OBJECTS_ROOM_SEQUENCES = "Objects Room sequences"
TASKS = (
    *(CLEVR6, CLEVR6_NO_GREEN_SPHERES, CLEVR6_GRAYSCALE, MULTI_DSPRITES, MULTI_DSPRITES_BINARIZED),
    *(SHAPES, TETRIS, TEXTURED_MNIST, IMAGENET, CLEVR_SINGLE, OBJECTS_ROOM_SEQUENCES),
)

# Models as the paper names them; more are known as soon as they are registered.
IODINE, MONET, R_NEM, RNN_NEM, VAE = "IODINE", "MONet", "R-NEM", "RNN-NEM", "VAE"
# What tells the runs of models of one kind apart.
TOLD_BY = {R_NEM: {"model.cell.kind": "relational"}, RNN_NEM: {"model.cell.kind": "rnn"}}


@dataclasses.dataclass(frozen=True)
class Workload:
    """How a budget trains a model for a task."""

    preset: str  # of the model
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stands_in: bool = False  # trains on something simpler than the task's own data
    more_objects: str = ""  # a data set with more objects than are trained on (Figures 7, 9)
    more_slots: int = 0  # K for that data set
    held_out: str = ""  # what it has and the training's data do not, as in "green spheres"
    ambiguous: str = ""  # a data set of stimuli with several readings (Figure 10)
    occluded: str = ""  # clips in which objects are hidden for a while (Figure 12)
