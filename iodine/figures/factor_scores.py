"""How well factors are read from latents, as bars in the manner of Figure 5."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis.probes import FactorScore
from iodine.figures import decompositions as plots

_NOT_RUN = "not run"
_BAR = 0.26  # of the distance between factors


def scores_figure(
    scores: Mapping[str, Mapping[str, FactorScore | str]], models: Sequence[str]
) -> Figure:
    """Bars of accuracy or R^2 by factor and model, a dash at chance, places of what is not run.

    Args:
        scores: by model and factor; a string where there is no score.
        models: all that are to have a place, in this order.
    """
    names = list(dict.fromkeys(name for of in scores.values() for name in of))
    kinds = {
        name: s.kind for of in scores.values() for name, s in of.items() if not isinstance(s, str)
    }
    figure = Figure(figsize=(max(4.0, 1.1 * len(names) + 1.5), 2.6), layout="constrained")
    axes = figure.add_subplot(ylim=(0, 1.05), ylabel="accuracy or R$^2$")
    for number, model in enumerate(models):
        offset = _BAR * (number - (len(models) - 1) / 2)
        found = [scores.get(model, {}).get(name, _NOT_RUN) for name in names]
        places = np.arange(len(names)) + offset
        heights = [0 if isinstance(s, str) else max(s.score, 0) for s in found]
        spread = [0 if isinstance(s, str) else s.std for s in found]
        color = plots.slot_color(number)
        label = model if model in scores else f"{model} ({_NOT_RUN})"
        axes.bar(places, heights, _BAR, yerr=spread, color=color, label=label, error_kw={"lw": 0.8})
        for place, entry in zip(places, found, strict=True):
            if isinstance(entry, str):
                axes.text(place, 0.02, _NOT_RUN, rotation=90, fontsize=6, ha="center", color="0.4")
            elif entry.chance > 0:
                axes.hlines(entry.chance, place - _BAR / 2, place + _BAR / 2, color="black", lw=1)
    titles = [f"{n}\n({'accuracy' if kinds.get(n) == 'categorical' else 'R$^2$'})" for n in names]
    axes.set_xticks(range(len(names)), titles, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=6.5, ncols=len(models), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
