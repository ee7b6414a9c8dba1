"""What MONet can be told: the networks and the loss of Burgess et al. (2019), as fields.

Where the publication leaves a choice open, and public implementations differ, it is a field here;
`presets.py` beside this file holds the values.
"""

import dataclasses
from typing import ClassVar

from iodine.errors import UserError

MIXTURES = ("channel", "pixel")


@dataclasses.dataclass(frozen=True)
class AttentionConfig:
    """The U-Net that gives the next slot its share of what is left of each pixel.

    The publication says neither how many channels a block has nor how many blocks 128 x 128 pixels
    need. The defaults are for 64 x 64, as the implementation that came with GENESIS (Engelcke et
    al., 2020) has them.
    """

    channels: tuple[int, ...] = (32, 32, 64, 64, 64)  # of the blocks that go down, and so many
    mlp_sizes: tuple[int, ...] = (128, 128)  # hidden layers between the two paths

    def check(self) -> None:
        """Raises UserError for a network without blocks."""
        if not self.channels:
            raise UserError("config.model.attention.channels needs at least one block")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The encoder of the component VAE: convolutions of stride 2, then an MLP."""

    channels: tuple[int, ...] = (32, 32, 64, 64)
    kernel_size: int = 3
    mlp_sizes: tuple[int, ...] = (256,)  # hidden layers; a linear layer of 2 Z follows

    def check(self) -> None:
        """Raises UserError for an encoder without a convolution."""
        if not self.channels:
            raise UserError("config.model.encoder.channels needs at least one layer")


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """The decoder of the component VAE: a broadcast, convolutions without padding."""

    channels: tuple[int, ...] = (32, 32, 32, 32)  # hidden layers; a 1 x 1 layer of 4 follows
    kernel_size: int = 3

    def check(self) -> None:
        """Raises UserError for a decoder without a convolution."""
        if not self.channels:
            raise UserError("config.model.decoder.channels needs at least one layer")


@dataclasses.dataclass(frozen=True)
class MonetConfig:
    """Burgess et al. (2019), sections 2.1 to 2.3 and appendix B."""

    MAY_BE_ZERO: ClassVar = ("kl_weight", "mask_kl_weight")

    kind: str = "monet"
    num_slots: int = 7
    latent_size: int = 16
    background_scale: float = 0.09  # sigma of the first slot
    foreground_scale: float = 0.11  # sigma of all others
    # What is a mixture over slots: "channel", each colour channel by itself, as four public
    # implementations have it; or "pixel", the channels of a pixel together, as in IODINE (Eq. 1).
    # The publication does not say.
    mixture: str = "channel"
    kl_weight: float = 0.5  # beta, of the KL of posterior and prior
    mask_kl_weight: float = 0.5  # gamma, of the KL of the masks and those that the VAE decodes
    attention: AttentionConfig = AttentionConfig()
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()

    def check(self) -> None:
        """Raises UserError for an unknown mixture or too few slots."""
        if self.mixture not in MIXTURES:
            raise UserError(
                f"unknown config.model.mixture {self.mixture!r}; known: {', '.join(MIXTURES)}"
            )
        if self.num_slots < 2:
            raise UserError(f"config.model.num_slots is {self.num_slots}; MONet needs at least 2")
