"""What the TFDS builders of all data sets share: features, sizes, splits, stored settings.

Stored are the image and the label map of entity ids as PNG, and the factors; the one-hot masks are
made while reading (`scenes.py`). Records keep the order of their index, so that "the first 320
test scenes" means the same everywhere. `making.py` writes the files.
"""

import dataclasses
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from google.protobuf import json_format
from PIL import Image
from tensorflow_datasets.core import dataset_builder

from iodine.datasets import making, released_records
from iodine.datasets.fetching import download
from iodine.datasets.shards import SPLITS

# What TFDS raises for a description of data that is damaged, or not what it wrote.
DAMAGED_DESCRIPTION = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RecursionError),
    *(TypeError, ValueError, json_format.ParseError),
)

Scene = dict[str, Any]  # `image`, `label_map`, `visibility`, `factors`; see `SceneBuilder.scenes`


@dataclasses.dataclass(eq=False)
class SceneConfig(tfds.core.BuilderConfig):
    """A variant of a data set.

    `num_train`, `num_validation`, `num_test`, `num_frames` and `seed` are the defaults of what a
    builder's `settings` may override. `seed` is None for data that are not generated; `source_url`
    is None for data that are not downloaded.
    """

    image_size: tuple[int, int] = (0, 0)  # height, width
    num_entities: int = 0  # ids in a label map, with the background; 0 for data without masks
    num_background: int = 1  # the first so many ids are background, read as the one entity 0
    num_frames: int | None = None  # of a sequence; None for single images
    min_frames: int = 2
    num_train: int = 0
    num_validation: int = 0
    num_test: int = 0
    seed: int | None = None
    source_url: str | None = None
    needs_source: str = ""  # what --source must name if nothing is generated or downloaded
    variant_of: str = ""  # name of the variant that options, its suffixes, turn into this one
    licence: str = ""
    scenes_per_shard: int = 2_000  # what an interruption can cost
    seconds_a_scene: float = 0.0  # roughly, on one core: decides whether more processes pay

    def settings(self) -> dict[str, int]:
        """The values that decide which scenes are made, by name."""
        settings = {f"num_{split}": getattr(self, f"num_{split}") for split in SPLITS}
        if self.num_frames is not None:
            settings["num_frames"] = self.num_frames
        return settings if self.seed is None else {**settings, "seed": self.seed}


