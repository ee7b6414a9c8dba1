"""Files in the exact format of Multi-Object Datasets, written here with known content."""

import gzip

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from released_files import refusal, serialize, write
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from iodine.datasets import catalogue, preparation
from iodine.errors import UserError

NAME = "tetrominoes/released"
SIZES = {"num_train": 4, "num_validation": 2, "num_test": 3}


def known_record(index):
    """Arbitrary numbers everywhere, so that a swapped axis or feature shows."""
    rng = np.random.default_rng(index)
    labels = rng.integers(0, 4, size=(35, 35))
    return {
        "image": rng.integers(0, 256, size=(35, 35, 3)).astype(np.uint8),
        "mask": np.uint8(255) * (labels == np.arange(4)[:, None, None])[..., None],
        "x": rng.random(4).astype(np.float32),
        "y": rng.random(4).astype(np.float32),
        "shape": rng.integers(0, 20, size=4).astype(np.float32),
        "color": rng.random((4, 3)).astype(np.float32),
        "visibility": rng.integers(0, 2, size=4).astype(np.float32),
    }


def convert(folder, path, sizes=None):
    return preparation.prepare(
        NAME, str(folder / "data"), settings=sizes or SIZES, source=str(path)
    )


def message_of(folder, path, sizes=None):
    return refusal(NAME, folder / "data", path, sizes or SIZES)


@pytest.fixture
def released_file(tmp_path):
    path = tmp_path / "tetrominoes_train.tfrecords"
    write(path, [known_record(index) for index in range(10)])
    return path


def test_every_value_survives_conversion(tmp_path, released_file):
    builder, made = convert(tmp_path, released_file)
    assert made
    assert builder.stored_settings == SIZES
    read = {
        split: list(tfds.as_numpy(tfds.load(NAME, split=split, data_dir=str(tmp_path / "data"))))
        for split in ("train", "validation", "test")
    }
    places = {"train": range(4), "validation": range(4, 6), "test": range(6, 9)}
    for split, indices in places.items():
        assert len(read[split]) == len(indices)
        for index, example in zip(indices, read[split], strict=True):
            expected = known_record(index)
            np.testing.assert_array_equal(example["image"], expected["image"])
            masks = 255 * (example["label_map"][..., 0] == np.arange(4)[:, None, None])
            np.testing.assert_array_equal(masks[..., None], expected["mask"])
            np.testing.assert_array_equal(example["visibility"], expected["visibility"])
            for name in ("x", "y", "shape", "color"):
                np.testing.assert_array_equal(example["factors"][name], expected[name])


def test_file_with_too_few_records(tmp_path, released_file):
    assert "holds 10 records" in message_of(tmp_path, released_file, {"num_train": 11})
    sizes = {"num_train": 8, "num_validation": 1, "num_test": 4}
    assert "holds 10 records, but the splits asked for need 13" in message_of(
        tmp_path, released_file, sizes
    )


@pytest.mark.parametrize("fraction", [0.3, 0.99])
def test_truncated_file(tmp_path, fraction):
    path = tmp_path / "truncated.tfrecords"
    write(path, [known_record(index) for index in range(9)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])
    assert "truncated, damaged or no TFRecord file" in message_of(tmp_path, path)


@pytest.mark.parametrize("content", [b"hello\n" * 1000, bytes(1000)])
def test_not_a_tfrecord_file(tmp_path, content):
    path = tmp_path / "other.tfrecords"
    path.write_bytes(content)
    assert "no TFRecord file (" in message_of(tmp_path, path)


def test_empty_file(tmp_path):
    path = tmp_path / "empty.tfrecords"
    path.write_bytes(b"")
    assert "holds 0 records" in message_of(tmp_path, path)


def test_uncompressed_copy_gives_the_same_data(tmp_path, released_file):
    copy = tmp_path / "copy.tfrecords"
    copy.write_bytes(gzip.decompress(released_file.read_bytes()))
    found = []
    for folder, path in ((tmp_path / "packed", released_file), (tmp_path / "plain", copy)):
        builder, _ = convert(folder, path)
        found.append({path.name: path.read_bytes() for path in builder.data_path.glob("*tfrec*")})
    assert len(found[0]) == 3
    assert found[0] == found[1]


@pytest.mark.parametrize("length", [2**40, 2**64 - 1])
def test_length_that_no_record_has(tmp_path, released_file, length):
    """With the checksum that goes with it, TensorFlow would reserve the memory and be ended."""
    content = bytearray(gzip.decompress(released_file.read_bytes()))
    second = 16 + int.from_bytes(content[:8], "little")
    content[second : second + 8] = length.to_bytes(8, "little")
    checksum = masked_crc32c(bytes(content[second : second + 8]))
    content[second + 8 : second + 12] = checksum.to_bytes(4, "little")
    path = tmp_path / "huge.tfrecords"
    path.write_bytes(content)
    assert f"record 1 says that it has {length:,} bytes" in message_of(tmp_path, path)


def test_missing_file(tmp_path):
    assert "no such file" in message_of(tmp_path, tmp_path / "nowhere.tfrecords")


@pytest.mark.parametrize(
    "change",
    [
        {"image": np.zeros((64, 64, 3), np.uint8)},  # another size
        {"color": None},  # a feature is missing
        {"mask": np.zeros((6, 35, 35, 1), np.uint8)},  # another number of entities
    ],
)
def test_file_of_another_data_set(tmp_path, change):
    record = {**known_record(0), **change}
    path = tmp_path / "other_set.tfrecords"
    write(path, [{name: value for name, value in record.items() if value is not None}])
    assert "record 0 of" in message_of(tmp_path, path)


def test_strings_longer_than_a_byte(tmp_path):
    path = tmp_path / "wide.tfrecords"
    example = tf.train.Example.FromString(serialize(known_record(0)))
    strings = example.features.feature["image"].bytes_list.value
    strings[:] = [string * 2 for string in strings]
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        writer.write(example.SerializeToString())
    assert "is not of this data set" in message_of(tmp_path, path)


def test_masks_that_do_not_cover_the_image(tmp_path):
    record = known_record(0)
    record["mask"][:, 3, 3] = 0
    path = tmp_path / "holes.tfrecords"
    write(path, [record])
    assert "overlap or leave pixels out" in message_of(tmp_path, path)


def test_beam_converts_to_the_same_bytes(tmp_path, released_file, monkeypatch):
    pytest.importorskip("apache_beam")
    _, config = catalogue.find(NAME)
    monkeypatch.setattr(config, "scenes_per_shard", 2)
    convert(tmp_path / "here", released_file)
    preparation.prepare(
        NAME,
        str(tmp_path / "beam" / "data"),
        settings=SIZES,
        source=str(released_file),
        download_config=tfds.download.DownloadConfig(beam_runner="DirectRunner"),
    )
    written = {
        folder: {path.name: path.read_bytes() for path in (tmp_path / folder).rglob("*.tfrecord-*")}
        for folder in ("here", "beam")
    }
    assert len(written["here"]) == 2 + 1 + 2
    assert written["beam"] == written["here"]


def test_beam_names_the_file_that_is_wrong(tmp_path):
    pytest.importorskip("apache_beam")
    path = tmp_path / "short.tfrecords"
    write(path, [known_record(index) for index in range(5)])
    with pytest.raises(UserError, match=r"short\.tfrecords holds 5 records") as error:
        preparation.prepare(
            NAME,
            str(tmp_path / "data"),
            settings=SIZES,
            source=str(path),
            download_config=tfds.download.DownloadConfig(beam_runner="DirectRunner"),
        )
    assert "\n" not in str(error.value)
