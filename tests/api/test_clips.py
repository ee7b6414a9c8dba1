"""`Model.follow` and `Model.stream`."""

import numpy as np
import pytest

from iodine.api.model import Model
from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry

SIDE, FRAMES = 8, 4


def small_model(**changes):
    config = override(
        registry.preset("tetrominoes_small"),
        {
            "model.num_slots": 3,
            "model.latent_size": 4,
            "model.num_iterations": 3,
            "model.decoder.channels": (4, 4),
            "model.refinement.channels": (4, 4, 4),
            **changes,
        },
    )
    return Model(config, registry.build(config), "small")


@pytest.fixture(scope="module")
def model():
    return small_model(**{"model.sequence.enabled": True, "model.refinement.lstm_size": 5})


def test_a_stream_gives_the_frames_of_the_whole(model):
    frames = np.random.default_rng(0).integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8)
    whole = model.follow(frames, num_slots=4, seed=2)
    assert whole.masks.shape == (FRAMES, 4, SIDE, SIDE)
    np.testing.assert_allclose(whole.images, frames / 255, atol=1e-6)
    mixed = np.einsum("fkhw,fkhwc->fhwc", whole.masks, whole.components)
    np.testing.assert_allclose(whole.reconstruction, mixed, atol=1e-5)
    stream = model.stream(num_slots=4, seed=2)
    for f, frame in enumerate(frames):
        result = stream(frame)
        np.testing.assert_allclose(result.masks[0], whole.masks[f], atol=1e-5)
        np.testing.assert_allclose(result.elbo[0], whole.elbo[f], rtol=1e-5)


def test_frames_of_another_size_are_cropped_and_it_is_told(model):
    result = model.follow(np.zeros([2, SIDE, 2 * SIDE, 3], np.uint8))
    assert result.images.shape == (2, SIDE, SIDE, 3)
    assert all("cropped" in note for note in result.notes)


def test_mistakes_are_told(model):
    frames = np.zeros([FRAMES, SIDE, SIDE, 3], np.uint8)
    with pytest.raises(UserError, match=r"small takes clips; use follow\(frames\)"):
        model.decompose(frames)
    with pytest.raises(UserError, match="a clip of 1 frame has nothing to predict"):
        model.follow(frames[:1])
    with pytest.raises(UserError, match="4 images; give the frames one by one"):
        model.stream()(frames)
    of_images = small_model()
    with pytest.raises(UserError, match="takes single images, not clips"):
        of_images.follow(frames)
    with pytest.raises(UserError, match="takes single images"):
        of_images.stream()
