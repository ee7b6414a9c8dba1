"""The auxiliary inputs a_k of the refinement network: the two tables "Inputs" of appendix C."""

from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.iodine.config import RefinementConfig
from iodine.models.parts.coordinates import coordinate_channels, num_coordinate_channels
from iodine.models.parts.image_distributions import PixelTerms, SlotImage

# Image-sized inputs: what they vary over and how many channels they have (0: depends).
IMAGE_INPUTS = {
    "image": ("image", 3),
    "means": ("slot", 3),
    "mask": ("slot", 1),
    "mask_logits": ("slot", 1),
    "mask_posterior": ("slot", 1),
    "means_gradient": ("slot", 3),
    "mask_gradient": ("slot", 1),
    "likelihood": ("image", 1),
    "leave_one_out_likelihood": ("slot", 1),
    "coordinates": ("fixed", 0),
    "constant": ("fixed", 1),
}
FLAT_INPUTS = ("posterior", "posterior_gradient", "flat_constant")


class Gradients(NamedTuple):
    """Gradients of the loss L^(t) of Algorithm 1, of each image's or of the batch's mean."""

    outputs: tf.Tensor  # of the decoder: means or, for Bernoullis, their logits, [B, K, H, W, C]
    mask_logits: tf.Tensor  # [B, K, H, W]
    posterior: tf.Tensor | None  # [B, K, 2 Z]
    share: tf.Tensor | float = 1.0  # weight of an image in that loss: 1, or 1 / B for the mean


class RefinementInputs(NamedTuple):
    """What the refinement network reads."""

    image: dict[str, tf.Tensor]  # by scope: [B * K, H, W, C], [B, H, W, C], [1, H, W, C]
    flat: tf.Tensor | None  # [B * K, D]


