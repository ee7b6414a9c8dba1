"""The named configurations of the VAE, and where each number is from.

The IODINE paper (section 4.2, Figures 5 and 6) says that the same VAE is trained on scenes of one
object and of several, and that its decoder is a spatial broadcast decoder. It gives no layer, no
latent size, no beta, no sigma and no optimizer. So every number is one of these:

* of Watters et al. (2019), not from their paper, which was not at hand, but as others repeat it:
  encoder of four convolutions 4 x 4 with stride 2, 64 channels, ReLU, one layer of 256, ReLU
  (as in the port github.com/dfdazac/vaesbd); 10 latents (the same port); ReLU in the decoder;
  Adam with 3e-4 and batches of 16 (the port has 1e-4).
* of IODINE: the decoder's layers, which are those of appendix C.1 (Watters et al. are said to have
  fewer), sigma 0.1, the clipping of gradients, a million steps.
* a guess of ours: all else, above all the latent sizes of scenes with several objects.
"""

import dataclasses

from iodine.config import Config, DataConfig, TrainConfig
from iodine.models.parts.decoders import DecoderConfig
from iodine.models.vae.config import EncoderConfig, VaeConfig

# Watters et al. (2019) as others repeat it: of scenes with one object.
_LATENTS_OF_AN_OBJECT = 10
# Our guess: "the same VAE" of the paper may have had as few as above for whole scenes. But six
# objects of CLEVR6 have about 50 factors, and too few latents would decide Figure 5 beforehand.
_LATENTS_OF_A_SCENE = 64

# Watters et al. (2019) as others repeat it.
_TRAIN = TrainConfig(batch_size=16, learning_rate=3e-4)


def _clevr6() -> Config:
    """128 x 128: a fifth convolution, to the same 4 x 4 cells, and all latents are our guess."""
    return Config(
        preset="vae_clevr6",
        data=DataConfig(dataset="clevr/released_max6", image_size=128),
        model=VaeConfig(
            latent_size=_LATENTS_OF_A_SCENE,
            encoder=EncoderConfig(channels=(64, 64, 64, 64, 64)),
            decoder=DecoderConfig(channels=(64, 64, 64, 64), kernel_size=3),
        ),
        train=_TRAIN,
    )


def _multi_dsprites() -> Config:
    """64 x 64, as Watters et al. have it; the decoder's layers are those of IODINE's C.1."""
    return Config(
        preset="vae_multi_dsprites",
        data=DataConfig(dataset="multi_dsprites/colored_on_grayscale_generated", image_size=64),
        model=VaeConfig(
            latent_size=_LATENTS_OF_A_SCENE,
            encoder=EncoderConfig(channels=(64, 64, 64, 64)),
            decoder=DecoderConfig(channels=(64, 64, 64, 64), kernel_size=3),
        ),
        train=_TRAIN,
    )


def _tetrominoes() -> Config:
    """Ours: 35 x 35, for two processor cores.

    The decoder is the coarse one of the preset `tetrominoes_fast`: 9 x 9 cells instead of 1,225
    pixels. Of the learning rates 5e-4, 1e-3, 2e-3 and 4e-3 the first two learned fastest in
    the first 1,500 steps.
    """
    return Config(
        preset="vae_tetrominoes",
        data=DataConfig(dataset="tetrominoes/generated", image_size=35),
        model=VaeConfig(
            latent_size=_LATENTS_OF_A_SCENE,
            encoder=EncoderConfig(channels=(64, 64, 64, 64)),
            decoder=DecoderConfig(
                kind="coarse",
                upsampling=4,
                channels=(64, 64),
                kernel_size=3,
                last_kernel_size=1,
                coordinates="cosine",
                cosine_frequencies=5,
            ),
        ),
        train=TrainConfig(
            batch_size=32,
            steps=40_000,
            learning_rate=1e-3,
            warmup_steps=100,
            decay="cosine",
            validate_every=1_000,
        ),
    )


def _single(scenes: Config, dataset: str) -> Config:
    """The same VAE for scenes of one object, with the latents that Watters et al. have."""
    return dataclasses.replace(
        scenes,
        preset=scenes.preset.replace("clevr6", "clevr") + "_single",
        data=dataclasses.replace(scenes.data, dataset=dataset),
        model=dataclasses.replace(scenes.model, latent_size=_LATENTS_OF_AN_OBJECT),
    )


def _clevr_single() -> Config:
    return _single(_clevr6(), "clevr/single_generated")


def _multi_dsprites_single() -> Config:
    return _single(_multi_dsprites(), "multi_dsprites/single_generated")


def _tetrominoes_single() -> Config:
    return _single(_tetrominoes(), "tetrominoes/single")


PRESETS = {
    "vae_clevr6": _clevr6,
    "vae_multi_dsprites": _multi_dsprites,
    "vae_tetrominoes": _tetrominoes,
    "vae_clevr_single": _clevr_single,
    "vae_multi_dsprites_single": _multi_dsprites_single,
    "vae_tetrominoes_single": _tetrominoes_single,
}
