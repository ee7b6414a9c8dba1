"""Figures 6 and 30 to 32: what single latents do to a scene, of VAEs and of one slot of IODINE."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from iodine.analysis import disentanglement, object_latents, traversals
from iodine.analysis.factors import factors_of
from iodine.analysis.traversal_effects import (
    MOVED_COLUMNS,
    MovedPixels,
    effect_table,
    effects_in_words,
    moved_columns,
    moved_pixels_of_scene,
)
from iodine.analysis.traversals import Traversal
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.figures import traversal_page
from iodine.figures.grids import Block, blocks_figure
from iodine.figures.traversals import traversal_figure, traversal_rows
from iodine.models.interface import SceneModel
from iodine.reproduction.framework import shown_scenes, tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.wording import NOT_RUN
from iodine.reproduction.paper import figure05

_ROWS = 6  # latents that a figure shows, as in Figure 6
_RANKING_SCENES = 64  # whose objects say which latents matter
_PAGE_SCENES = 4

# The panels of Figure 6 from left to right, and the labels of their trainings.
SINGLE, MULTI, IODINE = "VAE on single objects", "VAE on several objects", tasks.CLEVR6
_HEADINGS = {
    SINGLE: "VAE, trained on scenes of one object",
    MULTI: "VAE, trained on scenes of several objects",
    IODINE: "IODINE, one slot",
}


class _Inferred(NamedTuple):
    model: SceneModel
    images: np.ndarray  # [B, H, W, 3] in [0, 1]
    scenes: Mapping[str, Any]  # the same with what is known of them
    result: Decomposition  # in NumPy
    kl: np.ndarray  # [Z], nats, mean over slots that hold objects
    ranking: np.ndarray  # [Z], latents by falling KL


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(IODINE, tasks.CLEVR6, stand_in=True)]


def _trainings_of_all(budget: Budget) -> list[Training]:
    vae = tasks.VAE
    return [
        budget.training(SINGLE, tasks.CLEVR_SINGLE, model=vae, stand_in=True),
        budget.training(MULTI, tasks.CLEVR6, model=vae, stand_in=True),
        *_trainings(budget),
    ]


def num_measured(budget: Budget) -> int:
    """Scenes over which the pixels that traversals move are counted."""
    return budget.choose(smoke=2, cpu=32, paper=16)


def _infer(context: Context, label: str) -> _Inferred:
    run = context.runs[label]
    scenes = context.scenes(run.config.data.dataset, _RANKING_SCENES)
    result = shown_scenes.decompose(run, scenes["image"], context.seed)[-1]
    kl_of_objects = traversals.kl_of_objects(run.model, result)
    return _Inferred(
        run.model,
        scenes["image"],
        scenes,
        result,
        kl_of_objects.mean(axis=0),
        traversals.rank_latents(kl_of_objects),
    )


def _traverse(inferred: _Inferred, scene: int, seed: int) -> Traversal:
    slot = traversals.any_slot(inferred.result.masks[scene], seed)
    latents = inferred.ranking[:_ROWS]
    return traversals.traverse(
        inferred.model, inferred.result.latent_mean[scene], slot, latents.tolist()
    )


def _moved(inferred: _Inferred, scene: int, traversal: Traversal) -> MovedPixels | None:
    """None for a scene without a visible object, or of data without masks."""
    if "mask" not in inferred.scenes:
        return None
    return moved_pixels_of_scene(traversal, inferred.scenes["mask"][scene])


def _rows(
    figure: str, panel: str, scene: int, traversal: Traversal, inferred: _Inferred
) -> list[dict[str, Any]]:
    """A line for each latent: of a model with slots, also what it does to its slot."""
    where = {"figure": figure, "model": panel, "scene": scene, "slot": traversal.slot + 1}
    moved = _moved(inferred, scene, traversal)
    return [where | row for row in effect_table(traversal, inferred.kl, moved)]


def _measure(context: Context, inferred: _Inferred) -> dict[str, float | int | None]:
    """Means over scenes and latents of what traversals move; None where it is not defined."""
    found = []
    for scene in range(min(num_measured(context.budget), len(inferred.images))):
        moved = _moved(inferred, scene, _traverse(inferred, scene, context.seed))
        if moved is not None:
            found += [moved_columns(moved, number) for number in range(len(moved.counts))]
    values = {name: [row[name] for row in found if row[name] is not None] for name in MOVED_COLUMNS}
    means = {name: float(np.mean(of)) if of else None for name, of in values.items()}
    return {"traversals": len(found), **means}


def _compare_moved(moved: Mapping[str, Mapping[str, Any]]) -> str:
    """One clause for each panel; without a figure where nothing could be measured."""
    parts = []
    for label in _HEADINGS:
        name = "IODINE" if label == IODINE else label
        found = moved.get(label, {})
        if not found.get("traversals"):
            parts.append(f"{name} {NOT_RUN}" if label not in moved else f"{name} without masks")
            continue
        text = f"{name}: a traversal moves {found['share_of_own']:.0%} of the object it moves most"
        if found["share_of_others"] is not None:
            text += (
                f", and {found['moved_others']:.1f} pixels ({found['share_of_others']:.0%}) of the "
                "others"
            )
        parts.append(text)
    return "; ".join(parts)


def _disentanglement(context: Context) -> dict[str, float]:
    """DCI of IODINE's slots over the images that Figure 5 looks at, without its parts."""
    run = context.runs[IODINE]
    batches = context.batches(run.config.data.dataset, figure05.num_images(context.budget))
    latents = object_latents.collect(run.model, batches, seed=context.seed)
    found = disentanglement.measure(latents, factors_of(latents))
    return {"disentanglement": found.disentanglement, "completeness": found.completeness}


