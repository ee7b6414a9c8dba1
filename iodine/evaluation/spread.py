"""Quartiles over images of which some may have diverged, as in Figures 8 and 9; JSON numbers."""

import numpy as np

# What the curves and boxes show, with the name of its axis and whether more is better.
PANELS = (
    ("fg_ari", "foreground ARI", True),
    ("mse", "mean squared error", False),
    ("kl", "KL, nats an image", False),
)
_QUARTERS = (0.25, 0.5, 0.75)
_LOG_FROM = 20  # largest over smallest value from which on an axis is logarithmic
_STAND_IN = 1e300  # for infinity, which cannot be interpolated


def finite_images(values: dict[str, np.ndarray]) -> np.ndarray:
    """Bool [T, N], where the ELBO and the reconstruction of an image are finite; of `evaluate`."""
    return np.isfinite(values["neg_elbo"]) & np.isfinite(values["mse"])


def defined(values: np.ndarray, is_finite: np.ndarray) -> np.ndarray:
    """Which images a metric [T, N] is defined for, [N]: foreground ARI needs a foreground.

    An image is left out if its values are never a number although the model is finite there, by
    `finite_images` [T, N].
    """
    return ~(np.isnan(values).all(axis=0) & is_finite.any(axis=0))


def quartiles(values: np.ndarray, is_finite: np.ndarray, more_is_better: bool) -> np.ndarray:
    """First quartile, median, third quartile over images, as `numpy.quantile` has them.

    Images that are not finite count as worse than all others: a quartile that falls on them is
    infinite. So divergence shows instead of being left out.

    Args:
        values: [..., N], a figure of each image.
        is_finite: bool [..., N].
        more_is_better: whether the worst value is minus infinity instead of infinity.

    Returns:
        [3, ...]; not numbers for no images at all.
    """
    if not values.shape[-1]:
        return np.full([3, *values.shape[:-1]], np.nan)
    worst = -_STAND_IN if more_is_better else _STAND_IN
    ranked = np.where(is_finite, values.astype(np.float64), worst)
    result = np.quantile(ranked, _QUARTERS, axis=-1)
    is_worst = np.abs(result) > np.sqrt(_STAND_IN)
    return np.where(is_worst, np.sign(worst) * np.inf, result)


def box(values: np.ndarray, is_finite: np.ndarray, more_is_better: bool) -> dict[str, float]:
    """A box plot's figures as `Axes.bxp` names them: quartiles, median, Tukey's whiskers.

    Args:
        values: [N].
        is_finite: bool [N]; the others count as worst, and a whisker never ends at them.
        more_is_better: as for `quartiles`.

    Returns:
        `q1`, `med`, `q3`; `whislo` and `whishi`, the outermost images within 1.5 times the
        distance of the quartiles from the box. Infinite where they fall on images that are not
        finite, as all are if every image is.
    """
    q1, med, q3 = (float(q) for q in quartiles(values, is_finite, more_is_better))
    finite = values[is_finite]
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        reach = 1.5 * (q3 - q1)
    # A reach that is infinite, or not even a number, excludes nothing.
    low = finite[~(finite < q1 - reach)] if np.isfinite(reach) else finite
    high = finite[~(finite > q3 + reach)] if np.isfinite(reach) else finite
    return {
        "q1": q1,
        "med": med,
        "q3": q3,
        "whislo": min(float(low.min()), q1) if len(low) else q1,
        "whishi": max(float(high.max()), q3) if len(high) else q3,
    }


def scale_of(values: np.ndarray) -> str:
    """The scale of an axis for these values: "log" where they span powers of ten, or "linear"."""
    shown = values[np.isfinite(values)]
    spans = len(shown) and shown.min() > 0 and shown.max() > _LOG_FROM * shown.min()
    return "log" if spans else "linear"


def json_number(value: float) -> float | None:
    """The number, or None for one that JSON cannot write."""
    return float(value) if np.isfinite(value) else None


def json_list(values: np.ndarray) -> list:
    """The same for an array, as nested lists."""
    values = np.asarray(values, np.float64)
    return np.where(np.isfinite(values), values, None).tolist()
