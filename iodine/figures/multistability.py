"""Decompositions of one ambiguous stimulus, in the manner of Figure 10."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from iodine.analysis.multistability import PrincipalPlane, Stimulus, Variant
from iodine.evaluation.inference import Decomposition
from iodine.figures.decompositions import segmentation, slot_color

_FONT = 7  # points
_BARS = 12
_VALID, _INVALID = "#0072B2", "0.6"
_INK = "0.15"


@dataclasses.dataclass(frozen=True)
class Example:
    """A run that is shown: its number, its label, and its row of the pictures."""

    run: int
    label: str


def multistability_figure(
    heading: str,
    stimulus: Stimulus,
    result: Decomposition,
    examples: Sequence[Example],
    variants: Sequence[Variant],
    plane: PrincipalPlane,
    latents: np.ndarray,
    background: tuple[np.ndarray, np.ndarray],
) -> Figure:
    """Left runs, right the latents of all runs in a plane, below how often each variant came.

    Args:
        heading: of the part below; which stimulus it is.
        stimulus: what all runs have seen.
        result: arrays of all B runs after the last iteration.
        examples: the runs to show, a row each.
        variants: the distinct decompositions among the runs.
        plane: where the latents are projected to.
        latents: [T, B, K * Z], after each iteration.
        background: what `multistability.background_slots` says of the runs.
    """
    figure = Figure(figsize=(7, 4.0))
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.5, 1.5))
    left, right = top.subfigures(1, 2, width_ratios=(4.5, 2.5))
    _draw_examples(left, stimulus, result, examples)
    _draw_plane(right, plane, latents, background, [example.run for example in examples])
    _draw_counts(bottom, heading, stimulus, variants)
    return figure


def _draw_examples(
    figure: SubFigure, stimulus: Stimulus, result: Decomposition, examples: Sequence[Example]
) -> None:
    num_slots = result.masks.shape[1]
    titles = ["image", "reconstr.", "segment.", *(f"slot {k + 1}" for k in range(num_slots))]
    places = figure.subplots(
        len(examples),
        len(titles),
        squeeze=False,
        gridspec_kw={
            **{"left": 0.25, "right": 0.99, "top": 0.91, "bottom": 0.01},
            **{"wspace": 0.1, "hspace": 0.1},
        },
    )
    for row, (axes, example) in enumerate(zip(places, examples, strict=True)):
        masks = result.masks[example.run]
        slots = masks[..., np.newaxis] * result.components[example.run]  # [K, H, W, 3]
        pictures = [stimulus.image, result.reconstruction[example.run], segmentation(masks), *slots]
        for column, (axis, picture) in enumerate(zip(axes, pictures, strict=True)):
            axis.imshow(np.clip(picture, 0, 1), interpolation="nearest")
            axis.set(xticks=(), yticks=())
            axis.spines[:].set_visible(column >= 3)
            axis.spines[:].set(color=slot_color(column - 3), linewidth=1.8)
            if row == 0:
                axis.set_title(titles[column], fontsize=_FONT, pad=3)
        beside = {"ha": "right", "va": "center", "fontsize": _FONT, "transform": axes[0].transAxes}
        axes[0].text(-0.12, 0.5, row + 1, **beside, weight="bold")
        axes[0].text(-0.34, 0.5, example.label, **beside, linespacing=1.1)


def _draw_plane(
    figure: SubFigure,
    plane: PrincipalPlane,
    latents: np.ndarray,
    background: tuple[np.ndarray, np.ndarray],
    shown: Sequence[int],
) -> None:
    axis = figure.add_axes((0.1, 0.19, 0.87, 0.72))
    points, (slots, shares) = plane(latents), background  # [T, B, 2], [B], [B]
    for slot in np.unique(slots):
        chosen = points[-1, slots == slot]
        axis.scatter(*chosen.T, s=9, color=slot_color(slot), lw=0, label=f"slot {slot + 1}")
    for number, run in enumerate(shown, 1):
        path = points[:, run]
        if not np.isfinite(path[-1]).all():
            continue
        axis.plot(*path.T, color=_INK, lw=0.7, marker=".", ms=2.5, mew=0)
        axis.scatter(*path[-1], s=22, color=slot_color(slots[run]), ec=_INK, lw=0.8, zorder=3)
        place = {"xytext": (3, 3), "textcoords": "offset points", "zorder": 4}
        axis.annotate(number, path[-1], **place, fontsize=_FONT, weight="bold")
    axis.set_title("latents of all runs; paths of those shown", fontsize=_FONT, pad=3)
    axis.set_xlabel(f"component 1 ({plane.variance_shares[0]:.0%})", fontsize=_FONT, labelpad=1)
    axis.set_ylabel(f"component 2 ({plane.variance_shares[1]:.0%})", fontsize=_FONT, labelpad=1)
    axis.set(xticks=(), yticks=())
    axis.margins(0.08)
    axis.legend(
        title=f"most of the background ({np.mean(shares):.0%}) in",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.06),
        ncols=4,
        fontsize=_FONT - 1,
        title_fontsize=_FONT - 1,
        handletextpad=0,
        columnspacing=0.6,
        borderpad=0,
        frameon=False,
    )


def _draw_counts(
    figure: SubFigure, heading: str, stimulus: Stimulus, variants: Sequence[Variant]
) -> None:
    """The valid readings, also those that never came, then the most frequent others."""
    counts = {variant.reading: len(variant.runs) for variant in variants}
    bars = [(group, counts.get(i, 0), True) for i, group in enumerate(stimulus.groupings)]
    invalid = [variant for variant in variants if variant.reading is None]
    shown, rest = invalid[: _BARS - len(bars)], invalid[_BARS - len(bars) :]
    bars += [(variant.grouping, len(variant.runs), False) for variant in shown]
    axis = figure.add_axes((0.07, 0.42, 0.92, 0.46))
    heights = [count for _, count, _ in bars]
    axis.bar(range(len(bars)), heights, 0.7, color=[_VALID if b[2] else _INVALID for b in bars])
    if rest:
        heights.append(sum(len(variant.runs) for variant in rest))
        axis.bar(len(bars), heights[-1], 0.7, color="white", ec=_INVALID, hatch="////", lw=0.7)
        text = f"{len(rest)} other\nkinds"
        axis.text(len(bars), -0.12, text, **_under(axis), ha="center", va="top")
    for place, height in enumerate(heights):
        axis.text(place, height, height, fontsize=_FONT, ha="center", va="bottom")
    for place, (group, _, is_valid) in enumerate(bars):
        inset = axis.inset_axes(
            (place - 0.36, -0.78, 0.72, 0.7), transform=_under(axis)["transform"]
        )
        inset.imshow(_picture(group, stimulus), interpolation="nearest")
        inset.set_axis_off()
        if is_valid:
            text = f"valid {place + 1}"
            axis.text(place, -0.8, text, **_under(axis), color=_VALID, ha="center", va="top")
    axis.set(xlim=(-0.6, _BARS + 0.6), xticks=(), ylim=(0, 1.25 * max(heights)))
    axis.set_ylabel("runs", fontsize=_FONT, labelpad=2)
    axis.tick_params(labelsize=_FONT - 1)
    axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    title = f"{heading}: distinct decompositions among {sum(heights)} runs (valid ones blue)"
    axis.set_title(title, fontsize=_FONT, pad=3, loc="left")


def _under(axis: Axes) -> dict[str, object]:
    """Places by the number of a bar, and below the axis in parts of its height."""
    return {"transform": axis.get_xaxis_transform(), "fontsize": _FONT, "linespacing": 1.1}


def _picture(group: Sequence[int], stimulus: Stimulus) -> np.ndarray:
    """The foreground's blocks in the colours of their groups, cropped, a pixel a block."""
    places = stimulus.corners // stimulus.block_size
    places -= places.min(axis=0)
    picture = np.ones((*(places.max(axis=0) + 1), 3))
    picture[tuple(places.T)] = [slot_color(number) for number in group]
    return picture
