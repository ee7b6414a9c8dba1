"""What `iodine-decompose` reads and writes of clips."""

import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from iodine.datasets import videos
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.evaluation.streaming import Stream
from iodine.figures import decompositions as plots
from iodine.figures import sequences
from iodine.launch.naming import check_overwrites_none, unique_stems
from iodine.models.interface import SceneModel

CHUNK = 8  # clips at a time; changes memory only

Chunk = tuple[list[str], np.ndarray]  # names and float32 [B, F, H, W, 3] in [0, 1]


def read(
    paths: Sequence[str], side: int, folder: pathlib.Path, num_frames: int | None
) -> Iterator[Chunk]:
    """Clips of a user's own, one after another.

    Args:
        paths: of videos, or folders of frames.
        side: of the frames, which are cropped to their centre square and resized.
        folder: where the results go.
        num_frames: no more than the first so many; all by default.

    Raises:
        UserError: naming it, for a file that is missing, no video, of a single frame, of frames of
            several sizes, or would be overwritten.
    """
    names = unique_stems(paths)
    check_overwrites_none(paths, folder, {file for name in names for file in files_of(name)})
    for path, name in zip(map(pathlib.Path, paths), names, strict=True):
        if not path.exists():
            raise UserError(f"clip {path} does not exist")
        if path.is_dir() and not videos.find_frames(path):
            raise UserError(f"{path} holds no frames; put PNG or JPEG pictures into it")
        count = min(videos.num_frames(path), num_frames or 2**31)
        frames = np.stack(list(videos.read(path, side, 0, count)))
        yield [name], frames[np.newaxis].astype(np.float32) / 255


def decompose(
    model: SceneModel,
    chunks: Iterable[Chunk],
    folder: pathlib.Path,
    seed: int,
    num_slots: int | None,
    first_frame: int,
) -> int:
    """Decomposes clips and writes what becomes of them; returns how many they are.

    Raises:
        UserError: for clips that have no frame `first_frame`, and for single frames.
    """
    stream = Stream(model, seed, num_slots)
    num_written = 0
    for names, batch in chunks:
        model.iterations_for(batch.shape[1])  # refuses a single frame
        if batch.shape[1] <= first_frame:
            raise UserError(
                f"clip {names[0]} has {batch.shape[1]} frames, counted from 0, and no frame "
                f"{first_frame}; give a smaller --first_frame"
            )
        folder.mkdir(parents=True, exist_ok=True)
        stream.restart()
        by_frame = [stream(tf.constant(frames)).each(np.asarray) for frames in batch.swapaxes(0, 1)]
        for b, name in enumerate(names):
            result = _of_clip(by_frame, b)
            write(folder, name, batch[b], result, first_frame)
        num_written += len(names)
    return num_written


def _of_clip(by_frame: Sequence[Decomposition], number: int) -> Decomposition:
    """What belongs to one clip of what there is of all clips frame by frame."""
    fields = zip(*by_frame, strict=True)
    return Decomposition(
        *(None if f[0] is None else np.stack([x[number] for x in f]) for f in fields)
    )


def write(
    folder: pathlib.Path,
    name: str,
    frames: np.ndarray,
    result: Decomposition,
    first_frame: int,
) -> None:
    """Writes NAME_clip.png in the manner of Figure 12, NAME_clip.gif and NAME.npz.

    Args:
        folder: where to.
        name: of the clip.
        frames: [F, H, W, 3] in [0, 1].
        result: arrays of that clip, whose first axis is F; the .npz file holds all frames.
        first_frame: where figure and animation begin.
    """
    figure = sequences.clip_figure(frames, result, first_frame)
    plots.save(figure, folder / f"{name}_clip.png")
    pictures = sequences.animation(frames, result, first_frame)
    sequences.save_animation(pictures, folder / f"{name}_clip.gif")
    fields = {key: field for key, field in result._asdict().items() if field is not None}
    np.savez_compressed(folder / f"{name}.npz", image=frames, **fields)


def files_of(name: str) -> tuple[str, ...]:
    """The names of the files that `write` writes."""
    return f"{name}_clip.png", f"{name}_clip.gif", f"{name}.npz"
