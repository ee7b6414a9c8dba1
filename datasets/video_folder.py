"""A folder of one's own videos, cut into clips: see `videos.py` for what a video may be."""

import hashlib
import itertools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from iodine.datasets import videos
from iodine.datasets.scene_builder import Scene
from iodine.datasets.shards import SPLITS
from iodine.datasets.sourced_builder import FreelyNamedBuilder, SourcedConfig, split_sizes
from iodine.errors import UserError


class Clip(NamedTuple):
    """Frames of a video that follow each other."""

    video: pathlib.Path
    start: int
    stop: int


class VideoFolder(FreelyNamedBuilder):
    """One's own videos, their frames cropped to the centre square and resized.

    The variant's name is free: letters, digits and `_`. Each video is cut into clips of
    `num_frames` frames from its start on, without overlap; what is left at its end is not used.
    Clips are taken in the order of the videos' names: the first are `train`, the following
    `validation`, the last `test`, so a video may have clips in two splits. By default validation
    and test have a tenth each, at least one; `train` has the rest. There are no masks.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        SourcedConfig(
            name="NAME",
            description="Clips of one's own, split 80/10/10 %, from videos (MP4, GIF, ...) or "
            "subfolders of frames; any NAME, --source=FOLDER, --image_size, --num_frames.",
            image_size=(64, 64),
            num_frames=16,
            needs_source="FOLDER_OF_VIDEOS",
            licence="that of the videos",
            scenes_per_shard=100,
            seconds_a_scene=0.1,
        ),
    )

    @classmethod
    def from_source(
        cls, config: SourcedConfig, settings: Mapping[str, Any], source: str
    ) -> SourcedConfig:
        """Looks through all videos for the number of clips."""
        num_frames = settings.get("num_frames", config.num_frames)
        found = videos.find_videos(source)
        num_clips = len(cut(found, num_frames))
        hint = f"a clip is {num_frames} frames that no other has; smaller --num_frames gives more"
        sizes = split_sizes(source, num_clips, settings, "clips", hint)
        return config.with_settings({**settings, **sizes, "contents": digest(found)})

    def scenes(self, split: str, start: int, stop: int, path: str | None) -> Iterator[Scene]:
        """Reads clips `start` to `stop - 1` of a split, each video once from its beginning on."""
        config = self.builder_config
        before = sum(self.settings[f"num_{name}"] for name in SPLITS[: SPLITS.index(split)])
        clips = cut(videos.find_videos(os.path.expanduser(path)), config.num_frames)
        chosen = clips[before + start : before + stop]
        for video, group in itertools.groupby(chosen, key=lambda clip: clip.video):
            of_video = list(group)
            first, last = of_video[0].start, of_video[-1].stop
            frames = videos.read(video, config.image_size[0], first, last)
            for _ in of_video:
                yield {"image": np.stack(list(itertools.islice(frames, config.num_frames)))}


def cut(found: list[pathlib.Path], num_frames: int) -> list[Clip]:
    """All clips of the videos, in order.

    Raises:
      UserError: naming a video, if it cannot be read or has fewer frames than a clip.
    """
    clips = []
    for video in found:
        available = videos.num_frames(video)
        if available < num_frames:
            raise UserError(
                f"{video} has {available} frames, fewer than the {num_frames} of a clip; leave it "
                f"out or pass --num_frames={available} or less"
            )
        starts = range(0, available - num_frames + 1, num_frames)
        clips += [Clip(video, start, start + num_frames) for start in starts]
    return clips


def digest(found: list[pathlib.Path]) -> str:
    """A digest of the names and sizes of all files: whether a folder is still the same."""
    files = [path for video in found for path in (videos.find_frames(video) or [video])]
    lines = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
