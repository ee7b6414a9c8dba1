"""Models of 8 x 8 images with a few channels, and what they are fed."""

import numpy as np
import tensorflow as tf

from iodine.config import DecoderConfig, ModelConfig, RefinementConfig, override
from iodine.models.iodine.model import Iodine

SIDE = 8
SLOTS = 3
LATENT = 4


def small_config(changes=None):
    """The paper's model, small; `changes` by dotted name."""
    config = ModelConfig(
        num_slots=SLOTS,
        num_iterations=3,
        latent_size=LATENT,
        likelihood_scale=0.5,
        decoder=DecoderConfig(channels=(6, 5), kernel_size=3),
        refinement=RefinementConfig(
            channels=(6, 5), kernel_size=3, stride=2, mlp_sizes=(7,), lstm_size=6
        ),
    )
    return override(config, changes or {})


def build_model(config, side=SIDE, seed=0):
    """A model whose biases, layer norms and initial posterior are not trivial."""
    tf.random.set_seed(seed)
    model = Iodine(config, side)
    model(tf.zeros([1, side, side, 3]), num_slots=2, num_iterations=2)
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign_add(0.2 * generator.standard_normal(variable.shape).astype(np.float32))
    return model


def random_images(batch, side=SIDE, seed=1):
    """[B, H, W, 3] in [0, 1]."""
    return tf.constant(np.random.default_rng(seed).uniform(size=(batch, side, side, 3)), tf.float32)


def random_noise(decodings, batch, slots=SLOTS, latent=LATENT, seed=2):
    """[N, B, K, Z]."""
    shape = (decodings, batch, slots, latent)
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)
