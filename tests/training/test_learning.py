"""Training learns: a tiny IODINE takes new scenes apart after some seconds."""

import numpy as np

from iodine.config import override
from iodine.evaluation.evaluator import Evaluator
from iodine.models import registry
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

SIDE, SQUARE = 6, 2
NUM_TRAIN, NUM_TEST, BATCH, STEPS = 500, 64, 16, 400
CONFIG = override(
    registry.preset("tetrominoes_small"),
    {
        "data.image_size": SIDE,
        "model.num_slots": 3,
        "model.num_iterations": 3,
        "model.latent_size": 8,
        "model.decoder.channels": (16, 16),
        "model.refinement.channels": (16, 32),
        "model.refinement.mlp_sizes": (32,),
        "train.num_iterations": 0,
        "train.batch_size": BATCH,
        "train.steps": STEPS,
        "train.learning_rate": 1e-2,
        "train.warmup_steps": 10,
        "train.decay": "none",
        "train.average_decay": 0.0,
    },
)


def draw_scenes(count, rng):
    """A square in each half of a black image, of two of red, green and blue.

    Returns:
        Images float32 [B, H, W, 3], masks [B, L, H, W].
    """
    images = np.zeros([count, SIDE, SIDE, 3], np.float32)
    labels = np.zeros([count, SIDE, SIDE], int)
    for image, label in zip(images, labels, strict=True):
        for half, channel in enumerate(rng.permutation(3)[:2]):
            y = rng.integers(SIDE - SQUARE + 1)
            x = rng.integers(SIDE // 2 - SQUARE + 1) + half * SIDE // 2
            label[y : y + SQUARE, x : x + SQUARE] = half + 1
            image[y : y + SQUARE, x : x + SQUARE, channel] = 1
    return images, labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]


def test_segmentation_and_reconstruction_of_new_scenes_get_better():
    """With seeds 0, 1, 2: foreground ARI 0.82, 0.73, 0.88, and 0.1 without training."""
    rng = np.random.default_rng(0)
    train, _ = draw_scenes(NUM_TRAIN, rng)
    images, masks = draw_scenes(NUM_TEST, rng)
    trainer = Trainer(CONFIG, choose_strategy("none"))
    evaluator = Evaluator(trainer.averaged_model)

    def evaluated():
        """Means over the new scenes, [T + 1] by metric."""
        found = evaluator([{"image": images, "mask": masks}])
        return {name: found[name].mean(axis=1) for name in ("fg_ari", "mse", "neg_elbo")}

    before = evaluated()
    for _ in range(STEPS):
        trainer.train_step({"image": train[rng.integers(NUM_TRAIN, size=BATCH)]})
    after = evaluated()
    assert before["fg_ari"].max() < 0.25
    assert after["fg_ari"][-1] > 0.6
    assert after["mse"][-1] < before["mse"][-1] / 4
    assert after["neg_elbo"][-1] < before["neg_elbo"][-1]
    # It is the refinement that has been learned: the decoding before any knows nothing.
    assert after["fg_ari"][0] < 0.35
    assert after["mse"][-1] < after["mse"][0] / 2
