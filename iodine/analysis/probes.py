"""Linear probes: how much of an object's factors one linear layer reads from its latent.

Section 4.2 and Figure 5 of the paper. The probes are fitted after training, on objects of images
other than those that they are scored on; `factor_regression.py` trains one beside the model.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from iodine.analysis.factors import MIN_IMAGES, Factor, Objects, Split, split_by_image, target_of
from iodine.analysis.object_latents import require_finite
from iodine.errors import UserError

_RESAMPLES = 1_000
# A penalty of 1 hides categories that correlated latents do hold linearly.
_INVERSE_PENALTY = 100.0
_MAX_ITERATIONS = 10_000  # a few hundred are usual


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
        factors: see `factors.factors_of`; angles in radians.
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
    split = split_by_image(latents.image, train_fraction, seed)
    return [_score(latents, factor, split, places) for factor in factors]


def _score(latents: Objects, factor: Factor, split: Split, places: np.ndarray) -> FactorScore:
    target, train, test = target_of(latents, factor, split), split.train, ~split.train
    fit, statistics, score_of = _fit_numbers, _squares, _r_squared
    if factor.kind == "categorical":
        fit, statistics, score_of = _fit_categories, _hits, _accuracy
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
    if fitted.sum() < MIN_IMAGES:
        raise UserError(
            f"{fitted.sum()} training images have an object at place {place + 1}; at least "
            f"{MIN_IMAGES} are needed to fit a probe; give more images"
        )


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
