"""One HTML page to look into decompositions: scenes, iterations, slots, latents to move."""

import math
import operator
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from iodine.analysis import traversals
from iodine.analysis.movable_latents import MovableLatents, move_latents
from iodine.analysis.traversals import DEFAULT_VALUES
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.figures import pages
from iodine.figures.traversals import value_label
from iodine.models.interface import SceneModel

_MOST_PIXELS = 40_000_000  # of all pictures on a page by default: some MB once compressed
_LOGIT_STEPS = 256  # for each nat; with 16 bits, logits go from -256 to 0


class Scene(NamedTuple):
    """What a model makes of one image, step by step; S steps, K slots, Z latents."""

    name: str
    image: np.ndarray  # [H, W, 3] in [0, 1]
    masks: np.ndarray  # [S, K, H, W]
    components: np.ndarray  # [S, K, H, W, 3], about [0, 1], not clipped
    reconstructions: np.ndarray  # [S, H, W, 3]
    latent_mean: np.ndarray  # [S, K, Z]
    latent_scale: np.ndarray | None  # [S, K, Z]; None without a posterior
    kl: np.ndarray | None  # [S, K, Z], nats; None without a posterior
    elbo: np.ndarray  # [S], nats
    movable: MovableLatents | None  # around the last step's means; None if not asked for


