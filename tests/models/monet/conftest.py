"""A tiny MONet with weights that are not trivial, and images."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import override
from iodine.models.monet.config import (
    AttentionConfig,
    DecoderConfig,
    EncoderConfig,
    MonetConfig,
)
from iodine.models.monet.model import Monet

SLOTS, LATENT = 3, 2


@pytest.fixture(scope="session")
def build():
    """`build(side, changes)` makes a model; `changes` by dotted name."""

    def make(side=8, changes=None):
        config = MonetConfig(
            num_slots=SLOTS,
            latent_size=LATENT,
            background_scale=0.3,
            foreground_scale=0.5,
            attention=AttentionConfig(channels=(3, 4, 5), mlp_sizes=(6, 7)),
            encoder=EncoderConfig(channels=(3, 4), mlp_sizes=(5,)),
            decoder=DecoderConfig(channels=(4, 3), kernel_size=3),
        )
        config = override(config, changes or {})
        tf.random.set_seed(0)
        model = Monet(config, (side, side, 3))
        model.infer(tf.zeros([1, side, side, 3]), {"z": tf.zeros([1, 1, SLOTS, LATENT])})
        generator = np.random.default_rng(0)
        for variable in model.trainable_variables:
            variable.assign_add(0.2 * generator.standard_normal(variable.shape))
        return model

    return make


@pytest.fixture(scope="session")
def draw():
    """`draw(batch, side)` makes images [B, H, W, 3] and noise by name."""

    def make(batch=2, side=8):
        generator = np.random.default_rng(1)
        images = tf.constant(generator.uniform(size=(batch, side, side, 3)), tf.float32)
        noise = generator.standard_normal((1, batch, SLOTS, LATENT))
        return images, {"z": tf.constant(noise, tf.float32)}

    return make
