"""How much each latent matters for each factor, as a table of shades."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

_CELL = 0.22  # inches


def importances_figure(importance: np.ndarray, factors: Sequence[str]) -> Figure:
    """A row a factor, a column a latent, darker the more it matters.

    Latents stand in the order of the factor that they matter most for, and then of how much.

    Args:
        importance: [Z, F], see `disentanglement.Disentanglement`.
        factors: their names.
    """
    order = np.lexsort([-importance.max(axis=1), importance.argmax(axis=1)])
    size = (1.2 + _CELL * len(importance), 0.9 + _CELL * len(factors))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot(xlabel="latent")
    shades = axes.imshow(importance[order].T, vmin=0, vmax=1, cmap="Greys", aspect="equal")
    axes.set_xticks(range(len(order)), [str(i + 1) for i in order], fontsize=5)
    axes.set_yticks(range(len(factors)), factors, fontsize=7)
    figure.colorbar(shades, ax=axes, label="importance")
    return figure
