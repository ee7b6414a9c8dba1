"""The SavedModel of a model of clips, in plain TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.config import override
from iodine.errors import UserError
from iodine.evaluation.clips import decompose_clips
from iodine.models import registry
from iodine.serving import saved_model

SIDE, FRAMES = 8, 5


@pytest.fixture(scope="module")
def model():
    config = override(
        registry.preset("tetrominoes_small"),
        {
            "model.num_slots": 3,
            "model.latent_size": 4,
            "model.num_iterations": 4,
            "model.decoder.channels": (4, 4),
            "model.refinement.channels": (4, 4, 4),
            "model.refinement.lstm_size": 5,
            "model.sequence.enabled": True,
            "model.sequence.first_frame_refinements": 2,
        },
    )
    model = registry.build(config)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(0.2 * generator.standard_normal(variable.shape))
    return model


@pytest.mark.parametrize("batch", [1, 3])
def test_frame_by_frame_it_gives_what_the_clip_gives_at_once(model, tmp_path, batch):
    saved_model.export(model, str(tmp_path), seed=5, num_slots=4)
    loaded = tf.saved_model.load(str(tmp_path))
    clips = np.random.default_rng(1).uniform(size=(batch, FRAMES, SIDE, SIDE, 3))
    clips = tf.constant(clips, tf.float32)
    expected = decompose_clips(model, clips, seed=5, num_slots=4)
    result = loaded.signatures["start"](image=clips[:, 0])
    for frame in range(FRAMES):
        if frame:
            state = {name: x for name, x in result.items() if name.startswith("state_")}
            result = loaded.signatures["step"](image=clips[:, frame], **state)
        for name, value in expected._asdict().items():
            np.testing.assert_allclose(
                result[name], value[:, frame], atol=1e-5 * np.abs(value).max(), err_msg=name
            )


def test_the_number_of_iterations_cannot_be_chosen(model, tmp_path):
    with pytest.raises(UserError, match="num_iterations follows from the frames"):
        saved_model.export(model, str(tmp_path), num_iterations=3)
