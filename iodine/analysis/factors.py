"""The true factors of objects: which of them can be predicted, from what, and as what."""

from typing import NamedTuple, Protocol

import numpy as np

from iodine.errors import UserError
from iodine.models.parts.factor_regression import KINDS

# What the factors of our data sets are, by name: those stored as integer ids, and as numbers.
# Not among them: CLEVR's `rotation`, as a sphere shows none, and `z`, which its size decides.
_IDS = ("shape", "size", "material", "color", "label", "texture")
_NUMBERS = {
    "x": "scalar",
    "y": "scalar",
    "pixel_coords": "scalar",  # what the released code takes for the position in CLEVR
    "scale": "scalar",
    "orientation": "angle",  # symmetric sprites show it only in part, so no probe reaches 1
    "phase": "angle",
    "color": "scalar",  # RGB in [0, 1]; if all are 0 or 1 it is one of a few colours: categorical
}

MIN_IMAGES = 10  # in each part; with fewer a score and its spread mean nothing


class Objects(Protocol):
    """What a probe has to know of N objects, as in `ObjectLatents`."""

    @property
    def latents(self) -> np.ndarray:
        """[N, Z]."""

    @property
    def factors(self) -> dict[str, np.ndarray]:
        """By name, [N] or [N, dimensions]."""

    @property
    def image(self) -> np.ndarray:
        """int64 [N], the image that each object is in."""


class Factor(NamedTuple):
    """A factor to probe for."""

    name: str
    kind: str  # one of `factor_regression.KINDS`


class Split(NamedTuple):
    train: np.ndarray  # bool [N]
    test_images: np.ndarray  # int [N test objects], numbered from 0


def factors_of(latents: Objects) -> list[Factor]:
    """The stored factors that a probe makes sense for; none that is the same for all objects."""
    factors = []
    for name in dict.fromkeys([*_NUMBERS, *_IDS]):
        values = latents.factors.get(name)
        if values is None or np.all(values == values[:1]):
            continue
        if np.issubdtype(values.dtype, np.integer):
            kind = "categorical" if name in _IDS else None
        else:
            kind = _NUMBERS.get(name)
            if name == "color" and np.isin(values, (0, 1)).all():
                kind = "categorical"
        if kind:
            factors.append(Factor(name, kind))
    return factors


def split_by_image(image: np.ndarray, train_fraction: float, seed: int) -> Split:
    """Parts of objects, such that those of an image are all in the same part.

    Args:
        image: int [N], the image that each object is in.
        train_fraction: share of the images, in (0, 1).
        seed: decides which images these are.

    Raises:
        UserError: for too few images.
    """
    images, number = np.unique(image, return_inverse=True)
    num_train = round(train_fraction * len(images))
    if min(num_train, len(images) - num_train) < MIN_IMAGES:
        raise UserError(
            f"{len(images)} images with objects leave {num_train} to fit probes and "
            f"{len(images) - num_train} to score them at train_fraction {train_fraction}; "
            f"at least {MIN_IMAGES} of each are needed"
        )
    order = np.random.default_rng(seed).permutation(len(images))
    is_train = np.zeros(len(images), bool)
    is_train[order[:num_train]] = True
    train = is_train[number]
    return Split(train, np.unique(image[~train], return_inverse=True)[1])


def target_of(latents: Objects, factor: Factor, split: Split) -> np.ndarray:
    """What is to be predicted: categories, int [N], or numbers, float64 [N, D]; angles as cos, sin.

    Raises:
        UserError: for a factor that the data do not have, or one that the images are too few for.
    """
    if factor.kind not in KINDS:
        raise UserError(f"factor {factor.name!r}: kind {factor.kind!r} is none of {KINDS}")
    if factor.name not in latents.factors:
        raise UserError(
            f"the data have no factor {factor.name!r}; they have {', '.join(latents.factors)}"
        )
    values = latents.factors[factor.name]
    values = values.reshape(len(values), -1)  # [N, dimensions]
    if factor.kind == "categorical":
        return _categories(factor, values, split.train)
    return _numbers(factor, values, ~split.train)


def _categories(factor: Factor, values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Values [N, dimensions] as numbers of categories, int [N]."""
    known, target = np.unique(values, axis=0, return_inverse=True)
    target = target.reshape(-1)
    if len(known) < 2:
        raise UserError(f"factor {factor.name!r} is the same for all objects; leave it out")
    counts = np.bincount(target)
    counts_train = np.bincount(target[train], minlength=len(known))
    rare = np.flatnonzero((counts < 2) | (counts_train < 1))
    if len(rare):
        first = rare[0]
        raise UserError(
            f"factor {factor.name!r}: {counts[first]} objects, {counts_train[first]} of them in "
            f"training images, have the category {known[first].tolist()}, which is too few for a "
            "probe; give more images"
        )
    return target


def _numbers(factor: Factor, values: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Values [N, dimensions] as targets of a regression, float64 [N, D]."""
    target = values.astype(np.float64)
    if factor.kind == "angle":
        target = np.concatenate([np.cos(target), np.sin(target)], axis=1)
    if np.any(np.ptp(target[test], axis=0) == 0):
        raise UserError(
            f"factor {factor.name!r} is the same for all objects of the test images, so R^2 is "
            "undefined; leave it out or give more images"
        )
    return target
