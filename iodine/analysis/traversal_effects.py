"""What a traversal does to a scene, in numbers: to the slot's object, and to the other objects."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from iodine.analysis.traversals import Traversal
from iodine.evaluation.spread import json_number

# A pixel moves if a channel's range over the traversal is larger, of [0, 1]. Our choice: it is the
# sigma of the likelihood, below which the paper's models do not care about a difference.
MOVED = 0.1

# Columns of `effect_table`.
EFFECT_COLUMNS = ("row_shift", "column_shift", "color_change", "elsewhere")
MOVED_COLUMNS = ("moved_own", "moved_others", "share_of_own", "share_of_others")


class MovedPixels(NamedTuple):
    """How many pixels of each of M objects the traversals of L latents move."""

    counts: np.ndarray  # int [L, M]
    areas: np.ndarray  # int [M], pixels that each object has

    @property
    def own(self) -> np.ndarray:
        """The object that each latent moves most pixels of, int [L]; 0 where it moves none."""
        return self.counts.argmax(axis=1)

    @property
    def others(self) -> np.ndarray:
        """Pixels of all other objects that each latent moves, int [L]."""
        return self.counts.sum(axis=1) - self.counts.max(axis=1)

    @property
    def share_of_own(self) -> np.ndarray:
        """The moved part of the own object's pixels, [L] in [0, 1]; NaN if it has none."""
        return _ratio(self.counts.max(axis=1), self.areas[self.own])

    @property
    def share_of_others(self) -> np.ndarray:
        """The moved part of the other objects' pixels, [L] in [0, 1]; NaN if there are none."""
        return _ratio(self.others, self.areas.sum() - self.areas[self.own])


def moved_pixels(
    traversal: Traversal, object_masks: np.ndarray, threshold: float = MOVED
) -> MovedPixels:
    """Counts, for each latent, the pixels of each true object whose colour its traversal changes.

    Nothing is asked about slots, so that a model without them is measured alike: the object that a
    latent is about is the one that it moves most pixels of. What it moves of others is
    entanglement, or an object that passes in front of another.

    Args:
        traversal: of the scene.
        object_masks: true masks of its objects, without the background, [M, H, W], M at least 1.
        threshold: a pixel moves if the range of one of its channels over the V values is larger.
    """
    ranges = np.ptp(traversal.reconstructions, axis=1).max(axis=-1)  # [L, H, W]
    masks = np.asarray(object_masks) > 0
    counts = np.einsum("lhw,mhw->lm", (ranges > threshold).astype(int), masks.astype(int))
    return MovedPixels(counts, masks.sum(axis=(1, 2)))


def moved_pixels_of_scene(traversal: Traversal, true_masks: np.ndarray) -> MovedPixels | None:
    """The same of a scene's true masks [L, H, W], entity 0 the background.

    None for a scene without a visible object.
    """
    masks = np.asarray(true_masks)[1:]
    masks = masks[masks.any(axis=(1, 2))]
    return moved_pixels(traversal, masks) if len(masks) else None


def effects(traversal: Traversal) -> list[dict[str, float]]:
    """What each latent of a slot does over its values.

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


def effect_table(
    traversal: Traversal, kl: np.ndarray, moved: MovedPixels | None
) -> list[dict[str, Any]]:
    """A line for each latent: its KL, and its `EFFECT_COLUMNS` and `MOVED_COLUMNS`.

    Args:
        traversal: of a model without slots, its effects on a slot are None.
        kl: nats by latent, [Z].
        moved: None where there are no true objects; then these columns are None.
    """
    of_slot: list[dict[str, Any]] = [dict.fromkeys(EFFECT_COLUMNS)] * len(traversal.latents)
    if traversal.masks.shape[2] > 1:
        of_slot = effects(traversal)
    return [
        {
            "latent": int(latent),
            "kl": float(kl[latent]),
            **effect,
            **(dict.fromkeys(MOVED_COLUMNS) if moved is None else moved_columns(moved, number)),
        }
        for number, (latent, effect) in enumerate(zip(traversal.latents, of_slot, strict=True))
    ]


def moved_columns(moved: MovedPixels, number: int) -> dict[str, int | float | None]:
    """Of the latent of this number; None for a share of nothing."""
    return {
        "moved_own": int(moved.counts[number].max()),
        "moved_others": int(moved.others[number]),
        "share_of_own": json_number(moved.share_of_own[number]),
        "share_of_others": json_number(moved.share_of_others[number]),
    }


def effects_in_words(rows: Sequence[dict[str, Any]]) -> str:
    """One sentence on lines of `effect_table` of a model with slots."""

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


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
