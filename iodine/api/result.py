"""What a trained model says of images, as NumPy arrays."""

import dataclasses
import os
import pathlib
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis import traversals
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots


class Latents(NamedTuple):
    """What a model encodes images to."""

    mean: np.ndarray  # [B, K, Z], of the posterior where there is one
    scale: np.ndarray | None  # [B, K, Z], its standard deviation; None without a posterior


class Scenes(NamedTuple):
    """What a model decodes latents to."""

    latents: np.ndarray  # [B, K, Z]
    masks: np.ndarray  # [B, K, H, W], in [0, 1], summing to 1 over K
    components: np.ndarray  # [B, K, H, W, 3], about [0, 1], not clipped
    reconstruction: np.ndarray  # [B, H, W, 3], the components weighted by the masks

    @property
    def segmentation(self) -> np.ndarray:
        """The slots' colours mixed by their masks, RGB [B, H, W, 3] in [0, 1]."""
        return np.stack([plots.segmentation(masks) for masks in self.masks])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Result:
    """How a model takes images apart. One image is a batch of one: B is always there.

    Attributes:
        images: what the model saw, [B, H, W, 3] in [0, 1].
        notes: of each image what was done to make it of this size, such as "cropped from 640x480
            to its centre 480x480, resized to 35x35"; None for nothing.
        masks: [B, K, H, W] in [0, 1], summing to 1 over the slots.
        components: [B, K, H, W, 3], what each slot paints; about [0, 1], not clipped.
        reconstruction: [B, H, W, 3], the components weighted by the masks.
        latent_mean: [B, K, Z], of the posterior where there is one.
        latent_scale: [B, K, Z], its standard deviation; None for a model without a posterior.
        elbo: [B], log p(x|z) - KL in nats.
        iterations: one record for each step of inference, with the same fields: of IODINE T + 1,
            the first before any refinement. Empty unless asked for.
    """

    images: np.ndarray
    notes: tuple[str | None, ...]
    masks: np.ndarray
    components: np.ndarray
    reconstruction: np.ndarray
    latent_mean: np.ndarray
    latent_scale: np.ndarray | None
    elbo: np.ndarray
    iterations: tuple[Decomposition, ...] = ()

    def __len__(self) -> int:
        """B."""
        return len(self.images)

    def __repr__(self) -> str:
        """Sizes, and what was done to the images."""
        b, k, height, width = self.masks.shape
        done = "; ".join(dict.fromkeys(filter(None, self.notes)))
        return (
            f"<Result: {b} image{'s' * (b != 1)} of {height} x {width} in {k} slots of "
            f"{self.latent_mean.shape[-1]} latents{f'; {done}' if done else ''}>"
        )

    @property
    def labels(self) -> np.ndarray:
        """The slot of the largest mask, int [B, H, W]."""
        return self.masks.argmax(axis=1)

    @property
    def segmentation(self) -> np.ndarray:
        """The slots' colours mixed by their masks, RGB [B, H, W, 3] in [0, 1]."""
        return np.stack([plots.segmentation(masks) for masks in self.masks])

    @property
    def object_slots(self) -> np.ndarray:
        """Which slots hold an object, bool [B, K]: see `traversals.object_slots`."""
        return traversals.object_slots(self.masks)

    @property
    def decomposition(self) -> Decomposition:
        """The same as the record that evaluation, analysis and figures take."""
        return Decomposition(*(getattr(self, name) for name in Decomposition._fields))

    def figure(self) -> Figure:
        """A row for each image: image, reconstruction, segmentation, each masked component."""
        return plots.decomposition_figure(self.images, self.decomposition)

    def save(self, path: str | os.PathLike) -> None:
        """Writes `figure` as a PNG; its folder is made."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        plots.save(self.figure(), path)
