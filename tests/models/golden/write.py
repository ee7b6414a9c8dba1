"""Writes a tiny run of every preset, an input and its outputs, for `tests/models/test_golden.py`.

    python tests/models/golden/write.py

A folder that is there already is left alone: an older version wrote it, and the test shows that
today's still reads it and computes the same. So this is run once for a new preset. Delete a folder,
to have it written anew, only where outputs are meant to change, and say so in CHANGELOG.md.

Each folder is a run (`config.json`, `checkpoints/`) of the preset with fewer channels and smaller
images, with random weights. Beside them `example.npz` has `image` [B, H, W, C] (clips have an axis
of frames before H), the noise as `noise/NAME`, and the fields of the steps of inference as
`outputs/FIELD` [S, B, ...]; of those of the image's size only the last step, [1, B, ...].

`shipped.npz` is not written here. It holds one scene, `image` [1, 8, 8, 3] (scene 3 of the test
split with seed 77), and what version 0.3 (commit 4918373) made of it with the weights that come
with the package, `pretrained:tetrominoes_small`, and its noise of seed 0: by name, of every
decoding, [16, 1, ...], of those of the image's size the last one.
"""

import pathlib

import numpy as np
import tensorflow as tf

from iodine.config import Config, flatten, override
from iodine.models import registry
from iodine.models.parts.noise import draw_noise
from iodine.training import checkpoints

FOLDER = pathlib.Path(__file__).parent
BATCH = 1
# By the last part of a field's name, the value in its place; lists keep their lengths.
SMALLER = {
    "image_size": 8,
    "num_slots": 3,
    "num_iterations": 2,
    "first_frame_refinements": 1,
    "latent_size": 3,  # a layer norm of two values leaves their signs
    "lstm_size": 3,
    "channels": 3,
    "mlp_sizes": 4,
    "kernel_size": 3,
    "cosine_frequencies": 2,
    "upsampling": 3,
    "hidden_size": 4,
    "relation_size": 4,
    "attention_size": 3,
}
RAISED = 0.5  # of biases
VISIBLE = 1e-4  # a change of an output, relative to its largest magnitude: 10 times the tolerance
LARGE = ("masks", "components", "reconstruction", "mask_logits", "decoded_mask_logits")


def shrunk(config: Config) -> Config:
    """The preset with fields of a few values; what is off stays off."""
    changes = {}
    for name, value in flatten(config).items():
        small = SMALLER.get(name.rpartition(".")[2])
        if small is not None and value:
            changes[name] = (small,) * len(value) if isinstance(value, tuple) else small
    return override(config, changes)


def write(name: str) -> None:
    """Writes the folder of a preset."""
    config = shrunk(registry.preset(name))
    tf.random.set_seed(0)
    model = registry.build(config)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:  # biases and layer norms as if trained
        variable.assign_add(0.1 * generator.standard_normal(variable.shape))
        if len(variable.shape) == 1:  # else a ReLU of two channels is soon 0 for all inputs
            variable.assign_add(tf.fill(variable.shape, RAISED))
    images = generator.uniform(size=(BATCH, *model.spec.input_shape)).astype(np.float32)
    specs = model.noise(model.spec.num_slots, model.spec.num_iterations)
    noise = draw_noise((0, 0), specs, BATCH)
    steps = model.infer(tf.constant(images), noise)
    _check_that_weights_show(model, images, noise, steps[-1])
    outputs = {}
    for field in steps[0]._fields:
        if getattr(steps[0], field) is not None:
            shown = steps[-1:] if field in LARGE else steps
            outputs[f"outputs/{field}"] = np.stack([getattr(step, field) for step in shown])
    checkpoints.save_weights(model, config, FOLDER / name)
    inputs = {"image": images, **{f"noise/{key}": value for key, value in noise.items()}}
    np.savez_compressed(FOLDER / name / "example.npz", **inputs, **outputs)


def _check_that_weights_show(model, images, noise, last) -> None:
    """Raises ValueError if a weight could be read wrongly and no output would say so."""
    for variable in model.trainable_variables:
        kept = variable.numpy()
        # Not by the same everywhere: a layer norm would take that away.
        variable.assign(kept + 0.5 * np.random.default_rng(0).choice([-1, 1], kept.shape))
        changed = model.infer(tf.constant(images), noise)[-1]
        variable.assign(kept)
        changes = [
            np.abs(getattr(changed, field) - getattr(last, field)).max()
            / np.abs(getattr(last, field)).max()
            for field in ("masks", "components", "latents", "log_likelihood")
        ]
        if max(changes) < VISIBLE:
            raise ValueError(f"{variable.name} changes the outputs by only {max(changes)}")


if __name__ == "__main__":
    for preset in registry.preset_names():
        if not (FOLDER / preset).exists():
            write(preset)
            print(f"wrote {FOLDER / preset}")
