"""Configurations of ours for two processor cores: the paper's data at its sizes, and clips.

All follow `tetrominoes_fast`: a decoder on a coarse grid, few rounds of which the last ones are
differentiated, averaged weights. docs/learning/ has how those that were trained were found.
"""

import dataclasses

from iodine.config import Config, DataConfig, TrainConfig, override
from iodine.models.iodine.background import BackgroundConfig
from iodine.models.iodine.config import (
    IodineConfig,
    ObjectiveConfig,
    RefinementConfig,
    SequenceConfig,
)
from iodine.models.parts.decoders import DecoderConfig

# Found on Tetrominoes. The difference of the scales is worth 0.2 nats a pixel.
_BACKGROUND = BackgroundConfig(latent_scale=0.1, likelihood_scale=0.28)


def _fast(
    preset: str, dataset: str, image_size: int, num_slots: int, steps: int, **model
) -> Config:
    """What they share; `model` are fields of `IodineConfig` in place of these."""
    fields = {
        "num_slots": num_slots,
        "num_iterations": 8,
        "latent_size": 32,
        "likelihood_scale": 0.3,
        "decoder": DecoderConfig(
            kind="coarse",
            upsampling=4,
            channels=(64, 64),
            kernel_size=3,
            last_kernel_size=1,
            coordinates="cosine",
            cosine_frequencies=5,
        ),
        "refinement": RefinementConfig(
            channels=(32, 64, 64),
            kernel_size=3,
            stride=2,
            mlp_sizes=(128,),
            lstm_size=0,
            coordinates="cosine",
            cosine_frequencies=5,
        ),
        "objective": ObjectiveConfig(kl_weight=0.3, backpropagated_refinements=1),
    }
    return Config(
        preset=preset,
        data=DataConfig(dataset=dataset, image_size=image_size),
        model=IodineConfig(**{**fields, **model}),
        train=TrainConfig(
            batch_size=16,
            steps=steps,
            num_iterations=3,
            learning_rate=2e-3,
            warmup_steps=100,
            decay="cosine",
            adam_beta2=0.99,
            average_decay=0.998,
            validate_every=1_000,
        ),
    )


def _tetrominoes_fast() -> Config:
    """Three pieces of 35 x 35 pixels, as published. docs/learning/tetrominoes_fast.md."""
    return _fast(
        "tetrominoes_fast",
        "tetrominoes/generated",
        image_size=35,
        num_slots=4,
        steps=28_000,
        num_iterations=10,
        background=_BACKGROUND,
    )


def _moving_tetrominoes_fast() -> Config:
    """Clips of three moving pieces."""
    return _moving("moving_tetrominoes_fast", "tetrominoes/moving_generated", 35, num_slots=4)


def _moving_sprites() -> Config:
    """Clips of two to four moving sprites of 64 x 64 pixels."""
    return _moving("moving_sprites", "multi_dsprites/moving_generated", 64, num_slots=5)


def _moving(preset: str, dataset: str, image_size: int, num_slots: int) -> Config:
    """What presets of clips share: 3 refinements read the first of 8 frames.

    All refinements are differentiated, so that the LSTM learns what to remember.
    """
    images = _fast(preset, dataset, image_size, num_slots, steps=20_000)
    refinement = dataclasses.replace(images.model.refinement, lstm_size=128)
    return dataclasses.replace(
        images,
        model=dataclasses.replace(
            images.model,
            num_iterations=9,
            refinement=refinement,
            objective=dataclasses.replace(images.model.objective, backpropagated_refinements=0),
            sequence=SequenceConfig(enabled=True, first_frame_refinements=3),
        ),
        train=dataclasses.replace(images.train, batch_size=8, num_iterations=0, decay="none"),
    )


# Found on sprites and Shapes without a slot for the background. Where pixels of a cell have masks
# of their own, slots share out the cells by a pattern instead of the objects; and fewer images are
# needed with small batches and more rounds differentiated.
_SMOOTH = {
    "model.decoder.smooth_mask": True,
    "model.objective.backpropagated_refinements": 2,
    "train.batch_size": 8,
    "train.num_iterations": 4,
}
# Objects of one colour have nothing but their places to tell them apart: more rounds. With those of
# `tetrominoes_fast` objects are found as well, and merge in one slot later.
_BINARY = {
    "model.objective.backpropagated_refinements": 3,
    "train.batch_size": 8,
    "train.decay": "none",
    "train.num_iterations": 6,
}


def _shapes_fast() -> Config:
    """Three white outlines of 28 x 28 pixels.

    docs/learning/shapes_fast.md. The likelihood stays the mixture of Normals, as in the paper;
    "bernoulli" is the field's other choice and was not trained.
    """
    return _binary("shapes_fast", "shapes/generated", image_size=28)


def _multi_dsprites_binarized_fast() -> Config:
    """Two or three white sprites of 64 x 64 pixels, by the recipe of `shapes_fast`.

    docs/learning/multi_dsprites_binarized_fast.md. 10,000 steps are an hour or two of one core.
    Begun only: foreground ARI 0.55 after 4,000 (320 validation scenes; the paper: 0.648).
    """
    dataset = "multi_dsprites/binarized_generated"
    return _binary("multi_dsprites_binarized_fast", dataset, image_size=64)


def _binary(preset: str, dataset: str, image_size: int) -> Config:
    config = _fast(preset, dataset, image_size, num_slots=4, steps=10_000, background=_BACKGROUND)
    return override(config, _BINARY)


def _multi_dsprites_fast() -> Config:
    """Two to five coloured sprites of 64 x 64 pixels.

    `iodine-train --preset=multi_dsprites_fast`, 16,000 steps: an hour or two of one core. Begun
    only: foreground ARI 0.13 after 1,000 steps (320 validation scenes; the paper's model: 0.767).
    docs/learning/multi_dsprites_fast.md, also for the likelihood, which was compared there.
    """
    dataset = "multi_dsprites/colored_on_grayscale_generated"
    config = _fast("multi_dsprites_fast", dataset, image_size=64, num_slots=6, steps=16_000)
    return override(config, _SMOOTH)


def _clevr6_fast() -> Config:
    """CLEVR6 of 128 x 128 pixels, decoded on a grid of 16 x 16 cells; not trained yet.

    The data are those that were released, a download: 70,000 scenes that the package renders itself
    (`clevr/generated_max6`) are 56 hours of one core.
    """
    return override(
        _fast("clevr6_fast", "clevr/released_max6", image_size=128, num_slots=7, steps=64_000),
        {
            **_SMOOTH,
            "model.latent_size": 64,
            "model.decoder.upsampling": 8,
            "model.decoder.channels": (64, 64, 64),
            "model.refinement.channels": (32, 64, 64, 64),
        },
    )


PRESETS = {
    "clevr6_fast": _clevr6_fast,
    "moving_sprites": _moving_sprites,
    "moving_tetrominoes_fast": _moving_tetrominoes_fast,
    "multi_dsprites_binarized_fast": _multi_dsprites_binarized_fast,
    "multi_dsprites_fast": _multi_dsprites_fast,
    "shapes_fast": _shapes_fast,
    "tetrominoes_fast": _tetrominoes_fast,
}
