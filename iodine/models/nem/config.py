"""What RNN-NEM and R-NEM can be told.

Neural expectation maximization: Greff, van Steenkiste & Schmidhuber (2017, arXiv 1708.03498), code
of the authors at github.com/sjoerdvansteenkiste/Neural-EM. Relational: van Steenkiste, Chang, Greff
& Schmidhuber (2018, arXiv 1802.10353), github.com/sjoerdvansteenkiste/Relational-NEM. Where a
comment names a configuration, it is one of that code. `presets.py` beside this file holds the
values.
"""

import dataclasses
from collections.abc import Iterable
from typing import ClassVar

from iodine.errors import UserError

CELLS = ("rnn", "relational")
ENCODERS = ("none", "conv")
DECODERS = ("dense", "conv")
LOSS_STEPS = ("all", "last")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """From a slot's share of the prediction's error to the input of the cell."""

    # "none": the pixels are the input (`shapes`); "conv": strided convolutions, ELU, and a dense
    # layer, ELU (`flying_shapes`; the default of R-NEM with channels 16, 32, 64).
    kind: str = "conv"
    channels: tuple[int, ...] = (32, 64)
    kernel_size: int = 4
    hidden_size: int = 512


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """From a latent to the probability of white at every pixel."""

    # "dense": one layer (`shapes`); "conv": two dense layers, ReLU, then convolutions of images
    # that are enlarged by 2 before each (`flying_shapes`; R-NEM's default with 64, 32, 16).
    kind: str = "conv"
    channels: tuple[int, ...] = (64, 32)  # of the coarsest image, then of each but the last
    kernel_size: int = 4
    hidden_size: int = 512


@dataclasses.dataclass(frozen=True)
class CellConfig:
    """How a slot's state changes from iteration to iteration."""

    # "rnn": for itself (RNN-NEM); "relational": by what attention takes from each other (R-NEM).
    kind: str = "relational"
    relation_size: int = 250  # "relational" only: of the encoded states, pairs and their effects
    attention_size: int = 100  # "relational" only: of the attention's hidden layer


@dataclasses.dataclass(frozen=True)
class NemConfig:
    """Expectation maximization whose M-step is a recurrent network."""

    MAY_BE_ZERO: ClassVar = ("flip_probability", "inter_weight")

    kind: str = "nem"
    num_slots: int = 4
    num_iterations: int = 15  # an E- and an M-step each
    latent_size: int = 250  # theta
    layer_norm: bool = True  # in all layers but the last of the decoder and of the attention
    flip_probability: float = 0.1  # of each pixel of the input; the target stays as it is
    loss_steps: str = "all"  # the mean over all iterations, or the "last" one's loss
    inter_weight: float = 1.0  # of the loss where a slot is not responsible
    gamma_gradient: bool = False  # whether responsibilities are differentiated
    cell: CellConfig = CellConfig()
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()

    def check(self) -> None:
        """Raises UserError for an unknown kind, a missing layer or a probability above 1."""
        _check_choice("cell.kind", self.cell.kind, CELLS)
        _check_choice("encoder.kind", self.encoder.kind, ENCODERS)
        _check_choice("decoder.kind", self.decoder.kind, DECODERS)
        _check_choice("loss_steps", self.loss_steps, LOSS_STEPS)
        for name, part in (("encoder", self.encoder), ("decoder", self.decoder)):
            if part.kind == "conv" and not part.channels:
                raise UserError(f"config.model.{name}.channels needs at least one layer")
        if self.flip_probability > 1:
            raise UserError(
                f"config.model.flip_probability is {self.flip_probability}, expected 0 to 1"
            )


def _check_choice(field: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UserError(f"unknown config.model.{field} {value!r}; known: {', '.join(known)}")
