"""Slots decoded alone with latents moved, so that a page can put scenes together by itself."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.special import expit, logsumexp

from iodine.analysis import traversals
from iodine.analysis.traversals import DEFAULT_VALUES
from iodine.models.interface import SceneModel


class MovableLatents(NamedTuple):
    """Of one image: K slots at their posterior means, and each with L latents at V values.

    A scene with one slot changed has that slot's component and mask in place of the ones that it
    had. What the mask m leaves, 1 - m, the others share by the softmax of their mask logits over
    them alone: together that is the softmax of all logits, the changed slot's among them.
    """

    latents: np.ndarray  # int [L]
    values: np.ndarray  # [V], in the prior's standard deviations from its mean
    positions: np.ndarray  # [V], the same as values of the latents themselves
    found: np.ndarray  # [K, L], the latents' posterior means, in the prior's standard deviations
    components: np.ndarray  # [K, H, W, 3], about [0, 1], not clipped
    mask_logits: np.ndarray  # [K, H, W]
    moved_components: np.ndarray  # [K, L, V, H, W, 3]
    moved_masks: np.ndarray  # [K, L, V, H, W], of the moved slot among the others at rest


def move_latents(
    model: SceneModel,
    latent_mean: np.ndarray,
    latents: Sequence[int],
    values: Sequence[float] = DEFAULT_VALUES,
) -> MovableLatents:
    """Decodes every slot of an image with each latent at each value, all else at its mean.

    Args:
        model: a trained model.
        latent_mean: posterior means of the image, [K, Z].
        latents: 0 to Z - 1 each, e.g. the first few of `traversals.rank_latents`.
        values: what each is set to, in the prior's standard deviations from the prior's mean.

    Raises:
        UserError: for a latent that does not exist, no latents or values, or a model without a
            prior.
    """
    traversals.require_prior(model)
    mean = np.asarray(latent_mean, np.float32)
    latents, values = np.asarray(latents, int), np.asarray(values, np.float32)
    traversals.check_traversed(latents, values, mean.shape[1])
    components, logits = (x.numpy() for x in traversals.decode_slots(model, tf.constant(mean)))
    moved_components, moved_masks = [], []
    for slot, of_slot in enumerate(mean):
        is_other = np.arange(len(mean))[:, np.newaxis, np.newaxis] != slot
        others = logsumexp(np.where(is_other, logits, -np.inf), axis=0)  # [H, W]; -inf if K = 1
        for latent in latents:  # one at a time, for a decoding of large images takes much memory
            changed = traversals.with_latent_at(model, of_slot, latent, values)
            decoded, decoded_logits = traversals.decode_slots(model, tf.constant(changed))
            moved_components.append(decoded.numpy())
            moved_masks.append(expit(decoded_logits.numpy() - others))
    sizes = (*mean[:, latents].shape, len(values))
    return MovableLatents(
        latents=latents,
        values=values,
        positions=traversals.at_prior_deviations(model, values),
        found=traversals.in_prior_deviations(model, mean[:, latents]),
        components=components,
        mask_logits=logits,
        moved_components=np.reshape(moved_components, (*sizes, *components.shape[1:])),
        moved_masks=np.reshape(moved_masks, (*sizes, *logits.shape[1:])),
    )
