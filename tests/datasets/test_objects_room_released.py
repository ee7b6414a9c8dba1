"""The four released files of Objects Room, written here in their format with known content."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from released_files import refusal, write

from iodine.datasets import pipelines, preparation

# Masks in a file, of which the first four are background.
NUM_MASKS = {"train": 7, "six_objects": 10, "empty_room": 4, "identical_color": 10}


def known_record(index, num_masks, present=None):
    """Arbitrary numbers everywhere; of the masks only `present` have pixels."""
    rng = np.random.default_rng(index)
    labels = rng.choice(present or range(num_masks), size=(64, 64))
    return {
        "image": rng.integers(0, 256, size=(64, 64, 3)).astype(np.uint8),
        "mask": np.uint8(255) * (labels == np.arange(num_masks)[:, None, None])[..., None],
    }


def examples(name, split, folder):
    return list(tfds.as_numpy(tfds.load(name, split=split, data_dir=str(folder))))


def assert_is(example, record):
    num_masks = len(record["mask"])
    np.testing.assert_array_equal(example["image"], record["image"])
    masks = 255 * (example["label_map"][..., 0] == np.arange(num_masks)[:, None, None])
    np.testing.assert_array_equal(masks[..., None], record["mask"])
    np.testing.assert_array_equal(example["visibility"], record["mask"].any(axis=(1, 2, 3)))
    assert set(example) == {"image", "label_map", "visibility"}


def test_every_value_of_the_training_file_survives_conversion(tmp_path):
    name, path = "objects_room/train_released", tmp_path / "objects_room_train.tfrecords"
    records = [known_record(index, 7) for index in range(6)]
    write(path, records)
    sizes = {"num_train": 3, "num_validation": 1, "num_test": 2}
    preparation.prepare(name, str(tmp_path), settings=sizes, source=str(path))
    read = [
        example
        for split in ("train", "validation", "test")
        for example in examples(name, split, tmp_path)
    ]
    for example, record in zip(read, records, strict=True):
        assert_is(example, record)


@pytest.mark.parametrize("variant", ["six_objects", "empty_room", "identical_color"])
def test_a_test_file_is_a_test_set_as_a_whole(tmp_path, variant):
    name, path = f"objects_room/{variant}_released", tmp_path / f"{variant}.tfrecords"
    present = [0, 1, 3, *range(4, NUM_MASKS[variant] - 1)]
    records = [known_record(index, NUM_MASKS[variant], present) for index in range(3)]
    write(path, records)
    builder, _ = preparation.prepare(
        name, str(tmp_path), settings={"num_test": 3}, source=str(path)
    )
    assert set(builder.info.splits) == {"test"}
    for example, record in zip(examples(name, "test", tmp_path), records, strict=True):
        assert_is(example, record)


def test_read_as_scenes_the_four_backgrounds_are_one(tmp_path):
    name, path = "objects_room/identical_color_released", tmp_path / "file.tfrecords"
    record = known_record(0, 10, present=[0, 2, 4, 5, 7])
    write(path, [record])
    preparation.prepare(name, str(tmp_path), settings={"num_test": 1}, source=str(path))
    batch = next(pipelines.evaluation_batches(str(tmp_path), name, "test", 1).as_numpy_iterator())
    masks = record["mask"][..., 0] / 255
    np.testing.assert_array_equal(batch["mask"][0, 0], masks[:4].sum(axis=0))
    np.testing.assert_array_equal(batch["mask"][0, 1:], masks[4:])
    # The fourth background has no pixel, the background has.
    np.testing.assert_array_equal(batch["visibility"][0], [1, 1, 1, 0, 1, 0, 0])


def test_the_program_says_what_it_made(tmp_path, program):
    path = tmp_path / "file.tfrecords"
    write(path, [known_record(index, 4) for index in range(2)])
    outcome = program(
        "data",
        "--dataset=objects_room/empty_room_released",
        f"--data_dir={tmp_path}",
        f"--source={path}",
        "--num_test=2",
    )
    assert outcome.code == 0, outcome.err
    assert "objects_room/empty_room_released: 2 test scenes, made in" in outcome.out


@pytest.mark.parametrize("other", ["six_objects", "empty_room"])
def test_file_of_another_variant(tmp_path, other):
    path = tmp_path / "other.tfrecords"
    write(path, [known_record(0, NUM_MASKS[other])])
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1}
    message = refusal("objects_room/train_released", tmp_path / "data", path, sizes)
    assert "expected image [64, 64, 3], mask [7, 64, 64, 1]" in message


def test_masks_that_overlap(tmp_path):
    record = known_record(0, 4)
    record["mask"][:2, 5, 5] = 255
    path = tmp_path / "overlap.tfrecords"
    write(path, [record])
    message = refusal("objects_room/empty_room_released", tmp_path / "data", path, {"num_test": 1})
    assert "masks that overlap or leave pixels out" in message


def test_too_few_and_truncated(tmp_path):
    path = tmp_path / "few.tfrecords"
    write(path, [known_record(index, 4) for index in range(3)])
    name = "objects_room/empty_room_released"
    message = refusal(name, tmp_path / "data", path, {"num_test": 4})
    assert "holds 3 records" in message
    path.write_bytes(path.read_bytes()[:-20])
    message = refusal(name, tmp_path / "data", path, {"num_test": 3})
    assert "truncated, damaged or no TFRecord file" in message
