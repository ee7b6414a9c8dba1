"""The named configurations. docs/differences.md says why where the paper contradicts itself."""

import dataclasses

from iodine.config import Config, DataConfig, TrainConfig
from iodine.models.iodine import fast_presets
from iodine.models.iodine.config import (
    IodineConfig,
    ObjectiveConfig,
    RefinementConfig,
    SequenceConfig,
)
from iodine.models.parts.decoders import DecoderConfig

# The released refinement inputs in the alphabetical order of their released names: capacity,
# components, coordinates, counterfactual, dcomponents, dmask, image, log_prob, mask, posterior,
# pred_mask; and dzp, flat_capacity, zp.
_RELEASED_IMAGE_INPUTS = (
    "constant",
    "means",
    "coordinates",
    "leave_one_out_likelihood",
    "means_gradient",
    "mask_gradient",
    "image",
    "likelihood",
    "mask_logits",
    "mask_posterior",
    "mask",
)
_RELEASED_FLAT_INPUTS = ("posterior_gradient", "flat_constant", "posterior")


def _clevr6() -> Config:
    """Appendix C.1."""
    return Config(
        preset="clevr6",
        data=DataConfig(dataset="clevr/released_max6", image_size=128),
        model=IodineConfig(
            num_slots=7,
            num_iterations=5,
            latent_size=64,
            decoder=DecoderConfig(channels=(64, 64, 64, 64), kernel_size=3),
            refinement=RefinementConfig(
                channels=(64, 64, 64, 64), kernel_size=3, stride=2, mlp_sizes=(256,), lstm_size=256
            ),
        ),
    )


def _multi_dsprites() -> Config:
    """Appendix C.2, with Z = 16 as its row "Concat 192" has it."""
    return Config(
        preset="multi_dsprites",
        data=DataConfig(dataset="multi_dsprites/colored_on_grayscale_generated", image_size=64),
        model=IodineConfig(
            num_slots=6,
            num_iterations=5,
            latent_size=16,
            decoder=DecoderConfig(channels=(32, 32, 32, 32), kernel_size=5),
            refinement=RefinementConfig(
                channels=(32, 32, 32), kernel_size=5, stride=1, mlp_sizes=(128,), lstm_size=128
            ),
        ),
    )


def _on(preset: str, dataset: str, image_size: int, num_slots: int) -> Config:
    """The networks of appendix C.2 on other data: the appendix has none of their own for them."""
    config = _multi_dsprites()
    return dataclasses.replace(
        config,
        preset=preset,
        data=DataConfig(dataset=dataset, image_size=image_size),
        model=dataclasses.replace(config.model, num_slots=num_slots),
    )


def _multi_dsprites_binarized() -> Config:
    """Two or three white sprites; the Normal of sigma 0.1 for binary pixels too, as elsewhere."""
    return _on("multi_dsprites_binarized", "multi_dsprites/binarized_generated", 64, 4)


def _shapes() -> Config:
    """Three white outlines; the Normal of sigma 0.1 for binary pixels too, as elsewhere."""
    return _on("shapes", "shapes/generated", 28, 4)


def _tetrominoes() -> Config:
    """Appendix C.3, with Z = 32 as its row "Concat 256" has it."""
    return Config(
        preset="tetrominoes",
        data=DataConfig(dataset="tetrominoes/generated", image_size=35),
        model=IodineConfig(
            num_slots=4,
            num_iterations=5,
            latent_size=32,
            decoder=DecoderConfig(channels=(32, 32, 32, 32), kernel_size=5),
            refinement=RefinementConfig(
                channels=(32, 32, 32), kernel_size=5, stride=1, mlp_sizes=(128,), lstm_size=0
            ),
        ),
    )


def _objects_room_sequences() -> Config:
    """Clips of Objects Room: 16 refinements read 17 frames, batch 4 (section A.2, appendix B.5).

    The paper gives no other size for these data; all are those of Multi-dSprites (C.2), whose
    images have the same side.
    """
    images = _multi_dsprites()
    return dataclasses.replace(
        images,
        preset="objects_room_sequences",
        data=DataConfig(dataset="objects_room/sequences_generated", image_size=64),
        model=dataclasses.replace(
            images.model, num_iterations=16, sequence=SequenceConfig(enabled=True)
        ),
        train=dataclasses.replace(images.train, batch_size=4),
    )


