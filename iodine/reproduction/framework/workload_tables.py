"""What each budget trains of each model for each task.

The budget `paper` follows the papers; `cpu` is what two cores learn in an hour or two on the
paper's data, with Tetrominoes for CLEVR6, whose scenes have to be rendered; `smoke` runs the same
code in seconds and learns nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from iodine.reproduction.framework.tasks import (
    CLEVR6,
    CLEVR6_GRAYSCALE,
    CLEVR6_NO_GREEN_SPHERES,
    CLEVR_SINGLE,
    IMAGENET,
    IODINE,
    MONET,
    MULTI_DSPRITES,
    MULTI_DSPRITES_BINARIZED,
    OBJECTS_ROOM_SEQUENCES,
    R_NEM,
    RNN_NEM,
    SHAPES,
    TETRIS,
    TEXTURED_MNIST,
    VAE,
    Workload,
)

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
        held_out="green spheres",
    ),
    CLEVR6_GRAYSCALE: Workload("clevr6", {"data.dataset": "clevr/released_max6_grayscale"}),
    MULTI_DSPRITES: Workload("multi_dsprites"),
    MULTI_DSPRITES_BINARIZED: Workload("multi_dsprites_binarized"),
    SHAPES: Workload("shapes"),
    TETRIS: Workload("tetrominoes", ambiguous="tetrominoes/ambiguous"),
    TEXTURED_MNIST: _TEXTURED_MNIST,
    IMAGENET: _IMAGENET,
    OBJECTS_ROOM_SEQUENCES: Workload("objects_room_sequences"),
}

_CPU_TETRIS = Workload(
    "tetrominoes_fast",
    more_objects="tetrominoes/more",
    more_slots=6,
    ambiguous="tetrominoes/ambiguous",
)
_CPU = {
    CLEVR6: dataclasses.replace(_CPU_TETRIS, stands_in=True),
    CLEVR6_NO_GREEN_SPHERES: dataclasses.replace(
        _CPU_TETRIS,
        overrides={"data.dataset": "tetrominoes/generated_no_green_squares"},
        stands_in=True,
        more_objects="tetrominoes/more_green_squares",
        held_out="green squares",
    ),
    MULTI_DSPRITES: Workload("multi_dsprites_fast"),
    MULTI_DSPRITES_BINARIZED: Workload("multi_dsprites_binarized_fast"),
    SHAPES: Workload("shapes_fast"),
    TETRIS: _CPU_TETRIS,
    OBJECTS_ROOM_SEQUENCES: Workload(
        "moving_tetrominoes_fast",
        stands_in=True,
        occluded="tetrominoes/moving_occluded_generated",
    ),
}

_SMALL_TETRIS = Workload(
    "tetrominoes_small",
    more_objects="tetrominoes/more_small",
    more_slots=6,
    ambiguous="tetrominoes/ambiguous_small",
)
# Rendering sequences is no more a matter of seconds than CLEVR is, nor are clips of hidden objects.
_SMALL_CLIPS = Workload(
    "tetrominoes_small",
    {
        "data.dataset": "tetrominoes/moving_generated",
        "data.image_size": 35,
        "model.sequence.enabled": True,
    },
    stands_in=True,
)
_SMALL = {
    CLEVR6: dataclasses.replace(_SMALL_TETRIS, stands_in=True),
    CLEVR6_NO_GREEN_SPHERES: dataclasses.replace(_SMALL_TETRIS, stands_in=True),
    TETRIS: _SMALL_TETRIS,
    OBJECTS_ROOM_SEQUENCES: _SMALL_CLIPS,
}
_FEW_STEPS = {
    "train.steps": 2,
    "train.batch_size": 2,
    "train.log_every": 1,
    "train.validate_every": 1,
}
_TINY = {
    **_FEW_STEPS,
    "train.num_iterations": 0,
    "model.num_iterations": 1,
    "model.latent_size": 4,
    "model.decoder.channels": (4, 4),
    "model.refinement.channels": (4,),
    "model.refinement.mlp_sizes": (8,),
}


def _with(overrides: Mapping[str, Any], table: Mapping[str, Workload]) -> dict[str, Workload]:
    return {
        task: dataclasses.replace(workload, overrides={**workload.overrides, **overrides})
        for task, workload in table.items()
    }


# CLEVR's own scenes have to be rendered or fetched, which is not a matter of seconds.
_SMOKE = _with(_TINY, {**_PAPER, **_SMALL})
del _SMOKE[MULTI_DSPRITES_BINARIZED]  # takes as long as the coloured ones, and shows no more

# The VAE of Figures 5 and 6.
_VAE_CPU = {
    CLEVR6: Workload("vae_tetrominoes", stands_in=True),
    CLEVR_SINGLE: Workload("vae_tetrominoes_single", stands_in=True),
}
_VAE_PAPER = {CLEVR6: Workload("vae_clevr6"), CLEVR_SINGLE: Workload("vae_clevr_single")}
_VAE_TINY = {
    **_FEW_STEPS,
    "model.latent_size": 4,
    "model.encoder.channels": (4, 4),
    "model.encoder.mlp_sizes": (8,),
    "model.decoder.channels": (4, 4),
}

# The columns of Table 1 beside IODINE's. MONet on Tetris and RNN-NEM are our additions.
_MONET_CPU = {TETRIS: Workload("monet_tetrominoes")}
_MONET_PAPER = {
    CLEVR6: Workload("monet_clevr6"),
    MULTI_DSPRITES: Workload("monet_multi_dsprites"),
    **_MONET_CPU,
}
_MONET_TINY = {
    **_VAE_TINY,
    "model.attention.channels": (4, 4),
    "model.attention.mlp_sizes": (8,),
}
_R_NEM_PAPER = {
    SHAPES: Workload("rnem_shapes"),
    MULTI_DSPRITES_BINARIZED: Workload("rnem_multi_dsprites_binarized"),
}
_RNN_NEM_PAPER = {SHAPES: Workload("rnn_nem_shapes")}
_NEM_TINY = {
    **_FEW_STEPS,
    "model.num_iterations": 2,
    "model.latent_size": 4,
}


_BY_MODEL: dict[str, dict[str, Mapping[str, Workload]]] = {
    "smoke": {
        IODINE: _SMOKE,
        VAE: _with(_VAE_TINY, _VAE_CPU),
        MONET: _with(_MONET_TINY, _MONET_CPU),
        R_NEM: _with(_NEM_TINY, {SHAPES: _R_NEM_PAPER[SHAPES]}),
        RNN_NEM: _with(_NEM_TINY, _RNN_NEM_PAPER),
    },
    "cpu": {IODINE: _CPU, VAE: _VAE_CPU, MONET: _MONET_CPU},
    "paper": {
        IODINE: _PAPER,
        VAE: _VAE_PAPER,
        MONET: _MONET_PAPER,
        R_NEM: _R_NEM_PAPER,
        RNN_NEM: _RNN_NEM_PAPER,
    },
}
TABLES = {
    budget: {
        (model, task): workload
        for model, by_task in by_model.items()
        for task, workload in by_task.items()
    }
    for budget, by_model in _BY_MODEL.items()
}
