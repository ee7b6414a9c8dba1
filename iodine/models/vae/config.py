"""What the VAE of Figures 5 and 6 can be told.

The paper (section 4.2) says that it is a standard VAE with a spatial broadcast decoder (Watters et
al., 2019, arXiv 1901.07017), and no number. `presets.py` beside this file says of each value where
it is from.
"""

import dataclasses
from typing import ClassVar

from iodine.errors import UserError
from iodine.models.parts.decoders import DecoderConfig


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The encoder q(z | x): convolutions, a multilayer perceptron, a linear layer of 2 Z."""

    channels: tuple[int, ...] = (64, 64, 64, 64)
    kernel_size: int = 4
    stride: int = 2
    mlp_sizes: tuple[int, ...] = (256,)


@dataclasses.dataclass(frozen=True)
class VaeConfig:
    """A Gaussian VAE without slots."""

    MAY_BE_ZERO: ClassVar = ("beta", "min_scale")

    kind: str = "vae"
    latent_size: int = 64
    beta: float = 1.0  # weight of the KL; 1 is the ELBO's
    likelihood_scale: float = 0.1  # sigma of the Normal
    min_scale: float = 1e-5  # floor of the posterior's sigma, as in `IodineConfig`; 0: none
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = dataclasses.field(default_factory=DecoderConfig)

    def check(self) -> None:
        """Raises UserError for an order of channels that needs a mask."""
        if self.decoder.mask_first:
            raise UserError("config.model.decoder.mask_first is True, but a VAE decodes no mask")
