"""The scene with the most objects of a data set, and what is shown of its decomposition."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from iodine.evaluation import ari as metrics
from iodine.evaluation.inference import Decomposition
from iodine.evaluation.matching import holding_slots
from iodine.reproduction.framework import shown_scenes
from iodine.reproduction.framework.context import Context, Run

_SHOWN_SLOTS = 4
_SHOWN_ITERATIONS = 6


@dataclasses.dataclass(frozen=True)
class CrowdedScene:
    """The scene that is shown, and what the model makes of it.

    `masks` are the true ones, one-hot [L, H, W]; `unseen` are the entities whose colour and shape
    never occur together in the data that were trained on.
    """

    index: int
    image: np.ndarray  # [H, W, 3]
    masks: np.ndarray
    unseen: list[int]
    results: list[Decomposition]  # t = 0, before any refinement, to T; the scene is their batch

    @property
    def num_objects(self) -> int:
        """Objects with at least one pixel."""
        return int(num_visible(self.masks[np.newaxis])[0])

    def fg_ari(self) -> list[float]:
        """Foreground ARI of each decoding, t = 0 to T."""
        labels = np.concatenate([np.argmax(r.masks, axis=1) for r in self.results])  # [T + 1, H, W]
        masks = np.repeat(self.masks[np.newaxis], len(labels), axis=0)
        num_slots = self.results[0].masks.shape[1]
        return metrics.adjusted_rand_index(masks, labels, num_slots, foreground_only=True).tolist()


def num_visible(true_masks: np.ndarray) -> np.ndarray:
    """Objects with at least one pixel, [B], of one-hot masks [B, L, H, W]."""
    return np.any(true_masks[:, 1:] > 0, axis=(2, 3)).sum(axis=1)


def shown_iterations(last: int) -> list[int]:
    """At most six of t = 0 to `last`, both among them, closer in the beginning."""
    places = np.geomspace(1, last + 1, _SHOWN_ITERATIONS)
    return np.unique(np.round(places).astype(int) - 1).tolist()


def shown_slots(true_masks: np.ndarray, masks: np.ndarray, unseen: Sequence[int]) -> list[int]:
    """Four slots that hold objects in the end: those whose masks change most on the way.

    In the order of the slots, but those of the unseen entities come last, whatever they change.
    Other slots fill up if fewer hold objects.

    Args:
        true_masks: one-hot [L, H, W].
        masks: the model's of each decoding, [T + 1, K, H, W].
        unseen: see `CrowdedScene`.
    """
    num_slots = masks.shape[1]
    holder = {e: k for e, k in holding_slots(true_masks, masks[-1]).items() if e}
    change = np.abs(np.nan_to_num(masks[-1] - masks[0])).sum(axis=(1, 2))
    last = [holder[e] for e in unseen if e in holder][-_SHOWN_SLOTS:]
    rank = sorted(range(num_slots), key=lambda k: (k not in holder.values(), -change[k]))
    others = [k for k in rank if k not in last][: max(0, _SHOWN_SLOTS - len(last))]
    return sorted(others) + last


def unseen_objects(
    factors: dict[str, np.ndarray], seen: Sequence[dict[str, np.ndarray]], is_object: np.ndarray
) -> list[int]:
    """Entities of one scene whose colour and shape never occur together in other scenes.

    Args:
        factors: `color`, ids [L] or RGB [L, 3], and `shape`, ids [L].
        seen: batches of them, [B, L, ...]; absent entities do not matter.
        is_object: bool [L], which entities of the scene are objects.
    """
    pairs = {pair for batch in seen for pair in _colors_and_shapes(batch)}
    here = _colors_and_shapes(factors)
    return [i for i, pair in enumerate(here) if is_object[i] and pair not in pairs]


def _colors_and_shapes(factors: dict[str, np.ndarray]) -> list[tuple[Any, ...]]:
    """Of every entity, by itself."""
    shapes = factors["shape"].reshape(-1, 1)
    return list(map(tuple, np.hstack([factors["color"].reshape(len(shapes), -1), shapes]).tolist()))


def crowded_scene(context: Context, run: Run) -> CrowdedScene:
    """The scene with the most visible objects of the budget's number of test scenes."""
    workload, num_images = run.training.workload, context.budget.num_images
    batches = context.batches(workload.more_objects, num_images)
    counts = np.concatenate([num_visible(batch["mask"]) for batch in batches])
    index = int(np.argmax(counts))
    batch, row = divmod(index, len(batches[0]["image"]))
    scene = batches[batch]
    unseen = []
    if workload.held_out:
        trained = context.batches(run.config.data.dataset, num_images)
        factors = {name: scene["factors"][name][row] for name in ("color", "shape")}
        is_object = scene["mask"][row].any(axis=(1, 2)) & (np.arange(len(scene["mask"][row])) > 0)
        unseen = unseen_objects(factors, [b["factors"] for b in trained], is_object)
    image = scene["image"][row]
    results = shown_scenes.decompose(run, image[np.newaxis], context.seed, workload.more_slots)
    return CrowdedScene(index, image, scene["mask"][row], unseen, results)
