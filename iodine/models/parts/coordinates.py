"""Coordinate channels for the decoder and the refinement network."""

import numpy as np

from iodine.errors import UserError

KINDS = ("linear", "linear_yx", "cosine")


def coordinate_channels(kind: str, height: int, width: int, frequencies: int = 3) -> np.ndarray:
    """Channels that tell a convolution where it is.

    Args:
        kind: "linear": x then y, each from -1 to 1 (paper, section 2.1); "linear_yx": the same in
            the order y, x; "cosine": the products cos(j pi x) cos(i pi y) for i, j below
            `frequencies` and x, y in [0, 1], i running fastest, without the constant.
        height: rows H.
        width: columns W.
        frequencies: number of frequencies an axis, for "cosine".

    Returns:
        float32 [1, H, W, C], C = 2 for the linear kinds and frequencies ** 2 - 1 for "cosine".

    Raises:
        UserError: for an unknown kind.
    """
    if kind in ("linear", "linear_yx"):
        y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        channels = np.stack([x, y] if kind == "linear" else [y, x], axis=-1)
    elif kind == "cosine":
        rows = np.cos(np.pi * np.outer(np.linspace(0, 1, height), np.arange(frequencies)))  # [H, F]
        columns = np.cos(np.pi * np.outer(np.linspace(0, 1, width), np.arange(frequencies)))
        basis = np.einsum("hi,wj->hwji", rows, columns).reshape(height, width, frequencies**2)
        channels = basis[..., 1:]
    else:
        raise UserError(f"unknown coordinates {kind!r}; known: {', '.join(KINDS)}")
    return channels[np.newaxis].astype(np.float32)


def num_coordinate_channels(kind: str, frequencies: int) -> int:
    """Number of channels that `coordinate_channels` returns."""
    return coordinate_channels(kind, 1, 1, frequencies).shape[-1]
