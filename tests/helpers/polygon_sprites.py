"""Sprites of Multi-dSprites as polygons: another way to draw them than the package's."""

import numpy as np
from matplotlib.path import Path

SIDE = 64
POINTS = 10  # a side of a pixel
_REACH = 16  # no sprite reaches further from its centroid


def outline(shape):
    """The shape's outline at scale 1, orientation 0, around its centroid: `[N, 2]`, y downwards."""
    turn = np.linspace(0, 2 * np.pi, 181)
    if shape == 1:
        return 10 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    if shape == 2:
        return np.stack([14 * np.cos(turn), 9 * np.sin(turn)], axis=1)
    diagonal, radius = 15 / np.sqrt(2), 7.5
    right = np.linspace(np.pi / 4, -3 * np.pi / 4, 90)
    right = np.stack([radius * np.cos(right), radius * np.sin(right)], axis=1)
    right += [diagonal / 2, -diagonal / 2]  # from the right corner over the lobe to the notch
    left = right[::-1] * [-1, 1]
    points = np.concatenate([[(0, diagonal)], right, left])
    return points - polygon_centroid(points)


def polygon_centroid(points):
    x, y = points.T
    following_x, following_y = np.roll(points, -1, axis=0).T
    cross = x * following_y - following_x * y
    return np.array([((x + following_x) * cross).sum(), ((y + following_y) * cross).sum()]) / (
        3 * cross.sum()
    )


def vertices(shape, scale, orientation, center):
    """The polygon in the image's pixels, `[N, 2]` of x and y; `center` is x, y too."""
    rotation = np.array([
        (np.cos(orientation), np.sin(orientation)),
        (-np.sin(orientation), np.cos(orientation)),
    ])  # fmt: skip
    return center + scale * outline(shape) @ rotation


def coverage(shape, scale, orientation, center):
    """The covered fraction of every pixel of the image; the center may be outside."""
    polygon = Path(vertices(shape, scale, orientation, center))
    left, top = np.floor(center).astype(int) - _REACH
    axis = (np.arange(2 * _REACH * POINTS) + 0.5) / POINTS
    grid = np.stack(np.meshgrid(left + axis, top + axis), axis=-1).reshape(-1, 2)
    inside = polygon.contains_points(grid).reshape(2 * _REACH, POINTS, 2 * _REACH, POINTS)
    margin = 2 * SIDE
    canvas = np.zeros((SIDE + 2 * margin,) * 2)
    top, left = top + margin, left + margin
    canvas[top : top + 2 * _REACH, left : left + 2 * _REACH] = inside.mean(axis=(1, 3))
    return canvas[margin:-margin, margin:-margin]
