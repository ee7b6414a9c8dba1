"""Linear probes: how much of an object's factors one linear layer reads from its latent.

Section 4.2 and Figure 5 of the paper. The probes are fitted after training, on objects of images
other than those that they are scored on; `factor_regression.py` trains one beside the model.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from iodine.analysis.object_latents import require_finite
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

_MIN_IMAGES = 10  # in each part; with fewer a score and its spread mean nothing
_RESAMPLES = 1_000
# A penalty of 1 hides categories that correlated latents do hold linearly.
_INVERSE_PENALTY = 100.0
_MAX_ITERATIONS = 10_000  # a few hundred are usual


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


class FactorScore(NamedTuple):
    """How well a factor is predicted for objects of test images."""

    name: str
    kind: str
    score: float  # accuracy of a category; else R^2, the mean over dimensions, cosine and sine
    # Accuracy of always saying the most frequent category of training; 0 for R^2. With places: the
    # accuracy, or R^2, of always saying the most frequent category, or the mean, at that place.
    chance: float
    std: float  # of the score, by bootstrap over test images
    num_train: int  # objects
    num_test: int


class _Split(NamedTuple):
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


def probe(
    latents: Objects,
    factors: Sequence[Factor],
    train_fraction: float = 0.8,
    seed: int = 0,
    places: np.ndarray | None = None,
) -> list[FactorScore]:
    """Fits a linear layer for each factor and scores it on the objects of other images.

    Latents are standardised with mean and deviation of the training part. Numbers, and angles as
    their cosine and sine, are predicted by least squares; categories by logistic regression with a
    faint weight penalty, without which categories that latents separate have no best weights.

    Args:
        latents: of all objects.
        factors: see `factors_of`; angles in radians.
        train_fraction: share of the images, in (0, 1), whose objects the probes are fitted to.
        seed: decides which images these are.
        places: int [N], which of the layer's outputs are asked about each object: a layer that
            reads several objects from one latent has outputs for each of them. By default there is
            one place.

    Raises:
        UserError: for too few images, latents that are not finite, a factor that the data do not
            have, or one that the images are too few for.
    """
    require_finite(latents.latents)
    if places is None:
        places = np.zeros(len(latents.image), int)
    split = _split_by_image(latents.image, train_fraction, seed)
    return [_score(latents, factor, split, places) for factor in factors]


def _split_by_image(image: np.ndarray, train_fraction: float, seed: int) -> _Split:
    images, number = np.unique(image, return_inverse=True)
    num_train = round(train_fraction * len(images))
    if min(num_train, len(images) - num_train) < _MIN_IMAGES:
        raise UserError(
            f"{len(images)} images with objects leave {num_train} to fit probes and "
            f"{len(images) - num_train} to score them at train_fraction {train_fraction}; "
            f"at least {_MIN_IMAGES} of each are needed"
        )
    order = np.random.default_rng(seed).permutation(len(images))
    is_train = np.zeros(len(images), bool)
    is_train[order[:num_train]] = True
    train = is_train[number]
    return _Split(train, np.unique(image[~train], return_inverse=True)[1])


def _score(latents: Objects, factor: Factor, split: _Split, places: np.ndarray) -> FactorScore:
    if factor.kind not in KINDS:
        raise UserError(f"factor {factor.name!r}: kind {factor.kind!r} is none of {KINDS}")
    if factor.name not in latents.factors:
        raise UserError(
            f"the data have no factor {factor.name!r}; they have {', '.join(latents.factors)}"
        )
    values = latents.factors[factor.name]
    values = values.reshape(len(values), -1)  # [N, dimensions]
    train, test = split.train, ~split.train
    if factor.kind == "categorical":
        target, fit = _categories(factor, values, train), _fit_categories
        statistics, score_of = _hits, _accuracy
    else:
        target, fit = _numbers(factor, values, test), _fit_numbers
        statistics, score_of = _squares, _r_squared
    inputs = latents.latents.astype(np.float64)
    predictions, constants = np.zeros_like(target), np.zeros_like(target)
    for place in np.unique(places[test]):
        fitted, asked = train & (places == place), test & (places == place)
        _require_enough(fitted, place)
        predictions[asked] = fit(inputs[fitted], target[fitted])(inputs[asked])
        constants[asked] = _constant(target[fitted])

    def sums_of(guesses: np.ndarray) -> np.ndarray:
        return _sum_by_image(statistics(target[test], guesses[test]), split.test_images)

    by_image = sums_of(predictions)
    is_trivial = factor.kind != "categorical" and np.ptp(places) == 0  # R^2 of the mean
    return FactorScore(
        *factor,
        score=float(score_of(by_image.sum(axis=0))),
        chance=0.0 if is_trivial else float(score_of(sums_of(constants).sum(axis=0))),
        std=_bootstrap_deviation(by_image, score_of),
        num_train=int(train.sum()),
        num_test=int(test.sum()),
    )


Predict = Callable[[np.ndarray], np.ndarray]  # latents [N, Z] to targets [N] or [N, D]


def _fit_categories(inputs: np.ndarray, target: np.ndarray) -> Predict:
    if np.ptp(target) == 0:  # as at a place whose objects are all alike
        return lambda asked: np.full(len(asked), target[0])
    layer = LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_ITERATIONS)
    return make_pipeline(StandardScaler(), layer).fit(inputs, target).predict


def _fit_numbers(inputs: np.ndarray, target: np.ndarray) -> Predict:
    return make_pipeline(StandardScaler(), LinearRegression()).fit(inputs, target).predict


def _constant(target: np.ndarray) -> np.ndarray:
    """What is said without looking: the most frequent category, or the mean [D]."""
    return np.bincount(target).argmax() if target.ndim == 1 else target.mean(axis=0)


def _require_enough(fitted: np.ndarray, place: int) -> None:
    if fitted.sum() < _MIN_IMAGES:
        raise UserError(
            f"{fitted.sum()} training images have an object at place {place + 1}; at least "
            f"{_MIN_IMAGES} are needed to fit a probe; give more images"
        )


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


# Scores are functions of sums over objects, so that the bootstrap need not see objects again.


def _hits(target: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Of each object: 1, and whether it is right, float64 [N, 2]."""
    return np.stack([np.ones(len(target)), target == predictions], axis=1)


def _accuracy(sums: np.ndarray) -> np.ndarray:
    """[..., 2] to [...]."""
    return sums[..., 1] / sums[..., 0]


def _squares(target: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Of each object and dimension: 1, y, y^2 and the squared error, [N, 4, D]; y is centred."""
    centred = target - target.mean(axis=0)
    errors = np.square(target - predictions.reshape(target.shape))
    return np.stack([np.ones_like(centred), centred, np.square(centred), errors], axis=1)


def _r_squared(sums: np.ndarray) -> np.ndarray:
    """[..., 4, D] to [...], the mean over dimensions."""
    count, total, squares, errors = np.moveaxis(sums, -2, 0)
    return np.mean(1 - errors / (squares - np.square(total) / count), axis=-1)


def _sum_by_image(statistics: np.ndarray, image: np.ndarray) -> np.ndarray:
    """[N, ...] to [images, ...]."""
    sums = np.zeros((image.max() + 1, *statistics.shape[1:]))
    np.add.at(sums, image, statistics)
    return sums


def _bootstrap_deviation(by_image: np.ndarray, score_of) -> float:
    """Deviation of the score over sets of images drawn with replacement; always the same sets."""
    count = len(by_image)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    return float(score_of(np.tensordot(draws.astype(np.float64), by_image, axes=1)).std())
