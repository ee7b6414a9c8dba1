"""Figures 20 to 22: the masks and the logits that they are the softmax of."""

from typing import Any

import matplotlib.cm
import matplotlib.colors
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from iodine.evaluation import inference
from iodine.evaluation.matching import holding_slots
from iodine.figures import decompositions as plots
from iodine.figures.grids import Block, blocks_figure
from iodine.models.interface import SceneModel
from iodine.reproduction.framework import shown_scenes
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Context
from iodine.reproduction.paper import figure04_16_to_18 as decompositions

_NAMES = ("figure20", "figure21", "figure22")
_FOOT = 0.4  # inches for the colour bar


def last_masks(model: SceneModel, images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks and mask logits after the last iteration, both [B, K, H, W].

    The latent samples are those of `inference.decompose_iterations` with this seed.
    """
    last = inference.infer(model, tf.constant(images), seed)[-1]
    return last.masks.numpy(), last.mask_logits.numpy()


def gray_range(logits: np.ndarray) -> tuple[float, float]:
    """What is drawn black and white: the 1st and 99th percentile of the finite values."""
    finite = logits[np.isfinite(logits)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(finite, (1, 99)))
    return (low, high) if high > low else (low, low + 1.0)


def contrast(masks: np.ndarray, logits: np.ndarray) -> float | None:
    """How much higher a slot's logits are where it wins than elsewhere, in nats.

    The mean over all slots of all images, masks and logits [B, K, H, W], that win some pixels and
    not all; None if there is none.
    """
    labels = np.argmax(masks, axis=1)
    differences = []
    for b, k in np.ndindex(masks.shape[:2]):
        wins = labels[b] == k
        if wins.any() and not wins.all():
            differences.append(logits[b, k][wins].mean() - logits[b, k][~wins].mean())
    return float(np.mean(differences)) if differences else None


def true_segmentation(true_masks: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The true masks [L, H, W] in the colours of the slots that fit them, RGB [H, W, 3].

    Entities and slots, masks [K, H, W], are matched one to one so that they share the most pixels;
    entities without a slot get colours that no slot has, pixels of no entity are black.
    """
    holder, num_slots = holding_slots(true_masks, masks), len(masks)
    slots = [holder.get(entity, num_slots + entity) for entity in range(len(true_masks))]
    colors = np.stack([plots.slot_color(slot) for slot in slots])
    return np.einsum("lhw,lc->hwc", true_masks, colors)


def _make(context: Context) -> Findings:
    figures, rows, ranges = {}, [], {}
    for name, task in zip(_NAMES, decompositions.TASKS, strict=True):
        if task not in context.runs:
            figures[name] = blocks_figure([Block(task, not_run=context.missing[task])])
            continue
        run = context.runs[task]
        num_images = context.budget.choose(smoke=2, cpu=5, paper=5)
        scenes = context.scenes(run.config.data.dataset, num_images)
        masks, logits = last_masks(run.model, scenes["image"], context.seed)
        figures[name] = _draw(task, scenes, masks, logits)
        scores = shown_scenes.scene_scores(scenes, masks)
        rows += [{"data set": task, **score} for score in scores]
        low, high = gray_range(logits)
        ranges[task] = {"black": low, "white": high, "contrast": contrast(masks, logits)}
    contrasts = "; ".join(
        f"{task} {r['contrast']:.1f}" for task, r in ranges.items() if r["contrast"] is not None
    )
    return Findings(
        comparison=f"{shown_scenes.compare_by_task(rows)}; a slot's mask logits are higher where "
        f"it wins than elsewhere, in nats: {contrasts}; the paper shows pictures only",
        numbers={"scenes": rows, "logits": ranges},
        table=rows,
        figures=figures,
    )


def _draw(task: str, scenes: dict[str, Any], masks: np.ndarray, logits: np.ndarray) -> Figure:
    """Two rows a scene, and a bar for the grays of the logits."""
    low, high = gray_range(logits)
    rows = []
    for image, true, mask, logit in zip(
        scenes["image"], scenes["mask"], masks, logits, strict=True
    ):
        rows.append([image, plots.segmentation(np.nan_to_num(mask)), *mask])
        rows.append([image, true_segmentation(true, mask), *(logit - low) / (high - low)])
    labels = ["model,\nmasks", "true,\nlogits"] * len(masks)
    block = shown_scenes.slots_block(task, ["image", "segmentation"], rows, labels)
    figure = blocks_figure([block], foot=_FOOT)
    height = figure.get_figheight()
    bar = figure.add_axes((0.3, 0.24 / height, 0.5, 0.09 / height))
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(low, high), "gray")
    figure.colorbar(scale, cax=bar, orientation="horizontal", extend="both")
    bar.tick_params(labelsize=6, width=0.5, length=2)
    bar.text(
        -0.08, 0.5, "mask logit", fontsize=6.5, transform=bar.transAxes, ha="right", va="center"
    )
    return figure


FIGURE20_22 = Artifact(
    name="figure20-22",
    title="Masks and mask logits",
    claim="each object has a slot whose mask logits stand out, on CLEVR6 (20), Multi-dSprites (21) "
    "and Tetris (22)",
    make=_make,
    trainings=decompositions.trainings,
)