def _block(context: Context, label: str, inferred: _Inferred | None) -> tuple[Block, list]:
    """A panel of Figure 6 with its lines of the table."""
    if inferred is None:
        return Block(_HEADINGS[label], not_run=context.missing.get(label, "no run")), []
    traversal = _traverse(inferred, 0, context.seed)
    titles, pictures, labels = traversal_rows(traversal, inferred.images[0], inferred.kl)
    borders = []
    if inferred.model.spec.num_slots > 1:
        borders = [None, *[plots.slot_color(traversal.slot)] * len(traversal.values)]
    block = Block(_HEADINGS[label], titles, pictures, borders, labels)
    return block, _rows("figure6", label, 0, traversal, inferred)


def _make_figure6(context: Context) -> Findings:
    panels = {label: _infer(context, label) for label in _HEADINGS if label in context.runs}
    blocks, by_panel = {}, {}
    for label in _HEADINGS:
        blocks[label], by_panel[label] = _block(context, label, panels.get(label))
    rows = [row for of_panel in by_panel.values() for row in of_panel]
    moved = {label: _measure(context, inferred) for label, inferred in panels.items()}
    of_slot, dci = "", None
    if by_panel[IODINE]:
        dci = _disentanglement(context)
        of_slot = (
            f"; IODINE, {effects_in_words(by_panel[IODINE])}; DCI disentanglement "
            f"{dci['disentanglement']:.3f}, completeness {dci['completeness']:.3f}"
        )
    return Findings(
        comparison=_compare_moved(moved) + of_slot,
        numbers={
            "kl": {label: inferred.kl.tolist() for label, inferred in panels.items()},
            "moved pixels": moved,
            "DCI": dci,
            "latents": rows,
        },
        table=rows,
        figures={"figure6": blocks_figure(list(blocks.values()))},
        pages=_pages(context, panels),
    )


def _pages(context: Context, panels: Mapping[str, _Inferred]) -> dict[str, Any]:
    """The page of IODINE's traversals, if it is asked for."""
    if not context.with_pages or IODINE not in panels:
        return {}
    inferred = panels[IODINE]
    first = inferred.result.each(lambda field: field[:_PAGE_SCENES])
    count = traversal_page.affordable_latents(inferred.model, _PAGE_SCENES, first.masks.shape[1])
    scenes = traversal_page.traverse_scenes(
        inferred.model, inferred.images[:_PAGE_SCENES], first, inferred.ranking[:count].tolist()
    )
    write = functools.partial(
        traversal_page.write_page, scenes=scenes, kl=inferred.kl, title=context.note()
    )
    return {"figure6.html": write}


def _make_figures30_32(context: Context) -> Findings:
    inferred = _infer(context, IODINE)
    scenes = np.random.default_rng(context.seed).choice(
        np.arange(1, len(inferred.images)), 3, replace=False
    )
    rows, figures = [], {}
    for number, scene in zip((30, 31, 32), scenes.tolist(), strict=True):
        traversal = _traverse(inferred, scene, context.seed + number)
        name = f"figure{number}"
        rows += _rows(name, IODINE, scene, traversal, inferred)
        figures[name] = traversal_figure(traversal, inferred.images[scene], inferred.kl)
    return Findings(
        comparison=effects_in_words(rows),
        numbers={"kl": inferred.kl.tolist(), "latents": rows},
        table=rows,
        figures=figures,
    )


FIGURE6 = Artifact(
    name="figure6",
    title="Latent traversals of VAEs and of IODINE",
    claim="a VAE on scenes of one object varies single factors; on scenes of several objects its "
    "latents entangle factors and objects; traversals of single latents of IODINE vary single "
    "factors of a single object",
    make=_make_figure6,
    trainings=_trainings_of_all,
)

FIGURE30_32 = Artifact(
    name="figure30-32",
    title="More latent traversals, of scenes and slots drawn at random",
    claim="the same, with some flaws where objects hide each other",
    make=_make_figures30_32,
    trainings=_trainings,
)
