"""Slots moved alone against decoding all slots at once, as a page puts them together."""

import numpy as np
import pytest
import scipy.special
import small_models
import tensorflow as tf
from linear_slots import LinearSlots, LinearSlotsConfig

from iodine.analysis.movable_latents import move_latents
from iodine.errors import UserError

LATENTS, VALUES = (3, 0), (-2.0, 0.0, 1.5)


def put_together(movable, slot, latent, value):
    """Components and masks of all slots with one moved, as the page does it."""
    components, masks = movable.components.copy(), np.empty_like(movable.mask_logits)
    components[slot] = movable.moved_components[slot, latent, value]
    masks[slot] = movable.moved_masks[slot, latent, value]
    others = np.arange(len(masks)) != slot
    if not others.any():
        return components, masks
    shares = scipy.special.softmax(movable.mask_logits[others], axis=0)
    masks[others] = (1 - masks[slot]) * shares
    return components, masks


@pytest.mark.parametrize("num_slots", [1, 2, 3])
@pytest.mark.parametrize("prior", ["standard_normal", "posterior_at_zero"])
def test_scenes_put_together_are_those_of_decoding_all_slots(num_slots, prior):
    changes = {"prior": prior, "scale_map": "sqrt_softplus"}
    model = small_models.build_model(small_models.small_config(changes))
    scale = np.sqrt(np.log(2)) if prior == "posterior_at_zero" else 1.0  # sqrt(softplus(0))
    mean = np.random.default_rng(5).normal(size=(num_slots, small_models.LATENT))
    movable = move_latents(model, mean, LATENTS, VALUES)
    for slot, i, j in np.ndindex(num_slots, len(LATENTS), len(VALUES)):
        z = mean.copy()
        z[slot, LATENTS[i]] = scale * VALUES[j]
        expected, logits = model.decode(tf.constant(z[np.newaxis], tf.float32))
        components, masks = put_together(movable, slot, i, j)
        np.testing.assert_allclose(components, expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(masks, tf.nn.softmax(logits[0], axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(movable.found, mean[:, LATENTS] / scale, rtol=1e-5)
    np.testing.assert_allclose(movable.positions, np.multiply(scale, VALUES), rtol=1e-6)


def test_what_cannot_be_moved_is_refused():
    model = small_models.build_model(small_models.small_config())
    mean = np.zeros((2, small_models.LATENT))
    with pytest.raises(UserError, match="latent 4 does not exist; they are 0 to 3"):
        move_latents(model, mean, (0, 4), VALUES)
    with pytest.raises(UserError, match="no values"):
        move_latents(model, mean, (0,), ())
    without_prior = LinearSlots(LinearSlotsConfig(), (8, 8, 3), 1)
    without_prior.prior = None
    with pytest.raises(UserError, match="no prior"):
        move_latents(without_prior, mean, (0,), VALUES)
