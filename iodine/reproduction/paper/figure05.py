"""Figure 5: how well one linear layer reads the factors of objects from latents.

IODINE's slots are matched to objects, and the layer reads one object from its slot. A VAE has one
latent for all objects, and the layer reads them all at once, in a canonical order.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis import object_latents, scene_latents
from iodine.analysis import probes as factor_probe
from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import FactorScore
from iodine.analysis.scene_latents import SceneLatents
from iodine.errors import UserError
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training, deconv_decoder
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.wording import NOT_RUN

IODINE, DECONV = tasks.IODINE, "IODINE (deconv)"
VAE = tasks.VAE
_MODELS = (IODINE, DECONV, VAE)
_BAR = 0.26  # of the distance between factors


def _trainings(budget: Budget) -> list[Training]:
    task = tasks.CLEVR6
    deconv = deconv_decoder(budget)
    return [
        budget.training(IODINE, task, short=True, stand_in=True),
        budget.training(DECONV, task, deconv, short=True, stand_in=True),
        # Not shortened: it takes less than IODINE's all the same, and Figure 6 shares it.
        budget.training(VAE, task, model=VAE, stand_in=True),
    ]


def num_images(budget: Budget) -> int:
    """Images whose objects are looked at; a fifth of them is for scoring."""
    return budget.choose(smoke=64, cpu=2_000, paper=2_000)


def latents_of(context: Context, run: Run) -> ObjectLatents | SceneLatents:
    """The latents of all objects in the first test scenes of what the run was trained on."""
    batches = context.batches(run.config.data.dataset, num_images(context.budget))
    room = scene_latents if run.model.spec.num_slots == 1 else object_latents
    return room.collect(run.model, batches, seed=context.seed)


def score(latents: ObjectLatents | SceneLatents) -> dict[str, FactorScore | str]:
    """By factor its score, or in one line why there is none, such as too few objects."""
    probe = scene_latents.probe if isinstance(latents, SceneLatents) else factor_probe.probe
    scores = {}
    for factor in factor_probe.factors_of(latents):
        try:
            [scores[factor.name]] = probe(latents, [factor])
        except UserError as error:
            scores[factor.name] = str(error)
    return scores


def _make(context: Context) -> Findings:
    scores, matching = {}, {}
    for label, run in context.runs.items():
        latents = latents_of(context, run)
        scores[label] = score(latents)
        if isinstance(latents, ObjectLatents):
            matching[label] = object_latents.matching_rate(latents)
    rows = [_row(label, name, s) for label, of in scores.items() for name, s in of.items()]
    return Findings(
        comparison=_comparison(scores, matching),
        numbers={"scores": rows, "objects with a slot of their own": matching},
        table=rows,
        figures={"figure5": scores_figure(scores)},
    )


def _row(label: str, name: str, found: FactorScore | str) -> dict[str, Any]:
    row = {"model": label, "factor": name}
    if isinstance(found, str):
        return {**row, **dict.fromkeys(FactorScore._fields[1:], NOT_RUN), "reason": found}
    return {**row, **found._asdict(), "reason": ""} | {"name": name}


def _comparison(
    scores: Mapping[str, Mapping[str, FactorScore | str]],
    matching: Mapping[str, float],
) -> str:
    """A clause for each model.

    Args:
        scores: by model and factor.
        matching: by model with slots, the share of objects that have one of their own.
    """
    parts = []
    for label, of in scores.items():
        figures = ", ".join(
            f"{name} {s.score:.3f}" + (f" (chance {s.chance:.3f})" if s.chance > 0 else "")
            for name, s in of.items()
            if not isinstance(s, str)
        )
        how = "one latent for all objects, which are told by their order"
        if label in matching:
            how = f"{matching[label]:.0%} of the objects have a slot of their own"
        parts.append(f"{label}: {figures or NOT_RUN}; {how}")
    parts += [f"{model} {NOT_RUN}" for model in _MODELS if model not in scores]
    return "; ".join(parts)


def scores_figure(scores: Mapping[str, Mapping[str, FactorScore | str]]) -> Figure:
    """Bars of accuracy or R^2 by factor and model, a dash at chance, places of what is not run.

    Args:
        scores: by model and factor; a string where there is no score.
    """
    names = list(dict.fromkeys(name for of in scores.values() for name in of))
    kinds = {
        name: s.kind for of in scores.values() for name, s in of.items() if not isinstance(s, str)
    }
    figure = Figure(figsize=(max(4.0, 1.1 * len(names) + 1.5), 2.6), layout="constrained")
    axes = figure.add_subplot(ylim=(0, 1.05), ylabel="accuracy or R$^2$")
    for number, model in enumerate(_MODELS):
        offset = _BAR * (number - (len(_MODELS) - 1) / 2)
        found = [scores.get(model, {}).get(name, NOT_RUN) for name in names]
        places = np.arange(len(names)) + offset
        heights = [0 if isinstance(s, str) else max(s.score, 0) for s in found]
        spread = [0 if isinstance(s, str) else s.std for s in found]
        color = plots.slot_color(number)
        label = model if model in scores else f"{model} ({NOT_RUN})"
        axes.bar(places, heights, _BAR, yerr=spread, color=color, label=label, error_kw={"lw": 0.8})
        for place, entry in zip(places, found, strict=True):
            if isinstance(entry, str):
                axes.text(place, 0.02, NOT_RUN, rotation=90, fontsize=6, ha="center", color="0.4")
            elif entry.chance > 0:
                axes.hlines(entry.chance, place - _BAR / 2, place + _BAR / 2, color="black", lw=1)
    titles = [f"{n}\n({'accuracy' if kinds.get(n) == 'categorical' else 'R$^2$'})" for n in names]
    axes.set_xticks(range(len(names)), titles, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=6.5, ncols=len(_MODELS), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


FIGURE5 = Artifact(
    name="figure5",
    title="Factors read from latents by one linear layer",
    claim="a linear layer predicts position, colour, shape and size of objects with high accuracy; "
    "with the deconvolutional decoder shape and size are predicted no better than by a VAE",
    make=_make,
    trainings=_trainings,
)
