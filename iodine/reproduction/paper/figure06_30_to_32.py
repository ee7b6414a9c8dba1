"""Figures 6 (right) and 30 to 32: what single latents of one slot do to a scene."""

import functools
from typing import Any, NamedTuple

import numpy as np

from iodine.analysis import traversals
from iodine.analysis.traversals import Traversal
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.figures import traversal_page
from iodine.figures.traversals import traversal_figure
from iodine.models.interface import SceneModel
from iodine.reproduction.framework import shown_scenes, workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.wording import NOT_RUN

_ROWS = 6  # latents that a figure shows, as in Figure 6
_RANKING_SCENES = 64  # whose objects say which latents matter
_PAGE_SCENES = 4


class _Inferred(NamedTuple):
    model: SceneModel
    images: np.ndarray  # [B, H, W, 3] in [0, 1]
    result: Decomposition  # in NumPy
    kl: np.ndarray  # [Z], nats, mean over slots that hold objects
    ranking: np.ndarray  # [Z], latents by falling KL


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(workloads.CLEVR6, workloads.CLEVR6, stand_in=True)]


def _infer(context: Context) -> _Inferred:
    run = context.runs[workloads.CLEVR6]
    images = context.scenes(run.config.data.dataset, _RANKING_SCENES)["image"]
    result = shown_scenes.decompose(run, images, context.seed)[-1]
    kl = traversals.latent_kl(run.model, result)
    of_objects = kl[traversals.object_slots(result.masks)]
    kl_of_objects = of_objects if len(of_objects) else kl.reshape(-1, kl.shape[-1])
    return _Inferred(
        run.model,
        images,
        result,
        kl_of_objects.mean(axis=0),
        traversals.rank_latents(kl_of_objects),
    )


def _traverse(inferred: _Inferred, scene: int, seed: int) -> Traversal:
    masks = inferred.result.masks[scene]
    try:
        slot = traversals.pick_slot(masks, seed)
    except UserError:  # hardly trained: one slot holds all of the image
        slot = int(masks.sum(axis=(1, 2)).argsort()[-2])
    latents = inferred.ranking[:_ROWS]
    return traversals.traverse(
        inferred.model, inferred.result.latent_mean[scene], slot, latents.tolist()
    )


def effects(traversal: Traversal) -> list[dict[str, float]]:
    """What each latent does over its values.

    Returns:
        For each latent: `row_shift` and `column_shift`, how far the centre of the slot's mask
        travels, in pixels; `color_change`, the range of its mean colour over the pixels of its
        mask, in [0, 1], the largest of the three channels; `elsewhere`, the mean absolute
        change of the reconstruction where the slot has less than half of the mask for every value.
    """
    found = []
    masks = traversal.masks[:, :, traversal.slot]  # [L, V, H, W]
    for mask, component, picture in zip(
        masks, traversal.components, traversal.reconstructions, strict=True
    ):
        weight = np.maximum(mask.sum(axis=(1, 2)), 1e-9)  # [V]
        rows, columns = np.indices(mask.shape[1:])
        row = (mask * rows).sum(axis=(1, 2)) / weight
        column = (mask * columns).sum(axis=(1, 2)) / weight
        color = component.sum(axis=(1, 2)) / weight[:, np.newaxis]  # [V, 3]
        outside = (mask < 0.5).all(axis=0)
        change = np.abs(picture - picture.mean(axis=0))[:, outside]
        found.append(
            {
                "row_shift": float(np.ptp(row)),
                "column_shift": float(np.ptp(column)),
                "color_change": float(np.ptp(color, axis=0).max()),
                "elsewhere": float(change.mean()) if change.size else 0.0,
            }
        )
    return found


def _rows(figure: str, scene: int, traversal: Traversal, kl: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "figure": figure,
            "scene": scene,
            "slot": traversal.slot + 1,
            "latent": int(latent),
            "kl": float(kl[latent]),
            **effect,
        }
        for latent, effect in zip(traversal.latents, effects(traversal), strict=True)
    ]


def _compare(rows: list[dict[str, Any]]) -> str:
    def largest(name: str) -> str:
        row = max(rows, key=lambda row: row[name])
        return f"{row[name]:.2f} (z{row['latent']})"

    elsewhere = np.mean([row["elsewhere"] for row in rows])
    return (
        f"traversing {len({row['latent'] for row in rows})} latents of one slot moves its object "
        f"by up to {largest('row_shift')} pixels down, {largest('column_shift')} across, and "
        f"changes its colour by up to {largest('color_change')}; the rest of the scene changes "
        f"by {elsewhere:.4f} on average"
    )


def _make_figure6(context: Context) -> Findings:
    inferred = _infer(context)
    traversal = _traverse(inferred, 0, context.seed)
    rows = _rows("figure6", 0, traversal, inferred.kl)
    pages = {}
    if context.with_pages:
        images, result = inferred.images[:_PAGE_SCENES], inferred.result
        first = result.each(lambda field: field[:_PAGE_SCENES])
        count = traversal_page.affordable_latents(
            inferred.model, _PAGE_SCENES, first.masks.shape[1]
        )
        scenes = traversal_page.traverse_scenes(
            inferred.model, images, first, inferred.ranking[:count].tolist()
        )
        pages["figure6.html"] = functools.partial(
            traversal_page.write_page, scenes=scenes, kl=inferred.kl, title=context.note()
        )
    return Findings(
        comparison=f"{_compare(rows)}; VAE {NOT_RUN}",
        numbers={"kl": inferred.kl.tolist(), "latents": rows},
        table=rows,
        figures={"figure6": traversal_figure(traversal, inferred.images[0], inferred.kl)},
        pages=pages,
    )


def _make_figures30_32(context: Context) -> Findings:
    inferred = _infer(context)
    scenes = np.random.default_rng(context.seed).choice(
        np.arange(1, len(inferred.images)), 3, replace=False
    )
    rows, figures = [], {}
    for number, scene in zip((30, 31, 32), scenes.tolist(), strict=True):
        traversal = _traverse(inferred, scene, context.seed + number)
        name = f"figure{number}"
        rows += _rows(name, scene, traversal, inferred.kl)
        figures[name] = traversal_figure(traversal, inferred.images[scene], inferred.kl)
    return Findings(
        comparison=_compare(rows),
        numbers={"kl": inferred.kl.tolist(), "latents": rows},
        table=rows,
        figures=figures,
    )


FIGURE6 = Artifact(
    name="figure6",
    title="Latent traversals (right; the VAEs on the left are not run)",
    claim="traversals of single latents vary single factors of a single object",
    make=_make_figure6,
    trainings=_trainings,
)

FIGURE30_32 = Artifact(
    name="figure30-32",
    title="More latent traversals, of scenes and slots drawn at random",
    claim="the same, with some flaws where objects hide each other",
    make=_make_figures30_32,
    trainings=_trainings,
)
