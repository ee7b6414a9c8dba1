"""MOVi from a tiny `movi_a` and `movi_b` in the very format that TFDS has them in, written here."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from iodine.datasets import catalogue, pipelines, preparation
from iodine.errors import UserError

SIDE, FRAMES = 16, 5
OBJECTS = (3, 10)  # least and greatest number
COLORS = ("blue", "brown", "cyan", "gray", "green", "purple", "red", "yellow")
SHAPES = {
    "a": ("cube", "cylinder", "sphere"),
    "b": (
        *("cube", "cylinder", "sphere", "cone", "torus", "gear", "torus_knot", "sponge", "spot"),
        *("teapot", "suzanne"),
    ),
}
SIZES = {"num_train": 4, "num_validation": 2, "num_test": 2}


def tensor(*shape, dtype=np.float32):
    return tfds.features.Tensor(shape=shape, dtype=dtype)


def features(variant, side):
    """As `movi_a.py` and `movi_b.py` of Kubric have them."""
    instance = {
        **dict.fromkeys(("mass", "friction", "restitution"), np.float32),
        "positions": tensor(FRAMES, 3),
        "quaternions": tensor(FRAMES, 4),
        "velocities": tensor(FRAMES, 3),
        "angular_velocities": tensor(FRAMES, 3),
        "bboxes_3d": tensor(FRAMES, 8, 3),
        "image_positions": tensor(FRAMES, 2),
        "bboxes": tfds.features.Sequence(tfds.features.BBoxFeature()),
        "bbox_frames": tfds.features.Sequence(tensor(dtype=np.int32)),
        "visibility": tensor(FRAMES, dtype=np.uint16),
        "shape_label": tfds.features.ClassLabel(names=SHAPES[variant]),
        "color": tensor(3),
        "material_label": tfds.features.ClassLabel(names=["metal", "rubber"]),
    }
    if variant == "a":
        instance["size_label"] = tfds.features.ClassLabel(names=["small", "large"])
        instance["color_label"] = tfds.features.ClassLabel(names=COLORS)
    image = (side, side)
    return {
        "metadata": {
            "video_name": tfds.features.Text(),
            **dict.fromkeys(("width", "height", "num_frames"), np.int32),
            "num_instances": np.uint16,
            **{f"{name}_range": tensor(2) for name in ("depth", "forward_flow", "backward_flow")},
        },
        **({"background_color": tensor(3)} if variant == "b" else {}),
        "instances": tfds.features.Sequence(feature=instance),
        "camera": {
            **dict.fromkeys(("focal_length", "sensor_width", "field_of_view"), np.float32),
            "positions": tensor(FRAMES, 3),
            "quaternions": tensor(FRAMES, 4),
        },
        "events": {
            "collisions": tfds.features.Sequence(
                {
                    "instances": tensor(2, dtype=np.uint16),
                    "frame": np.int32,
                    "force": np.float32,
                    "position": tensor(3),
                    "image_position": tensor(2),
                    "contact_normal": tensor(3),
                }
            )
        },
        "video": tfds.features.Video(shape=(FRAMES, *image, 3)),
        "segmentations": tfds.features.Sequence(
            tfds.features.Image(shape=(*image, 1), dtype=np.uint8), length=FRAMES
        ),
        **{
            f"{direction}_flow": tfds.features.Sequence(
                tensor(*image, 2, dtype=np.uint16), length=FRAMES
            )
            for direction in ("forward", "backward")
        },
        "depth": tfds.features.Sequence(
            tfds.features.Image(shape=(*image, 1), dtype=np.uint16), length=FRAMES
        ),
        **{
            name: tfds.features.Video(shape=(FRAMES, *image, 3), dtype=np.uint16)
            for name in ("normal", "object_coordinates")
        },
    }


def instance(rng, variant):
    made = {
        **dict.fromkeys(("mass", "friction", "restitution"), 1.0),
        "bboxes": [tfds.features.BBox(0.0, 0.0, 0.5, 0.5)] * 2,
        "bbox_frames": [0, 1],
        "visibility": np.zeros(FRAMES, np.uint16),
        "shape_label": int(rng.integers(len(SHAPES[variant]))),
        "color": rng.uniform(size=3).astype(np.float32),
        "material_label": int(rng.integers(2)),
    }
    shapes = {"quaternions": 4, "positions": 3, "velocities": 3, "angular_velocities": 3}
    for name, size in {**shapes, "image_positions": 2}.items():
        made[name] = rng.normal(size=(FRAMES, size)).astype(np.float32)
    made["bboxes_3d"] = rng.normal(size=(FRAMES, 8, 3)).astype(np.float32)
    if variant == "a":
        made["size_label"] = int(rng.integers(2))
        made["color_label"] = int(rng.integers(8))
    return made


def example(variant, split, index, side=SIDE):
    """Noise, of which the ids are those of as many objects as there are."""
    rng = np.random.default_rng([len(split), index, side])
    count = OBJECTS[index % 2]
    video = rng.integers(0, 256, (FRAMES, side, side, 3)).astype(np.uint8)
    wide = rng.integers(0, 9, (FRAMES, side, side, 3)).astype(np.uint16)
    made = {
        "metadata": {
            "video_name": f"{split}_{index}",
            **{"width": side, "height": side, "num_frames": FRAMES, "num_instances": count},
            **{f"{name}_range": (0, 1) for name in ("depth", "forward_flow", "backward_flow")},
        },
        "instances": [instance(rng, variant) for _ in range(count)],
        "camera": {
            **dict.fromkeys(("focal_length", "sensor_width", "field_of_view"), 1.0),
            "positions": np.zeros((FRAMES, 3), np.float32),
            "quaternions": np.zeros((FRAMES, 4), np.float32),
        },
        "events": {"collisions": []},
        "video": video,
        "segmentations": rng.integers(0, count, (FRAMES, side, side, 1)).astype(np.uint8),
        **{f"{name}_flow": wide[..., :2] for name in ("forward", "backward")},
        "depth": wide[..., :1],
        **dict.fromkeys(("normal", "object_coordinates"), wide),
    }
    return {**made, **({"background_color": (0, 0, 1)} if variant == "b" else {})}


class _Original(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        tfds.core.BuilderConfig(name="256x256"),
        tfds.core.BuilderConfig(name="128x128"),
    )

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features(self.name[-1], self.side)),
            disable_shuffling=True,
        )

    @property
    def side(self):
        return SIDE if self.builder_config.name == "128x128" else 3 * SIDE

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split, n) for split, n in self.splits.items()}

    splits = {"train": 6, "validation": 2}  # noqa: RUF012

    def _generate_examples(self, split, count):
        for index in range(count):
            yield index, example(self.name[-1], split, index, self.side)


class MoviA(_Original, skip_registration=True):
    name = "movi_a"


class MoviB(_Original, skip_registration=True):
    name = "movi_b"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder that holds `movi_a` at both of its sizes, and `movi_b` at the smaller one."""
    folder = tmp_path_factory.mktemp("tfds")
    for builder, config in ((MoviA, "128x128"), (MoviA, "256x256"), (MoviB, "128x128")):
        builder(config=config, data_dir=folder).download_and_prepare()
    assert (folder / "movi_a/128x128/1.0.0/dataset_info.json").exists()
    return str(folder)


