"""A released model refines by gradients of the batch's mean: that of training, whatever comes."""

import numpy as np
import pytest
import tensorflow as tf
from small_models import LATENT, SIDE, SLOTS, random_images, random_noise

from iodine.config import override
from iodine.models import registry

SMALLER = {
    "data.image_size": SIDE,
    "model.num_slots": SLOTS,
    "model.num_iterations": 3,
    "model.latent_size": LATENT,
    "model.decoder.channels": (6, 5),
    "model.refinement.channels": (6, 5),
    "model.refinement.mlp_sizes": (7,),
}
BATCH = 64
RELEASED = [name for name in registry.preset_names() if name.endswith("_released")]


def largest_difference(steps, other, rows=slice(None)):
    """Relative to the largest magnitude of each output of each step."""
    found = 0.0
    for ours, theirs in zip(steps, other, strict=True):
        for name, value in ours._asdict().items():
            if value is None:
                continue
            b = getattr(theirs, name).numpy()[rows]
            assert value.shape == b.shape
            found = max(found, np.abs(value - b).max() / np.abs(b).max())
    return found


@pytest.fixture(scope="module", params=RELEASED)
def model(request):
    tf.random.set_seed(0)
    model = registry.build(override(registry.preset(request.param), SMALLER))
    assert model.config.refinement.gradient_of_batch_mean
    return model


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_results_do_not_depend_on_the_batch(model, batch):
    images, noise = random_images(BATCH), random_noise(4, BATCH)
    together = model.infer(images, {"z": noise})
    start = 11
    rows = slice(start, start + batch)

    def alone():
        return model.infer(images[rows], {"z": noise[:, rows]})

    assert largest_difference(alone(), together, rows) < 1e-5
    with pytest.MonkeyPatch.context() as patch:  # as it would be for the mean of this batch
        patch.setattr(model, "_gradient_share", 1 / batch)
        assert largest_difference(alone(), together, rows) > 5e-4


@pytest.mark.parametrize("name", RELEASED)
def test_the_share_is_one_over_the_batch_that_is_trained_on(name):
    for batch in (2, 5):
        config = override(registry.preset(name), {**SMALLER, "train.batch_size": batch})
        assert registry.build(config)._gradient_share == 1 / batch
    config = override(config, {"model.refinement.gradient_of_batch_mean": False})
    assert registry.build(config)._gradient_share == 1
