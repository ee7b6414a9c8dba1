"""The weights that come with the package take new scenes apart."""

import numpy as np
import pytest

from iodine.datasets import shapes_generator, tetrominoes
from iodine.datasets.tetromino_generator import generate_scene
from iodine.errors import UserError
from iodine.evaluation.evaluator import Evaluator
from iodine.training import checkpoints


def batch_of(scenes):
    labels = np.stack([s["label_map"] for s in scenes])
    return {
        "image": np.stack([s["image"] for s in scenes]).astype(np.float32) / 255,
        "mask": (labels[:, np.newaxis] == np.arange(4)[:, np.newaxis, np.newaxis]),
    }


def test_shipped_weights_segment_scenes_of_another_seed():
    size, block = tetrominoes.SMALL_IMAGE_SIZE, tetrominoes.SMALL_BLOCK_SIZE
    scenes = [generate_scene(77, "test", i, size, block, False) for i in range(128)]
    _, model = checkpoints.load_model("pretrained:tetrominoes_small")
    values = Evaluator(model)([batch_of(scenes)])
    assert values["fg_ari"][-1].mean() > 0.9
    assert values["mse"][-1].mean() < 0.004


def test_shipped_weights_segment_published_tetrominoes_and_their_background():
    scenes = [generate_scene(77, "test", i) for i in range(64)]
    _, model = checkpoints.load_model("pretrained:tetrominoes_fast")
    values = Evaluator(model)([batch_of(scenes)])
    assert values["fg_ari"][-1].mean() > 0.96
    assert values["ari"][-1].mean() > 0.97
    assert values["mse"][-1].mean() < 0.003


def test_shipped_weights_segment_shapes():
    batch = batch_of([shapes_generator.generate_scene(77, "test", i) for i in range(64)])
    _, model = checkpoints.load_model("pretrained:shapes_fast")
    values = Evaluator(model)([batch])
    assert values["fg_ari"][-1].mean() > 0.9
    assert values["ari"][-1].mean() > 0.92


def test_unknown_pretrained_weights_are_refused_naming_the_known():
    with pytest.raises(UserError, match=r"there are: (\w+, )*tetrominoes_small"):
        checkpoints.load_model("pretrained:clevr7")
