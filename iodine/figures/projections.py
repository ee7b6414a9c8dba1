"""Projected latents coloured by the true factors, in the manner of Figures 24 to 29."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iodine.analysis.factors import Factor
from iodine.figures.decompositions import SLOT_COLORS, slot_color

_MAX_COLUMNS = 3
_WIDTH, _HEIGHT = 2.5, 2.1  # inches of a panel with its legend
_FONT = 7  # points
# Yellow objects show on grey, and angles whose colour is nearly that grey by their thin edges.
_GROUND = "0.87"
# Sizes in (square) points.
_DOTS: dict[str, Any] = {"s": 5.0, "linewidths": 0.2, "edgecolors": "0.3"}
_MARKERS = "o^s*X"  # the next where there are more categories than colours
_LEGEND_ROWS = 10


class _Panel(NamedTuple):
    title: str
    kind: str  # a factor's, or "rgb"
    values: np.ndarray  # [N], of a colour [N, 3]


def projection_figure(
    points: np.ndarray, factors: Sequence[Factor], values: Mapping[str, np.ndarray]
) -> Figure:
    """A panel for each factor; in all of them a dot stands for one object's latent.

    Args:
        points: [N, 2], see `projections.project`.
        factors: see `factors.factors_of`.
        values: by factor, [N] or [N, dimensions], such as `ObjectLatents.factors`. `color` of three
            dimensions is RGB in [0, 1] and shown as it is; other factors get a panel a dimension.

    Returns:
        A figure with up to three panels a row: categories in the colours of slots, with a legend;
        numbers with a colour bar, that of angles cyclic.
    """
    panels = [panel for factor in factors for panel in _panels(factor, values[factor.name])]
    columns = min(_MAX_COLUMNS, math.ceil(math.sqrt(len(panels))))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place, facecolor=_GROUND, xticks=(), yticks=())
        axes.set_title(panel.title, fontsize=_FONT + 1)
        _draw(axes, points, panel)
    return figure


def _panels(factor: Factor, values: np.ndarray) -> Iterator[_Panel]:
    columns = values.reshape(len(values), -1).T  # [dimensions, N]
    if factor.name == "color" and len(columns) == 3:
        yield _Panel(factor.name, "rgb", np.clip(values, 0, 1))
    elif len(columns) == 1:
        yield _Panel(factor.name, factor.kind, columns[0])
    else:
        for dimension, column in enumerate(columns):
            yield _Panel(f"{factor.name}[{dimension}]", factor.kind, column)


def _draw(axes: Axes, points: np.ndarray, panel: _Panel) -> None:
    if panel.kind == "rgb":
        axes.scatter(*points.T, c=panel.values, **_DOTS)
    elif panel.kind == "categorical":
        _draw_categories(axes, points, panel.values)
    else:
        is_angle = panel.kind == "angle"
        dots = axes.scatter(
            *points.T,
            c=np.mod(panel.values, 2 * np.pi) if is_angle else panel.values,
            cmap="twilight" if is_angle else "cividis",
            vmin=0 if is_angle else None,
            vmax=2 * np.pi if is_angle else None,
            **_DOTS,
        )
        bar = axes.inset_axes((1.03, 0, 0.05, 1))
        axes.figure.colorbar(dots, cax=bar).ax.tick_params(labelsize=_FONT)


def _draw_categories(axes: Axes, points: np.ndarray, values: np.ndarray) -> None:
    categories = np.unique(values)
    for number, category in enumerate(categories):
        axes.scatter(
            *points[values == category].T,
            c=[slot_color(number)],
            marker=_MARKERS[number // len(SLOT_COLORS) % len(_MARKERS)],
            label=f"{category:g}",
            **_DOTS,
        )
    axes.legend(
        fontsize=_FONT,
        ncols=math.ceil(len(categories) / _LEGEND_ROWS),
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
        handletextpad=0,
        borderpad=0,
        columnspacing=0.2,
        markerscale=2,
    )