def prepare(folder, source, variant="a", **settings):
    return preparation.prepare(
        f"movi/{variant}",
        str(folder),
        settings={"image_size": SIDE, **SIZES, **settings},
        source=source,
        num_workers=1,
    )


def scenes(folder, variant, split):
    (batch,) = pipelines.evaluation_batches(
        str(folder), f"movi/{variant}", split, 100
    ).as_numpy_iterator()
    return batch


@pytest.mark.parametrize("variant", ["a", "b"])
def test_scenes_are_those_of_the_original(original, tmp_path, variant):
    prepare(tmp_path, original, variant, num_frames=4)
    places = {
        "train": [("train", index) for index in range(4)],
        "validation": [("train", 4), ("train", 5)],
        "test": [("validation", 0), ("validation", 1)],
    }
    for split, originals in places.items():
        batch = scenes(tmp_path, variant, split)
        assert batch["image"].shape == (len(originals), 4, SIDE, SIDE, 3)
        for row, place in enumerate(originals):
            expected = example(variant, *place)
            assert_same(batch, row, expected, expected["video"], expected["segmentations"])


def assert_same(batch, row, expected, video, ids):
    count = expected["metadata"]["num_instances"]
    np.testing.assert_allclose(batch["image"][row], video[:4] / 255, atol=1e-6)
    for entity in range(11):
        np.testing.assert_array_equal(batch["mask"][row, :, entity], ids[:4, ..., 0] == entity)
        is_seen = entity == 0 or (ids[:4] == entity).any()
        assert batch["visibility"][row, entity] == is_seen
    factors = batch["factors"]
    for number, obj in enumerate(expected["instances"], 1):
        assert factors["shape"][row, number] == 1 + obj["shape_label"]
        assert factors["material"][row, number] == 1 + obj["material_label"]
        np.testing.assert_array_equal(factors["color"][row, number], obj["color"])
        np.testing.assert_array_equal(factors["world_position"][row, number], obj["positions"][:4])
        np.testing.assert_array_equal(factors["world_velocity"][row, number], obj["velocities"][:4])
        x, y = obj["image_positions"][:4].T
        np.testing.assert_allclose(factors["position"][row, number, :, 0], SIDE * y, rtol=1e-6)
        np.testing.assert_allclose(factors["position"][row, number, :, 1], SIDE * x, rtol=1e-6)
        if "size_label" in obj:
            assert factors["size"][row, number] == 1 + obj["size_label"]
    assert ("size" in factors) == ("size_label" in expected["instances"][0])
    for values in factors.values():
        assert values.shape[1] == 11
        assert not values[row, 0].any()
        assert not values[row, 1 + count :].any()


