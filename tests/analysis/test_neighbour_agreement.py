"""How well categories keep together in the plane, against brute force."""

import numpy as np
import pytest

from iodine.analysis.projections import chance_agreement, neighbour_agreement


def test_agreement_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    points, categories = rng.normal(size=(60, 2)), rng.integers(0, 4, 60)
    shares = []
    for i, point in enumerate(points):
        distance = np.linalg.norm(points - point, axis=1)
        distance[i] = np.inf
        shares.append(np.mean(categories[np.argsort(distance)[:10]] == categories[i]))
    assert neighbour_agreement(points, categories) == pytest.approx(np.mean(shares))


def test_agreement_of_clusters_is_one_and_of_noise_is_chance():
    rng = np.random.default_rng(1)
    categories = np.repeat(np.arange(5), 80)
    clusters = 100 * categories[:, np.newaxis] + rng.normal(size=(400, 2))
    assert neighbour_agreement(clusters, categories) == 1
    noise = rng.normal(size=(400, 2))
    assert chance_agreement(categories) == pytest.approx(79 / 399)
    assert neighbour_agreement(noise, categories) == pytest.approx(79 / 399, abs=0.05)


def test_categories_may_be_rows():
    points = np.array([[0.0], [0.1], [9.0], [9.1]])
    colors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    assert neighbour_agreement(points, colors) == pytest.approx(1 / 3)  # three neighbours each
    assert chance_agreement(colors) == pytest.approx(1 / 3)
