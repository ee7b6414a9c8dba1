"""The bootstrap interval of a mean."""

import numpy as np
import scipy.stats

_RESAMPLES = 2_000


def confidence_interval(values: np.ndarray) -> list[float]:
    """Bounds of the 95 % percentile bootstrap of the mean; the same for the same values [N]."""
    if np.ptp(values) == 0:  # also a single value
        return [float(values[0])] * 2
    interval = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=_RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    return [float(interval.low), float(interval.high)]
