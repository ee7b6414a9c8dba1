"""Convolutions in bfloat16: close to float32, and everything else stays float32."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_reference import conv_same
from small_models import build_model, random_images, random_noise, small_config

from iodine.errors import UserError
from iodine.models.iodine.model import Iodine
from iodine.models.parts.layers import SharedInputConv2D

# bfloat16 keeps 8 bits: a rounding error of 2^-9 a number, of which some add up.
TOLERANCE = 0.05


def loss_and_gradients(model):
    images = random_images(2)
    with tf.GradientTape() as tape:
        steps = model.infer(images, {"z": random_noise(3, 2)}, training=True)
        losses = model.losses(steps, images)
    return losses, tape.gradient(losses.total, model.trainable_variables), steps


@pytest.mark.parametrize("kind", ["broadcast", "coarse", "deconv"])
@pytest.mark.parametrize("fast", [True, False])
def test_bfloat16_is_close_to_float32(kind, fast):
    changes = {"decoder.kind": kind, "decoder.mlp_sizes": (9, 9), "decoder.upsampling": 2}
    full = build_model(small_config(changes))
    half = build_model(small_config({**changes, "precision": "bfloat16"}))
    for layer in [*full.submodules, *half.submodules]:
        if hasattr(layer, "use_shortcut"):
            layer.use_shortcut = fast
    (expected, gradients, _), (losses, half_gradients, steps) = map(
        loss_and_gradients, (full, half)
    )
    neg_elbo, expected = losses.terms["neg_elbo"], expected.terms["neg_elbo"]
    np.testing.assert_allclose(neg_elbo, expected, rtol=TOLERANCE)
    assert np.abs(neg_elbo - expected).max() > 0  # it is another computation
    assert neg_elbo.dtype == steps[-1].components.dtype == tf.float32
    flat, half_flat = (
        np.concatenate([np.ravel(x) for x in g]) for g in (gradients, half_gradients)
    )
    cosine = flat @ half_flat / np.linalg.norm(flat) / np.linalg.norm(half_flat)
    assert cosine > 0.99
    assert {v.dtype for v in half.trainable_variables} == {tf.float32}


def test_coordinates_of_the_refinement_network_are_not_rounded_to_bfloat16(monkeypatch):
    """Of an image as large as CLEVR's, where half a pixel is less than a unit of bfloat16."""
    side, seen = 128, []
    config = small_config({"precision": "bfloat16", "num_iterations": 1})
    model, call = build_model(config, side), SharedInputConv2D.__call__

    def recording(self, inputs, num_slots):
        seen.append((inputs, call(self, inputs, num_slots)))
        return seen[-1][1]

    monkeypatch.setattr(SharedInputConv2D, "__call__", recording)
    layer = model.refinement.first
    only_coordinates = np.zeros(layer.w.shape, np.float32)
    only_coordinates[:, :, -2:] = layer.w.numpy()[:, :, -2:]  # the last inputs: x and y
    layer.w.assign(only_coordinates)
    model(random_images(1, side), num_slots=2)
    [(inputs, found)] = seen
    assert inputs["slot"].dtype == inputs["image"].dtype == found.dtype == tf.bfloat16
    x = np.linspace(-1, 1, side)
    coordinates = np.stack(np.meshgrid(x, x), axis=-1)[np.newaxis]
    exact = conv_same(coordinates, layer.w.numpy()[:, :, -2:], layer.b.numpy(), stride=2)
    error = np.abs(tf.cast(found, tf.float64).numpy() - exact)
    assert (error <= 1.001 * 2.0**-8 * np.abs(exact) + 1e-5).all()


def test_xla_computes_bfloat16_and_recomputation():
    model = build_model(small_config({"precision": "bfloat16", "recompute": True}))

    @tf.function(autograph=False, jit_compile=True)
    def compiled():
        return model(random_images(2), num_iterations=1, noise=random_noise(2, 2))[-1].kl

    expected = model(random_images(2), num_iterations=1, noise=random_noise(2, 2))[-1].kl
    np.testing.assert_allclose(compiled(), expected, rtol=TOLERANCE)


def test_unknown_precision_is_refused():
    with pytest.raises(
        UserError, match="unknown precision 'float16'; known: float32, bfloat16, auto"
    ):
        Iodine(small_config({"precision": "float16"}), (8, 8, 3))