class RefinementInputBuilder(snt.Module):
    """Computes, layer-normalises and stop-gradients the inputs that the configuration lists."""

    def __init__(self, config: RefinementConfig, image_size: int, name: str = "refinement_inputs"):
        """Raises UserError for an unknown or repeated input name, or without a varying input."""
        super().__init__(name=name)
        _check_names(config.image_inputs, IMAGE_INPUTS, "image_inputs")
        _check_names(config.flat_inputs, FLAT_INPUTS, "flat_inputs")
        _check_names(config.layer_norm, (*IMAGE_INPUTS, *FLAT_INPUTS), "layer_norm")
        _check_names(config.stop_gradient, (*IMAGE_INPUTS, *FLAT_INPUTS), "stop_gradient")
        if all(IMAGE_INPUTS[name][0] == "fixed" for name in config.image_inputs):
            raise UserError(
                "config.model.refinement.image_inputs: at least one must depend on the image"
            )
        self._config = config
        self._coordinates = coordinate_channels(
            config.coordinates, image_size, image_size, config.cosine_frequencies
        )
        used = (*config.image_inputs, *config.flat_inputs)
        self.layer_norms = {
            name: snt.LayerNorm(
                axis=slice(1, None), create_scale=True, create_offset=True, eps=1e-5, name=name
            )
            for name in config.layer_norm
            if name in used
        }

    @property
    def scopes(self) -> list[str]:
        """For every image-sized channel, in order: "slot", "image" or "fixed"."""
        coordinates = num_coordinate_channels(
            self._config.coordinates, self._config.cosine_frequencies
        )
        scopes = []
        for name in self._config.image_inputs:
            scope, channels = IMAGE_INPUTS[name]
            scopes += [scope] * (channels or coordinates)
        return scopes

    def __call__(
        self,
        images: tf.Tensor,
        parameters: tf.Tensor,
        mixture: SlotImage,
        terms: PixelTerms,
        gradients: Gradients,
    ) -> RefinementInputs:
        """Builds all inputs of one iteration.

        Args:
            images: [B, H, W, C] in [0, 1].
            parameters: lambda, [B, K, 2 Z].
            mixture: p(x | z) of this iteration.
            terms: `mixture.pixel_terms(images)`.
            gradients: of this iteration's loss.

        Returns:
            The channels by scope in the order of `scopes`, and the flat inputs.
        """
        grouped: dict[str, list[tf.Tensor]] = {}
        for name in self._config.image_inputs:
            value = self._image_input(name, images, mixture, terms, gradients)
            scope = IMAGE_INPUTS[name][0]
            if scope == "slot":
                value = _fold_slots(value)  # [B * K, H, W, C]
            grouped.setdefault(scope, []).append(self._condition(name, value))
        flat = []
        for name in self._config.flat_inputs:
            value = _fold_slots(self._flat_input(name, parameters, gradients))  # [B * K, D]
            flat.append(self._condition(name, value))
        return RefinementInputs(
            {scope: tf.concat(values, axis=-1) for scope, values in grouped.items()},
            tf.concat(flat, axis=-1) if flat else None,
        )

    def _condition(self, name: str, value: tf.Tensor) -> tf.Tensor:
        if name in self._config.stop_gradient:
            value = tf.stop_gradient(value)
        if name in self.layer_norms:
            value = self.layer_norms[name](value)
        return value

    def _image_input(
        self,
        name: str,
        images: tf.Tensor,
        mixture: SlotImage,
        terms: PixelTerms,
        gradients: Gradients,
    ) -> tf.Tensor:
        config = self._config
        likelihood = tf.identity if config.log_likelihoods else tf.exp
        match name:
            case "image":
                return images
            case "means":
                return mixture.means
            case "mask":
                return mixture.masks[..., tf.newaxis]
            case "mask_logits":
                return mixture.mask_logits[..., tf.newaxis]
            case "mask_posterior":
                return mask_posterior(terms, config.mask_posterior_epsilon)[..., tf.newaxis]
            case "means_gradient":
                return gradients.outputs
            case "mask_gradient":
                if config.mask_gradient_of_logits:
                    return gradients.mask_logits[..., tf.newaxis]
                value = gradients.share * mixture.mask_gradient(images, terms)
                return value[..., tf.newaxis]
            case "likelihood":
                return likelihood(terms.log_prob)[..., tf.newaxis]
            case "leave_one_out_likelihood":
                value = mixture.leave_one_out_log_likelihood(images, terms)
                if config.log_likelihoods:  # the released code feeds the difference
                    value = terms.log_prob[:, tf.newaxis] - value
                return likelihood(value)[..., tf.newaxis]
            case "coordinates":
                return tf.constant(self._coordinates)
            case "constant":
                return tf.fill([1, *self._coordinates.shape[1:3], 1], config.constant_input)

    def _flat_input(self, name: str, parameters: tf.Tensor, gradients: Gradients) -> tf.Tensor:
        match name:
            case "posterior":
                return parameters
            case "posterior_gradient":
                return gradients.posterior
            case "flat_constant":
                return tf.fill(
                    [*tf.unstack(tf.shape(parameters))[:2], 1], self._config.constant_input
                )


def mask_posterior(terms: PixelTerms, epsilon: float = 0.0) -> tf.Tensor:
    """p(m_k | x, mu) = p(x | mu_k) / (sum_j p(x | mu_j) + epsilon), [B, K, H, W] (section 2.2)."""
    log_total = tf.reduce_logsumexp(terms.component_log_prob, axis=1, keepdims=True)
    if epsilon:
        log_total = tf.reduce_logsumexp(
            tf.stack([log_total, tf.fill(tf.shape(log_total), tf.math.log(epsilon))]), axis=0
        )
    return tf.exp(terms.component_log_prob - log_total)


def _fold_slots(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, *x.shape[2:]])  # [B, K, ...] -> [B * K, ...]


def _check_names(names, known, field: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(
                f"config.model.refinement.{field}: unknown input {name!r}; known: "
                + ", ".join(known)
            )
    if len(set(names)) != len(names):
        raise UserError(f"config.model.refinement.{field}: an input is named twice")
