"""TFP distributions of a latent: its posterior and its prior."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from iodine.errors import UserError

tfd = tfp.distributions

SCALE_MAPS = {
    "softplus": tf.nn.softplus,
    "sqrt_softplus": lambda raw: tf.sqrt(tf.nn.softplus(raw)),
}
# The raw value at which the scale is 1: softplus(raw) = 1, for both maps.
RAW_OF_UNIT_SCALE = float(np.log(np.expm1(1.0)))


def posterior(parameters: tf.Tensor, scale_map: str, min_scale: float = 0.0) -> tfd.Normal:
    """q(z) of section 2.2 from lambda = [mean, raw scale] in the last axis, 2 Z wide."""
    mean, raw = tf.split(parameters, 2, axis=-1)
    scale = SCALE_MAPS[scale_map](raw)
    return tfd.Normal(mean, tf.maximum(scale, min_scale) if min_scale else scale)


def prior(kind: str, scale_map: str) -> tfd.Normal:
    """p(z): N(0, 1), or the posterior at raw parameters 0 (scalar batch either way)."""
    if kind == "standard_normal":
        return tfd.Normal(0.0, 1.0)
    if kind == "posterior_at_zero":
        return tfd.Normal(0.0, SCALE_MAPS[scale_map](0.0))
    raise UserError(f"unknown prior {kind!r}; known: standard_normal, posterior_at_zero")
