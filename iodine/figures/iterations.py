"""Figures of a data set over the iterations of inference, in the manner of Figure 8."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iodine.figures.decompositions import slot_color

_TITLES = {
    "fg_ari": "foreground ARI",
    "mse": "mean squared error",
    "kl": "KL, nats an image",
    "neg_elbo": "negative ELBO, nats",
}


def iteration_curves(quartiles: Mapping[str, np.ndarray], trained: int) -> Figure:
    """A panel for each metric: its median over images and, shaded, its quartiles.

    Args:
        quartiles: by name, [3, S]: after each step of inference, of IODINE the first before any
            refinement.
        trained: number of iterations in training; a dot marks where it ends.
    """
    figure = Figure(figsize=(2.4 * len(quartiles), 2.3), layout="constrained")
    for number, (name, values) in enumerate(quartiles.items(), 1):
        axis = figure.add_subplot(1, len(quartiles), number)
        shown = np.where(np.isfinite(values), values, np.nan)
        steps = np.arange(values.shape[1])
        color = slot_color(0)
        axis.fill_between(steps, shown[0], shown[2], color=color, alpha=0.15, linewidth=0)
        axis.plot(steps, shown[1], color=color, linewidth=1.2, marker=".", markersize=4)
        if trained < len(steps):
            axis.plot(trained, shown[1, trained], "o", color=color, markersize=6)
        if name == "fg_ari":
            axis.set_ylim(min(0.0, np.nanmin(shown)) - 0.05, 1.05)
        axis.set_title(_TITLES.get(name, name), fontsize=8)
        axis.set_xlabel("steps of inference (dot: as trained)", fontsize=7)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    return figure
