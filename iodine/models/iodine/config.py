"""What IODINE can be told: section 2, Algorithm 1 and appendix C of the paper, as fields.

Everything that differs between the paper, the released code and our own presets is a field here;
`presets.py` beside this file holds the values.
"""

import dataclasses
from typing import ClassVar

from iodine.errors import UserError
from iodine.models.iodine.background import BackgroundConfig
from iodine.models.parts.decoders import DecoderConfig
from iodine.models.parts.precision import with_decided_precision


@dataclasses.dataclass(frozen=True)
class RefinementConfig:
    """The refinement network f(a, h), appendix C."""

    MAY_BE_ZERO: ClassVar = ("constant_input", "lstm_size", "mask_posterior_epsilon")

    channels: tuple[int, ...] = (64, 64, 64, 64)
    kernel_size: int = 3
    stride: int = 2
    mlp_sizes: tuple[int, ...] = (256,)
    mlp_final_activation: bool = True  # ELU after the last MLP layer
    lstm_size: int = 256  # 0: no recurrence
    image_inputs: tuple[str, ...] = (
        "image",
        "means",
        "mask",
        "mask_logits",
        "mask_posterior",
        "means_gradient",
        "mask_gradient",
        "likelihood",
        "leave_one_out_likelihood",
        "coordinates",
    )
    flat_inputs: tuple[str, ...] = ("posterior", "posterior_gradient")
    layer_norm: tuple[str, ...] = (
        "means_gradient",
        "mask_gradient",
        "likelihood",
        "leave_one_out_likelihood",
        "posterior_gradient",
    )
    stop_gradient: tuple[str, ...] = (
        "means_gradient",
        "mask_gradient",
        "likelihood",
        "leave_one_out_likelihood",
        "posterior_gradient",
    )
    coordinates: str = "linear"
    cosine_frequencies: int = 3
    constant_input: float = 0.5  # value of the inputs "constant" and "flat_constant"
    log_likelihoods: bool = False  # feed log-likelihoods instead of likelihoods
    mask_gradient_of_logits: bool = False  # gradient by the logits instead of the masks
    mask_posterior_epsilon: float = 0.0  # added to the denominator
    gradient_of_batch_mean: bool = False  # gradients of the mean over the batch, not of each image


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """Eq. 4 and the schedules of its two halves."""

    MAY_BE_ZERO: ClassVar = (
        *("anneal_steps", "backpropagated_refinements", "kl_weight", "kl_weight_start"),
        "likelihood_scale_start",
    )

    # > 0: only the last so many refinements are differentiated, and only the losses from there on
    # count, at their usual weights t / T; what comes before is inference alone, and lambda(1) stays
    # as it was at the start. 0: all of them.
    backpropagated_refinements: int = 0
    kl_weight: float = 1.0
    kl_weight_start: float = 0.0  # 0: constant, else moves to kl_weight over anneal_steps
    likelihood_scale_start: float = 0.0  # 0: constant, else moves to model.likelihood_scale
    anneal_steps: int = 0

    def check(self) -> None:
        """Raises UserError for a schedule that cannot be followed."""
        if any((self.kl_weight_start, self.likelihood_scale_start)) and not self.anneal_steps:
            raise UserError(
                "config.model.objective.anneal_steps is 0, but a start value is given; set both"
            )
        if self.kl_weight_start and not self.kl_weight:
            raise UserError(
                "config.model.objective.kl_weight is 0; annealing is geometric and needs more"
            )


@dataclasses.dataclass(frozen=True)
class SequenceConfig:
    """Clips instead of images: a frame for every refinement, sections A.1 and A.2."""

    MAY_BE_ZERO: ClassVar = ("seen_frame_weight", "truncation")

    # Whether images are clips [B, F, H, W, C]: every refinement reads the next frame, and what is
    # decoded after it is scored on the frame after that, which has not been seen yet.
    enabled: bool = False
    # How many refinements read the first frame before the clip moves on. With 1 a clip of F frames
    # takes F - 1 refinements.
    first_frame_refinements: int = 1
    # Weight of the log-likelihood of the frame that was seen last, beside that of the next one.
    seen_frame_weight: float = 0.0
    # > 0: gradients pass through so many refinements at most (truncated backpropagation through
    # time): what every so many-th one starts from counts as constant to it.
    truncation: int = 0


@dataclasses.dataclass(frozen=True)
class IodineConfig:
    """Section 2 and Algorithm 1."""

    MAY_BE_ZERO: ClassVar = ("min_scale",)

    kind: str = "iodine"
    num_slots: int = 7
    num_iterations: int = 5  # T, the number of refinements: decodings are t = 0 .. T
    latent_size: int = 64
    scale_map: str = "softplus"  # raw parameter to sigma: "softplus" or "sqrt_softplus"
    min_scale: float = 1e-5  # floor of sigma: a smaller one makes the KL infinite; 0: none
    prior: str = "standard_normal"  # or "posterior_at_zero": the posterior of raw parameters 0
    initial_posterior: str = "prior"  # lambda(1) starts at: "prior" N(0, 1), or "glorot_uniform"
    # Of a pixel given the slots: a mixture of "normal", "logistic" or, for binary images,
    # "bernoulli" components (Eq. 1), or "normal_of_mean", a Normal around the mixed image.
    likelihood: str = "normal"
    likelihood_scale: float = 0.1  # sigma of the Normal, scale of the Logistic; Bernoulli: unused
    # Of the convolutions, all else is float32: "float32", "bfloat16", or "auto": bfloat16 where the
    # machine computes with it. A run keeps what "auto" was when it began.
    precision: str = "float32"
    recompute: bool = False  # each iteration anew in the backward pass: less memory, more time
    decoder: DecoderConfig = dataclasses.field(default_factory=DecoderConfig)
    refinement: RefinementConfig = RefinementConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    sequence: SequenceConfig = SequenceConfig()
    background: BackgroundConfig = dataclasses.field(default_factory=BackgroundConfig)

    def for_this_machine(self) -> "IodineConfig":
        """With what is left to the machine decided."""
        return with_decided_precision(self)

    def check(self) -> None:
        """Raises UserError for fields that do not go together."""
        first = self.sequence.first_frame_refinements
        if self.sequence.enabled and self.num_iterations < first:
            raise UserError(
                f"config.model.num_iterations is {self.num_iterations}, but {first} refinements "
                "read the first frame; give at least as many"
            )
        if self.background.likelihood_scale and self.likelihood not in ("normal", "logistic"):
            raise UserError(
                f"config.model.background.likelihood_scale is {self.background.likelihood_scale}, "
                f"but with config.model.likelihood={self.likelihood} slots have no scales of their "
                "own; leave it 0"
            )
