"""Figures over a data set, with their spread: Table 1 and the curves of Figure 8."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from iodine.evaluation import ari, inference
from iodine.evaluation.bootstrap import confidence_interval
from iodine.evaluation.overlap import segment_overlap
from iodine.models.interface import SceneModel, Step

_OF_SEGMENTATION = ("fg_ari", "ari", "miou", "mbo", "covering")  # only where the data have masks
METRICS = (*_OF_SEGMENTATION, "mse", "kl", "neg_log_likelihood", "neg_elbo")


class _BatchOutputs(NamedTuple):
    labels: tf.Tensor  # [S, B, H, W], the slot of the largest mask
    mse: tf.Tensor  # [S, B]
    neg_log_likelihood: tf.Tensor  # [S, B]
    kl: tf.Tensor | None  # [S, B], summed over slots
    selection: tf.Tensor  # [B]


class Evaluator:
    """Evaluates one model at one number of slots and iterations; the graph is built once."""

    def __init__(
        self,
        model: SceneModel,
        num_slots: int | None = None,
        num_iterations: int | None = None,
        seed: int = 0,
    ):
        """The defaults for K and T are the model's. The noise of image i depends on (seed, i)."""
        self._model = model
        self._num_slots = num_slots or model.spec.num_slots
        self._num_iterations = num_iterations or model.spec.num_iterations
        self._seed = seed
        self._infer = tf.function(self._infer_batch, autograph=False, reduce_retracing=True)

    def __call__(self, batches: Iterable[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Evaluates every image.

        Args:
            batches: dictionaries with `image` [B, H, W, 3] float32 in [0, 1] and, for the ARI,
                `mask` [B, L, H, W].

        Returns:
            By the names in `METRICS`, float64 [S, N]: each step of inference (of IODINE the
            decodings t = 0 to T) and image. `kl` and the likelihood terms are in nats an image,
            the KL at its full weight. Without masks the figures of the segmentation are left out,
            without a posterior the KL. An image without foreground has NaN for `fg_ari` and the
            overlaps: see `mean_over_images`. Besides, `selection` [1, N], what the best model goes
            by.
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
        steps = inference.infer_by_example(
            self._model, images, examples, self._seed, self._num_slots, self._num_iterations
        )
        has_kl = steps[-1].kl is not None
        return _BatchOutputs(
            labels=tf.stack([_labels(step) for step in steps]),
            mse=tf.stack([_squared_error(images, step) for step in steps]),
            neg_log_likelihood=tf.stack([-step.log_likelihood for step in steps]),
            kl=tf.stack([tf.reduce_sum(step.kl, axis=1) for step in steps]) if has_kl else None,
            selection=self._model.losses(steps, images).selection,
        )

    def _batch_metrics(self, batch, outputs: _BatchOutputs) -> dict[str, np.ndarray]:
        values = {}
        if "mask" in batch:
            masks = np.asarray(batch["mask"])
            by_step = [_segmentation_metrics(masks, x, self._num_slots) for x in outputs.labels]
            values = {name: np.stack([m[name] for m in by_step]) for name in by_step[0]}
        values["mse"] = np.asarray(outputs.mse, np.float64)
        values["neg_log_likelihood"] = np.asarray(outputs.neg_log_likelihood, np.float64)
        values["neg_elbo"] = values["neg_log_likelihood"]
        if outputs.kl is not None:
            values["kl"] = np.asarray(outputs.kl, np.float64)
            values["neg_elbo"] = values["kl"] + values["neg_log_likelihood"]
        values["selection"] = np.asarray(outputs.selection, np.float64)[np.newaxis]
        return values


def _labels(step: Step) -> tf.Tensor:
    scores = step.masks if step.mask_logits is None else step.mask_logits
    return tf.argmax(scores, axis=1)


def _squared_error(images: tf.Tensor, step: Step) -> tf.Tensor:
    """Mean over pixels and channels, [B]."""
    return tf.reduce_mean(tf.math.squared_difference(images, step.reconstruction), axis=[1, 2, 3])


def _segmentation_metrics(masks: np.ndarray, labels: tf.Tensor, num_slots: int):
    labels = np.asarray(labels)
    return {
        "fg_ari": ari.adjusted_rand_index(masks, labels, num_slots, foreground_only=True),
        "ari": ari.adjusted_rand_index(masks, labels, num_slots),
        **segment_overlap(masks, labels, num_slots)._asdict(),
    }


def mean_over_images(name: str, array: np.ndarray) -> np.ndarray:
    """Means [S] of a metric [S, N] over the images that it is defined for; NaN if for none.

    An image without foreground has no foreground ARI and no overlap, whatever the model makes of
    it. (Other metrics are not finite where a model diverges, and so is their mean.)

    Args:
        name: of the metric.
        array: as `Evaluator` returns it.
    """
    array = _counted(name, array)
    return array.mean(axis=1) if array.size else np.full(len(array), np.nan)


def left_out(values: dict[str, np.ndarray]) -> dict[str, int]:
    """The number of images that a metric is not defined for, of the metrics that have such."""
    numbers = {
        name: array.shape[1] - _counted(name, array).shape[1] for name, array in values.items()
    }
    return {name: number for name, number in numbers.items() if number}


def _counted(name: str, array: np.ndarray) -> np.ndarray:
    """The columns [S, M] of a metric [S, N] whose images it is defined for."""
    return array[:, ~np.isnan(array).all(axis=0)] if name in _OF_SEGMENTATION else array


def summarize(values: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Mean and spread over images of what `Evaluator` returns, as JSON types.

    Returns:
        By metric: `mean` and `std` (population, over images) after the last step, `ci95`, the
        bounds of the mean's 95 % bootstrap interval over images, `num_images` that count,
        `num_left_out`, those that the metric is not defined for, and `per_iteration`, the mean
        after each step. Metrics that are defined for no image are left out.
    """
    summary = {}
    for name in METRICS:
        array = values.get(name, np.empty([1, 0]))
        counted = _counted(name, array)
        if counted.size:
            summary[name] = {
                "mean": float(counted[-1].mean()),
                "std": float(counted[-1].std()),
                "ci95": confidence_interval(counted[-1]),
                "num_images": int(counted.shape[1]),
                "num_left_out": int(array.shape[1] - counted.shape[1]),
                "per_iteration": [float(x) for x in counted.mean(axis=1)],
            }
    return summary


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
    lines.append(without_foreground({n: entry["num_left_out"] for n, entry in summary.items()}))
    return "\n".join(filter(None, lines))


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
