"""DCI: disentanglement, completeness and informativeness of the latents of objects.

Of Eastwood and Williams (2018), "A Framework for the Quantitative Evaluation of Disentangled
Representations"; EfficientMORL reports it of slots. It puts a number beside the traversals of
Figure 6: whether a latent stands for one factor, and a factor in one latent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from iodine.analysis.factors import Factor, Objects, split_by_image, target_of
from iodine.analysis.object_latents import require_finite
from iodine.errors import UserError

_NUM_TREES = 100


class Disentanglement(NamedTuple):
    """All of it in [0, 1] but `informativeness`, whose R^2 may be negative."""

    disentanglement: float  # 1: every latent matters for one factor only; its mean over latents
    completeness: float  # 1: every factor depends on one latent only; its mean over factors
    informativeness: list[float]  # by factor: accuracy of categories, else R^2, of other images
    of_latents: np.ndarray  # [Z], disentanglement of each; 0 for one that matters for nothing
    of_factors: np.ndarray  # [F], completeness of each
    importance: np.ndarray  # [Z, F]; those of a factor sum to 1
    num_train: int  # objects
    num_test: int


def measure(
    latents: Objects, factors: Sequence[Factor], train_fraction: float = 0.8, seed: int = 0
) -> Disentanglement:
    """Fits a random forest for each factor; its importances say which latents it looks at.

    With R the importances, a latent's disentanglement is 1 minus the entropy to the base F of
    R[i] / sum(R[i]), weighted in the mean by its share of all importance, and a factor's
    completeness 1 minus the entropy to the base Z of R[:, j].

    Args:
        latents: of all objects.
        factors: at least two, see `factors.factors_of`; angles in radians.
        train_fraction: share of the images, in (0, 1), whose objects the forests are fitted to.
        seed: decides which images these are, and what the forests draw.

    Raises:
        UserError: for fewer than two factors or latents, too few images, latents that are not
            finite, a factor that the data do not have, or one that the images are too few for.
    """
    require_finite(latents.latents)
    if len(factors) < 2 or latents.latents.shape[1] < 2:
        raise UserError(
            f"{latents.latents.shape[1]} latents and {len(factors)} factors that differ between "
            "objects; disentanglement needs at least two of each"
        )
    split = split_by_image(latents.image, train_fraction, seed)
    train, test = split.train, ~split.train
    importance, informativeness = [], []
    for factor in factors:
        target = target_of(latents, factor, split)
        kind = RandomForestClassifier if target.ndim == 1 else RandomForestRegressor
        if target.ndim == 2 and target.shape[1] == 1:
            target = target[:, 0]
        forest = kind(_NUM_TREES, random_state=seed).fit(latents.latents[train], target[train])
        importance.append(forest.feature_importances_)
        informativeness.append(float(forest.score(latents.latents[test], target[test])))
    shares = np.stack(importance, axis=1)
    of_latents, of_factors = one_minus_entropy(shares), one_minus_entropy(shares.T)
    return Disentanglement(
        disentanglement=float(of_latents @ shares.sum(axis=1) / shares.sum()),
        completeness=float(of_factors.mean()),
        informativeness=informativeness,
        of_latents=of_latents,
        of_factors=of_factors,
        importance=shares,
        num_train=int(train.sum()),
        num_test=int(test.sum()),
    )


def one_minus_entropy(weights: np.ndarray) -> np.ndarray:
    """Of each row of [N, M] that is not all 0, scaled to sum to 1: 1 - entropy to the base M."""
    total = weights.sum(axis=1, keepdims=True)
    shares = np.divide(
        weights, total, out=np.full_like(weights, 1 / weights.shape[1]), where=total > 0
    )
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return 1 + (shares * logs).sum(axis=1) / np.log(weights.shape[1])
