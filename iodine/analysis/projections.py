"""Latents of objects in the plane, by principal components or t-SNE: Figures 24 to 29."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from iodine.analysis.factors import Factor
from iodine.analysis.object_latents import require_finite
from iodine.errors import UserError

METHODS = ("pca", "tsne")
NEIGHBOURS = 10  # of a point, whose categories are compared with its own
_MIN_OBJECTS = 4
_PERPLEXITY = 30.0  # t-SNE's usual one; it has to be well below the number of objects


def project(latents: np.ndarray, method: str, seed: int = 0) -> np.ndarray:
    """Projects latents into the plane.

    Args:
        latents: [N, Z], such as `ObjectLatents.latents`.
        method: "pca", the first two principal components of the centred latents, or "tsne", which
            takes 3 seconds of one core for 900 objects.
        seed: of t-SNE.

    Returns:
        float64 [N, 2].

    Raises:
        UserError: for an unknown method, fewer than four objects or two latents, or latents that
            are not finite or all the same.
    """
    if method not in METHODS:
        raise UserError(f"unknown projection {method!r}; known: {', '.join(METHODS)}")
    if len(latents) < _MIN_OBJECTS or latents.shape[1] < 2:
        raise UserError(
            f"{len(latents)} objects with {latents.shape[1]} latents cannot be projected; at "
            f"least {_MIN_OBJECTS} objects and 2 latents are needed"
        )
    require_finite(latents)
    if np.all(latents == latents[0]):
        raise UserError("the latents of all objects are the same; train longer")
    latents = latents.astype(np.float64)
    if method == "pca":
        return PCA(2, svd_solver="full").fit_transform(latents)
    perplexity = min(_PERPLEXITY, (len(latents) - 1) / 3)
    projection = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    with threadpool_limits(1):  # its threads wait for each other, for minutes on busy cores
        points = projection.fit_transform(latents)
    return points.astype(np.float64)


def neighbour_agreement(points: np.ndarray, categories: np.ndarray) -> float:
    """How often a point's nearest neighbours are of its category: 1 for clusters of their own.

    Args:
        points: [N, D].
        categories: [N] or [N, dimensions].

    Returns:
        The mean share among the 10 nearest other points, fewer where there are fewer.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)
    number = np.unique(categories, axis=0, return_inverse=True)[1].reshape(-1)
    return float(np.mean(number[nearest] == number[:, np.newaxis]))


def chance_agreement(categories: np.ndarray) -> float:
    """What `neighbour_agreement` is where points have nothing to do with categories."""
    counts = np.unique(categories, axis=0, return_counts=True)[1]
    total = counts.sum()
    return float(np.sum(counts * (counts - 1)) / (total * (total - 1)))


def agreement(
    points: np.ndarray, factors: Sequence[Factor], values: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """For each categorical factor its name, `neighbour_agreement` and `chance_agreement`.

    Args:
        points: [N, 2].
        factors: see `factors.factors_of`.
        values: by factor, [N] or [N, dimensions].
    """
    return [
        {
            "factor": factor.name,
            "agreement": neighbour_agreement(points, values[factor.name]),
            "chance": chance_agreement(values[factor.name]),
        }
        for factor in factors
        if factor.kind == "categorical"
    ]
