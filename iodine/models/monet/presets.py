"""The named configurations. docs/differences.md says where the sources are silent."""

from iodine.config import Config, DataConfig, TrainConfig
from iodine.models.monet.config import AttentionConfig, DecoderConfig, MonetConfig

# Burgess et al. (2019): RMSProp, rate 1e-4, batches of 64, a million steps. They do not state
# RMSProp's constants; these are TensorFlow's own of that time. Gradients are not clipped.
_PUBLISHED = TrainConfig(
    batch_size=64,
    steps=1_000_000,
    learning_rate=1e-4,
    optimizer="rmsprop",
    rmsprop_decay=0.9,
    rmsprop_epsilon=1e-10,
    clip_norm=1e9,
)


def _monet_clevr6() -> Config:
    """As Table 1 of IODINE has it (section 4.1): 7 slots, sigma 0.06 and 0.1, 128 x 128 pixels.

    Six blocks in the attention network, as public implementations for this size have.
    """
    return Config(
        preset="monet_clevr6",
        data=DataConfig(dataset="clevr/released_max6", image_size=128),
        model=MonetConfig(
            num_slots=7,
            background_scale=0.06,
            foreground_scale=0.1,
            attention=AttentionConfig(channels=(32, 32, 32, 64, 64, 64)),
        ),
        train=_PUBLISHED,
    )


def _monet_multi_dsprites() -> Config:
    """As published for 64 x 64 pixels, sigma 0.09 and 0.11; as many slots as IODINE has there."""
    return Config(
        preset="monet_multi_dsprites",
        data=DataConfig(dataset="multi_dsprites/colored_on_grayscale_generated", image_size=64),
        model=MonetConfig(num_slots=6),
        train=_PUBLISHED,
    )


def _monet_tetrominoes() -> Config:
    """Ours, for two processor cores: no publication has MONet on these images.

    The likelihood is a mixture a pixel: the colours of Tetrominoes are 0 or 1 in every channel, so
    that a black and a white slot explain every channel by itself, whatever the masks are.
    """
    return Config(
        preset="monet_tetrominoes",
        data=DataConfig(dataset="tetrominoes/generated", image_size=35),
        model=MonetConfig(
            num_slots=4,
            background_scale=0.15,
            foreground_scale=0.18,
            mixture="pixel",
            attention=AttentionConfig(channels=(16, 32, 32, 32)),
            decoder=DecoderConfig(channels=(32, 16, 16, 16)),
        ),
        train=TrainConfig(
            batch_size=16,
            steps=20_000,
            learning_rate=1e-3,
            warmup_steps=300,
            decay="cosine",
            average_decay=0.998,
            clip_norm=1e9,
            validate_every=1_000,
        ),
    )


PRESETS = {
    "monet_clevr6": _monet_clevr6,
    "monet_multi_dsprites": _monet_multi_dsprites,
    "monet_tetrominoes": _monet_tetrominoes,
}
