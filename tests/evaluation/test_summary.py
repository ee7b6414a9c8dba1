"""Means and spread over images, and which images count."""

import numpy as np
import pytest

from iodine.evaluation import summary as summary_lib


def test_confidence_interval_of_a_mean_has_the_normal_width():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    entry = summary_lib.summarize({"mse": values[np.newaxis]})["mse"]
    low, high = entry["ci95"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_one_image_has_no_spread():
    entry = summary_lib.summarize({"mse": np.array([[5.0], [4.0]])})["mse"]
    assert entry["ci95"] == [4.0, 4.0]
    assert entry["per_iteration"] == [5.0, 4.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, 2.0], [1.0, 2.0]], None),
        ([[1.0, 2.0], [np.nan, 2.0]], "1 of 2 images is not finite, from iteration 1 of 1 on"),
        ([[np.inf, 2.0], [1.0, np.nan]], "2 of 2 images is not finite, from iteration 0 of 1 on"),
    ],
)
def test_divergence(values, message):
    actual = summary_lib.divergence({"neg_elbo": np.array(values)})
    assert actual is None if message is None else message in actual


SOME = np.array([[0.5, np.nan, 0.7], [1.0, np.nan, np.nan]])  # [S, N]
NONE = np.full([2, 3], np.nan)


def test_images_without_foreground_count_for_the_segmentation_only():
    """Where a model diverges its figures are no numbers either, and so is their mean."""
    for name in ("fg_ari", "ari", "miou", "mbo", "covering"):
        actual = summary_lib.mean_over_images(name, SOME)
        np.testing.assert_allclose(actual, [0.6, np.nan])
        np.testing.assert_array_equal(summary_lib.mean_over_images(name, NONE), [np.nan] * 2)
    for name in ("mse", "neg_elbo", "selection"):
        assert np.isnan(summary_lib.mean_over_images(name, SOME)).all()


def test_images_that_are_left_out_are_counted():
    values = {"fg_ari": SOME, "miou": SOME, "ari": NONE, "mbo": np.ones([2, 3]), "mse": SOME}
    numbers = summary_lib.left_out(values)
    assert numbers == {"fg_ari": 1, "miou": 1, "ari": 3}
    assert summary_lib.without_foreground(numbers) == (
        "1 image without foreground left out of fg_ari, miou; "
        "3 images without foreground left out of ari"
    )
    assert summary_lib.without_foreground({"ari": 0}) == summary_lib.without_foreground({}) == ""


def test_summary_of_a_metric_that_leaves_images_out():
    values = {"fg_ari": np.array([[0.5, np.nan, 0.7], [1.0, np.nan, 0.5]]), "ari": NONE}
    summary = summary_lib.summarize(values)
    assert list(summary) == ["fg_ari"]
    entry = summary["fg_ari"]
    assert entry["mean"] == pytest.approx(0.75)
    assert entry["std"] == pytest.approx(0.25)
    assert entry["per_iteration"] == pytest.approx([0.6, 0.75])
    assert (entry["num_images"], entry["num_left_out"]) == (2, 1)
    printed = summary_lib.table(summary).splitlines()
    assert printed[-1] == "1 image without foreground left out of fg_ari"
    assert len(printed) == 3


def diverging():
    """Images 1 and 3 diverge, 2 has no foreground; [S, N] = [2, 5]."""
    ari = np.array([[0.2, 0.1, np.nan, 0.3, 0.4], [0.8, 0.9, np.nan, 0.5, 0.6]])
    elbo = np.array([[5.0, 6.0, 7.0, np.inf, 8.0], [4.0, np.nan, 6.0, 3.0, 2.0]])
    return {"fg_ari": ari, "ari": np.nan_to_num(ari), "mse": elbo / 100, "neg_elbo": elbo}


def test_means_over_the_finite_images_and_over_all_stand_side_by_side():
    values = diverging()
    assert summary_lib.diverged(values).tolist() == [False, True, False, True, False]
    summary = summary_lib.summarize(values)
    entry = summary["fg_ari"]
    assert entry["mean"] == pytest.approx((0.8 + 0.6) / 2)
    assert entry["mean_over_all"] == pytest.approx((0.8 + 0 + 0 + 0.6) / 4)
    assert entry["per_iteration"] == pytest.approx([0.3, 0.7])
    assert (entry["num_images"], entry["num_diverged"], entry["num_left_out"]) == (2, 2, 1)
    assert summary["ari"]["mean_over_all"] == pytest.approx((0.8 + 0 + 0 + 0 + 0.6) / 5)
    entry = summary["neg_elbo"]
    assert entry["mean"] == pytest.approx((4 + 6 + 2) / 3)
    assert entry["mean_over_all"] is None  # infinite: there is no worst value
    assert (entry["num_images"], entry["num_diverged"], entry["num_left_out"]) == (3, 2, 0)
    lines = summary_lib.table(summary).splitlines()
    assert lines[0].split()[:5] == ["metric", "mean", "std", "over", "all"]
    assert lines[1].split()[:4] == ["fg_ari", "0.7000", "0.1000", "0.3500"]
    assert lines[4].split()[:4] == ["neg_elbo", "4.0000", f"{np.std([4, 6, 2]):.4f}", "-"]
    assert "2 diverged images left out of the means" in lines[5]


def test_an_error_that_is_not_finite_is_a_divergence_though_the_elbo_is_finite():
    values = {"neg_elbo": np.ones([2, 3]), "mse": np.array([[1.0, 1, 1], [1, np.inf, 1]])}
    assert summary_lib.diverged(values).tolist() == [False, True, False]
    assert "1 of 3 images is not finite, from iteration 1 of 1" in summary_lib.divergence(values)


def test_summary_of_a_model_that_diverges_on_every_image():
    values = {name: np.full([2, 3], np.nan) for name in ("neg_elbo", "mse")}
    summary = summary_lib.summarize({**values, "fg_ari": np.full([2, 3], 0.5)})
    assert summary["fg_ari"]["mean"] is summary["fg_ari"]["ci95"] is None
    assert summary["fg_ari"]["mean_over_all"] == 0
    assert summary["mse"]["mean_over_all"] is None
    assert summary["mse"]["num_diverged"] == 3
    assert summary_lib.table(summary).splitlines()[1].split()[:4] == ["fg_ari", "-", "-", "0.0000"]


def test_without_divergence_the_mean_is_that_over_all():
    entry = summary_lib.summarize({"mse": np.array([[1.0, 3.0]])})["mse"]
    assert entry["mean"] == entry["mean_over_all"] == 2
    assert entry["num_diverged"] == 0


def test_numbers_fit_their_columns():
    summary = summary_lib.summarize({"mse": np.array([[1e30, 3e30]]), "kl": np.array([[9e5, 9e5]])})
    mse, kl = summary_lib.table(summary).splitlines()[1:]
    assert mse.split()[:6] == ["mse", "2e+30", "1e+30", "1e+30", "to", "3e+30"]
    assert kl.split()[:3] == ["kl", "900000.0000", "0.0000"]
    assert mse.index("2e+30") + 5 == kl.index("900000.0000") + 11 == 32
