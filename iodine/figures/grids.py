"""Grids of pictures at print size, in blocks under one another: the layout of picture figures."""

import dataclasses
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

WIDTH, HEIGHT = 7.0, 9.0  # inches, the most that fits on a page
_LARGEST_SIDE = 0.85  # of a picture
_GAP = 0.06
_LABELS = 0.42  # left of the rows, at least
_CHARACTER = 0.06  # of a label
_HEADING, _TITLES, _AFTER = 0.2, 0.2, 0.12
_NOT_RUN = 0.5  # height of the place of what could not be had
_NARROWEST = 4.0
_BORDER = 1.5  # points
_FONT = 6.5  # points


@dataclasses.dataclass(frozen=True)
class Block:
    """Rows of pictures with a heading, or the place of what could not be had.

    Pictures are RGB [H, W, 3] or gray [H, W], clipped to [0, 1], not finite values black; None
    leaves the place empty.
    """

    heading: str
    titles: Sequence[str] = ()  # above the columns
    rows: Sequence[Sequence[np.ndarray | None]] = ()
    borders: Sequence[np.ndarray | None] = ()  # each column's RGB; None or too few: no border
    labels: Sequence[str] = ()  # left of the rows
    not_run: str = ""  # why there are no rows
    row_borders: Sequence[np.ndarray | None] = ()  # the same of rows; they go before the columns'


def blocks_figure(blocks: Sequence[Block], foot: float = 0.0) -> Figure:
    """Draws blocks under one another, all pictures of one size, as large as the page allows.

    Args:
        blocks: from top to bottom.
        foot: inches that are left free below.
    """
    columns = max(len(block.titles) for block in blocks)
    num_rows = sum(len(block.rows) for block in blocks)
    left = _space_for_labels([label for block in blocks for label in block.labels])
    fixed = foot + sum(_height(block, 0.0) for block in blocks)
    side = min(
        _LARGEST_SIDE,
        (WIDTH - left) / max(columns, 1) - _GAP,
        (HEIGHT - fixed) / max(num_rows, 1),
    )
    width = max(_NARROWEST, left + columns * (side + _GAP))
    height = foot + sum(_height(block, side) for block in blocks)
    figure = Figure(figsize=(width, height))
    axis = figure.add_axes((0, 0, 1, 1))
    top = 0.0
    for block in blocks:
        _draw(axis, block, top, left, side, width)
        top += _height(block, side)
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.set_axis_off()
    return figure


def _space_for_labels(labels: Sequence[str]) -> float:
    """Inches left of the rows; none without labels."""
    lengths = [len(line) for label in labels for line in label.split("\n")]
    return max(_LABELS, _CHARACTER * max(lengths)) if lengths else 0.0


def _height(block: Block, side: float) -> float:
    body = _NOT_RUN if block.not_run else _TITLES + len(block.rows) * (side + _GAP)
    return _HEADING * bool(block.heading) + body + _AFTER


def _draw(axis, block: Block, top: float, left: float, side: float, width: float) -> None:
    """One block, `top` inches from the upper edge."""
    if block.heading:
        style = {"fontsize": _FONT + 1, "fontweight": "bold", "va": "center"}
        axis.text(_GAP / 2, top + _HEADING / 2, block.heading, **style)
        top += _HEADING
    if block.not_run:
        _draw_not_run(axis, block.not_run, top, width)
        return
    step = side + _GAP
    for column, title in enumerate(block.titles):
        x, y = left + (column + 0.5) * step, top + 0.7 * _TITLES
        axis.text(x, y, title, fontsize=_FONT, ha="center", va="baseline")
    top += _TITLES
    for r, row in enumerate(block.rows):
        y = top + r * step
        if block.labels:
            place = {"ha": "right", "va": "center", "linespacing": 0.95}
            axis.text(left - _GAP, y + step / 2, block.labels[r], fontsize=_FONT, **place)
        for column, picture in enumerate(row):
            if picture is not None:
                border = _border(block, r, column)
                _draw_picture(axis, picture, left + column * step + _GAP / 2, y, side, border)


def _border(block: Block, row: int, column: int) -> np.ndarray | None:
    for borders, number in ((block.row_borders, row), (block.borders, column)):
        if number < len(borders) and borders[number] is not None:
            return borders[number]
    return None


def _draw_picture(axis, picture, x, y, side, border) -> None:
    """One picture whose upper left corner is (x, y), with its border around it."""
    pixels = np.clip(np.nan_to_num(np.asarray(picture, np.float64)), 0, 1)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
    axis.imshow(pixels, extent=(x, x + side, y + side, y), interpolation="nearest", aspect="auto")
    if border is not None:
        out = _BORDER / 72
        corner, whole = (x - out, y - out), side + 2 * out
        # Filled and behind the picture: rounding to pixels leaves no white line between the two.
        axis.add_patch(Rectangle(corner, whole, whole, fc=border, lw=0, zorder=-1))


def _draw_not_run(axis, reason: str, top: float, width: float) -> None:
    corner, size = (_GAP / 2, top), (width - _GAP, _NOT_RUN)
    axis.add_patch(Rectangle(corner, *size, fc="0.93", ec="0.6", lw=0.6, ls="--"))
    text = textwrap.fill(f"not run: {reason}", int(20 * width))
    place = {"fontsize": _FONT, "ha": "center", "va": "center"}
    axis.text(width / 2, top + _NOT_RUN / 2, text, color="0.3", **place)
