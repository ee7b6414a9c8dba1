"""One latent for a whole scene: which of its objects is which, and what a linear layer reads.

What section 4.2 of the paper does with a VAE, for Figure 5: nothing tells which part of its latent
is about which object, so the objects are put in a canonical order, "based on their size, material,
shape, and position (with decreasing precedence)", and "a linear network" predicts "the concatenated
features of the canonically ordered objects". Chosen by us, as the paper does not say: every key
ascends, category ids as the data set numbers them; position is x, then y; the scale of a sprite
counts as its size; a key that the data lack is skipped. Places without an object count nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from iodine.analysis import probes
from iodine.analysis.factors import Factor
from iodine.analysis.object_latents import collect_objects, objects_of
from iodine.analysis.probes import FactorScore
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.models.interface import SceneModel

# By decreasing precedence; of several names the first that the data have.
_KEYS = (("size", "scale"), ("material",), ("shape",), ("x", "position"), ("y",))


class SceneLatents(NamedTuple):
    """A row for every object that is visible and has a pixel; never for the background."""

    latents: np.ndarray  # float32 [N, Z], mean of the scene's posterior, the same for its objects
    factors: dict[str, np.ndarray]  # by name, [N] or [N, dimensions]
    image: np.ndarray  # int64 [N], index of the image among all that were seen
    place: np.ndarray  # int64 [N], in the canonical order of the image's objects, from 0


def canonical_order(factors: Mapping[str, np.ndarray], is_object: np.ndarray) -> np.ndarray:
    """The objects of each scene in the order of section 4.2, see above.

    Args:
        factors: by name, [B, L] or [B, L, dimensions]; several dimensions are compared in order.
        is_object: which of the L entities are objects of the scene, bool [B, L].

    Returns:
        int [B, L]: the entities in order, what is no object last. Equal ones stay in the order of
        their ids.
    """
    keys = []
    for names in _KEYS:
        name = next((name for name in names if name in factors), None)
        if name is not None:
            values = np.asarray(factors[name])
            keys += list(np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0))  # [B, L] each
    return np.lexsort((*reversed(keys), ~is_object), axis=-1)  # its last key weighs most


def collect(model: SceneModel, batches: Iterable[Mapping[str, Any]], seed: int = 0) -> SceneLatents:
    """Encodes all images and tells the objects of each by their canonical order.

    Args:
        model: a trained model without slots.
        batches: as for `object_latents.collect`.
        seed: the noise of image i depends on (seed, i), as for `evaluation.Evaluator`.

    Raises:
        UserError: for a model with slots, for batches without masks or factors, or without any
            object.
    """
    if model.spec.num_slots != 1:
        raise UserError(
            f"the model has {model.spec.num_slots} slots, not one latent for the scene; match its "
            "slots to objects"
        )

    def infer(images: tf.Tensor, examples: tf.Tensor) -> tf.Tensor:
        return inference.infer_by_example(model, images, examples, seed)[-1].latents[:, 0]  # [B, Z]

    return collect_objects(batches, "putting objects in order", infer, _objects_of_batch)


def probe(
    scenes: SceneLatents, factors: Sequence[Factor], train_fraction: float = 0.8, seed: int = 0
) -> list[FactorScore]:
    """As `probes.probe`, but the layer has outputs for the object at each place of the order.

    The scores are over all objects of the test images, whatever their place, and so are on the
    scale of those of a model with slots. But the order itself tells something: where the largest
    comes last, its size is known without looking. So `chance` is the score of the best constant at
    each place.

    Args:
        scenes: of all objects.
        factors: see `factors.factors_of`.
        train_fraction: as for `probes.probe`.
        seed: likewise.

    Raises:
        UserError: as `probes.probe`; and for a place that too few training images have an object
            at.
    """
    return probes.probe(scenes, factors, train_fraction, seed, scenes.place)


def _objects_of_batch(batch: dict[str, Any], latents: np.ndarray, first_image: int) -> SceneLatents:
    is_object = objects_of(batch)
    order = canonical_order(batch["factors"], is_object)  # [B, L]
    image, place = np.nonzero(np.take_along_axis(is_object, order, axis=1))
    entity = order[image, place]
    return SceneLatents(
        latents=latents[image],
        factors={name: np.asarray(v)[image, entity] for name, v in batch["factors"].items()},
        image=first_image + image,
        place=place,
    )
