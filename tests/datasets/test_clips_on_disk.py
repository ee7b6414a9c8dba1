"""Clips as data on disk: any number of frames, read as it was made."""

import json
import pathlib
import pickle

import numpy as np
import pytest

from iodine.datasets import (
    catalogue,
    moving_sprites,
    moving_tetrominoes,
    pipelines,
    preparation,
    reading,
)
from iodine.errors import UserError

SIZES = {"num_train": 5, "num_validation": 1, "num_test": 3}
NAME = "tetrominoes/moving_generated"
GENERATORS = {
    "tetrominoes/moving_entering_generated": (moving_tetrominoes, "entering", 8),
    "multi_dsprites/moving_generated": (moving_sprites, "within", 3),
    "multi_dsprites/moving_entering_generated": (moving_sprites, "entering", 8),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds `NAME` with seven frames a clip."""
    folder = tmp_path_factory.mktemp("clips")
    preparation.prepare(NAME, str(folder), settings={**SIZES, "num_frames": 7, "seed": 3})
    return str(folder)


def test_scenes_are_those_that_are_drawn(folder):
    batches = pipelines.evaluation_batches(folder, NAME, "test", 3)
    (batch,) = batches.as_numpy_iterator()
    for index in range(3):
        clip = moving_tetrominoes.generate_clip(3, "test", index, 7)
        assert_same(batch, index, clip, 4)


@pytest.mark.parametrize("name", GENERATORS)
def test_other_data_sets(tmp_path, name):
    generator, kind, frames = GENERATORS[name]
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1, "num_frames": frames}
    preparation.prepare(name, str(tmp_path), settings=sizes)
    batches = pipelines.evaluation_batches(str(tmp_path), name, "test", 1)
    clip = generator.generate_clip(0, "test", 0, frames, kind)
    assert_same(next(batches.as_numpy_iterator()), 0, clip, catalogue.find(name)[1].num_entities)


@pytest.mark.parametrize(
    ("name", "generator"),
    [
        ("tetrominoes/moving_occluded_generated", moving_tetrominoes),
        ("multi_dsprites/moving_occluded_generated", moving_sprites),
    ],
)
def test_test_sets_of_occlusion(tmp_path, name, generator):
    builder, _ = preparation.prepare(name, str(tmp_path), settings={"num_test": 2})
    assert set(builder.info.splits) == {"test"}
    (batch,) = pipelines.evaluation_batches(str(tmp_path), name, "test", 2).as_numpy_iterator()
    for index in range(2):
        clip = generator.generate_clip(0, "test", index, 16, "occluded")
        assert_same(batch, index, clip, catalogue.find(name)[1].num_entities)
        assert batch["factors"]["hidden"][index].any()


def assert_same(batch, index, clip, num_entities):
    np.testing.assert_allclose(batch["image"][index], clip["image"] / 255, atol=1e-6)
    for entity in range(num_entities):
        np.testing.assert_array_equal(batch["mask"][index, :, entity], clip["label_map"] == entity)
    np.testing.assert_array_equal(batch["visibility"][index], clip["visibility"])
    assert set(batch["factors"]) == set(clip["factors"])
    for name, values in clip["factors"].items():
        np.testing.assert_array_equal(batch["factors"][name][index], values)


@pytest.mark.parametrize("in_memory", [True, False])
def test_training_batches_have_a_shape_that_is_known(folder, in_memory):
    batches = pipelines.training_batches(
        folder, NAME, batch_size=4, seed=0, keys=("image",), in_memory=in_memory
    )
    assert batches.element_spec["image"].shape == (4, 7, 35, 35, 3)
    clips = [
        moving_tetrominoes.generate_clip(3, "train", index, 7)["image"].tobytes()
        for index in range(5)
    ]
    found = []
    for batch in batches.take(5).as_numpy_iterator():
        found += [np.rint(255 * clip).astype(np.uint8).tobytes() for clip in batch["image"]]
    assert [found.count(clip) for clip in clips] == [4] * 5


def test_the_number_of_frames_is_that_of_the_data(folder):
    builder = reading.open_dataset(folder, NAME)
    assert builder.builder_config.num_frames == 7
    assert builder.stored_settings["num_frames"] == 7
    assert pickle.loads(pickle.dumps(builder)).builder_config.num_frames == 7
    assert catalogue.find(NAME)[1].num_frames == moving_tetrominoes.NUM_FRAMES


def test_another_number_is_refused(folder):
    with pytest.raises(UserError, match=r"--num_frames=7 .* asked for is .*--num_frames=12"):
        preparation.prepare(NAME, folder, settings={**SIZES, "seed": 3})


def test_data_of_before_the_setting_have_the_default(tmp_path):
    preparation.prepare(NAME, str(tmp_path), settings=SIZES)
    path = next(pathlib.Path(tmp_path).glob("*/*/*/metadata.json"))
    described = json.loads(path.read_text())
    del described["settings"]["num_frames"]
    path.write_text(json.dumps(described))
    assert reading.open_dataset(str(tmp_path), NAME).builder_config.num_frames == 12
    _, made = preparation.prepare(NAME, str(tmp_path), settings=SIZES)
    assert not made
    with pytest.raises(UserError, match=r"--num_frames=12, asked for is .*--num_frames=9"):
        preparation.prepare(NAME, str(tmp_path), settings={**SIZES, "num_frames": 9})
    batches = pipelines.evaluation_batches(str(tmp_path), NAME, "train", 5, keys=("image",))
    assert next(iter(batches))["image"].shape == (5, 12, 35, 35, 3)


@pytest.mark.parametrize(
    ("name", "frames", "least"),
    [
        (NAME, 1, 2),
        ("tetrominoes/moving_entering_generated", 7, 8),
        ("multi_dsprites/moving_occluded_generated", 11, 12),
    ],
)
def test_too_few_frames(tmp_path, name, frames, least):
    with pytest.raises(UserError, match=f"num_frames is {frames}; .* needs {least} or more"):
        preparation.prepare(name, str(tmp_path), settings={"num_frames": frames})


def test_still_images_have_no_frames(tmp_path):
    with pytest.raises(UserError, match="takes no num_frames"):
        preparation.prepare("tetrominoes/generated", str(tmp_path), settings={"num_frames": 4})
