"""Making data on disk, and reading them back as plain TFDS."""

import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import iodine.datasets  # noqa: F401 (registers the builders)
from iodine.datasets import catalogue, preparation, tetrominoes
from iodine.datasets.tetromino_generator import generate_scene
from iodine.errors import UserError

SMALL = "tetrominoes/generated_small"
SIZES = {"num_train": 50, "num_validation": 7, "num_test": 11, "seed": 5}


@pytest.mark.parametrize(("split", "size"), [("train", 50), ("validation", 7), ("test", 11)])
def test_plain_tfds_load_gives_the_generated_scenes_in_order(small_data, split, size):
    examples = list(tfds.as_numpy(tfds.load(SMALL, split=split, data_dir=small_data)))
    assert len(examples) == size
    for index, example in enumerate(examples):
        expected = generate_scene(
            5, split, index, tetrominoes.SMALL_IMAGE_SIZE, tetrominoes.SMALL_BLOCK_SIZE, False
        )
        np.testing.assert_array_equal(example["image"], expected["image"])
        np.testing.assert_array_equal(example["label_map"][..., 0], expected["label_map"])
        np.testing.assert_array_equal(example["visibility"], expected["visibility"])
        assert set(example["factors"]) == set(expected["factors"])
        for name, value in expected["factors"].items():
            assert example["factors"][name].dtype == value.dtype
            np.testing.assert_array_equal(example["factors"][name], value)


def test_same_settings_are_not_made_again(small_data):
    builder, made = preparation.prepare(SMALL, small_data, settings=SIZES)
    assert not made
    assert builder.stored_settings == SIZES


def test_other_settings_in_the_same_folder_are_refused(small_data):
    with pytest.raises(UserError) as error:
        preparation.prepare(SMALL, small_data, settings={**SIZES, "seed": 6})
    assert "--num_train=50 --num_validation=7 --num_test=11 --seed=5" in str(error.value)
    assert "--num_train=50 --num_validation=7 --num_test=11 --seed=6" in str(error.value)


def test_fewer_scenes_are_the_first_of_more(small_data, tmp_path):
    preparation.prepare(SMALL, str(tmp_path), settings={**SIZES, "num_train": 3})
    few = tfds.as_numpy(tfds.load(SMALL, split="train", data_dir=str(tmp_path)))
    many = tfds.as_numpy(tfds.load(SMALL, split="train[:3]", data_dir=small_data))
    for a, b in zip(few, many, strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])


def test_35_pixel_variant(tmp_path):
    name = "tetrominoes/generated"
    settings = {"num_train": 2, "num_validation": 1, "num_test": 1}
    builder, made = preparation.prepare(name, str(tmp_path), settings=settings)
    assert made
    assert builder.stored_settings == {**settings, "seed": 0}
    example = next(iter(tfds.as_numpy(tfds.load(name, split="test", data_dir=str(tmp_path)))))
    np.testing.assert_array_equal(example["image"], generate_scene(0, "test", 0)["image"])


DEFAULT_SIZES = {
    **{
        f"multi_dsprites/{variant}_{origin}": [60_000, 320, 5_000]
        for variant in ("colored_on_grayscale", "binarized", "colored_on_colored")
        for origin in ("generated", "released")
    },
    "multi_dsprites/single_generated": [60_000, 320, 5_000],
    "objects_room/train_released": [100_000, 320, 5_000],
    **{
        f"objects_room/{kind}_released": [0, 0, 922]
        for kind in ("six_objects", "empty_room", "identical_color")
    },
    "objects_room/sequences_generated": [1_000, 32, 320],
    "shapes/generated": [60_000, 320, 5_000],
    "tetrominoes/generated": [60_000, 320, 5_000],
    "tetrominoes/generated_small": [60_000, 320, 5_000],
    "tetrominoes/released": [60_000, 320, 5_000],
    "tetrominoes/ambiguous": [1_000, 320, 1_000],
    "tetrominoes/ambiguous_small": [1_000, 320, 1_000],
    "textured_mnist/generated": [50_000, 320, 5_000],
    "textured_mnist/two_digits_generated": [50_000, 320, 5_000],
}


@pytest.mark.parametrize("name", DEFAULT_SIZES)
def test_default_sizes_are_the_documented_ones(name):
    config = catalogue.entries()[name][1]
    assert [config.num_train, config.num_validation, config.num_test] == DEFAULT_SIZES[name]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("tetrominoes/generatd", {}, "did you mean tetrominoes/generated; known: "),
        (SMALL, {"settings": {"num_tests": 1}}, "takes no num_tests"),
        (SMALL, {"settings": {"num_test": 0}}, "num_test is 0"),
        (SMALL, {"source": "file"}, "leave out --source"),
        ("tetrominoes/released", {"settings": {"seed": 1}}, "takes no seed"),
    ],
)
def test_mistakes(tmp_path, name, arguments, message):
    with pytest.raises(UserError, match=message):
        preparation.prepare(name, str(tmp_path / "data"), **arguments)
    assert not (tmp_path / "data").exists()


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match="choose another --data_dir"):
        preparation.prepare(SMALL, str(tmp_path / "data"), settings=SIZES)


def test_download_that_fails(tmp_path, monkeypatch):
    def no_network(request, timeout):
        raise urllib.error.URLError("network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    with pytest.raises(UserError, match=r"cannot download https:.*pass --source=FILE"):
        preparation.prepare("tetrominoes/released", str(tmp_path))


def test_full_disk(tmp_path, monkeypatch):
    def fail(path):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", fail)
    with pytest.raises(UserError, match="no space left on the disk of"):
        preparation.prepare(SMALL, str(tmp_path), settings=SIZES)
