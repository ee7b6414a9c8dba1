"""Figures of latent traversals, drawn with matplotlib."""

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis.traversals import Traversal
from iodine.errors import UserError
from iodine.figures import decompositions as plots

SHOWN = ("reconstructions", "components")


def traversal_figure(
    traversal: Traversal, image: np.ndarray, kl: np.ndarray, shown: str = "reconstructions"
) -> Figure:
    """A row for each latent, a column for each of its values, as in Figures 6 and 30 to 32.

    Args:
        traversal: the latents in the order of the rows.
        image: that was decomposed, [H, W, 3] in [0, 1]; stands beside the first row.
        kl: nats by latent, [Z], e.g. the mean of what `rank_latents` was given.
        shown: "reconstructions" of the whole scene, or the masked "components" of the slot.

    Returns:
        A figure whose borders have the slot's colour; above the columns the values in the prior's
        standard deviations from its mean.

    Raises:
        UserError: for something unknown to be shown.
    """
    titles, rows, labels = traversal_rows(traversal, image, kl, shown)
    color = plots.slot_color(traversal.slot)
    borders = [[None, *[color] * len(traversal.values)]] * len(rows)
    return plots.picture_grid(rows, titles, borders, labels)


def traversal_rows(
    traversal: Traversal, image: np.ndarray, kl: np.ndarray, shown: str = "reconstructions"
) -> tuple[list[str], list[list[np.ndarray | None]], list[str]]:
    """Titles of the columns, rows of pictures and their labels; arguments as above."""
    if shown not in SHOWN:
        raise UserError(f"cannot show {shown!r} of a traversal; known: {', '.join(SHOWN)}")
    rows = [[None, *row] for row in getattr(traversal, shown)]
    rows[0][0] = image
    titles = ["image", *(value_label(value) for value in traversal.values)]
    labels = [f"z{latent}\nKL {kl[latent]:.1f}" for latent in traversal.latents]
    return titles, rows, labels


def value_label(value: float) -> str:
    """A value in standard deviations, with its sign: "-1.5 SD", "0 SD", "+2 SD"."""
    return f"{value:+.3g} SD" if value else "0 SD"
