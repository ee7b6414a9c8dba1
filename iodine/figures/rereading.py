"""Several readings of one image, in the manner of Figure 10, for any image."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iodine.analysis.multistability import PrincipalPlane
from iodine.analysis.rereading import Reading
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots

_FONT = 7  # points
_ROWS = 6
_BARS = 12


def readings_figure(
    image: np.ndarray, result: Decomposition, found: Sequence[Reading], titles: Sequence[str]
) -> Figure:
    """A row for each of the most frequent readings, up to six: the run that stands for it.

    Args:
        image: [H, W, 3] in [0, 1].
        result: arrays of all R runs.
        found: the readings.
        titles: left of the rows, as many as readings.
    """
    rows = []
    for reading in found[:_ROWS]:
        masks, components = result.masks[reading.medoid], result.components[reading.medoid]
        masked = masks[..., np.newaxis] * components  # [K, H, W, 3]
        rows.append(
            [image, result.reconstruction[reading.medoid], plots.segmentation(masks), *masked]
        )
    columns = ["image", "reconstruction", "segmentation"]
    return plots.slots_grid(rows, columns, titles[:_ROWS])


def runs_figure(found: Sequence[Reading], plane: PrincipalPlane, latents: np.ndarray) -> Figure:
    """Left how often each reading came, right the latents of all runs in a plane.

    Args:
        found: the readings, the most frequent first.
        plane: where the latents are projected to.
        latents: [R, K * Z].
    """
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    bars, points = figure.subplots(1, 2)
    counts = [len(reading.runs) for reading in found]
    shown, rest = counts[:_BARS], counts[_BARS:]
    colors = [plots.slot_color(number) for number in range(len(shown))]
    bars.bar(range(1, len(shown) + 1), shown, color=colors)
    if rest:
        bars.bar(len(shown) + 1, sum(rest), color="white", ec="0.6", hatch="////", lw=0.7)
        bars.text(len(shown) + 1, sum(rest), f"{len(rest)} more", fontsize=6, ha="center")
    bars.set_xlabel("reading", fontsize=_FONT)
    bars.set_ylabel("runs", fontsize=_FONT)
    bars.xaxis.set_major_locator(MaxNLocator(integer=True))
    bars.yaxis.set_major_locator(MaxNLocator(integer=True))
    bars.spines[["top", "right"]].set_visible(False)
    places = plane(latents)  # [R, 2]
    for number, reading in enumerate(found):
        color = plots.slot_color(number) if number < _BARS else "0.6"
        points.scatter(*places[reading.runs].T, s=10, color=[color], lw=0)
    points.set_xlabel(f"component 1 ({plane.variance_shares[0]:.0%})", fontsize=_FONT)
    points.set_ylabel(f"component 2 ({plane.variance_shares[1]:.0%})", fontsize=_FONT)
    points.set(xticks=(), yticks=())
    points.set_title("latents of all runs, coloured by their reading", fontsize=_FONT)
    bars.tick_params(labelsize=_FONT - 1)
    return figure
