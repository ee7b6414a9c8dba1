"""MOVi-A and MOVi-B (Greff et al. 2022, Kubric): clips of 3 to 10 objects that fall and collide.

TFDS stores them as `movi_a` and `movi_b`, public at gs://kubric-public/tfds; they are read from a
copy of that folder, or of the part of it that is wanted, such as `movi_a/128x128`.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from iodine.datasets.scene_builder import Scene
from iodine.datasets.sourced_builder import SourcedBuilder, SourcedConfig
from iodine.errors import UserError

MAX_OBJECTS = 10
NUM_FRAMES = 24
NUM_VALIDATION = 250  # taken from the end of MOVi's training split

_URL = "gs://kubric-public/tfds"
_ENTITIES = 1 + MAX_OBJECTS
# Of an object, what is read: one value a clip, and one a frame.
_LABELS = ("shape_label", "material_label")
_SIZE_LABEL = "size_label"  # of MOVi-A
_PER_FRAME = ("image_positions", "positions", "velocities")


def _config(name: str, description: str) -> SourcedConfig:
    return SourcedConfig(
        name=name,
        description=f"{description}, from TFDS's movi_{name} in --source; --image_size, "
        "--num_frames.",
        image_size=(128, 128),
        num_entities=_ENTITIES,
        num_frames=NUM_FRAMES,
        needs_source="TFDS_DATA_DIR",
        licence="Apache 2.0 (Kubric)",
        scenes_per_shard=100,
        seconds_a_scene=0.2,
    )


class Movi(SourcedBuilder):
    """Clips of MOVi, the first `num_frames` of their frames, scaled down to the image size.

    MOVi has no test split of these variants, and published figures are of its `validation`: that is
    `test` here. `validation` is the last `num_validation` clips of MOVi's `train`, `train` the
    first `num_train` of it, by default all others.

    Of the stored resolutions the smallest is read that is a multiple of the image size. Pixels are
    then averaged over squares, and of ids the one in the middle is taken, which is how MOVi's own
    smaller version was made of its larger one.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        _config("a", "MOVi-A: objects of CLEVR on a gray floor"),
        _config("b", "MOVi-B: eleven shapes of any colour on a coloured floor"),
    )

    @classmethod
    def from_source(
        cls, config: SourcedConfig, settings: Mapping[str, Any], source: str
    ) -> SourcedConfig:
        """Looks into the description of the stored data for the sizes of the splits."""
        original = open_original(source, config.name, settings["image_size"])
        available = {name: split.num_examples for name, split in original.info.splits.items()}
        frames = original.info.features["video"].shape[0]
        if settings.get("num_frames", 0) > frames:
            raise UserError(
                f"clips in {original.data_dir} have {frames} frames; pass --num_frames={frames} or "
                "less"
            )
        in_train, num_test = available.get("train", 0), available.get("validation", 0)
        sizes = {"num_validation": min(NUM_VALIDATION, in_train // 10), "num_test": num_test}
        sizes |= {name: settings[name] for name in sizes if name in settings}
        rest = in_train - sizes["num_validation"]
        sizes["num_train"] = settings.get("num_train", rest)
        if sizes["num_train"] > rest or sizes["num_test"] > num_test or not all(sizes.values()):
            wanted = ", ".join(f"--{name}={size}" for name, size in sizes.items())
            raise UserError(
                f"{original.data_dir} holds {in_train:,} clips for training and validation and "
                f"{num_test:,} for testing, which does not do for {wanted}"
            )
        return config.with_settings({"num_frames": frames, **settings, **sizes})

    def factor_features(self) -> dict[str, tfds.features.Tensor]:
        """As `scene_from` describes them."""
        frames = self.builder_config.num_frames
        shapes = {
            "color": (_ENTITIES, 3),
            "position": (_ENTITIES, frames, 2),
            "world_position": (_ENTITIES, frames, 3),
            "world_velocity": (_ENTITIES, frames, 3),
        }
        labels = ("shape", "material", *(("size",) if self.builder_config.name == "a" else ()))
        integers = tfds.features.Tensor(shape=(_ENTITIES,), dtype=np.int32)
        return {
            **dict.fromkeys(labels, integers),
            **{
                name: tfds.features.Tensor(shape=shape, dtype=np.float32)
                for name, shape in shapes.items()
            },
        }

    def scenes(self, split: str, start: int, stop: int, path: str | None) -> Iterator[Scene]:
        """Reads clips `start` to `stop - 1` of a split."""
        config = self.builder_config
        original = open_original(path, config.name, config.image_size[0])
        name, before = "train", 0
        if split == "validation":
            before = original.info.splits["train"].num_examples - self.settings["num_validation"]
        if split == "test":
            name = "validation"
        examples = original.as_dataset(
            split=f"{name}[{before + start}:{before + stop}]",
            decoders=_wanted(config.name),
        )
        for example in examples.as_numpy_iterator():
            label = f"{example['metadata']['video_name'].decode()} in {original.data_dir}"
            yield scene_from(example, config.image_size[0], config.num_frames, label)


def open_original(folder: str, variant: str, side: int) -> tfds.core.DatasetBuilder:
    """The stored data of the smallest fitting resolution; UserError saying how to get them."""
    name = f"movi_{variant}"
    root = epath.Path(folder).expanduser() / name
    found = sorted(path.parent for path in root.glob("*/*/dataset_info.json"))
    if not found:
        raise UserError(
            f"no {name} in {folder}; copy it with: gsutil -m cp -r {_URL}/{name}/128x128 "
            f"{folder}/{name}/"
        )
    builders = {}
    for path in found:  # a later version takes the place of an earlier one
        builder = _builder(path)
        builders[builder.info.features["video"].shape[1]] = builder
    fitting = [size for size in builders if size % side == 0]
    if not fitting:
        sizes = " and ".join(str(size) for size in sorted(builders))
        raise UserError(
            f"{root} holds clips of {sizes} pixels a side, which are no multiple of {side}; pass "
            "another --image_size"
        )
    return builders[min(fitting)]


@functools.lru_cache
def _builder(path: epath.Path) -> tfds.core.DatasetBuilder:
    return tfds.builder_from_directory(path)


def _wanted(variant: str) -> tfds.decode.PartialDecoding:
    """Leaves out depth, flow and the like, which are most of a clip."""
    labels = {*_LABELS, *((_SIZE_LABEL,) if variant == "a" else ())}
    return tfds.decode.PartialDecoding({
        "metadata": {"video_name"},
        "instances": {*labels, "color", *_PER_FRAME},
        "video": True,
        "segmentations": True,
    })  # fmt: skip


def scene_from(example: Mapping[str, Any], side: int, num_frames: int, label: str) -> Scene:
    """A decoded example of MOVi as a scene.

    Args:
      example: with what `_wanted` names.
      side: of the result in pixels; the example's is a multiple of it.
      num_frames: how many frames, the first ones, are taken.
      label: what the example is called, for messages.

    Returns:
      What `SceneBuilder.scenes` does, L = 11: `visibility` 1 for objects of which any frame shows a
      pixel. `factors`, 0 for the background and for objects that are not there: `shape`, `material`
      and, of MOVi-A, `size`, int32 `[L]`, one more than MOVi's label; `color` `[L, 3]` in [0, 1];
      `position` `[L, F, 2]`, of the centre of mass in the image, down and to the right, in pixels,
      also outside of it; `world_position` and `world_velocity` `[L, F, 3]`, as MOVi has them.

    Raises:
      UserError: for more objects than MOVi has.
    """
    instances = example["instances"]
    count = len(instances["shape_label"])
    ids = example["segmentations"][:num_frames, ..., 0]
    if max(count, ids.max()) > MAX_OBJECTS:
        raise UserError(
            f"clip {label} has {max(count, ids.max())} objects; MOVi has {MAX_OBJECTS} at most"
        )
    factor = ids.shape[1] // side
    middle = (factor - 1) // 2
    label_map = ids[:, middle::factor, middle::factor]
    video = example["video"][:num_frames].reshape(num_frames, side, factor, side, factor, 3)
    visibility = np.isin(np.arange(_ENTITIES), label_map).astype(np.float32)
    visibility[0] = 1.0  # the background always counts as visible
    rows = {
        name.removesuffix("_label"): 1 + instances[name].astype(np.int32)
        for name in (*_LABELS, _SIZE_LABEL)
        if name in instances
    }
    rows["color"] = instances["color"]
    rows["position"] = side * instances["image_positions"][:, :num_frames, ::-1]  # it has x, y
    rows["world_position"] = instances["positions"][:, :num_frames]
    rows["world_velocity"] = instances["velocities"][:, :num_frames]
    return {
        "image": np.rint(video.mean(axis=(2, 4))).astype(np.uint8),
        "label_map": label_map.astype(np.uint8),
        "visibility": visibility,
        "factors": {name: _table(values, count) for name, values in rows.items()},
    }


def _table(values: np.ndarray, count: int) -> np.ndarray:
    """Values of the objects `[N, ...]` with rows of 0 for the background and the absent."""
    around = [(1, MAX_OBJECTS - count)] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, around)
