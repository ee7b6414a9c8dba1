"""DCI against its definition, at 1 and near 0 where these are known."""

import numpy as np
import pytest
from scipy import stats

from iodine.analysis.disentanglement import measure, one_minus_entropy
from iodine.analysis.factors import Factor
from iodine.analysis.object_latents import ObjectLatents
from iodine.errors import UserError

IMAGES, OBJECTS = 200, 3
N = IMAGES * OBJECTS
FACTORS = [Factor("x", "scalar"), Factor("turn", "angle"), Factor("shape", "categorical")]


def make(latents, factors):
    image = np.repeat(np.arange(IMAGES), OBJECTS)
    count = len(latents)
    return ObjectLatents(latents, factors, image, np.zeros(count, int), np.ones(count))


@pytest.fixture(scope="module")
def factors():
    rng = np.random.default_rng(0)
    return {
        "x": rng.uniform(0, 60, N).astype(np.float32),
        "turn": rng.uniform(0, 2 * np.pi, N).astype(np.float32),
        "shape": rng.integers(1, 4, N).astype(np.int32),
    }


def test_one_minus_entropy_is_that_of_scipy():
    weights = np.random.default_rng(1).uniform(size=[5, 4])
    weights[0, :3] = 0
    expected = [1 - stats.entropy(row, base=4) for row in weights]
    np.testing.assert_allclose(one_minus_entropy(weights), expected, atol=1e-12)
    assert one_minus_entropy(weights)[0] == 1
    np.testing.assert_allclose(one_minus_entropy(np.array([[0.0, 0, 0], [2, 2, 2]])), 0, atol=1e-12)


def test_a_latent_a_factor_is_disentangled(factors):
    noise = np.random.default_rng(2).normal(size=[N, 2])
    own = [factors["x"], factors["turn"], factors["shape"]]
    found = measure(make(np.column_stack([*own, noise]).astype(np.float32), factors), FACTORS)
    assert found.importance.shape == (5, 3)
    np.testing.assert_allclose(found.importance.sum(axis=0), 1)
    assert found.importance[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert found.disentanglement > 0.9
    assert found.completeness > 0.9
    assert min(found.informativeness) > 0.98
    assert (found.num_train, found.num_test) == (480, 120)


def test_mixed_latents_are_not(factors):
    """A rotation of the factors: each latent has a part of each."""
    centred = [stats.zscore(factors[name]) for name in factors]
    rotation = np.linalg.qr(np.ones([3, 3]) - 3 * np.eye(3) + 0.1)[0]
    mixed = np.column_stack(centred) @ rotation
    found = measure(make(mixed.astype(np.float32), factors), FACTORS)
    assert found.disentanglement < 0.5
    assert found.completeness < 0.5


def test_the_means_are_those_of_the_definition(factors):
    latents = np.random.default_rng(3).normal(size=[N, 4]).astype(np.float32)
    latents[:, 0] += factors["x"] / 20
    latents[:, 1] += factors["shape"] - factors["x"] / 40
    found = measure(make(latents, factors), FACTORS)
    rows = [1 - stats.entropy(row, base=3) for row in found.importance]
    weights = found.importance.sum(axis=1) / found.importance.sum()
    assert found.disentanglement == pytest.approx(np.dot(rows, weights))
    columns = [1 - stats.entropy(column, base=4) for column in found.importance.T]
    assert found.completeness == pytest.approx(np.mean(columns))
    assert measure(make(latents, factors), FACTORS).importance.tolist() == found.importance.tolist()


def test_too_little_is_refused(factors):
    latents = np.zeros([N, 3], np.float32)
    with pytest.raises(UserError, match="3 latents and 1 factors that differ between objects"):
        measure(make(latents, factors), FACTORS[:1])
    with pytest.raises(UserError, match="not finite"):
        measure(make(np.full([N, 3], np.nan), factors), FACTORS)
