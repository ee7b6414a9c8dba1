"""Latent traversals: what changes in a scene when one latent of one slot does (Figure 6, right)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel, mixed
from iodine.models.parts.distributions import tfd

# What a latent is set to, in the prior's standard deviations from its mean: 95 % of the prior.
DEFAULT_VALUES = tuple(np.linspace(-2, 2, 9).tolist())
_SMALLEST_OBJECT = 0.01  # of the image's pixels


class Traversal(NamedTuple):
    """L latents of one slot, each set to V values while all else stays at its posterior mean."""

    slot: int
    latents: np.ndarray  # int [L]
    values: np.ndarray  # [V], in the prior's standard deviations from its mean
    found: np.ndarray  # [L], the latents' posterior means, in the same units
    reconstructions: np.ndarray  # [L, V, H, W, 3], about [0, 1], not clipped
    components: np.ndarray  # [L, V, H, W, 3], of the slot, weighted by its mask
    masks: np.ndarray  # [L, V, K, H, W], in [0, 1], summing to 1 over K


def latent_kl(model: SceneModel, result: Decomposition) -> np.ndarray:
    """KL(q(z|x) || p(z)) of each latent by itself, [B, K, Z] in nats.

    Raises:
        UserError: if the model has no posterior or no prior.
    """
    require_prior(model)
    if result.latent_scale is None:
        raise UserError("the model has no posterior, so no latent has a KL")
    posterior = tfd.Normal(result.latent_mean, result.latent_scale)
    prior = model.prior_of_slots(result.latent_mean.shape[1])
    return posterior.kl_divergence(prior).numpy()


def rank_latents(kl: np.ndarray) -> np.ndarray:
    """The latents from the most to the least important, as section 4.2 selects them: by KL.

    Args:
        kl: nats [..., Z], of as many slots of as many images as there are; for the objects alone
            `latent_kl(model, result)[object_slots(result.masks)]`.

    Returns:
        int [Z], by falling mean over the slots.

    Raises:
        UserError: if there are no slots to average over, or the KL is not finite.
    """
    kl = np.asarray(kl, np.float64).reshape(-1, np.shape(kl)[-1])
    if not len(kl):
        raise UserError(
            "no slot holds an object, so the latents cannot be ranked; give more images"
        )
    if not np.isfinite(kl).all():
        raise UserError("the KL of some latents is not finite: the model diverges on these images")
    return np.argsort(-kl.mean(axis=0), kind="stable")


def object_slots(masks: np.ndarray) -> np.ndarray:
    """Which slots hold an object, rather than nothing or the background.

    That is taken to be the slot with the most pixels; an object has at least 1 % of them. The one
    slot of a model without slots holds all objects.

    Args:
        masks: [..., K, H, W]; a pixel belongs to the slot of its largest mask.

    Returns:
        bool [..., K].
    """
    masks = np.asarray(masks)
    slots = np.arange(masks.shape[-3])
    labels = np.expand_dims(masks.argmax(axis=-3), -3)  # [..., 1, H, W]
    areas = (labels == slots[:, np.newaxis, np.newaxis]).mean(axis=(-2, -1))  # [..., K]
    is_background = slots == areas.argmax(axis=-1)[..., np.newaxis]
    if len(slots) == 1:
        is_background = np.zeros_like(is_background)
    return (areas >= _SMALLEST_OBJECT) & ~is_background


def pick_slot(masks: np.ndarray, seed: int = 0) -> int:
    """A slot at random among those that hold an object, as in Figures 30 to 32.

    Args:
        masks: [K, H, W].
        seed: decides which.

    Raises:
        UserError: if none holds an object.
    """
    slots = np.flatnonzero(object_slots(masks))
    if not len(slots):
        raise UserError("no slot holds an object of this image; choose another image, or the slot")
    return int(np.random.default_rng(seed).choice(slots))


def any_slot(masks: np.ndarray, seed: int = 0) -> int:
    """As `pick_slot`; of a hardly trained model, whose slots hold no object, the second largest.

    Args:
        masks: [K, H, W].
        seed: decides which.
    """
    if object_slots(masks).any():
        return pick_slot(masks, seed)
    return int(np.asarray(masks).sum(axis=(1, 2)).argsort()[-2])


def kl_of_objects(model: SceneModel, result: Decomposition) -> np.ndarray:
    """`latent_kl` of the slots that hold objects, [N, Z] in nats; of all slots if none does.

    Raises:
        UserError: as `latent_kl`.
    """
    kl = latent_kl(model, result)
    of_objects = kl[object_slots(result.masks)]
    return of_objects if len(of_objects) else kl.reshape(-1, kl.shape[-1])


def traverse(
    model: SceneModel,
    latent_mean: np.ndarray,
    slot: int,
    latents: Sequence[int],
    values: Sequence[float] = DEFAULT_VALUES,
) -> Traversal:
    """Traverses latents of one slot, one at a time (Figures 6 and 30 to 32).

    Args:
        model: a trained model.
        latent_mean: posterior means of one image, [K, Z].
        slot: 0 to K - 1.
        latents: 0 to Z - 1 each, e.g. the first few of `rank_latents`.
        values: what each is set to, in the prior's standard deviations from the prior's mean.

    Raises:
        UserError: for a slot or latent that does not exist, no latents or values, or a model
            without a prior.
    """
    require_prior(model)
    mean = np.asarray(latent_mean, np.float32)
    latents, values = np.asarray(latents, int), np.asarray(values, np.float32)
    _check("slot", np.array([slot]), len(mean))
    check_traversed(latents, values, mean.shape[1])
    fixed = decode_slots(model, tf.constant(mean))
    parts = []
    for latent in latents:  # one at a time, for a decoding of large images takes much memory
        changed = tf.constant(with_latent_at(model, mean[slot], latent, values))
        decoded = _decode_changed(model, fixed, tf.constant(slot, tf.int32), changed)
        parts.append([x.numpy() for x in decoded])
    reconstructions, components, masks = (np.stack(x) for x in zip(*parts, strict=True))
    found = in_prior_deviations(model, mean[slot, latents])
    return Traversal(slot, latents, values, found, reconstructions, components, masks)


def with_latent_at(
    model: SceneModel, latents: np.ndarray, latent: int, values: np.ndarray
) -> np.ndarray:
    """A slot's latents [Z], V times with one of them changed: [V, Z].

    Args:
        model: a model with a prior.
        latents: of the slot.
        latent: which one changes.
        values: [V], in the prior's standard deviations from its mean.
    """
    changed = np.repeat(latents[np.newaxis], len(values), axis=0)
    changed[:, latent] = at_prior_deviations(model, values)
    return changed


def at_prior_deviations(model: SceneModel, values: np.ndarray) -> np.ndarray:
    """Latents that lie so many of the prior's standard deviations from its mean.

    That prior is the one of slots that hold objects, also where the background's slot has another.
    """
    return model.prior.mean().numpy() + model.prior.stddev().numpy() * values


def in_prior_deviations(model: SceneModel, latents: np.ndarray) -> np.ndarray:
    """Values of latents in the prior's standard deviations from its mean."""
    return (latents - model.prior.mean().numpy()) / model.prior.stddev().numpy()


