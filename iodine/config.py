"""Configuration of a model and its training, as frozen dataclasses.

Everything that differs between the paper, the released code and our small preset is a field here;
`iodine/presets.py` holds the values. A run's folder keeps the whole configuration as JSON.
"""

import dataclasses
import json
from typing import Any

from iodine.errors import UserError


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """The decoder g(z): latent to RGB means and mask logit, appendix C.1 to C.3."""

    # "broadcast" (Watters et al., 2019); "deconv": the table in C.1 with channels=(64,)*5 and
    # kernel_size=5; the last of its channels has stride 1, the others upsample; "coarse": a
    # broadcast to a grid `upsampling` times as coarse as the image, which the last layer refines.
    kind: str = "broadcast"
    channels: tuple[int, ...] = (64, 64, 64, 64)  # hidden layers; a linear layer of 4 follows
    kernel_size: int = 3
    coordinates: str = "linear"  # "linear": x, y in -1..1; "cosine": basis on [0, pi]
    cosine_frequencies: int = 3
    constant_input: float | None = None  # appended to z as one more channel
    mask_first: bool = False  # channel order: mask, RGB instead of RGB, mask
    mlp_sizes: tuple[int, ...] = (512, 512)  # "deconv" only; the image decides the last one
    upsampling: int = 3  # "coarse" only: pixels a side of a grid cell
    last_kernel_size: int = 0  # "coarse" only: of the linear layer; 0: kernel_size
    fast_first_layer: bool = True  # exact shortcut for the spatially constant input


@dataclasses.dataclass(frozen=True)
class RefinementConfig:
    """The refinement network f(a, h), appendix C."""

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
    fast_first_layer: bool = True  # channels shared by all slots are convolved once an image
    fast_leave_one_out: bool = True  # all K from sums over all slots, not K mixtures of K - 1


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Section 2 and Algorithm 1."""

    num_slots: int = 7
    num_iterations: int = 5  # T, the number of refinements: decodings are t = 0 .. T
    latent_size: int = 64
    scale_map: str = "softplus"  # raw parameter to sigma: "softplus" or "sqrt_softplus"
    prior: str = "standard_normal"  # or "posterior_at_zero": the posterior of raw parameters 0
    initial_posterior: str = "prior"  # lambda(1) starts at: "prior" N(0, 1), or "glorot_uniform"
    likelihood: str = "normal"  # or "logistic"
    likelihood_scale: float = 0.1  # sigma of the Normal, scale of the Logistic
    precision: str = "float32"  # of the convolutions: "float32" or "bfloat16"; all else is float32
    recompute: bool = False  # each iteration anew in the backward pass: less memory, more time
    decoder: DecoderConfig = DecoderConfig()
    refinement: RefinementConfig = RefinementConfig()


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """Eq. 4 and the schedules of its two halves."""

    # > 0: only the last so many refinements are differentiated, and only the losses from there on
    # count, at their usual weights t / T; what comes before is inference alone. 0: all of them.
    backpropagated_refinements: int = 0
    kl_weight: float = 1.0
    kl_weight_start: float = 0.0  # 0: constant, else moves to kl_weight over anneal_steps
    likelihood_scale_start: float = 0.0  # 0: constant, else moves to model.likelihood_scale
    anneal_steps: int = 0
    # Linear regression of factors from latents, trained beside the model (released code): entries
    # "name:size:kind", kind "scalar", "categorical" or "angle"; empty for none.
    factor_regression: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Appendix C, "Training"."""

    batch_size: int = 32
    steps: int = 1_000_000
    num_iterations: int = 0  # T while training; 0: model.num_iterations, as in the paper
    learning_rate: float = 3e-4
    learning_rate_batch: int = 0  # > 0: the rate is multiplied by sqrt(batch_size / this)
    warmup_steps: int = 0
    decay: str = "none"  # "exponential": x decay_rate every decay_steps; "cosine": to 0 at `steps`
    decay_rate: float = 0.1
    decay_steps: int = 1_000_000
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    clip_norm: float = 5.0
    average_decay: float = 0.0  # > 0: evaluate an exponential moving average of the weights
    xla: bool = False
    seed: int = 0
    log_every: int = 100
    validate_every: int = 1_000
    checkpoint_every: int = 1_000
    image_every: int = 5_000
    keep_checkpoints: int = 3
    max_rollbacks: int = 0  # how often a loss that is not finite leads back to a checkpoint
    rollback_factor: float = 0.5  # each time the learning rate is multiplied by this


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on."""

    dataset: str = "tetrominoes/generated"
    image_size: int = 35


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole configuration of a run."""

    preset: str = "custom"
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    train: TrainConfig = TrainConfig()


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as nested dictionaries of JSON types."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values: dict[str, Any], cls: type = Config, path: str = "") -> Any:
    """The inverse of `to_dict`. Raises UserError for a field that does not exist."""
    if not isinstance(values, dict):
        raise UserError(f"configuration section {path.rstrip('.')!r} is {values!r}, not a section")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        known = ", ".join(sorted(fields))
        raise UserError(f"unknown configuration field {path + unknown[0]!r}; known: {known}")
    parsed = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(fields[name].type):
            value = from_dict(value, fields[name].type, f"{path}{name}.")
        parsed[name] = tuple(value) if isinstance(value, list) else value
    return cls(**parsed)


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every leaf under its dotted name, e.g. {"model.num_slots": 7, ...}."""
    leaves = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            leaves.update(flatten(value, f"{prefix}{field.name}."))
        else:
            leaves[prefix + field.name] = value
    return leaves


def override(config: Any, values: dict[str, Any]) -> Any:
    """A copy with the leaves named by dotted names replaced, e.g. {"model.num_slots": 11}.

    Raises UserError for a name that does not exist.
    """
    leaves = flatten(config)
    for path, value in values.items():
        if path not in leaves:
            raise UserError(f"unknown configuration field {path!r}")
        config = _replace(config, path, tuple(value) if isinstance(value, list) else value)
    return config


def _replace(config: Any, path: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    if rest:
        value = _replace(getattr(config, name), rest, value)
    return dataclasses.replace(config, **{name: value})
