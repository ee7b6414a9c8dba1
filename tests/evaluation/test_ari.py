"""ARI against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from iodine.evaluation import ari as metrics

B, L, H, W, M = 6, 4, 5, 7, 5


def one_hot(labels, number):
    return (labels[:, np.newaxis] == np.arange(number)[:, np.newaxis, np.newaxis]).astype(np.uint8)


def random_labels(number, seed, shape=(B, H, W)):
    return np.random.default_rng(seed).integers(number, size=shape)


def sklearn_ari(true, predicted, foreground_only=False):
    scores = []
    for t, p in zip(true, predicted, strict=True):
        kept = t > 0 if foreground_only else np.ones_like(t, bool)
        scores.append(adjusted_rand_score(t[kept], p[kept]))
    return np.array(scores)


CASES = {
    "random": (random_labels(L, 0), random_labels(M, 1)),
    "perfect": (random_labels(L, 0), random_labels(L, 0)),
    "permuted": (random_labels(L, 0), np.array([2, 4, 1, 0])[random_labels(L, 0)]),
    "nearly perfect": (
        random_labels(L, 0),
        np.where(random_labels(5, 9) == 0, 0, random_labels(L, 0)),
    ),
    "merged": (random_labels(L, 0), random_labels(L, 0) // 2),
    "split": (random_labels(2, 0), 2 * random_labels(2, 0) + random_labels(2, 3)),
    "one true entity": (np.ones([B, H, W], int), random_labels(M, 1)),
    "one predicted segment": (random_labels(L, 0), np.full([B, H, W], 3)),
    "one of each": (np.full([B, H, W], 2), np.full([B, H, W], 3)),
    "two halves": (
        np.broadcast_to(np.arange(W) > 2, (B, H, W)).astype(int) + 1,
        np.broadcast_to(np.arange(W) > 3, (B, H, W)).astype(int),
    ),
}


@pytest.mark.parametrize("foreground_only", [False, True])
@pytest.mark.parametrize(("true", "predicted"), CASES.values(), ids=CASES)
def test_ari_equals_scikit_learn(true, predicted, foreground_only):
    actual = metrics.adjusted_rand_index(one_hot(true, L), predicted, M, foreground_only)
    assert actual.shape == (B,)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, sklearn_ari(true, predicted, foreground_only), atol=1e-12)


def test_perfect_and_permuted_score_one_and_chance_about_zero():
    for case in ("perfect", "permuted"):
        true, predicted = CASES[case]
        np.testing.assert_allclose(metrics.adjusted_rand_index(one_hot(true, L), predicted, M), 1)
    true, predicted = random_labels(L, 0, (50, 20, 20)), random_labels(M, 1, (50, 20, 20))
    scores = metrics.adjusted_rand_index(one_hot(true, L), predicted, M)
    assert abs(scores.mean()) < 0.003


def test_background_is_left_out():
    """Wrong only in the background: the foreground score does not see it."""
    true = random_labels(L, 0)
    predicted = np.where(true == 0, random_labels(M, 5), true)
    image = one_hot(true, L)
    np.testing.assert_allclose(metrics.adjusted_rand_index(image, predicted, M, True), 1)
    assert (metrics.adjusted_rand_index(image, predicted, M) < 0.95).all()


@pytest.mark.parametrize("pixels", [1, 2, 3, 1225, 4096, 16384])
def test_single_clusters_and_singletons_score_one(pixels):
    single = np.zeros([1, 1, pixels], int)
    assert metrics.adjusted_rand_index(one_hot(single, 1), single, 1).tolist() == [1]
    if pixels < 2000:
        each = np.arange(pixels).reshape(1, 1, pixels)
        score = metrics.adjusted_rand_index(one_hot(each, pixels), each, pixels)
        assert score.tolist() == [1]


def test_single_clusters_score_one_where_float64_rounds_their_pairs():
    sizes = np.arange(2, 20_000)
    pairs = sizes * (sizes - 1) / 2
    inexact = sizes[pairs * pairs / pairs != pairs]
    assert len(inexact) > 100
    for pixels in inexact[:: len(inexact) // 10]:
        single = np.zeros([1, 1, pixels], int)
        assert metrics.adjusted_rand_index(one_hot(single, 1), single, 1).tolist() == [1]


def test_an_image_without_foreground_has_no_index():
    true = np.zeros([2, H, W], int)
    true[1, 0, 0] = 1  # a single pixel is a single cluster
    predicted = random_labels(M, 1, (2, H, W))
    scores = metrics.adjusted_rand_index(one_hot(true, L), predicted, M, True)
    np.testing.assert_array_equal(scores, [np.nan, 1])
    assert np.isfinite(metrics.adjusted_rand_index(one_hot(true, L), predicted, M)).all()


def test_images_of_a_batch_do_not_mix():
    true, predicted = CASES["nearly perfect"]
    together = metrics.adjusted_rand_index(one_hot(true, L), predicted, M)
    for i in range(B):
        alone = metrics.adjusted_rand_index(one_hot(true[i : i + 1], L), predicted[i : i + 1], M)
        assert alone[0] == together[i]
    assert len(set(together)) > 1


def test_contingency_equals_scikit_learn_and_skips_unlabelled_pixels():
    true, predicted = CASES["random"]
    masks = one_hot(true, L)
    table = metrics.contingency(masks, predicted, M)
    for t, p, counts in zip(true, predicted, table, strict=True):
        np.testing.assert_array_equal(counts, contingency_matrix(t.ravel(), p.ravel()))
    masks[:, :, 0] = 0  # the first row belongs to nobody
    table = metrics.contingency(masks, predicted, M)
    for t, p, counts in zip(true[:, 1:], predicted[:, 1:], table, strict=True):
        np.testing.assert_array_equal(counts, contingency_matrix(t.ravel(), p.ravel()))
