"""Linear regression of an object's factors from its slot's latent, trained beside the model.

The released code does this to watch the quality of the representation; the paper fits its
regression after training (section 4.2).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from iodine.errors import UserError

KINDS = ("scalar", "categorical", "angle")
ANGLE_SIZE = 2  # cosine and sine
_ENTRY = re.compile(rf"(?P<name>[^:]+):(?P<size>[1-9][0-9]*):(?P<kind>{'|'.join(KINDS)})")
_FIELD = "config.train.factor_regression"


class Factor(NamedTuple):
    """A factor to regress."""

    name: str
    size: int  # outputs: dimensions, classes, or 2 (cosine and sine of an angle)
    kind: str  # one of `KINDS`


class Regression(NamedTuple):
    """What a `FactorRegressor` returns."""

    loss: tf.Tensor  # [], mean over the visible entities of the batch
    predictions: dict[str, tf.Tensor]  # [B, L, size], of the slot that each entity matches
    assignment: tf.Tensor  # [B, L, K], one-hot; zero for an absent entity


def parse_factors(entries: Sequence[str]) -> list[Factor]:
    """Reads entries such as "color:3:scalar". Raises UserError for a malformed one."""
    factors: list[Factor] = []
    for entry in entries:
        if not (found := _ENTRY.fullmatch(entry)):
            raise UserError(
                f"{_FIELD}: {entry!r} is not NAME:SIZE:KIND with SIZE 1 or more and KIND one of "
                f"{', '.join(KINDS)}"
            )
        factor = Factor(found["name"], int(found["size"]), found["kind"])
        if factor.kind == "angle" and factor.size != ANGLE_SIZE:
            raise UserError(f"{_FIELD}: {entry!r} must have SIZE 2, for cosine and sine")
        if factor.name in {other.name for other in factors}:
            raise UserError(f"{_FIELD}: {factor.name!r} is given twice")
        factors.append(factor)
    return factors


class FactorRegressor(snt.Module):
    """One linear layer from z_k to all factors; no gradient reaches z_k."""

    def __init__(self, factors: Sequence[Factor], name: str = "factor_regressor"):
        """See `parse_factors`."""
        super().__init__(name=name)
        self._factors = list(factors)
        self.predict_factors = snt.Linear(sum(f.size for f in factors), name="predict_factors")

    @property
    def factors(self) -> tuple[Factor, ...]:
        """What is predicted."""
        return tuple(self._factors)

    def __call__(
        self,
        z: tf.Tensor,
        masks: tf.Tensor,
        true_masks: tf.Tensor,
        visibility: tf.Tensor,
        factors: Mapping[str, tf.Tensor],
    ) -> Regression:
        """Predicts the factors of every visible entity, the background among them.

        Args:
            z: sampled latents [B, K, Z].
            masks: predicted [B, K, H, W].
            true_masks: one-hot [B, L, H, W].
            visibility: 1 for an entity that is there, 0 for padding, [B, L].
            factors: by name, [B, L] or [B, L, dimensions]; angles in radians.

        Returns:
            The loss: squared errors summed over dimensions for scalars and for the cosine and sine
            of angles, cross-entropy for categories; and what led to it.

        Raises:
            UserError: for a factor that the data do not have, or have in another size.
        """
        outputs = self.predict_factors(tf.stop_gradient(z))  # [B, K, sum of sizes]
        by_factor = tf.split(outputs, [f.size for f in self._factors], axis=-1)
        overlap = tf.einsum("blhw,bkhw->blk", true_masks, masks)
        assignment = tf.one_hot(tf.argmax(overlap, axis=2), tf.shape(z)[1])  # [B, L, K]
        assignment = tf.stop_gradient(assignment) * visibility[..., tf.newaxis]
        errors, predictions = tf.zeros_like(visibility), {}
        for factor, output in zip(self._factors, by_factor, strict=True):
            prediction = tf.einsum("blk,bks->bls", assignment, output)
            predictions[factor.name] = prediction
            errors += _error(factor, prediction, _target(factor, factors))
        loss = tf.math.divide_no_nan(tf.reduce_sum(errors * visibility), tf.reduce_sum(visibility))
        return Regression(loss, predictions, assignment)


def _target(factor: Factor, factors: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The factor as float32 [B, L, dimensions].

    "position" is what the released code makes of the data sets that have no such factor: the
    pixel coordinates for CLEVR, (x, y) for Tetrominoes.
    """
    if factor.name in factors:
        values = [factors[factor.name]]
    elif factor.name == "position" and "pixel_coords" in factors:
        values = [factors["pixel_coords"]]
    elif factor.name == "position" and {"x", "y"} <= set(factors):
        values = [factors["x"], factors["y"]]
    else:
        raise UserError(
            f"{_FIELD} names {factor.name!r}, which the data set does not have; it has "
            f"{', '.join(sorted(factors))}"
        )
    values = [tf.cast(v if v.shape.rank == 3 else v[..., tf.newaxis], tf.float32) for v in values]
    target = tf.concat(values, axis=-1)
    size = factor.size if factor.kind == "scalar" else 1
    if target.shape[-1] != size:
        raise UserError(
            f"{_FIELD}: {factor.name!r} has {target.shape[-1]} dimensions in the data set, but "
            f"{size} as {factor.kind}"
        )
    return target


def _error(factor: Factor, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    if factor.kind == "categorical":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.cast(target[..., 0], tf.int32), prediction
        )
    if factor.kind == "angle":
        target = tf.concat([tf.cos(target), tf.sin(target)], axis=-1)
    return tf.reduce_sum(tf.math.squared_difference(prediction, target), axis=-1)
