"""What `iodine-decompose` writes of clips: a figure, an animation and the arrays of each."""

import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import clips
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.figures import sequences
from iodine.models.interface import SceneModel

CHUNK = 8  # clips at a time; changes memory only

Chunk = tuple[list[str], np.ndarray]  # names and float32 [B, F, H, W, 3] in [0, 1]


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
    infer = tf.function(clips.decompose_clips, autograph=False)
    num_written = 0
    for names, batch in chunks:
        if batch.shape[1] <= first_frame:
            raise UserError(
                f"clip {names[0]} has {batch.shape[1]} frames, counted from 0, and no frame "
                f"{first_frame}; give a smaller --first_frame"
            )
        folder.mkdir(parents=True, exist_ok=True)
        results = infer(model, tf.constant(batch), seed, num_slots).each(np.asarray)
        for b, name in enumerate(names):
            write(folder, name, batch[b], results.each(lambda field, b=b: field[b]), first_frame)
        num_written += len(names)
    return num_written


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
