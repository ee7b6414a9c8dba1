"""Figures of decompositions, drawn with matplotlib."""

import os
from collections.abc import Sequence

import matplotlib.colors
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iodine.evaluation.inference import Decomposition

# Okabe and Ito's colours, which colour-blind readers tell apart, then lighter ones for more slots.
SLOT_COLORS = np.array(
    [
        matplotlib.colors.to_rgb(c)
        for c in (
            *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
            *("#999999", "#332288", "#88CCEE", "#AA4499", "#117733", "#DDCC77", "#882255"),
        )
    ]
)

_INCHES = 1.05  # side of a picture in a figure
_GAP = 0.08  # between pictures, in sides


def slot_color(slot: int) -> np.ndarray:
    """RGB in [0, 1] of a slot: the same in segmentation and border."""
    return SLOT_COLORS[slot % len(SLOT_COLORS)]


def segmentation(masks: np.ndarray) -> np.ndarray:
    """The slots' colours mixed by their masks: [K, H, W] to RGB [H, W, 3] in [0, 1]."""
    colors = np.stack([slot_color(k) for k in range(len(masks))])
    return np.clip(np.einsum("khw,kc->hwc", masks, colors), 0, 1)


def decomposition_figure(images: np.ndarray, result: Decomposition) -> Figure:
    """Rows in the manner of Figure 4: image, reconstruction, segmentation, each masked component.

    Args:
        images: [B, H, W, 3] in [0, 1].
        result: arrays with the same B.

    Returns:
        A figure with B rows and 3 + K columns; the components' borders have the colours that the
        slots have in the segmentation.
    """
    rows = [_decomposition_row(image, result, b) for b, image in enumerate(images)]
    return slots_grid(rows, ["image", "reconstruction", "segmentation"])


def masks_figure(images: np.ndarray, result: Decomposition) -> Figure:
    """Rows with the image and the mask of each slot, white for 1; arguments as above."""
    rows = []
    for image, masks in zip(images, np.asarray(result.masks), strict=True):
        rows.append([image, *np.repeat(masks[..., np.newaxis], 3, axis=-1)])
    return slots_grid(rows, ["image"])


def iterations_figure(image: np.ndarray, results: Sequence[Decomposition]) -> Figure:
    """One image over the iterations, a row each, in the manner of Figure 7.

    Args:
        image: [H, W, 3] in [0, 1].
        results: one decomposition an iteration; the image is the first of their batch.
    """
    rows = [_decomposition_row(image, result, 0) for result in results]
    labels = [f"t = {t}" for t in range(len(rows))]
    return slots_grid(rows, ["image", "reconstruction", "segmentation"], labels)


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure as PNG at print resolution, or at its own if that is higher."""
    figure.savefig(path, dpi=max(150, figure.dpi))


def as_array(figure: Figure) -> np.ndarray:
    """Renders a figure to uint8 [H, W, 3], for TensorBoard."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def picture_grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    titles: Sequence[str],
    borders: Sequence[Sequence[np.ndarray | None]],
    labels: Sequence[str] | None = None,
) -> Figure:
    """Square pictures close together.

    Args:
        rows: of pictures [H, W, 3], clipped to [0, 1]; None leaves the place empty.
        titles: above the columns.
        borders: for each picture its border's RGB in [0, 1], or None for no border.
        labels: left of the rows.
    """
    step = 1 + _GAP
    left, top = (0.5 if labels else _GAP), 0.22
    width, height = left + step * len(titles), top + step * len(rows)
    figure = Figure(figsize=(width * _INCHES, height * _INCHES))
    axis = figure.add_axes((0, 0, 1, 1))
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            x, y = left + step * c, top + step * r
            if picture is not None:
                extent = (x, x + 1, y + 1, y)
                axis.imshow(np.clip(picture, 0, 1), extent=extent, interpolation="nearest")
            if borders[r][c] is not None:
                axis.add_patch(_frame(x, y, borders[r][c]))
        if labels:
            y = top + step * r + 0.5
            axis.text(left - _GAP, y, labels[r], fontsize=7, ha="right", va="center")
    for c, title in enumerate(titles):
        axis.text(left + step * c + 0.5, top / 2, title, fontsize=7, ha="center", va="center")
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.set_axis_off()
    return figure


def _decomposition_row(image: np.ndarray, result: Decomposition, b: int) -> list[np.ndarray]:
    masks, components = np.asarray(result.masks[b]), np.asarray(result.components[b])
    masked = masks[..., np.newaxis] * components  # [K, H, W, 3]
    return [image, result.reconstruction[b], segmentation(masks), *masked]


def slots_grid(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], labels: Sequence[str] | None = None
) -> Figure:
    """Pictures with titles first, then one for each slot with its colour as border."""
    slots = range(len(rows[0]) - len(titles))
    borders = [*[None] * len(titles), *(slot_color(k) for k in slots)]
    titles = [*titles, *(f"slot {k + 1}" for k in slots)]
    return picture_grid(rows, titles, [borders] * len(rows), labels)


def _frame(x: float, y: float, color: np.ndarray) -> Rectangle:
    """A border just outside the picture whose upper left corner is (x, y)."""
    points = 2.0
    out = points / 72 / _INCHES / 2
    side = 1 + 2 * out
    return Rectangle((x - out, y - out), side, side, fill=False, ec=color, lw=points)
