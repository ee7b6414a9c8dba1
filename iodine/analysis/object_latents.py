"""Objects matched to slots by the overlap of their masks, and their latents over a data set.

What section 4.2 of the paper looks at ("Information Content"): each true object goes with one z_k.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import inference, matching
from iodine.models.interface import SceneModel

_NEEDED = ("mask", "visibility", "factors")

Objects = TypeVar("Objects", bound=Any)  # a named tuple with a row for each object


class ObjectLatents(NamedTuple):
    """A row for every object that is visible and has a pixel; never for the background."""

    latents: np.ndarray  # float32 [N, Z], means of the posteriors
    factors: dict[str, np.ndarray]  # by name, [N] or [N, dimensions]
    image: np.ndarray  # int64 [N], index of the image among all that were seen
    slot: np.ndarray  # int64 [N], in [0, K)
    iou: np.ndarray  # float64 [N], as `matching.best_slots` has it


def collect(
    model: SceneModel,
    batches: Iterable[Mapping[str, Any]],
    num_slots: int | None = None,
    num_iterations: int | None = None,
    seed: int = 0,
) -> ObjectLatents:
    """Decomposes all images and keeps the latents of their objects after the last iteration.

    Args:
        model: a trained model.
        batches: dictionaries with `image` [B, H, W, 3] float32 in [0, 1], `mask` [B, L, H, W],
            `visibility` [B, L] and `factors`, a dict of [B, L, ...], entity 0 the background.
        num_slots: K; the model's by default.
        num_iterations: T; the model's by default.
        seed: the noise of image i depends on (seed, i), as for `evaluation.Evaluator`.

    Raises:
        UserError: for batches without masks or factors, or without any object.
    """

    def infer(images: tf.Tensor, examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        last = inference.infer_by_example(model, images, examples, seed, num_slots, num_iterations)[
            -1
        ]
        return last.latents, last.masks  # [B, K, Z], [B, K, H, W]

    return collect_objects(batches, "matching objects to slots", infer, _objects_of_batch)


def collect_objects(
    batches: Iterable[Mapping[str, Any]],
    purpose: str,
    infer: Callable[[tf.Tensor, tf.Tensor], Any],
    objects_of_batch: Callable[[Any, Any, int], Objects],
) -> Objects:
    """Runs a model over all images and joins what is said of the objects of each batch.

    Args:
        batches: as for `collect`.
        purpose: what needs the ground truth, for the message if there is none.
        infer: from images and their numbers to tensors.
        objects_of_batch: from a batch, these tensors in NumPy and the number of the batch's first
            image to a row for each object.

    Raises:
        UserError: for batches without masks or factors, or without any object.
    """
    infer = tf.function(infer, autograph=False, reduce_retracing=True)
    parts, num_seen = [], 0
    for batch in batches:
        _require_ground_truth(batch, purpose)
        images = tf.convert_to_tensor(batch["image"])
        inferred = infer(images, tf.range(num_seen, num_seen + len(images)))
        inferred = tf.nest.map_structure(lambda tensor: tensor.numpy(), inferred)
        parts.append(objects_of_batch(batch, inferred, num_seen))
        num_seen += len(images)
    if not sum(len(part.image) for part in parts):
        raise UserError(f"none of the {num_seen} images has a visible object; give other data")
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


def matching_rate(latents: ObjectLatents, threshold: float = 0.5) -> float:
    """The share of objects, in [0, 1], that have a slot of their own which fits them.

    Args:
        latents: of at least one object.
        threshold: an object fits if its `iou` is larger.
    """
    places = np.stack([latents.image, latents.slot], axis=1)
    _, place, counts = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    is_alone = counts[place.reshape(-1)] == 1
    return float(np.mean(is_alone & (latents.iou > threshold)))


def require_finite(latents: np.ndarray) -> None:
    """Raises UserError if some of the latents [N, Z] are not numbers, as after a divergence."""
    is_bad = ~np.isfinite(latents).all(axis=1)
    if is_bad.any():
        raise UserError(
            f"the latents of {is_bad.sum()} of {len(latents)} objects are not finite; train "
            "longer, or use fewer iterations"
        )


def _require_ground_truth(batch: Mapping[str, Any], purpose: str) -> None:
    """Raises UserError if a batch has no true masks, visibilities or factors."""
    missing = [name for name in _NEEDED if not len(batch.get(name, ()))]
    if missing:
        raise UserError(
            f"the data have no {' and no '.join(missing)}, which {purpose} needs; "
            "use a data set that has true masks and factors"
        )


def objects_of(batch: dict[str, Any]) -> np.ndarray:
    """Which entities are visible objects that have a pixel, bool [B, L]; never the background."""
    is_object = (np.asarray(batch["visibility"]) > 0) & np.asarray(batch["mask"]).any(axis=(2, 3))
    is_object[:, 0] = False
    return is_object


def _objects_of_batch(
    batch: dict[str, Any], inferred: tuple[np.ndarray, np.ndarray], first_image: int
) -> ObjectLatents:
    latents, masks = inferred
    slots, iou = matching.best_slots(np.asarray(batch["mask"]), masks)
    image, entity = np.nonzero(objects_of(batch))
    slot = slots[image, entity]
    return ObjectLatents(
        latents=latents[image, slot],
        factors={name: np.asarray(v)[image, entity] for name, v in batch["factors"].items()},
        image=first_image + image,
        slot=slot,
        iou=iou[image, entity],
    )
