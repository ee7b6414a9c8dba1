"""The three released files of Multi-dSprites, written here with known content."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from released_files import refusal, write

from iodine.datasets import preparation

SIZES = {"num_train": 3, "num_validation": 2, "num_test": 2}
ENTITIES = {"colored_on_grayscale": 6, "binarized": 4, "colored_on_colored": 5}
NUMBERS = ("x", "y", "shape", "visibility", "orientation", "scale")


def name_of(variant):
    return f"multi_dsprites/{variant}_released"


def known_record(variant, index):
    """Arbitrary numbers everywhere, so that a swapped axis or feature shows."""
    rng = np.random.default_rng(index)
    entities, channels = ENTITIES[variant], 1 if variant == "binarized" else 3
    labels = rng.integers(0, entities, size=(64, 64, 1))
    record = {name: rng.random(entities).astype(np.float32) for name in NUMBERS}
    record["shape"] = rng.integers(0, 4, size=entities).astype(np.float32)
    record["visibility"] = rng.integers(0, 2, size=entities).astype(np.float32)
    record["image"] = rng.integers(0, 256, size=(64, 64, channels)).astype(np.uint8)
    record["mask"] = np.uint8(255) * (labels == np.arange(entities))[..., None]
    record["color"] = rng.random((entities, channels)).astype(np.float32)
    return record


def released_file(folder, variant, number=8):
    path = folder / f"multi_dsprites_{variant}.tfrecords"
    write(path, [known_record(variant, index) for index in range(number)])
    return path


@pytest.mark.parametrize("variant", ENTITIES)
def test_every_value_survives_conversion(tmp_path, variant):
    path, data_dir = released_file(tmp_path, variant), str(tmp_path / "data")
    preparation.prepare(name_of(variant), data_dir, settings=SIZES, source=str(path))
    first = 0
    for split, number in zip(("train", "validation", "test"), SIZES.values(), strict=True):
        examples = tfds.load(name_of(variant), split=split, data_dir=data_dir)
        examples = list(tfds.as_numpy(examples))
        assert len(examples) == number
        for index, example in enumerate(examples, first):
            check(example, known_record(variant, index))
        first += number


def check(example, expected):
    image = np.broadcast_to(expected["image"], (64, 64, 3))
    np.testing.assert_array_equal(example["image"], image)
    entities = expected["mask"].shape[2]
    for entity in range(entities):
        mask = 255 * (example["label_map"][..., 0] == entity)
        np.testing.assert_array_equal(mask, expected["mask"][:, :, entity, 0])
    np.testing.assert_array_equal(example["visibility"], expected["visibility"])
    assert set(example["factors"]) == {"color", *NUMBERS} - {"visibility"}
    for name in set(NUMBERS) - {"visibility"}:
        np.testing.assert_array_equal(example["factors"][name], expected[name])
    color = np.broadcast_to(expected["color"], (entities, 3))
    np.testing.assert_array_equal(example["factors"]["color"], color)


@pytest.mark.parametrize("wanted", ENTITIES)
@pytest.mark.parametrize("given", ENTITIES)
def test_another_variant(tmp_path, wanted, given):
    if wanted != given:
        path = released_file(tmp_path, given, 1)
        message = refusal(name_of(wanted), tmp_path / "data", path, SIZES)
        assert f"record 0 of {path} is not of this data set" in message


def test_file_of_tetrominoes(tmp_path):
    record = {
        "image": np.zeros((35, 35, 3), np.uint8),
        "mask": np.zeros((4, 35, 35, 1), np.uint8),
        **{name: np.zeros(4) for name in ("x", "y", "shape", "visibility")},
        "color": np.zeros((4, 3)),
    }
    path = tmp_path / "tetrominoes_train.tfrecords"
    write(path, [record])
    for variant in ENTITIES:
        message = refusal(name_of(variant), tmp_path / "data", path, SIZES)
        assert "is not of this data set" in message


@pytest.mark.parametrize("fraction", [0.2, 0.97])
def test_truncated_file(tmp_path, fraction):
    path = released_file(tmp_path, "binarized", 7)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    message = refusal(name_of("binarized"), tmp_path / "data", path, SIZES)
    assert "truncated, damaged or no TFRecord file" in message


def test_too_few_records(tmp_path):
    path = released_file(tmp_path, "binarized", 5)
    message = refusal(name_of("binarized"), tmp_path / "data", path, SIZES)
    assert "holds 5 records, but the splits asked for need 7" in message


def test_masks_that_overlap(tmp_path):
    record = known_record("colored_on_colored", 0)
    record["mask"][5, 7] = 255
    path = tmp_path / "overlap.tfrecords"
    write(path, [record])
    message = refusal(name_of("colored_on_colored"), tmp_path / "data", path, SIZES)
    assert "overlap or leave pixels out" in message
