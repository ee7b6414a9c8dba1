"""The released CLEVR file: files in its exact format, written here with known content."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from released_files import refusal, write

from iodine.datasets import catalogue, clevr_released, pipelines, preparation
from iodine.errors import UserError

COUNTS = (3, 10, 6, 7, 5, 9, 4, 8)  # objects in the records of the file
SIZES = {"num_train": 4, "num_validation": 2, "num_test": 2}
PLACES = {"train": range(4), "validation": range(4, 6), "test": range(6, 8)}
TOPS = {"released": 24, "released_low_crop": 29}
SCALARS = ("x", "y", "z", "rotation")
CATEGORIES = {"size": 2, "material": 2, "shape": 3, "color": 8}


def known_record(index):
    """Arbitrary numbers everywhere, so that a swapped axis or feature shows."""
    rng = np.random.default_rng(index)
    count = COUNTS[index]
    labels = rng.integers(0, count + 1, (240, 320))
    is_object = (np.arange(11) > 0) & (np.arange(11) <= count)
    record = {
        "image": rng.integers(0, 256, (240, 320, 3)).astype(np.uint8),
        "mask": np.uint8(255) * (labels == np.arange(11)[:, None, None])[..., None],
        "visibility": (np.arange(11) <= count).astype(np.float32),
        "pixel_coords": (rng.uniform(0, 200, (11, 3)) * is_object[:, None]).astype(np.float32),
    }
    for name in SCALARS:
        record[name] = (rng.normal(size=11) * is_object).astype(np.float32)
    for name, most in CATEGORIES.items():
        record[name] = (rng.integers(1, most + 1, 11) * is_object).astype(np.uint8)
    return record


@pytest.fixture(scope="module")
def released_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "clevr_with_masks_train.tfrecords"
    write(path, [known_record(index) for index in range(len(COUNTS))])
    return path


def converted(folder, variant, path, sizes=None):
    """The examples of each split."""
    name = f"clevr/{variant}"
    preparation.prepare(name, str(folder), settings=sizes or SIZES, source=str(path))
    builder = tfds.builder(name, data_dir=str(folder))
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split))) if info.num_examples else []
        for split, info in builder.info.splits.items()
    }


def assert_is(example, record, top, num_entities=11):
    crop = record["image"][top : top + 192, 64:256]
    image = tf.image.resize(crop, (128, 128), "bilinear").numpy()
    np.testing.assert_allclose(example["image"], image, atol=0.5)
    labels = np.argmax(record["mask"], axis=0)[top : top + 192, 64:256]
    nearest = tf.image.resize(labels, (128, 128), "nearest").numpy()
    np.testing.assert_array_equal(example["label_map"], nearest)
    np.testing.assert_array_equal(example["visibility"], record["visibility"][:num_entities])
    for name in (*SCALARS, *CATEGORIES):
        np.testing.assert_array_equal(example["factors"][name], record[name][:num_entities])
        assert example["factors"][name].dtype == (np.int32 if name in CATEGORIES else np.float32)
    count = int(record["visibility"].sum()) - 1
    expected = np.zeros((num_entities, 3))
    objects = record["pixel_coords"][1 : count + 1].astype(float)
    expected[1 : count + 1, 0] = (objects[:, 0] - 64) / 1.5
    expected[1 : count + 1, 1] = (objects[:, 1] - top) / 1.5
    expected[1 : count + 1, 2] = objects[:, 2]
    np.testing.assert_allclose(example["factors"]["pixel_coords"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", TOPS)
def test_every_value_survives_conversion(tmp_path, released_file, variant):
    read = converted(tmp_path, variant, released_file)
    for split, indices in PLACES.items():
        assert len(read[split]) == len(indices)
        for index, example in zip(indices, read[split], strict=True):
            assert_is(example, known_record(index), TOPS[variant])


@pytest.mark.parametrize(("most", "variant"), [(6, "released_low_crop_max6"), (9, "released_max9")])
def test_scenes_of_more_objects_are_left_out_within_each_split(
    tmp_path, released_file, most, variant
):
    read = converted(tmp_path, variant, released_file)
    for split, indices in PLACES.items():
        kept = [index for index in indices if COUNTS[index] <= most]
        assert len(read[split]) == len(kept)
        for index, example in zip(kept, read[split], strict=True):
            assert_is(example, known_record(index), 29 if "low" in variant else 24, most + 1)


def test_masks_as_a_model_reads_them(tmp_path, released_file):
    converted(tmp_path, "released_max6", released_file)
    batches = pipelines.evaluation_batches(str(tmp_path), "clevr/released_max6", "train", 2, 2)
    (batch,) = batches.as_numpy_iterator()
    assert batch["image"].shape == (2, 128, 128, 3)
    np.testing.assert_array_equal(batch["mask"].sum(axis=1), np.ones((2, 128, 128)))
    np.testing.assert_array_equal(batch["mask"].max(axis=(2, 3)), batch["visibility"])


def test_grayscale(tmp_path, released_file):
    colored = converted(tmp_path, "released", released_file)["test"]
    gray = converted(tmp_path, "released_grayscale", released_file)["test"]
    for a, b in zip(colored, gray, strict=True):
        luma = a["image"] @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(b["image"], np.repeat(luma[..., None], 3, -1), atol=0.51)
        np.testing.assert_array_equal(a["label_map"], b["label_map"])


def test_a_few_pixels_of_two_entities_are_ignored_but_not_many(tmp_path):
    record = known_record(0)
    labels = np.argmax(record["mask"], axis=0)[..., 0]
    record["mask"][1, 100, 100:110] = 255
    record["mask"][:, 101, 100:110] = 0
    _, ours, _, _ = clevr_released.parts(record, 11, "FILE")
    unclear = np.zeros((240, 320), bool)
    unclear[100, 100:110] = labels[100, 100:110] != 1
    unclear[101, 100:110] = True
    np.testing.assert_array_equal(ours, np.where(unclear, 255, labels))
    record["mask"][2, 50:60] = 255
    path = tmp_path / "file"
    write(path, [record] * 3)
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 1}
    assert "overlap" in refusal("clevr/released", tmp_path / "data", path, sizes)


def test_absent_entities_before_others_are_passed_over():
    record = known_record(0)
    order = np.array([0, 4, 1, 2, 3, 5, 6, 7, 8, 9, 10])  # entity 1 becomes an absent one
    shuffled = {name: value if name == "image" else value[order] for name, value in record.items()}
    ours, theirs = (clevr_released.parts(each, 7, "FILE") for each in (shuffled, record))
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[2], theirs[2])
    for name in clevr_released.FACTORS:
        np.testing.assert_array_equal(ours[3][name], theirs[3][name])


class TestRefusals:
    def test_truncated(self, tmp_path, released_file):
        path = tmp_path / "cut"
        content = released_file.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        message = refusal("clevr/released", tmp_path / "data", path, SIZES)
        assert "truncated" in message

    def test_file_of_another_data_set(self, tmp_path):
        path = tmp_path / "other"
        record = {"image": np.zeros((35, 35, 3), np.uint8), "x": np.zeros(4, np.float32)}
        write(path, [record] * 9)
        message = refusal("clevr/released_max6", tmp_path / "data", path, SIZES)
        assert "not of this data set" in message
        assert "mask [11, 240, 320, 1]" in message

    def test_too_short(self, tmp_path, released_file):
        sizes = {**SIZES, "num_test": 3}
        message = refusal("clevr/released", tmp_path / "data", released_file, sizes)
        assert "holds 8 records" in message

    def test_missing(self, tmp_path):
        message = refusal("clevr/released", tmp_path / "data", tmp_path / "none", SIZES)
        assert "no such file" in message


SRGB = {  # of CLEVR, as they look at half light
    "blue": (85, 110, 160),
    "brown": (130, 100, 60),
    "cyan": (82, 158, 158),
    "gray": (110, 110, 110),
    "green": (70, 120, 60),
    "purple": (130, 75, 155),
    "red": (145, 70, 70),
    "yellow": (170, 165, 85),
}
COLOR_IDS = dict(zip(SRGB, (3, 8, 1, 2, 6, 5, 4, 7), strict=True))
SHAPE_IDS = {"cube": 3, "cylinder": 1, "sphere": 2}
FOCAL = 350.0  # pixels


def drawn_record(index, without=None):
    """Ten objects side by side; `without` leaves green spheres out."""
    rng = np.random.default_rng(index)
    record = {**known_record(1), "mask": np.zeros((11, 240, 320, 1), np.uint8)}
    record["image"] = np.full((240, 320, 3), 120, np.uint8)
    rows, columns = np.mgrid[:240, :320]
    for entity in range(1, 11):
        color, shape = rng.choice(list(SRGB)), rng.choice(list(SHAPE_IDS))
        if without and color == "green" and shape == "sphere":
            color = "red"
        radius, depth = rng.choice([0.35, 0.7]), rng.uniform(9.5, 12)
        row, column = 60 + 120 * (entity // 6), 32 + 64 * (entity % 5)
        pixels = FOCAL * radius / depth
        if shape == "cylinder":
            mask = (abs(rows - row) <= 1.25 * pixels) & (abs(columns - column) <= pixels)
        else:
            mask = (rows - row) ** 2 + (columns - column) ** 2 <= pixels**2
        if entity % 4 == 0:
            mask &= columns > column  # half of it is hidden
        record["mask"][entity, ..., 0] = 255 * mask
        record["image"][mask] = SRGB[color]
        record["color"][entity], record["shape"][entity] = COLOR_IDS[color], SHAPE_IDS[shape]
        record["z"][entity] = radius / (np.sqrt(2) if shape == "cube" else 1)
        record["pixel_coords"][entity] = column, row, depth
    record["mask"][0] = 255 - record["mask"].max(axis=0)
    return record


def has_green_sphere(record):
    return bool(np.any((record["color"] == 6) & (record["shape"] == 2)))


def test_ids_of_green_and_sphere_are_found_in_the_pictures(monkeypatch):
    asked = []

    def read(path, schema, start, stop):
        asked.append((path, start, stop))
        return (drawn_record(index) for index in range(20))

    monkeypatch.setattr(clevr_released.released_records, "read", read)
    assert clevr_released.green_and_sphere("FILE", 100_000) == (6, 2)
    assert clevr_released.green_and_sphere("FILE", 60) == (6, 2)
    assert asked == [("FILE", 0, 100), ("FILE", 0, 60)]


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record | {"image": np.full((240, 320, 3), 99, np.uint8)},
        lambda record: record | {"z": np.full(11, 0.7, np.float32)},
        lambda record: record | {"color": np.minimum(record["color"], 7)},
    ],
    ids=["no colours", "no cubes", "seven colours"],
)
def test_pictures_that_do_not_tell(monkeypatch, change):
    records = [change(drawn_record(index)) for index in range(20)]
    monkeypatch.setattr(clevr_released.released_records, "read", lambda *_: records)
    with pytest.raises(UserError, match="FILE do not tell which ids are green and sphere"):
        clevr_released.green_and_sphere("FILE", 20)


def test_green_spheres_are_left_out_or_alone_kept(tmp_path):
    path = tmp_path / "file"
    records = [drawn_record(index, without=index % 2) for index in range(12)]
    assert len({has_green_sphere(record) for record in records}) == 2
    write(path, records)
    sizes = {"num_train": 8, "num_validation": 2, "num_test": 2}
    for variant, wanted in (("no_green_spheres", False), ("green_spheres", True)):
        read = converted(tmp_path / "data", f"released_{variant}", path, sizes)
        for split, indices in {"train": range(8), "test": range(10, 12)}.items():
            kept = [i for i in indices if has_green_sphere(records[i]) == wanted]
            colors = [records[i]["color"] for i in kept]
            np.testing.assert_array_equal(
                [each["factors"]["color"] for each in read[split]], colors
            )


def test_names_and_sizes_of_all_variants():
    configs = {name: config for name, (_, config) in catalogue.entries().items()
               if name.startswith("clevr/")}  # fmt: skip
    single = configs.pop("clevr/single_generated")  # it takes no options
    assert (single.num_train, single.image_size, single.num_entities) == (70_000, (128, 128), 2)
    assert (single.seed, single.variant_of, single.is_gray) == (0, "", False)
    assert len(configs) == 3 * 3 * 3 * 2
    for name in (
        "clevr/released_max6_no_green_spheres",
        "clevr/released_low_crop_max6",
        "clevr/generated_max9_green_spheres_grayscale",
    ):
        assert name in configs
    for name, config in configs.items():
        test_size = 1_000 if "generated" in name else 29_680
        assert [config.num_train, config.num_validation, config.num_test] == [
            70_000,
            320,
            test_size,
        ]
        assert config.image_size == (128, 128)
        assert config.num_entities == (7 if "max6" in name else 10 if "max9" in name else 11)
        assert (config.seed is None) == ("released" in name)
        base = config.variant_of or config.name
        assert config.name.startswith(base)
        assert base in ("released", "released_low_crop", "generated")
