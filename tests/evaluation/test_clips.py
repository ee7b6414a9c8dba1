"""What belongs to which frame of a clip."""

import numpy as np
import pytest
import small_models
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import clips, inference

FRAMES = 4


def build(first_frame_refinements=1):
    changes = {
        "sequence.enabled": True,
        "sequence.first_frame_refinements": first_frame_refinements,
    }
    return small_models.build_model(small_models.small_config(changes))


def random_clips(batch, frames=FRAMES):
    images = small_models.random_images(batch * frames)
    return tf.reshape(images, [batch, frames, *images.shape[1:]])


@pytest.mark.parametrize(("first", "steps"), [(1, [0, 1, 2, 3]), (3, [2, 3, 4, 5])])
def test_each_frame_has_the_last_step_that_is_scored_on_it(first, steps):
    model, images = build(first), random_clips(2)
    result = clips.decompose_clips(model, images, seed=3)
    expected = inference.infer(model, images, seed=3)
    assert len(expected) == FRAMES - 1 + first
    for frame, step in enumerate(steps):
        np.testing.assert_array_equal(expected[step].target, images[:, frame])
        for ours, theirs in (
            (result.masks, expected[step].masks),
            (result.components, expected[step].components),
            (result.reconstruction, expected[step].reconstruction),
            (result.latent_scale, expected[step].latent_scale),
        ):
            np.testing.assert_allclose(ours[:, frame], theirs, rtol=1e-5, atol=1e-6)


def test_no_frame_is_seen_before_it_is_predicted():
    model, images = build(), random_clips(1)
    changed = tf.concat([images[:, :2], 1 - images[:, 2:]], axis=1)
    first, second = (clips.decompose_clips(model, x).masks[0].numpy() for x in (images, changed))
    np.testing.assert_array_equal(first[:3], second[:3])
    assert np.abs(first[3] - second[3]).max() > 1e-6


def test_a_single_frame_is_no_clip():
    with pytest.raises(UserError, match="a clip of 1 frame has nothing to predict"):
        clips.decompose_clips(build(), random_clips(1, 1))