@tf.function(autograph=False)
def decode_slots(model: SceneModel, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Slots [N, Z] to their means [N, H, W, 3] and mask logits [N, H, W]."""
    means, logits = model.decode(z[tf.newaxis])
    return means[0], logits[0]


@tf.function(autograph=False)
def _decode_changed(
    model: SceneModel, fixed: tuple[tf.Tensor, tf.Tensor], slot: tf.Tensor, z: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Each z [V, Z] in place of the slot, beside the fixed means and mask logits of all slots.

    Returns:
        Reconstruction [V, H, W, 3], the slot's masked component [V, H, W, 3], masks [V, K, H, W].
    """
    fixed_means, fixed_logits = fixed  # [K, H, W, 3], [K, H, W]
    means, logits = decode_slots(model, z)
    is_slot = tf.range(tf.shape(fixed_logits)[0]) == slot
    is_slot = is_slot[:, tf.newaxis, tf.newaxis]
    components = tf.where(is_slot[..., tf.newaxis], means[:, tf.newaxis], fixed_means)
    masks = tf.nn.softmax(tf.where(is_slot, logits[:, tf.newaxis], fixed_logits), axis=1)
    mask = tf.gather(masks, slot, axis=1)
    return mixed(components, masks), mask[..., tf.newaxis] * means, masks


def require_prior(model: SceneModel) -> None:
    """Raises UserError if the model has none."""
    if model.prior is None:
        raise UserError("the model has no prior, whose standard deviations latents are measured in")


def check_traversed(latents: np.ndarray, values: np.ndarray, latent_size: int) -> None:
    """Raises UserError unless there are latents, 0 to Z - 1 each, and values to set them to."""
    _check("latent", latents, latent_size)
    if not values.size:
        raise UserError("no values to traverse; give at least one")


def _check(name: str, numbers: np.ndarray, count: int) -> None:
    if not numbers.size:
        raise UserError(f"no {name} to traverse; give at least one of 0 to {count - 1}")
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if wrong.size:
        raise UserError(f"{name} {wrong[0]} does not exist; they are 0 to {count - 1}")
