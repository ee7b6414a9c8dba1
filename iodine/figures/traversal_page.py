"""One HTML page to step through latent traversals by hand, without server or network."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from iodine.analysis import traversals
from iodine.analysis.traversals import DEFAULT_VALUES, Traversal
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.figures import pages
from iodine.figures.traversals import value_label
from iodine.models.interface import SceneModel

_KINDS = 3  # of pictures for each value: reconstruction, component, segmentation
_MOST_PIXELS = 40_000_000  # of all these on a page by default: a few MB once compressed


class Scene(NamedTuple):
    """An image, what its slots hold, and the traversals of all of them."""

    image: np.ndarray  # [H, W, 3] in [0, 1]
    components: np.ndarray  # [K, H, W, 3], weighted by their masks
    traversals: list[Traversal]  # K, one a slot, of the same latents and values


def affordable_latents(
    model: SceneModel, num_scenes: int, num_slots: int, num_values: int = len(DEFAULT_VALUES)
) -> int:
    """How many latents, at least 3, a page can have before it gets too large to pass on."""
    pixels = num_scenes * num_slots * num_values * _KINDS * math.prod(model.spec.image_shape[:2])
    return min(max(_MOST_PIXELS // pixels, 3), model.spec.latent_size)


def traverse_scenes(
    model: SceneModel,
    images: np.ndarray,
    result: Decomposition,
    latents: Sequence[int],
    values: Sequence[float] = DEFAULT_VALUES,
) -> list[Scene]:
    """Traverses every slot of every image.

    Args:
        model: a trained model.
        images: [B, H, W, 3] in [0, 1].
        result: what the model makes of them.
        latents: in the order in which the page has them; see `traversals.rank_latents`.
        values: as for `traversals.traverse`.

    Raises:
        UserError: as `traversals.traverse`.
    """
    result = result.each(np.asarray)
    scenes = []
    for image, masks, components, mean in zip(
        images, result.masks, result.components, result.latent_mean, strict=True
    ):
        masked = masks[..., np.newaxis] * components
        by_slot = [
            traversals.traverse(model, mean, slot, latents, values) for slot in range(len(mean))
        ]
        scenes.append(Scene(np.asarray(image), masked, by_slot))
    return scenes


def write_page(
    path: str | pathlib.Path,
    scenes: Sequence[Scene],
    kl: np.ndarray,
    title: str = "Latent traversals",
) -> None:
    """Writes the page: scene, slot, latent and value to choose, the pictures for them to see.

    The traversals are those of Figure 6 (right), of any slot and latent. All pictures are in the
    page itself, exact to the 8 bits of a channel.

    Args:
        path: of the HTML file; its folder is made.
        scenes: at least one, as from `traverse_scenes`.
        kl: nats by latent, [Z], e.g. the mean of what `traversals.rank_latents` was given.
        title: of the page.

    Raises:
        UserError: without scenes.
    """
    if not scenes:
        raise UserError("no scenes for the page of traversals; give at least one image")
    pages.write(path, "traversal_page.html", title, _page_data(scenes, np.asarray(kl)))


def _page_data(scenes: Sequence[Scene], kl: np.ndarray) -> dict[str, Any]:
    first = scenes[0].traversals[0]
    return {
        "side": scenes[0].image.shape[0],
        "latents": [{"index": int(i), "kl": float(kl[i])} for i in first.latents],
        "num_latents": len(kl),
        "values": [float(value) for value in first.values],
        "value_labels": [value_label(value) for value in first.values],
        "colors": pages.slot_colors(len(scenes[0].traversals)),
        "scenes": [
            {
                "parts": pages.png(pages.row([scene.image, *scene.components])),
                "slots": [
                    {"sprite": pages.png(_sprite(t)), "found": np.round(t.found, 3).tolist()}
                    for t in scene.traversals
                ],
            }
            for scene in scenes
        ],
    }


def _sprite(traversal: Traversal) -> np.ndarray:
    """All pictures of a traversal in one: the values go across, three rows for each latent."""
    rows = []
    for reconstructions, components, masks in zip(
        traversal.reconstructions, traversal.components, traversal.masks, strict=True
    ):
        rows += [reconstructions, components, [plots.segmentation(m) for m in masks]]
    return pages.table(rows)
