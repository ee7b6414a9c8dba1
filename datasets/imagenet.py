"""ImageNet (section 4.4, Figure 11b), from TFDS's `imagenet2012`: pictures without masks.

ImageNet may not be passed on, so TFDS makes `imagenet2012` of archives that one fetches oneself.
"""

import io
from collections.abc import Iterator

import tensorflow_datasets as tfds
from etils import epath

from iodine.datasets import pictures
from iodine.datasets.scene_builder import Scene
from iodine.datasets.sourced_builder import SourcedBuilder, SourcedConfig
from iodine.errors import UserError

_ORIGINAL = "imagenet2012"
_ORIGINAL_SPLITS = {"train": "train", "validation": "validation", "test": "validation"}


class Imagenet(SourcedBuilder):
    """The centre square of each picture of ImageNet, resized.

    `train` is the first `num_train` pictures of ImageNet's own `train` split, in the order in which
    TFDS stored them; `validation` is the first `num_validation` of its `validation` split, `test`
    the `num_test` after those. (ImageNet's own `test` split is not used.)
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        SourcedConfig(
            name="centre_crop",
            description="ImageNet from TFDS's imagenet2012 in --source: the centre square, resized "
            "to --image_size; no masks.",
            image_size=(128, 128),
            num_train=1_281_167,
            num_validation=320,
            num_test=49_680,
            needs_source="TFDS_DATA_DIR",
            licence="ImageNet's terms: research only, no redistribution",
            scenes_per_shard=5_000,
            seconds_a_scene=0.01,
        ),
    )

    def scenes(self, split: str, start: int, stop: int, path: str | None) -> Iterator[Scene]:
        """Reads pictures `start` to `stop - 1` of a split.

        Raises:
          UserError: naming the folder, if `imagenet2012` is not there or holds too few pictures;
            naming the picture, if it cannot be read.
        """
        original = open_original(path)
        name = _ORIGINAL_SPLITS[split]
        available = original.info.splits[name].num_examples if name in original.info.splits else 0
        before = self.settings["num_validation"] if split == "test" else 0
        if before + stop > available:
            raise UserError(
                f"split {name!r} of {original.data_dir} holds {available:,} pictures, but {split} "
                f"needs {before + stop:,}; pass smaller --num_train, --num_validation, --num_test"
            )
        examples = original.as_dataset(
            split=f"{name}[{before + start}:{before + stop}]",
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        for example in examples.as_numpy_iterator():
            label = f"{example['file_name'].decode()} in {original.data_dir}"
            file = io.BytesIO(example["image"])
            yield {"image": pictures.read_picture(label, self.settings["image_size"], file).pixels}


def open_original(folder: str) -> tfds.core.DatasetBuilder:
    """The newest `imagenet2012` under TFDS's data folder; UserError saying how to make one."""
    root = epath.Path(folder).expanduser() / _ORIGINAL
    found = [path.parent for path in root.glob("*/dataset_info.json")]
    if not found:
        raise UserError(
            f"no {_ORIGINAL} in {folder}; fetch ILSVRC2012_img_train.tar and "
            f"ILSVRC2012_img_val.tar from image-net.org into {folder}/downloads/manual and run: "
            f"tfds build {_ORIGINAL} --data_dir={folder}"
        )
    return tfds.builder_from_directory(max(found, key=_version))


def _version(path: epath.Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.split(".") if part.isdigit())
