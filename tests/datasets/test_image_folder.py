"""One's own pictures: what is stored, where it goes, and what is wrong with a folder."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from iodine.datasets import (
    catalogue,
    image_folder,
    pipelines,
    preparation,
    reading,
    sourced_builder,
)
from iodine.errors import UserError

NAME = "image_folder/mine"
PATTERN = np.repeat(np.repeat([[0, 1], [2, 3]], 8, axis=0), 8, axis=1).astype(np.uint8)


def gray(value, height=16, width=16):
    return Image.fromarray(np.full((height, width), value, np.uint8))


def write_pictures(folder, count, labels=False):
    """Picture i is gray of value 10 i; its label map has quarters of ids 0, 1, 2 and 3."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        gray(10 * i).save(folder / f"p{i:02d}.{'PNG' if i % 2 else 'png'}")
        if labels:
            write_labels(folder, f"p{i:02d}", PATTERN)
    return folder


def write_labels(folder, stem, ids):
    (folder / "labels").mkdir(exist_ok=True)
    Image.fromarray(ids).save(folder / "labels" / f"{stem}.png")


def prepare(folder, tmp_path, **settings):
    return preparation.prepare(
        NAME,
        str(tmp_path / "data"),
        settings={"image_size": 8, **settings},
        source=str(folder),
        num_workers=1,
    )


def stored(tmp_path, split):
    return list(tfds.as_numpy(tfds.load(NAME, split=split, data_dir=str(tmp_path / "data"))))


def test_pictures_come_in_the_order_of_their_names(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 20)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    builder, made = prepare(folder, tmp_path)
    assert made
    assert builder.builder_config.num_entities == 0
    places = {"train": range(16), "validation": range(16, 18), "test": range(18, 20)}
    for split, numbers in places.items():
        examples = stored(tmp_path, split)
        assert [example["image"].shape for example in examples] == [(8, 8, 3)] * len(numbers)
        for number, example in zip(numbers, examples, strict=True):
            assert set(example) == {"image"}
            assert (example["image"] == 10 * number).all()


@pytest.mark.parametrize(
    ("count", "settings", "sizes"),
    [
        (3, {}, (1, 1, 1)),
        (50, {}, (40, 5, 5)),
        (50, {"num_test": 20}, (25, 5, 20)),
        (50, {"num_train": 10, "num_validation": 1, "num_test": 2}, (10, 1, 2)),
    ],
)
def test_sizes_of_the_splits(count, settings, sizes):
    found = sourced_builder.split_sizes("folder", count, settings, "pictures", "look there")
    assert (found["num_train"], found["num_validation"], found["num_test"]) == sizes


def test_opened_again_without_the_source(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 4, labels=True)
    first, _ = prepare(folder, tmp_path, image_size=12)
    for path in folder.glob("*.*"):
        path.unlink()
    builder = pipelines.open_dataset(str(tmp_path / "data"), NAME)
    config = builder.builder_config
    assert (config.image_size, config.num_entities) == ((12, 12), 4)
    assert builder.settings == first.settings == builder.stored_settings
    (batch,) = pipelines.evaluation_batches(str(tmp_path / "data"), NAME, "train", 2)
    with pytest.raises(UserError, match=r"has no factors, only .*config\.train\.factor_regression"):
        reading.require_keys(builder, ("image", "factors"))
    assert batch["mask"].shape == (2, 4, 12, 12)
    assert preparation.prepare(NAME, str(tmp_path / "data"))[1] is False
    plain = tfds.builder_from_directory(builder.data_dir)
    assert len(list(plain.as_dataset(split="train"))) == 2


@pytest.mark.slow
def test_processes_write_the_same_bytes(tmp_path, monkeypatch):
    base = image_folder.ImageFolder.BUILDER_CONFIGS[0]
    monkeypatch.setattr(base, "scenes_per_shard", 3)
    monkeypatch.setattr(base, "seconds_a_scene", 5.0)
    folder = write_pictures(tmp_path / "pictures", 8, labels=True)
    written = []
    for workers in (1, 2):
        data_dir = tmp_path / f"data{workers}"
        preparation.prepare(NAME, str(data_dir), source=str(folder), num_workers=workers)
        paths = sorted(data_dir.rglob("*.tfrecord-*"))
        written.append({path.name: path.read_bytes() for path in paths})
    assert len(written[0]) == 2 + 1 + 1
    assert written[0] == written[1]


def test_label_map_is_cropped_and_resized_as_its_picture(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, size=(20, 12)).astype(np.uint8)
    for name in "abc":
        Image.fromarray(ids * 50).save(folder / f"{name}.png")
        write_labels(folder, name, ids)
    prepare(folder, tmp_path, image_size=24)
    (example,) = stored(tmp_path, "test")
    expected = ids[4:16].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(example["label_map"][..., 0], expected)
    np.testing.assert_array_equal(example["image"][..., 1], 50 * expected)
    np.testing.assert_array_equal(example["visibility"], [1, 1, 1, 1])