def _tetrominoes_small() -> Config:
    """Ours. docs/learning/tetrominoes_small.md has the search that led to it."""
    return Config(
        preset="tetrominoes_small",
        data=DataConfig(dataset="tetrominoes/generated_small", image_size=8),
        model=IodineConfig(
            num_slots=4,
            num_iterations=15,
            latent_size=16,
            likelihood_scale=0.3,
            decoder=DecoderConfig(
                channels=(32, 32), kernel_size=3, coordinates="cosine", cosine_frequencies=5
            ),
            refinement=RefinementConfig(
                channels=(32, 64, 128),
                kernel_size=3,
                stride=2,
                mlp_sizes=(128,),
                lstm_size=0,
                coordinates="cosine",
            ),
            objective=ObjectiveConfig(kl_weight=0.05),
        ),
        train=TrainConfig(
            batch_size=32,
            steps=14_000,
            num_iterations=3,
            learning_rate=3e-3,
            warmup_steps=100,
            decay="cosine",
            adam_beta2=0.99,
            average_decay=0.999,
            validate_every=2_000,
        ),
    )


def _released(
    paper: Config,
    dataset: str,
    refinement: RefinementConfig,
    factor_regression: tuple[str, ...],
    batch_size: int,
    learning_rate: float,
) -> Config:
    """A paper preset with what the authors' released code does differently."""
    refinement = dataclasses.replace(
        refinement,
        stride=2,
        mlp_final_activation=False,
        image_inputs=_RELEASED_IMAGE_INPUTS,
        flat_inputs=_RELEASED_FLAT_INPUTS,
        log_likelihoods=True,
        mask_gradient_of_logits=True,
        mask_posterior_epsilon=1e-6,
        gradient_of_batch_mean=True,
    )
    decoder = dataclasses.replace(
        paper.model.decoder, coordinates="linear_yx", constant_input=5.0, mask_first=True
    )
    model = dataclasses.replace(
        paper.model,
        scale_map="sqrt_softplus",
        prior="posterior_at_zero",
        initial_posterior="glorot_uniform",
        likelihood="logistic",
        likelihood_scale=0.03,
        min_scale=0.0,
        decoder=decoder,
        refinement=refinement,
    )
    return dataclasses.replace(
        paper,
        preset=f"{paper.preset}_released",
        data=dataclasses.replace(paper.data, dataset=dataset),
        model=model,
        train=TrainConfig(
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_batch=batch_size,
            decay="exponential",
            decay_rate=0.1,
            decay_steps=1_000_000,
            adam_beta1=0.95,
            factor_regression=factor_regression,
        ),
    )


def _clevr6_released() -> Config:
    paper = _clevr6()
    return _released(
        paper,
        "clevr/released_low_crop_max6",
        dataclasses.replace(paper.model.refinement, mlp_sizes=(256, 256)),
        ("color:9:categorical", "shape:4:categorical", "size:3:categorical", "position:3:scalar"),
        batch_size=32,
        learning_rate=0.001,
    )


def _multi_dsprites_released() -> Config:
    paper = _multi_dsprites()
    return _released(
        paper,
        "multi_dsprites/colored_on_grayscale_released",
        dataclasses.replace(paper.model.refinement, coordinates="cosine"),
        (
            "color:3:scalar",
            "shape:4:categorical",
            "scale:1:scalar",
            "x:1:scalar",
            "y:1:scalar",
            "orientation:2:angle",
        ),
        batch_size=128,
        learning_rate=0.0003,
    )


def _tetrominoes_released() -> Config:
    paper = _tetrominoes()
    return _released(
        paper,
        "tetrominoes/released",
        dataclasses.replace(paper.model.refinement, coordinates="cosine"),
        ("position:2:scalar", "color:3:scalar", "shape:20:categorical"),
        batch_size=256,
        learning_rate=0.0003,
    )


PRESETS = {
    "clevr6_released": _clevr6_released,
    "multi_dsprites_released": _multi_dsprites_released,
    "tetrominoes_released": _tetrominoes_released,
    "clevr6": _clevr6,
    "multi_dsprites": _multi_dsprites,
    "multi_dsprites_binarized": _multi_dsprites_binarized,
    "objects_room_sequences": _objects_room_sequences,
    "shapes": _shapes,
    "tetrominoes": _tetrominoes,
    "tetrominoes_small": _tetrominoes_small,
    **fast_presets.PRESETS,
}
