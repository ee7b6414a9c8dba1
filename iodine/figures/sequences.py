"""Clips and what a model predicts of them: Figure 12's layout, and animations."""

import pathlib
from typing import BinaryIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from iodine.evaluation.inference import Decomposition
from iodine.figures.decompositions import segmentation, slot_color
from iodine.figures.grids import Block, blocks_figure

COLUMNS = 16
_DPI = 300  # a picture is a third of an inch wide
_ANIMATED_SIDE = 160  # pixels of a picture, at least
_GAP = 4  # pixels between animated pictures
_FRAMES_A_SECOND = 5


def clip_block(
    heading: str,
    frames: np.ndarray,
    result: Decomposition,
    first_frame: int = 1,
    num_columns: int = COLUMNS,
) -> Block:
    """A column a frame, in the manner of Figure 12.

    The rows are the frames, their predictions, the segmentation, then each slot: its component
    weighted by its mask, black where the mask is 0, with the colour that it has in the segmentation
    as border.

    Args:
        heading: of the block.
        frames: of one clip, [F, H, W, 3] in [0, 1].
        result: arrays of that clip, whose first axis is F: what was predicted of each frame.
        first_frame: where the columns begin. Frame 0 is predicted by the prior alone.
        num_columns: as many frames, or all there are from the first on.
    """
    shown = slice(first_frame, first_frame + num_columns)
    frames = frames[shown]
    # Finite also of a model that diverged.
    masks, components = (np.nan_to_num(x[shown]) for x in (result.masks, result.components))
    num_slots = masks.shape[1]
    slots = masks[..., np.newaxis] * components  # [F, K, H, W, 3]
    return Block(
        heading,
        titles=[str(first_frame + i) for i in range(len(frames))],
        rows=[
            list(frames),
            list(result.reconstruction[shown]),
            [segmentation(of_frame) for of_frame in masks],
            *(list(slots[:, k]) for k in range(num_slots)),
        ],
        labels=["frame", "predicted", "masks", *(f"slot {k + 1}" for k in range(num_slots))],
        row_borders=[None, None, None, *(slot_color(k) for k in range(num_slots))],
    )


def clip_figure(
    frames: np.ndarray,
    result: Decomposition,
    first_frame: int = 1,
    num_columns: int = COLUMNS,
) -> Figure:
    """A figure of a single clip; arguments as for `clip_block`."""
    return at_print_size([clip_block("", frames, result, first_frame, num_columns)])


def at_print_size(blocks: list[Block]) -> Figure:
    """Draws blocks of small pictures so that each of their pixels shows: at 300 dots an inch."""
    figure = blocks_figure(blocks)
    figure.set_dpi(_DPI)
    return figure


def animation(frames: np.ndarray, result: Decomposition, first_frame: int = 1) -> np.ndarray:
    """Frame, prediction and segmentation side by side, over time.

    Args:
        frames: as for `clip_block`, and so the others.
        result: see there.
        first_frame: where it begins.

    Returns:
        uint8 [F', H', W', 3], every pixel of a frame repeated so that its side is 160 or more.
    """
    masks = np.nan_to_num(result.masks[first_frame:])
    pictures = (
        frames[first_frame:],
        np.nan_to_num(result.reconstruction[first_frame:]),
        np.stack([segmentation(of_frame) for of_frame in masks]),
    )
    repeats = -(-_ANIMATED_SIDE // frames.shape[1])
    panels = []
    for picture in pictures:
        pixels = np.uint8(np.clip(picture, 0, 1) * 255 + 0.5)
        panels.append(pixels.repeat(repeats, axis=1).repeat(repeats, axis=2))
        panels.append(np.full((*panels[0].shape[:2], _GAP, 3), 255, np.uint8))
    return np.concatenate(panels[:-1], axis=2)


def save_animation(pictures: np.ndarray, file: str | pathlib.Path | BinaryIO) -> None:
    """Writes pictures, uint8 [F, H, W, 3], as a GIF that runs for ever, five a second."""
    first, *others = (Image.fromarray(picture) for picture in pictures)
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=1000 // _FRAMES_A_SECOND,
        loop=0,
    )
