"""Figure 5: how well one linear layer reads the factors of objects from latents.

IODINE's slots are matched to objects, and the layer reads one object from its slot. A VAE has one
latent for all objects, and the layer reads them all at once, in a canonical order.
"""

from collections.abc import Mapping
from typing import Any

from iodine.analysis import factor_scores, object_latents
from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import FactorScore
from iodine.analysis.scene_latents import SceneLatents
from iodine.figures.factor_scores import scores_figure
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training, deconv_decoder
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.wording import NOT_RUN

IODINE, DECONV = tasks.IODINE, "IODINE (deconv)"
VAE = tasks.VAE
_MODELS = (IODINE, DECONV, VAE)


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
    return factor_scores.collect(run.model, batches, seed=context.seed)


def _make(context: Context) -> Findings:
    scores, matching = {}, {}
    for label, run in context.runs.items():
        latents = latents_of(context, run)
        scores[label] = factor_scores.score(latents)
        if isinstance(latents, ObjectLatents):
            matching[label] = object_latents.matching_rate(latents)
    rows = [_row(label, name, s) for label, of in scores.items() for name, s in of.items()]
    return Findings(
        comparison=_comparison(scores, matching),
        numbers={"scores": rows, "objects with a slot of their own": matching},
        table=rows,
        figures={"figure5": scores_figure(scores, _MODELS)},
    )


def _row(label: str, name: str, found: FactorScore | str) -> dict[str, Any]:
    return {"model": label, **factor_scores.as_row(name, found, NOT_RUN)}


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


FIGURE5 = Artifact(
    name="figure5",
    title="Factors read from latents by one linear layer",
    claim="a linear layer predicts position, colour, shape and size of objects with high accuracy; "
    "with the deconvolutional decoder shape and size are predicted no better than by a VAE",
    make=_make,
    trainings=_trainings,
)
