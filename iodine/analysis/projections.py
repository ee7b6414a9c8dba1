"""Latents of objects in the plane, by principal components or t-SNE: Figures 24 to 29."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from iodine.analysis.object_latents import require_finite
from iodine.errors import UserError

METHODS = ("pca", "tsne")
_MIN_OBJECTS = 4
_PERPLEXITY = 30.0  # t-SNE's usual one; it has to be well below the number of objects


def project(latents: np.ndarray, method: str, seed: int = 0) -> np.ndarray:
    """Projects latents into the plane.

    Args:
        latents: [N, Z], such as `ObjectLatents.latents`.
        method: "pca", the first two principal components of the centred latents, or "tsne", which
            takes half a minute for 3,000 objects on two cores.
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
    points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(latents)
    return points.astype(np.float64)
