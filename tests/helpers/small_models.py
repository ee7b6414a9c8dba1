"""Models of 8 x 8 images with a few channels, and what they are fed."""

import numpy as np
import tensorflow as tf

from iodine.config import Config, DataConfig, TrainConfig, override
from iodine.models import registry
from iodine.models.iodine.config import IodineConfig, RefinementConfig
from iodine.models.iodine.model import Iodine
from iodine.models.parts.decoders import DecoderConfig

SIDE = 8
SLOTS = 3
LATENT = 4


def small_config(changes=None):
    """The paper's model, small, with three decodings; `changes` by dotted name."""
    config = IodineConfig(
        num_slots=SLOTS,
        num_iterations=2,
        latent_size=LATENT,
        likelihood_scale=0.5,
        decoder=DecoderConfig(channels=(6, 5), kernel_size=3),
        refinement=RefinementConfig(
            channels=(6, 5), kernel_size=3, stride=2, mlp_sizes=(7,), lstm_size=6
        ),
    )
    return override(config, changes or {})


def whole_config(model, batch_size=2, **train):
    """The configuration of a run of a small model."""
    return Config(
        preset="small",
        data=DataConfig(image_size=SIDE),
        model=model,
        train=TrainConfig(batch_size=batch_size, **train),
    )


def build_model(config, side=SIDE, seed=0, train_batch_size=1):
    """A model whose biases, layer norms and initial posterior are not trivial."""
    tf.random.set_seed(seed)
    model = Iodine(config, (side, side, 3), train_batch_size)
    model(tf.zeros([1, *model.spec.input_shape]), num_slots=2, num_iterations=1)
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


def smallest_preset(kind):
    """By the image's side, then by the number of values in its configuration's layers."""
    presets = [registry.preset(name) for name in registry.preset_names()]
    return min(
        (config for config in presets if config.model.kind == kind),
        key=lambda config: (config.data.image_size, config.model.latent_size),
    )
