"""Means over images and their spread, and which images count: those that diverge are told apart."""

from typing import Any

import numpy as np

from iodine.evaluation.bootstrap import confidence_interval

OF_SEGMENTATION = ("fg_ari", "ari", "miou", "mbo", "covering")  # only where the data have masks
METRICS = (*OF_SEGMENTATION, "mse", "kl", "neg_log_likelihood", "neg_elbo")
_LARGE = 1e6  # from here on a number would be wider than its column
_TOLD_BY = ("neg_elbo", "mse")  # not finite where a model diverges


def diverged(values: dict[str, np.ndarray]) -> np.ndarray:
    """Which images [N] the model diverges on: ELBO or squared error is not finite after any step.

    Args:
        values: as `Evaluator` returns them.
    """
    is_finite = [np.isfinite(values[name]).all(axis=0) for name in _TOLD_BY if name in values]
    if not is_finite:
        return np.zeros(next(iter(values.values())).shape[1], bool)
    return ~np.all(is_finite, axis=0)


def divergence(values: dict[str, np.ndarray]) -> str | None:
    """Says on how many images the model diverges, and from when on; None if on none."""
    is_bad = diverged(values)
    if not is_bad.any():
        return None
    by_step = [~np.isfinite(values[name]).all(axis=1) for name in _TOLD_BY if name in values]
    first = int(np.argmax(np.any(by_step, axis=0)))
    return (
        f"the ELBO of {int(is_bad.sum())} of {len(is_bad)} images is not finite, from iteration "
        f"{first} of {len(by_step[0]) - 1} on"
    )


def mean_over_images(name: str, array: np.ndarray) -> np.ndarray:
    """Means [S] of a metric [S, N] over the images that it is defined for; NaN if for none.

    An image without foreground has no foreground ARI and no overlap, whatever the model makes of
    it. (Other metrics are not finite where a model diverges, and so is their mean.)

    Args:
        name: of the metric.
        array: as `Evaluator` returns it.
    """
    array = array[:, is_defined(name, array)]
    return array.mean(axis=1) if array.size else np.full(len(array), np.nan)


def mean_over_all(name: str, array: np.ndarray, is_bad: np.ndarray) -> float | None:
    """The mean of a metric [S, N] after the last step where images that diverge count as failures.

    They count 0 for the ARI and the overlaps. None for other metrics, which have no worst value,
    unless no image diverges; and for no images at all.

    Args:
        name: of the metric.
        array: as `Evaluator` returns it.
        is_bad: [N], from `diverged`.
    """
    counts = is_defined(name, array)
    if not counts.any() or (is_bad.any() and name not in OF_SEGMENTATION):
        return None
    return float(np.where(is_bad, 0.0, array[-1])[counts].mean())


def left_out(values: dict[str, np.ndarray]) -> dict[str, int]:
    """The number of images that a metric is not defined for, of the metrics that have such."""
    numbers = {name: int((~is_defined(name, array)).sum()) for name, array in values.items()}
    return {name: number for name, number in numbers.items() if number}


def is_defined(name: str, array: np.ndarray) -> np.ndarray:
    """Which images [N] a metric [S, N] is defined for, whatever the model makes of them."""
    if name in OF_SEGMENTATION:
        return ~np.isnan(array).all(axis=0)
    return np.ones(array.shape[1], bool)


def summarize(values: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Mean and spread over images of what `Evaluator` returns, as JSON types.

    Returns:
        By metric, over the images that it is defined for and that do not diverge: `mean` and `std`
        (population, over images) after the last step, `ci95`, the bounds of the mean's 95 %
        bootstrap interval over images, `per_iteration`, the mean after each step, and `num_images`,
        how many they are; None and empty where there are none. Beside them `mean_over_all` (see
        there), `num_diverged`, the images that diverge, and `num_left_out`, those that the metric
        is not defined for. Metrics that are defined for no image are left out.
    """
    is_bad = diverged(values)
    summary = {}
    for name in METRICS:
        array = values.get(name, np.empty([1, 0]))
        counts = is_defined(name, array)
        if not counts.any():
            continue
        kept = array[:, counts & ~is_bad]
        has_any = kept.size > 0
        summary[name] = {
            "mean": float(kept[-1].mean()) if has_any else None,
            "std": float(kept[-1].std()) if has_any else None,
            "ci95": confidence_interval(kept[-1]) if has_any else None,
            "mean_over_all": mean_over_all(name, array, is_bad),
            "num_images": int(kept.shape[1]),
            "num_diverged": int((counts & is_bad).sum()),
            "num_left_out": int((~counts).sum()),
            "per_iteration": [float(x) for x in kept.mean(axis=1)] if has_any else [],
        }
    return summary


def table(summary: dict[str, dict[str, Any]]) -> str:
    """The summary as a small table for the terminal; with a column over all if images diverge."""
    num_diverged = max((entry["num_diverged"] for entry in summary.values()), default=0)
    over_all = f"{'over all':>12}" if num_diverged else ""
    lines = [f"{'metric':<20}{'mean':>12}{'std':>12}{over_all}{'95 % interval':>24}   by iteration"]
    for name, entry in summary.items():
        curve = " ".join(f"{x:.4g}" for x in entry["per_iteration"])
        interval = " to ".join(map(_number, entry["ci95"])) if entry["ci95"] else "-"
        over_all = f"{_number(entry['mean_over_all']):>12}" if num_diverged else ""
        lines.append(
            f"{name:<20}{_number(entry['mean']):>12}{_number(entry['std']):>12}{over_all}"
            f"  {interval:>22}   {curve}"
        )
    if num_diverged:
        lines.append(
            f"{num_diverged} diverged {'image' if num_diverged == 1 else 'images'} left out of the "
            "means; over all they count 0 where that is the worst there is"
        )
    lines.append(without_foreground({n: entry["num_left_out"] for n, entry in summary.items()}))
    return "\n".join(filter(None, lines))


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.4g}"  # just before it diverges


def without_foreground(numbers: dict[str, int]) -> str:
    """Says which metrics leave out how many images, as of `left_out`; "" if none does."""
    names = {
        number: [name for name in numbers if numbers[name] == number]
        for number in sorted(set(numbers.values()))
        if number
    }
    return "; ".join(
        f"{number} {'image' if number == 1 else 'images'} without foreground left out of "
        f"{', '.join(of)}"
        for number, of in names.items()
    )