class SceneBuilder(dataset_builder.FileReaderBuilder, skip_registration=True):
    """Builds a data set of scenes.

    Subclasses define `factor_features` and, for what they generate, `generate`; for what they
    convert, `released_schema` and `scene_from_record`. Data of another kind override `scenes`.

    Args:
      settings: values that replace those of the configuration's `settings()`. None opens what the
        folder holds: clips have as many frames as were made.
      source: a file to convert instead of downloading one; for released data only.
      **kwargs: those of `tfds.core.DatasetBuilder`: `config`, `data_dir`, `version`.

    Attributes:
      num_workers: processes that make scenes; 1, unless set, makes them in this process.
      shows_progress: whether to report while making; off, as a library should be.
    """

    num_workers = 1
    shows_progress = False

    def __init__(
        self,
        *,
        settings: Mapping[str, int] | None = None,
        source: str | None = None,
        **kwargs: Any,
    ):
        self._opens_stored = settings is None
        self._overrides = dict(settings or {})
        self.source = source
        super().__init__(**kwargs)
        self._original_state.update(settings=settings, source=source)  # for pickling

    @property
    def settings(self) -> dict[str, int]:
        """The requested sizes of the splits, and the seed if the data are generated."""
        return {**self.builder_config.settings(), **self._overrides}

    @property
    def stored_settings(self) -> dict[str, int]:
        """The settings that the data in the folder were made with; only once they are made."""
        stored = dict(self.info.metadata["settings"])
        if self.builder_config.num_frames is not None:  # not stored while it could not be chosen
            default = self.builder_configs.get(self.builder_config.name, self.builder_config)
            stored.setdefault("num_frames", default.num_frames)
        return stored

    @property
    def full_name(self) -> str:
        """Such as "tetrominoes/generated"."""
        return f"{self.name}/{self.builder_config.name}"

    @property
    def is_stream(self) -> bool:
        """Whether scenes come out of one file, from its start on, rather than in any order."""
        return self.builder_config.source_url is not None

    def factor_features(self) -> dict[str, tfds.features.Tensor]:
        """The factors of a scene, none unless overridden.

        Each is `[L, ...]`, a row an entity; several background ids share row 0, see `scenes.py`.
        """
        return {}

    def generate(self, split: str, index: int) -> Scene:
        """One scene, a pure function of the settings, the split and the index within it."""
        raise NotImplementedError(f"{self.full_name} is not generated")

    def released_schema(self) -> released_records.Schema | None:
        """The features of a record of the released file; None for data that were not released."""
        return None

    def scene_from_record(self, record: dict[str, np.ndarray], path: str) -> Scene | None:
        """A decoded record as a scene, or None if this variant leaves it out.

        Raises:
          UserError: naming `path`, if the values cannot be those of this data set.
        """
        raise NotImplementedError(f"{self.full_name} is not converted")

    def scenes(self, split: str, start: int, stop: int, path: Any) -> Iterator[Scene | None]:
        """Yields scenes `start` to `stop - 1` of a split, None where one is left out.

        A scene holds, in NumPy, `image` uint8 `[H, W, 3]`; where the data have masks, `label_map`
        uint8 `[H, W]` (entity ids, 0 the background, 255 a pixel that no figure counts) and
        `visibility` float32 `[num_entities]`; where they have factors, `factors`, a dict
        as `factor_features` says. A sequence has a leading axis of time on image and label map.

        Args:
          split: one of `SPLITS`.
          start: number within the split; in a stream, the number of the record in its file.
          stop: likewise.
          path: from `_source_path`: the file to convert, None for generated data.
        """
        if not self.is_stream:
            return (self.generate(split, index) for index in range(start, stop))
        records = released_records.read(path, self.released_schema(), start, stop)
        return (self.scene_from_record(record, path) for record in records)

    def encode(self, scene: Scene) -> dict[str, Any]:
        """A scene as TFDS stores it: images as PNG."""
        stored = dict(scene)
        for name in {"image", "label_map"} & set(scene):
            if self.builder_config.num_frames is None:
                stored[name] = png_bytes(scene[name])
            else:
                stored[name] = [png_bytes(frame) for frame in scene[name]]
        return stored

    def _create_builder_config(self, builder_config, version):
        config = super()._create_builder_config(builder_config, version)
        if config.num_frames is None:
            return config
        chosen = self._stored_settings(config) if self._opens_stored else self._overrides
        num_frames = int(chosen.get("num_frames", config.num_frames))
        return dataclasses.replace(config, num_frames=num_frames)

    def _stored_settings(self, config: SceneConfig) -> dict[str, Any]:
        """Those of the data in the folder; none if there are no data."""
        root = epath.Path(self._original_state["data_dir"] or tfds.core.constants.DATA_DIR)
        version = str(config.version or self.VERSION)
        path = root.expanduser() / self.name / config.name / version / "metadata.json"
        return dict(json.loads(path.read_text()).get("settings", {})) if path.exists() else {}

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        features = {"image": self._image_feature(3)}
        if config.num_entities:
            features["label_map"] = self._image_feature(1)
            features["visibility"] = tfds.features.Tensor(
                shape=(config.num_entities,), dtype=np.float32
            )
        if factors := self.factor_features():
            features["factors"] = factors
        return tfds.core.DatasetInfo(
            builder=self,
            description=config.description,
            features=tfds.features.FeaturesDict(features),
            license=config.licence,
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(settings=self.settings),
        )

    def _image_feature(self, channels: int):
        config = self.builder_config
        image = tfds.features.Image(shape=(*config.image_size, channels), encoding_format="png")
        if config.num_frames is None:
            return image
        return tfds.features.Sequence(image, length=config.num_frames)

    def _source_path(self, dl_manager: tfds.download.DownloadManager) -> Any:
        """What `scenes` gets as `path`: the source, downloaded if need be, None without one."""
        if self.source is not None or self.builder_config.source_url is None:
            return self.source
        return download(dl_manager, self.builder_config.source_url)

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        splits = making.make(self, self._source_path(dl_manager), download_config)
        self.info.set_splits(splits)
        # A file cut off between two records reads like a whole one; its size tells.
        sizes = {name: split.num_bytes for name, split in splits.items()}
        self.info.metadata["file_bytes"] = sizes


def png_bytes(pixels: np.ndarray) -> bytes:
    """A uint8 array `[H, W]` or `[H, W, 3]` as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