def test_the_number_of_frames_is_that_of_the_files_unless_asked_for(original, tmp_path):
    builder, _ = prepare(tmp_path, original)
    assert builder.builder_config.num_frames == FRAMES
    assert pipelines.open_dataset(str(tmp_path), "movi/a").builder_config.num_frames == FRAMES
    assert scenes(tmp_path, "a", "test")["factors"]["position"].shape == (2, 11, FRAMES, 2)


@pytest.mark.parametrize(("side", "stored", "factor"), [(8, SIDE, 2), (24, 3 * SIDE, 2)])
def test_scaled_down(original, tmp_path, side, stored, factor):
    """Of the smallest clips whose size is a multiple; images are averaged, ids are picked."""
    prepare(tmp_path, original, image_size=side)
    batch = scenes(tmp_path, "a", "test")
    for row in range(2):
        clip = example("a", "validation", row, stored)
        means = sum(
            clip["video"][:, i::factor, j::factor].astype(float)
            for i in range(factor)
            for j in range(factor)
        )
        np.testing.assert_allclose(255 * batch["image"][row], means / factor**2, atol=0.51)
        ids = clip["segmentations"][:, ::factor, ::factor, 0]
        for entity in range(11):
            np.testing.assert_array_equal(batch["mask"][row, :, entity], ids == entity)


def test_default_sizes(original, tmp_path):
    """A tenth of the training clips at most is for validation; all others are used."""
    with pytest.raises(UserError, match="6 clips for training and validation and 2 for testing"):
        preparation.prepare("movi/a", str(tmp_path), settings={"image_size": 16}, source=original)
    settings = {"image_size": SIDE, "num_validation": 1}
    builder, _ = preparation.prepare("movi/a", str(tmp_path), settings=settings, source=original)
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert sizes == {"train": 5, "validation": 1, "test": 2}


def test_mistakes(original, tmp_path):
    with pytest.raises(
        UserError, match=r"no movi_a in /nowhere; copy it with: gsutil .*movi_a/128"
    ):
        prepare(tmp_path, "/nowhere")
    with pytest.raises(
        UserError, match="clips of 16 and 48 pixels a side, which are no multiple of 5"
    ):
        prepare(tmp_path, original, image_size=5)
    with pytest.raises(UserError, match="have 5 frames; pass --num_frames=5 or less"):
        prepare(tmp_path, original, num_frames=6)
    with pytest.raises(UserError, match=r"does not do for .*--num_train=5"):
        prepare(tmp_path, original, num_train=5)
    with pytest.raises(UserError, match=r"does not do for .*--num_test=3"):
        prepare(tmp_path, original, num_test=3)
    with pytest.raises(UserError, match="pass --source=TFDS_DATA_DIR"):
        preparation.prepare("movi/b", str(tmp_path))
    assert not list(tmp_path.rglob("*tfrecord*"))


def test_too_many_objects(tmp_path):
    source = tmp_path / "tfds"

    class More(MoviB, skip_registration=True):
        name = "movi_b"

        def _generate_examples(self, split, count):
            for index in range(count):
                clip = example("b", split, index)
                clip["segmentations"][0, 0, 0] = 11
                yield index, clip

    More(config="128x128", data_dir=source).download_and_prepare()
    with pytest.raises(UserError, match=r"clip train_0 in .* has 11 objects; MOVi has 10 at most"):
        prepare(tmp_path / "data", str(source), "b")


def test_full_size_is_what_the_catalogue_says():
    _, config = catalogue.find("movi/b")
    assert (config.image_size, config.num_frames, config.num_entities) == ((128, 128), 24, 11)
