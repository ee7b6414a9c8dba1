"""A folder of one's own pictures, with or without label maps.

A picture is any PNG or JPEG, `FOLDER/NAME.png` or `.jpg` or `.jpeg`; subfolders are not searched.
Its label map, wanted for evaluation only, is `FOLDER/labels/NAME.png`: of the picture's size, one
channel or a palette, its numbers (of the palette, the indices) the ids of the entities, 0 to 254,
0 the background. Either all pictures have one or none has.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from iodine.datasets import pictures
from iodine.datasets.scene_builder import Scene
from iodine.datasets.shards import SPLITS
from iodine.datasets.sourced_builder import FreelyNamedBuilder, SourcedConfig, split_sizes
from iodine.errors import UserError

LABEL_FOLDER = "labels"

_WHAT = "PNG or JPEG pictures"
_SUFFIXES = (".png", ".jpg", ".jpeg")
_LABEL_MODES = ("1", "L", "P", "I", "I;16")
_MAX_ID = 254


class Files(NamedTuple):
    """A picture and its label map."""

    picture: pathlib.Path
    labels: pathlib.Path | None


class ImageFolder(FreelyNamedBuilder):
    """One's own pictures, cropped to their centre square and resized.

    The variant's name is free: letters, digits and `_`. Pictures are taken in the order of their
    file names: the first are `train`, the following `validation`, the last `test`. By default
    validation and test have a tenth each, at least one; `train` has the rest. The number of
    entities is the largest id in the label maps plus one.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        SourcedConfig(
            name="NAME",
            description="PNG and JPEG pictures of one's own, split 80/10/10 %; any NAME, "
            "--source=FOLDER, --image_size; label maps for evaluation: FOLDER/labels/*.png.",
            image_size=(64, 64),
            needs_source="FOLDER_OF_PICTURES",
            licence="that of the pictures",
            scenes_per_shard=500,
            seconds_a_scene=0.01,
        ),
    )

    @classmethod
    def from_source(
        cls, config: SourcedConfig, settings: Mapping[str, Any], source: str
    ) -> SourcedConfig:
        """Looks through the folder for the sizes of the splits and the number of entities."""
        files = find_files(source)
        sizes = split_sizes(source, len(files), settings, _WHAT, "subfolders are not searched")
        config = config.with_settings({**settings, **sizes, "contents": digest(files)})
        if files[0].labels is None:
            return config
        largest = max(int(read_labels(labels).max()) for _, labels in files)
        return dataclasses.replace(config, num_entities=1 + largest)

    def scenes(self, split: str, start: int, stop: int, path: str | None) -> Iterator[Scene]:
        """Reads pictures `start` to `stop - 1` of a split."""
        before = sum(self.settings[f"num_{name}"] for name in SPLITS[: SPLITS.index(split)])
        files = find_files(os.path.expanduser(path))
        for one in files[before + start : before + stop]:
            yield read_scene(one, self.settings["image_size"], self.builder_config.num_entities)


def find_files(folder: str) -> list[Files]:
    """The pictures of a folder by name, with their label maps if there is a folder of them.

    Raises:
      UserError: if it is no folder, or if label maps and pictures do not belong together.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no such folder: {folder}; check --source") from None
    paths = [pathlib.Path(folder, name) for name in names if not name.startswith(".")]
    paths = [path for path in paths if path.suffix.lower() in _SUFFIXES]
    label_folder = pathlib.Path(folder, LABEL_FOLDER)
    if not label_folder.is_dir():
        return [Files(path, None) for path in paths]
    stems: dict[str, pathlib.Path] = {}
    for path in paths:
        if path.stem in stems:
            raise UserError(
                f"{path} and {stems[path.stem].name} would share one label map; rename one of them"
            )
        stems[path.stem] = path
    labels = {path.stem: path for path in sorted(label_folder.glob("[!.]*.png"))}
    if stray := sorted(set(labels) - set(stems)):
        raise UserError(f"{labels[stray[0]]} belongs to no picture in {folder}; remove it")
    if bare := sorted(set(stems) - set(labels)):
        raise UserError(
            f"{stems[bare[0]]} has no label map {label_folder / bare[0]}.png; make maps for all "
            f"pictures or move {label_folder} away"
        )
    return [Files(path, labels[path.stem]) for path in paths]


def digest(files: list[Files]) -> str:
    """A digest of the names and sizes of all files: whether a folder is still the same."""
    lines = [
        f"{path.parent.name if path is one.labels else ''}/{path.name} {path.stat().st_size}"
        for one in files
        for path in one
        if path is not None
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_scene(files: Files, side: int, num_entities: int) -> Scene:
    """A picture, cropped and resized, with its label map if it has one.

    Args:
      files: what to read.
      side: of the result, in pixels.
      num_entities: ids in all label maps, with the background.

    Raises:
      UserError: naming the file, if it cannot be read or the two differ in size.
    """
    picture = pictures.read_picture(files.picture, side)
    if files.labels is None:
        return {"image": picture.pixels}
    ids = read_labels(files.labels)
    if ids.shape[::-1] != picture.size:
        raise UserError(
            f"{files.labels} is {ids.shape[1]} x {ids.shape[0]} pixels, but its picture "
            f"{files.picture} is {picture.size[0]} x {picture.size[1]}; make them the same size"
        )
    nearest = Image.Resampling.NEAREST
    label_map = np.asarray(pictures.centre_square(Image.fromarray(ids), side, nearest))
    visibility = np.isin(np.arange(num_entities), label_map).astype(np.float32)
    visibility[0] = 1.0  # the background always counts as visible
    return {"image": picture.pixels, "label_map": label_map, "visibility": visibility}


def read_labels(path: pathlib.Path) -> np.ndarray:
    """The entity ids of a label map, uint8 `[height, width]`, 0 to 254.

    Raises:
      UserError: naming the file, if it cannot be read, has colours or other ids.
    """
    try:
        with pictures.opened(path) as image:
            mode, ids = image.mode, np.asarray(image)
    except pictures.UNREADABLE as error:
        raise UserError(f"{path} cannot be read as a label map: {error}") from None
    if mode not in _LABEL_MODES:
        raise UserError(f"{path} has colours; a label map has one channel, or a palette, of ids")
    if ids.max() > _MAX_ID:
        raise UserError(
            f"{path} holds the id {ids.max()}; ids run from 0, the background, to {_MAX_ID}"
        )
    return ids.astype(np.uint8)
