"""The named configurations of RNN-NEM and R-NEM.

The IODINE paper (section 4.1, Table 1) compares with R-NEM on Shapes and binarized Multi-dSprites
and publishes no configuration. So `rnn_nem_shapes` is that of the authors of RNN-NEM for Shapes
(README of Neural-EM, "Static Shapes"), and the two of R-NEM are put together from what its authors
have for other data; each says how.
"""

import dataclasses

from iodine.config import Config, DataConfig, TrainConfig
from iodine.models.nem.config import CellConfig, DecoderConfig, EncoderConfig, NemConfig

_NO_CLIPPING = 1e9  # no gradient's norm comes near it

# Both repositories: Adam with 1e-3, batches of 64, no clipping; at most 500 epochs, ended by 10
# epochs without a lower validation loss, and the weights of the lowest are kept. Training here does
# not end by itself: the numbers of steps are our choice, for processors, and `best` keeps the same
# weights. An epoch is 937 steps.
_TRAIN = TrainConfig(
    batch_size=64,
    steps=30_000,
    learning_rate=1e-3,
    clip_norm=_NO_CLIPPING,
    validate_every=250,
    checkpoint_every=250,
)


def _rnn_nem_shapes() -> Config:
    """README of Neural-EM, "Static Shapes", RNN-EM: K = 4, 15 steps, flips with 0.1; its defaults.

    The defaults: theta of 250 without layer norm, no encoder, a dense decoder, the loss of the last
    step, a gradient through the responsibilities.
    """
    return Config(
        preset="rnn_nem_shapes",
        data=DataConfig(dataset="shapes/generated", image_size=28),
        model=NemConfig(
            num_slots=4,
            num_iterations=15,
            latent_size=250,
            layer_norm=False,
            flip_probability=0.1,
            loss_steps="last",
            gamma_gradient=True,
            cell=CellConfig(kind="rnn"),
            encoder=EncoderConfig(kind="none"),
            decoder=DecoderConfig(kind="dense"),
        ),
        train=dataclasses.replace(_TRAIN, steps=90_000, validate_every=1_000),
    )


def _rnem_shapes() -> Config:
    """Our choice: R-NEM has no configuration for 28 x 28 pixels.

    Encoder and decoder of `flying_shapes` (Neural-EM), the default cell of Relational-NEM, K, steps
    and flips of `rnn_nem_shapes`; the loss of all steps, R-NEM's default, and no gradient through
    the responsibilities, which it never has.
    """
    return Config(
        preset="rnem_shapes",
        data=DataConfig(dataset="shapes/generated", image_size=28),
        model=NemConfig(
            num_slots=4,
            num_iterations=15,
            latent_size=250,
            flip_probability=0.1,
            encoder=EncoderConfig(channels=(32, 64), kernel_size=4, hidden_size=512),
            decoder=DecoderConfig(channels=(64, 32), kernel_size=4, hidden_size=512),
        ),
        train=_TRAIN,
    )


def _rnem_multi_dsprites_binarized() -> Config:
    """The default networks of Relational-NEM, which are for 64 x 64 pixels.

    Our choice: K = 4, for three sprites and the background; 15 steps and flips with 0.1, as RNN-NEM
    has it for images that are no sequences (R-NEM's defaults are K = 5, 30 steps and 0.2). K = 5
    and 0.2 are worth a try.
    """
    return Config(
        preset="rnem_multi_dsprites_binarized",
        data=DataConfig(dataset="multi_dsprites/binarized_generated", image_size=64),
        model=NemConfig(
            num_slots=4,
            num_iterations=15,
            latent_size=250,
            flip_probability=0.1,
            encoder=EncoderConfig(channels=(16, 32, 64), kernel_size=4, hidden_size=512),
            decoder=DecoderConfig(channels=(64, 32, 16), kernel_size=4, hidden_size=512),
        ),
        train=_TRAIN,
    )


PRESETS = {
    "rnem_multi_dsprites_binarized": _rnem_multi_dsprites_binarized,
    "rnem_shapes": _rnem_shapes,
    "rnn_nem_shapes": _rnn_nem_shapes,
}