def test_label_map_of_a_photo_from_a_turned_camera(tmp_path):
    """It is drawn over the upright picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in "abc":
        gray(90, height=8, width=20).save(folder / f"{name}.jpg", exif=exif)
        ids = np.zeros((20, 8), np.uint8)
        ids[10:] = 1
        write_labels(folder, name, ids)
    prepare(folder, tmp_path)
    (example,) = stored(tmp_path, "test")
    np.testing.assert_array_equal(example["label_map"][..., 0], ids[6:14])


def test_ids_of_palettes_and_sixteen_bits(tmp_path):
    palette = Image.fromarray(PATTERN).convert("P")
    palette.putdata(PATTERN.ravel().tolist())
    palette.putpalette([255, 0, 0] * 256)
    palette.save(tmp_path / "palette.png")
    Image.fromarray(PATTERN.astype(np.uint16)).save(tmp_path / "wide.png")
    Image.fromarray(PATTERN > 1).save(tmp_path / "bits.png")
    for name, expected in (("palette", PATTERN), ("wide", PATTERN), ("bits", PATTERN > 1)):
        ids = image_folder.read_labels(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(ids, expected)
        assert ids.dtype == np.uint8


def test_an_entity_that_is_not_in_a_picture(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 3, labels=True)
    write_labels(folder, "p02", np.full((16, 16), 2, np.uint8))
    prepare(folder, tmp_path)
    (example,) = stored(tmp_path, "test")
    np.testing.assert_array_equal(example["visibility"], [1, 0, 1, 0])


def remove_last(folder):
    (folder / "p03.PNG").unlink()
    (folder / "labels/p03.png").unlink()


@pytest.mark.parametrize(
    "change",
    [
        remove_last,
        lambda folder: (folder / "p03.PNG").rename(folder / "p03.png"),
        lambda folder: write_labels(folder, "p01", np.eye(16, dtype=np.uint8)),
    ],
)
def test_a_folder_that_changed_is_refused(tmp_path, change):
    folder = write_pictures(tmp_path / "pictures", 4, labels=True)
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1}
    prepare(folder, tmp_path, **sizes)
    assert prepare(folder, tmp_path, **sizes)[1] is False
    change(folder)
    with pytest.raises(UserError, match="pictures is not as it was when image_folder/mine was"):
        prepare(folder, tmp_path, **sizes)


def test_another_image_size_is_refused(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 3)
    prepare(folder, tmp_path)
    with pytest.raises(UserError, match=r"--image_size=8, asked for is .* --image_size=16; pass"):
        prepare(folder, tmp_path, image_size=16)


MISTAKES = {
    "too few": (
        lambda folder: [path.unlink() for path in folder.glob("p0[2-9]*")],
        "pictures holds 2 PNG or JPEG pictures, but each of the three splits needs",
    ),
    "not a picture": (
        lambda folder: (folder / "p01.PNG").write_bytes(b"hello"),
        r"p01\.PNG cannot be read as a PNG or JPEG picture",
    ),
    "cut off": (
        lambda folder: (folder / "p00.png").write_bytes((folder / "p00.png").read_bytes()[:-30]),
        r"p00\.png cannot be read as a PNG or JPEG picture",
    ),
    "one label map only": (
        lambda folder: write_labels(folder, "p01", PATTERN),
        r"p00\.png has no label map .*labels/p00\.png; make maps for all",
    ),
}
LABEL_MISTAKES = {
    "of no picture": (lambda f: write_labels(f, "p09", PATTERN), r"p09\.png belongs to no picture"),
    "another size": (
        lambda f: write_labels(f, "p02", PATTERN[1:]),
        r"labels/p02\.png is 16 x 15 pixels, but its picture .*p02\.png is 16 x 16",
    ),
    "id 255": (lambda f: write_labels(f, "p02", PATTERN + 252), r"p02\.png holds the id 255; ids"),
    "id 300": (
        lambda f: write_labels(f, "p02", np.full((16, 16), 300, np.uint16)),
        r"p02\.png holds the id 300; ids run from 0, the background, to 254",
    ),
    "colours": (
        lambda f: write_labels(f, "p02", np.dstack([PATTERN] * 3)),
        r"p02\.png has colours; a label map has one channel",
    ),
    "not a picture": (
        lambda f: (f / "labels/p02.png").write_bytes(b"hello"),
        r"labels/p02\.png cannot be read as a label map",
    ),
    "shared": (lambda f: gray(0).save(f / "p02.jpg"), "would share one label map"),
}


@pytest.mark.parametrize(
    ("labels", "change", "message"),
    [
        *(pytest.param(False, *case, id=name) for name, case in MISTAKES.items()),
        *(pytest.param(True, *case, id=f"labels: {name}") for name, case in LABEL_MISTAKES.items()),
    ],
)
def test_mistakes(tmp_path, labels, change, message):
    folder = write_pictures(tmp_path / "pictures", 4, labels=labels)
    change(folder)
    with pytest.raises(UserError, match=message) as error:
        prepare(folder, tmp_path)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "data").rglob("*tfrecord*"))


def test_more_pictures_asked_for_than_there_are(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 4)
    with pytest.raises(UserError, match=r"holds 4 .* splits \(3 train, 1 validation, 1 test\)"):
        prepare(folder, tmp_path, num_train=3)


@pytest.mark.parametrize(
    "name", ["image_folder", "image_folder/", "image_folder/a b", "image_folder/a/b"]
)
def test_names_that_cannot_be(name):
    with pytest.raises(UserError, match="needs a name of letters, digits and _"):
        catalogue.find(name)


def test_missing_source_and_missing_data(tmp_path):
    with pytest.raises(UserError, match="pass --source=FOLDER_OF_PICTURES"):
        preparation.prepare(NAME, str(tmp_path))
    with pytest.raises(UserError, match="no such folder: /nowhere; check --source"):
        preparation.prepare(NAME, str(tmp_path), source="/nowhere")
    with pytest.raises(UserError, match=r"no data of .* --source=FOLDER_OF_PICTURES"):
        pipelines.open_dataset(str(tmp_path), NAME)
