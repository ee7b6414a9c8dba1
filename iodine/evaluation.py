"""Figures over a data set, with their spread: Table 1 and the curves of Figure 8."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
import tensorflow as tf

from iodine import inference, metrics
from iodine.model import Iodine
from iodine.segment_overlap import segment_overlap

METRICS = (
    *("fg_ari", "ari", "miou", "mbo", "covering"),  # only where the data have masks
    *("mse", "kl", "neg_log_likelihood", "neg_elbo"),
)
_RESAMPLES = 2_000


class _BatchOutputs(NamedTuple):
    labels: tf.Tensor  # [T + 1, B, H, W], the slot of the largest mask
    reconstructions: tf.Tensor  # [T + 1, B, H, W, 3]
    neg_log_likelihood: tf.Tensor  # [T + 1, B]
    kl: tf.Tensor  # [T + 1, B], summed over slots


class Evaluator:
    """Evaluates one model at one number of slots and iterations; the graph is built once."""

    def __init__(
        self,
        model: Iodine,
        num_slots: int | None = None,
        num_iterations: int | None = None,
        seed: int = 0,
    ):
        """The defaults for K and T are the model's. The noise of image i depends on (seed, i)."""
        self._model = model
        self._num_slots = num_slots or model.config.num_slots
        self._num_iterations = num_iterations or model.config.num_iterations
        self._seed = seed
        self._infer = tf.function(self._infer_batch, autograph=False, reduce_retracing=True)

    def __call__(self, batches: Iterable[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Evaluates every image.

        Args:
            batches: dictionaries with `image` [B, H, W, 3] float32 in [0, 1] and, for the ARI,
                `mask` [B, L, H, W].

        Returns:
            By the names in `METRICS`, float64 [T + 1, N]: each decoding, t = 0 to T, and image. `kl` and the
            likelihood terms are in nats an image, the KL at its full weight. Without masks the
            figures of the segmentation are left out.
        """
        parts: dict[str, list[np.ndarray]] = {}
        num_seen = 0
        for batch in batches:
            images = tf.convert_to_tensor(batch["image"])
            examples = tf.range(num_seen, num_seen + len(images))
            num_seen += len(images)
            outputs = self._infer(images, examples)
            for name, value in self._batch_metrics(batch, outputs).items():
                parts.setdefault(name, []).append(value)
        return {name: np.concatenate(values, axis=1) for name, values in parts.items()}

    def _infer_batch(self, images: tf.Tensor, examples: tf.Tensor) -> _BatchOutputs:
        iterations = inference.iterate_by_example(
            self._model, images, examples, self._seed, self._num_slots, self._num_iterations
        )
        return _BatchOutputs(
            tf.stack([tf.argmax(i.mixture.mask_logits, axis=1) for i in iterations]),
            tf.stack([i.mixture.mean() for i in iterations]),
            tf.stack([i.neg_log_likelihood for i in iterations]),
            tf.stack([tf.reduce_sum(i.kl, axis=1) for i in iterations]),
        )

    def _batch_metrics(self, batch, outputs: _BatchOutputs) -> dict[str, np.ndarray]:
        labels, reconstructions, neg_log_likelihood, kl = (np.asarray(x) for x in outputs)
        values = {}
        if "mask" in batch:
            masks = np.asarray(batch["mask"])
            by_iteration = [_segmentation_metrics(masks, x, self._num_slots) for x in labels]
            values = {name: np.stack([m[name] for m in by_iteration]) for name in by_iteration[0]}
        images = np.asarray(batch["image"])
        values["mse"] = np.stack([metrics.mean_squared_error(images, x) for x in reconstructions])
        values["kl"] = kl.astype(np.float64)
        values["neg_log_likelihood"] = neg_log_likelihood.astype(np.float64)
        values["neg_elbo"] = values["kl"] + values["neg_log_likelihood"]
        return values


def _segmentation_metrics(masks: np.ndarray, labels: np.ndarray, num_slots: int):
    return {
        "fg_ari": metrics.adjusted_rand_index(masks, labels, num_slots, foreground_only=True),
        "ari": metrics.adjusted_rand_index(masks, labels, num_slots),
        **segment_overlap(masks, labels, num_slots)._asdict(),
    }


def summarize(values: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Mean and spread over images of what `Evaluator` returns, as JSON types.

    Returns:
        By metric: `mean` and `std` (population, over images) after the last iteration, `ci95`, the
        bounds of the mean's 95 % bootstrap interval over images, `num_images`, and
        `per_iteration`, the mean after each iteration.
    """
    return {
        name: {
            "mean": float(array[-1].mean()),
            "std": float(array[-1].std()),
            "ci95": _confidence_interval(array[-1]),
            "num_images": int(array.shape[1]),
            "per_iteration": [float(x) for x in array.mean(axis=1)],
        }
        for name, array in values.items()
    }


def _confidence_interval(values: np.ndarray) -> list[float]:
    """Percentile bootstrap of the mean; the same for the same values."""
    if np.ptp(values) == 0:  # also a single image
        return [float(values[0])] * 2
    interval = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=_RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    return [float(interval.low), float(interval.high)]


def divergence(values: dict[str, np.ndarray]) -> str | None:
    """Says for how many images the ELBO stops being finite, and when; None if it never does."""
    is_bad = ~np.isfinite(values["neg_elbo"])
    if not is_bad.any():
        return None
    first = int(np.argmax(is_bad.any(axis=1)))
    return (
        f"the ELBO of {int(is_bad.any(axis=0).sum())} of {is_bad.shape[1]} images is not finite, "
        f"from iteration {first} of {is_bad.shape[0] - 1} on"
    )


def table(summary: dict[str, dict[str, Any]]) -> str:
    """The summary as a small table for the terminal."""
    lines = [f"{'metric':<20}{'mean':>12}{'std':>12}{'95 % interval':>24}   by iteration"]
    for name, entry in summary.items():
        curve = " ".join(f"{x:.4g}" for x in entry["per_iteration"])
        interval = "{:.4f} to {:.4f}".format(*entry["ci95"])
        lines.append(
            f"{name:<20}{entry['mean']:>12.4f}{entry['std']:>12.4f}{interval:>24}   {curve}"
        )
    return "\n".join(lines)
