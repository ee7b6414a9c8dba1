"""Figures 7 and 19: iterative inference on a scene with more objects than were trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from iodine.evaluation import spread
from iodine.evaluation.matching import found_objects
from iodine.evaluation.summary import mean_over_images
from iodine.figures.grids import Block, blocks_figure
from iodine.reproduction.framework import shown_scenes, tasks, wording
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.wording import span
from iodine.reproduction.paper.crowded_scene import (
    CrowdedScene,
    crowded_scene,
    num_visible,
    shown_iterations,
    shown_slots,
)

_TASK = tasks.CLEVR6_NO_GREEN_SPHERES


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(_TASK, _TASK, stand_in=True)]


def _datasets(budget: Budget) -> list[str]:
    workload = budget.workload(_TASK)
    return [workload.more_objects]


def iterations_block(
    scene: CrowdedScene, iterations: Sequence[int], slots: Sequence[int], heading: str
) -> Block:
    """A row an iteration: reconstruction, segmentation and slots; the image in the first.

    Args:
        scene: what is shown.
        iterations: which decodings; t = 0 is the one before any refinement.
        slots: which slots.
        heading: of the block.
    """
    rows: list[list[Any]] = []
    for t in iterations:
        reconstruction, segmentation, *held = shown_scenes.slot_pictures(scene.results[t], 0)
        image = None if rows else scene.image
        rows.append([image, reconstruction, segmentation, *(held[k] for k in slots)])
    labels = [f"t = {t}" for t in iterations]
    return shown_scenes.slots_block(heading, ["image", "recon.", "segm."], rows, labels, slots)


def _not_run(context: Context, name: str) -> Findings | None:
    """What is left to say where the model or the data could not be had."""
    if not context.missing:
        return None
    reason = "; ".join(dict.fromkeys(context.missing.values()))
    figure = blocks_figure([Block(_TASK, not_run=reason)])
    return Findings(f"not run: {reason}", {}, [], {name: figure})


def _make_figure7(context: Context) -> Findings:
    if findings := _not_run(context, "figure7"):
        return findings
    run = context.runs[_TASK]
    scene = crowded_scene(context, run)
    masks = np.concatenate([r.masks for r in scene.results])
    slots = shown_slots(scene.masks, masks, scene.unseen)
    iterations = shown_iterations(len(scene.results) - 1)
    numbers = _numbers(context, run, scene)
    more, trained, shown = (numbers[n]["fg_ari"] for n in ("more objects", "trained", "scene"))
    rows = [
        {"iteration": t, "scene": s, "more objects": m, "as trained": a}
        for t, (s, m, a) in enumerate(zip(shown, more, trained, strict=True))
    ]
    block = iterations_block(scene, iterations, slots, _heading(scene))
    return Findings(
        comparison=_comparison(run, scene, numbers),
        numbers={**numbers, "shown slots": [k + 1 for k in slots], "shown iterations": iterations},
        table=rows,
        figures={"figure7": blocks_figure([block])},
    )


def _numbers(context: Context, run: Run, scene: CrowdedScene) -> dict[str, Any]:
    """Foreground ARI of each decoding: of the scene, with more objects, and as trained."""
    workload, num_images = run.training.workload, context.budget.num_images
    counts = {
        name: np.concatenate([num_visible(b["mask"]) for b in context.batches(name, num_images)])
        for name in (workload.more_objects, run.config.data.dataset)
    }
    trained_at_most = int(counts[run.config.data.dataset].max())
    count = counts[workload.more_objects]
    more = context.evaluate(run, workload.more_objects, workload.more_slots, may_diverge=True)
    trained = context.evaluate(run, may_diverge=True)
    is_more = count > trained_at_most
    chosen = is_more if is_more.any() else np.ones_like(is_more)
    return {
        "scene": _scene_numbers(scene),
        "more objects": {
            "dataset": workload.more_objects,
            "num_slots": workload.more_slots,
            "num_images": int(chosen.sum()),
            "objects": [int(count[chosen].min()), int(count[chosen].max())],
            **_mean_ari(more["fg_ari"][:, chosen]),
            "last fg_ari by objects": {
                str(n): _mean_ari(more["fg_ari"][:, count == n])["fg_ari"][-1]
                for n in np.unique(count)
            },
        },
        "trained": {
            "dataset": run.config.data.dataset,
            "num_slots": run.model.spec.num_slots,
            "num_images": int(trained["fg_ari"].shape[1]),
            "objects": [int(counts[run.config.data.dataset].min()), trained_at_most],
            **_mean_ari(trained["fg_ari"]),
        },
    }


def _mean_ari(values: np.ndarray) -> dict[str, Any]:
    """Of each decoding, [T + 1, N], the mean over images; and how many of these it leaves out."""
    return {
        "fg_ari": spread.json_list(mean_over_images("fg_ari", values)),
        "images without foreground": int(np.isnan(values).all(axis=0).sum()),
    }


def _scene_numbers(scene: CrowdedScene) -> dict[str, Any]:
    last = scene.results[-1].masks
    labels, num_slots = np.argmax(last, axis=1), last.shape[1]
    true_masks = scene.masks[np.newaxis]
    _, found = found_objects(true_masks, labels, num_slots)
    _, in_foreground = found_objects(true_masks, labels, num_slots, foreground_only=True)
    return {
        "index": scene.index,
        "objects": scene.num_objects,
        "found": int(found.sum()),
        "found in foreground": int(in_foreground.sum()),
        "unseen": len(scene.unseen),
        "unseen found": int(found[0, [entity - 1 for entity in scene.unseen]].sum()),
        "fg_ari": scene.fg_ari(),
    }


def _heading(scene: CrowdedScene) -> str:
    return f"{scene.num_objects} objects, K = {scene.results[0].masks.shape[1]} slots"


def _comparison(run: Run, scene: CrowdedScene, numbers: dict[str, Any]) -> str:
    more, trained = numbers["more objects"], numbers["trained"]
    return (
        f"{_scene_in_words(run, scene)}; foreground ARI {_over(more, ' scenes', ' objects')}, "
        f"{_over(trained)} as trained; the paper shows "
        "9 objects with K = 11 of a model trained on 3-6 with K = 7, each in a slot of its own, "
        "and says that ARI decreases little"
    )


def _over(part: dict[str, Any], scenes: str = "", objects: str = "") -> str:
    """The last mean of a part of the numbers, and what it is the mean of."""
    ari = part["fg_ari"][-1]
    return (
        f"{'not defined' if ari is None else f'{ari:.3f}'} over {part['num_images']}{scenes} of "
        f"{span(*part['objects'])}{objects} with K = {part['num_slots']}"
        f"{wording.without_foreground(part['images without foreground'])}"
    )


def _scene_in_words(run: Run, scene: CrowdedScene) -> str:
    values = _scene_numbers(scene)
    name, trained = run.training.workload.held_out, run.config.data.dataset
    held_out = f"no combination of colour and shape in it was held out from training ({trained})"
    if values["unseen"]:
        held_out = f"{values['unseen found']} of {values['unseen']} {name}, of which {trained} has "
        held_out += "none, found"
    ari = values["fg_ari"]
    return (
        f"{values['found']} of {values['objects']} objects of the shown scene have a slot of their "
        f"own, {values['found in foreground']} if the background does not count, foreground ARI "
        f"{ari[0]:.3f} before any refinement, {ari[-1]:.3f} after {len(ari) - 1}; {held_out}"
    )


def _make_figure19(context: Context) -> Findings:
    if findings := _not_run(context, "figure19"):
        return findings
    run = context.runs[_TASK]
    scene = crowded_scene(context, run)
    count = len(scene.results)
    slots = range(scene.results[0].masks.shape[1])
    block = iterations_block(scene, range(count), slots, _heading(scene))
    numbers = _scene_numbers(scene)
    return Findings(
        comparison=f"{_scene_in_words(run, scene)}; in the paper each of 9 objects has a slot",
        numbers={"scene": numbers},
        table=[{"iteration": t, "fg_ari": a} for t, a in enumerate(numbers["fg_ari"])],
        figures={"figure19": blocks_figure([block])},
    )


FIGURE7 = Artifact(
    name="figure7",
    title="Iterative inference with more objects than trained",
    claim="trained with K = 7 on 3-6 objects and no green spheres, the model takes apart a scene "
    "of 9 objects with K = 11, a green sphere among them",
    make=_make_figure7,
    trainings=_trainings,
    datasets=_datasets,
)
FIGURE19 = Artifact(
    name="figure19",
    title="Iterative inference with more objects than trained, all slots",
    claim="Figure 7 with all slots",
    make=_make_figure19,
    trainings=_trainings,
    datasets=_datasets,
)
