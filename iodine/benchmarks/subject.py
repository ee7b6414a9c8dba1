"""One variant of a model, ready to be timed."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.benchmarks.clock import Seconds, timed
from iodine.config import Config, override
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.models import registry
from iodine.training.devices import strategy
from iodine.training.trainer import Trainer

# The fields that each variant changes.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "plain": {},  # see `Subject`
    "xla": {"train.xla": True},
    "bfloat16": {"model.precision": "bfloat16"},
    "tf32": {"train.tf32": True},
    "recompute": {"model.recompute": True},
    "nondeterministic": {"train.deterministic": False},
}


def variant(config: Config, name: str) -> Config:
    """The configuration changed as the variant says; several are joined by "+".

    The factor regressor is left out: it needs labels, and its arithmetic is negligible.

    Raises:
        UserError: for an unknown variant.
    """
    config = override(config, {"train.factor_regression": ()})
    for part in name.split("+"):
        if part not in VARIANTS:
            raise UserError(f"unknown variant {part!r}; known: {', '.join(VARIANTS)}, joined by +")
        config = override(config, VARIANTS[part])
    return dataclasses.replace(config, preset=f"{config.preset}, {name}")


def is_plain(config: Config) -> bool:
    """Whether the variant "plain" is among those that `variant` joined."""
    return "plain" in config.preset.rpartition(", ")[2].split("+")


def batch_shape(config: Config) -> list[int]:
    """[B, H, W, 3] of what is trained on, or [B, F, H, W, 3] of clips."""
    frames, side = registry.num_frames(config), config.data.image_size
    return [config.train.batch_size, *([frames] if frames else []), side, side, 3]


def synthetic_batches(config: Config, seed: int = 0) -> Iterator[dict[str, tf.Tensor]]:
    """Endless batches of random images or clips, float32 in [0, 1], made in the background."""
    shape = batch_shape(config)

    def image(index):
        return {"image": tf.random.stateless_uniform(shape, [seed, index])}

    return iter(tf.data.Dataset.counter().map(image).prefetch(2))


class Subject:
    """Trains on and looks at one batch of random images."""

    def __init__(self, config: Config):
        """Builds the model, traces its functions and runs each of them once.

        The variant "plain" computes first layers without their exact shortcuts, by one convolution
        of all channels.
        """
        self.config = config
        self.trainer = Trainer(config, strategy.choose_strategy("none"))
        if is_plain(config):
            for layer in self.trainer.model.submodules:
                if hasattr(layer, "use_shortcut"):
                    layer.use_shortcut = False
        images = np.random.default_rng(0).uniform(size=batch_shape(config))
        self._images = tf.constant(images, tf.float32)
        self._infer = tf.function(self._reconstruct, autograph=False)
        self.time_step()

    def time_step(self, batch: dict[str, tf.Tensor] | None = None) -> Seconds:
        """Of one update of the weights, on the images of the batch if one is given."""
        images = self._images if batch is None else batch["image"]
        return timed(lambda: self.trainer.train_step({"image": images}).loss)

    def time_inference(self) -> Seconds:
        """Until the reconstructions of one batch are there."""
        return timed(self._infer, self._images)

    def waiting_share(self, batches: Iterator[dict[str, tf.Tensor]], num_steps: int) -> float:
        """Part of the time of some steps, 0 to 1, that passed until their batches were there."""
        next(batches)  # opens the files
        waiting, working, batch = 0.0, 0.0, {}
        for _ in range(num_steps):
            waiting += timed(lambda: batch.update(next(batches))).wall
            working += self.time_step(batch).wall
        return waiting / (waiting + working)

    def _reconstruct(self, images: tf.Tensor) -> tf.Tensor:
        return inference.infer(self.trainer.model, images)[-1].reconstruction