def affordable_scenes(
    image_shape: Sequence[int], num_steps: int, num_slots: int, num_latents: int = 0
) -> int:
    """How many scenes, at least 1, a page can have before it gets too large to pass on.

    Args:
        image_shape: H, W, C.
        num_steps: S.
        num_slots: K.
        num_latents: that can be moved in every slot.
    """
    pictures = 2 * num_slots * (num_steps + num_latents * len(DEFAULT_VALUES))
    return max(_MOST_PIXELS // (pictures * math.prod(image_shape[:2])), 1)


def page_scenes(
    model: SceneModel,
    names: Sequence[str],
    images: np.ndarray,
    results: Sequence[Decomposition],
    num_latents: int = 0,
    values: Sequence[float] = DEFAULT_VALUES,
) -> Iterator[Scene]:
    """The scenes of a page, one at a time.

    Args:
        model: that decomposed the images.
        names: of the B scenes.
        images: [B, H, W, 3] in [0, 1].
        results: of the images, one for each step.
        num_latents: that can be moved in every slot, those with the most KL in slots that hold
            objects; 0 for none.
        values: that they can be moved to, in the prior's standard deviations from its mean.

    Raises:
        UserError: if there are fewer latents; if latents are to be moved of a model without a
            prior or a posterior.
    """
    check_movable(model, num_latents)
    results = [result.each(np.asarray) for result in results]
    kl = None
    if results[-1].latent_scale is not None:
        kl = [traversals.latent_kl(model, result) for result in results]
    chosen = None
    if num_latents:
        kl_of_objects = traversals.kl_of_objects(model, results[-1])
        chosen = traversals.rank_latents(kl_of_objects)[:num_latents].tolist()
    for b, (name, image) in enumerate(zip(names, images, strict=True)):
        of_image = [result.each(operator.itemgetter(b)) for result in results]
        steps = Decomposition(
            *(None if f[0] is None else np.stack(f) for f in zip(*of_image, strict=True))
        )
        movable = None
        if chosen is not None:
            movable = move_latents(model, steps.latent_mean[-1], chosen, values)
        yield Scene(
            name=name,
            image=np.asarray(image),
            masks=steps.masks,
            components=steps.components,
            reconstructions=steps.reconstruction,
            latent_mean=steps.latent_mean,
            latent_scale=steps.latent_scale,
            kl=None if kl is None else np.stack([of_step[b] for of_step in kl]),
            elbo=steps.elbo,
            movable=movable,
        )


def check_movable(model: SceneModel, num_latents: int) -> None:
    """Raises UserError if the model does not have so many latents that can be moved."""
    if not num_latents:
        return
    traversals.require_prior(model)
    if num_latents > model.spec.latent_size:
        raise UserError(
            f"{num_latents} latents cannot be moved: the model has {model.spec.latent_size}"
        )


def write_page(path: str | pathlib.Path, scenes: Iterable[Scene], title: str) -> None:
    """Writes the page: scene, iteration, slot and latents to choose, and what is to see then.

    All pictures are in the page itself, exact to 8 bits. Where a latent is moved, the page puts the
    scene together: see `MovableLatents`.

    Args:
        path: of the HTML file; its folder is made.
        scenes: at least one, all of one model with the same K and S, as from `page_scenes`.
        title: of the page.

    Raises:
        UserError: without scenes.
    """
    data: dict[str, Any] = {"scenes": []}
    for scene in scenes:
        if not data["scenes"]:
            data |= _common_data(scene)
        data["scenes"].append(_scene_data(scene))
    if not data["scenes"]:
        raise UserError("no scenes for the page of decompositions; give at least one image")
    pages.write(path, "decomposition_page.html", title, data)


def _common_data(scene: Scene) -> dict[str, Any]:
    """What holds for all scenes."""
    num_steps, num_slots, latent_size = scene.latent_mean.shape
    movable = scene.movable
    return {
        "side": scene.image.shape[0],
        "num_steps": num_steps,
        "num_latents": latent_size,
        "has_posterior": scene.latent_scale is not None,
        "colors": pages.slot_colors(num_slots),
        "logit_steps": _LOGIT_STEPS,
        "latents": [] if movable is None else movable.latents.tolist(),
        "values": [] if movable is None else _rounded(movable.values),
        "value_labels": [] if movable is None else [value_label(v) for v in movable.values],
    }


def _scene_data(scene: Scene) -> dict[str, Any]:
    movable = scene.movable
    return {
        "name": scene.name,
        "image": pages.png(scene.image),
        "reconstructions": pages.png(pages.row(scene.reconstructions)),
        "components": pages.png(pages.table(scene.components)),  # a row for each step
        "masks": pages.png(pages.table(scene.masks)),
        "mean": _rounded(scene.latent_mean),
        "scale": None if scene.latent_scale is None else _rounded(scene.latent_scale),
        "kl": None if scene.kl is None else _rounded(scene.kl),
        "elbo": _rounded(scene.elbo),
        "movable": None if movable is None else _movable_data(movable),
    }


def _movable_data(movable: MovableLatents) -> dict[str, Any]:
    # A softmax knows differences only; these fit the 16 bits.
    logits = movable.mask_logits - movable.mask_logits.max(axis=0)
    return {
        "found": _rounded(movable.found),
        "positions": _rounded(movable.positions),
        "components": pages.png(pages.row(movable.components)),
        "logits": pages.png(pages.row(_as_bytes(logits))),
        "slots": [
            {
                "components": pages.png(pages.table(components)),  # a row for each latent
                "masks": pages.png(pages.table(masks)),
            }
            for components, masks in zip(movable.moved_components, movable.moved_masks, strict=True)
        ],
    }


def _as_bytes(logits: np.ndarray) -> np.ndarray:
    """[..., H, W] up to 0 to uint8 [..., H, W, 3]: -(256 R + G) steps of 1/256 nat, B unused."""
    steps = np.clip(np.round(-logits * _LOGIT_STEPS), 0, 2**16 - 1).astype(np.uint16)
    high, low = (steps >> 8).astype(np.uint8), (steps & 255).astype(np.uint8)
    return np.stack([high, low, np.zeros_like(low)], axis=-1)


def _rounded(numbers: np.ndarray) -> Any:
    """As lists, to four digits, which is more than is shown."""
    if np.ndim(numbers):
        return [_rounded(part) for part in numbers]
    return float(f"{numbers:.4g}")
