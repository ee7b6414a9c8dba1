"""Figures of every image of a data set: what Table 1 and the curves of Figure 8 are means of."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from iodine.evaluation import ari, clip_scores, inference
from iodine.evaluation.overlap import segment_overlap
from iodine.models.interface import SceneModel, Step


class _BatchOutputs(NamedTuple):
    labels: tf.Tensor  # [S, B, H, W], the slot of the largest mask
    reconstructions: tf.Tensor | None  # [S, B, H, W, C], of clips only
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
        """The defaults for K and T are the model's; clips are read to their end by default.

        The noise of image i depends on (seed, i).
        """
        self._model = model
        self._is_of_clips = model.spec.num_frames is not None
        self._num_slots = num_slots or model.spec.num_slots
        self._num_iterations = num_iterations
        if not self._is_of_clips:
            self._num_iterations = num_iterations or model.spec.num_iterations
        self._seed = seed
        self.clip_scores: list[clip_scores.ClipScores] = []  # of the last call, if it saw clips
        self._infer = tf.function(self._infer_batch, autograph=False, reduce_retracing=True)

    def __call__(self, batches: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Evaluates every image.

        Args:
            batches: dictionaries with `image` [B, H, W, 3] float32 in [0, 1] and, for the ARI,
                `mask` [B, L, H, W]; clips have an axis of frames after the first one. Where
                `factors` has `hidden` [B, L, F], it says when an entity of a clip cannot be seen.

        Returns:
            By the names in `summary.METRICS`, float64 [S, N]: each step of inference (of IODINE the
            decodings t = 0 to T) and image. `kl` and the likelihood terms are in nats an image,
            the KL at its full weight. Without masks the figures of the segmentation are left out,
            without a posterior the KL. An image without foreground has NaN for `fg_ari` and the
            overlaps: see `summary.mean_over_images`. Besides, `selection` [1, N], what the best
            model goes by. A step of clips is scored on its own frame, and there are the columns
            of `clip_scores`, [1, N], and the attribute `clip_scores`.
        """
        parts: dict[str, list[np.ndarray]] = {}
        self.clip_scores = []
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
            labels=tf.stack([inference.segments(step) for step in steps]),
            reconstructions=(
                tf.stack([step.reconstruction for step in steps]) if self._is_of_clips else None
            ),
            mse=tf.stack([_squared_error(images, step) for step in steps]),
            neg_log_likelihood=tf.stack([-step.log_likelihood for step in steps]),
            kl=tf.stack([tf.reduce_sum(step.kl, axis=1) for step in steps]) if has_kl else None,
            selection=self._model.losses(steps, images).selection,
        )

    def _batch_metrics(self, batch, outputs: _BatchOutputs) -> dict[str, np.ndarray]:
        values = {}
        if "mask" in batch:
            by_step = [
                _segmentation_metrics(self._masks_of(batch, t), labels, self._num_slots)
                for t, labels in enumerate(outputs.labels)
            ]
            values = {name: np.stack([m[name] for m in by_step]) for name in by_step[0]}
        values["mse"] = np.asarray(outputs.mse, np.float64)
        values["neg_log_likelihood"] = np.asarray(outputs.neg_log_likelihood, np.float64)
        values["neg_elbo"] = values["neg_log_likelihood"]
        if outputs.kl is not None:
            values["kl"] = np.asarray(outputs.kl, np.float64)
            values["neg_elbo"] = values["kl"] + values["neg_log_likelihood"]
        values["selection"] = np.asarray(outputs.selection, np.float64)[np.newaxis]
        if self._is_of_clips:
            scores = self._clip_scores(batch, outputs)
            self.clip_scores += scores
            columns = clip_scores.columns(scores)
            values |= {name: column[np.newaxis] for name, column in columns.items()}
        return values

    def _masks_of(self, batch, step: int) -> np.ndarray:
        """True masks [B, L, H, W] of what a step is scored on."""
        masks = np.asarray(batch["mask"])
        return masks[:, self._model.frame_of(step)] if self._is_of_clips else masks

    def _clip_scores(self, batch, outputs: _BatchOutputs) -> list[clip_scores.ClipScores]:
        """Of each clip, as far as it was read, by the last step that is scored on each frame."""
        last = {self._model.frame_of(t): t for t in range(len(outputs.labels))}
        steps, frames = list(last.values()), list(last)
        labels = np.asarray(outputs.labels)[steps]
        predictions = np.asarray(outputs.reconstructions)[steps]
        hidden = batch.get("factors", {}).get("hidden")
        return [
            clip_scores.score_clip(
                frames=np.asarray(batch["image"][b])[frames],
                predictions=predictions[:, b],
                labels=labels[:, b],
                num_slots=self._num_slots,
                true_masks=np.asarray(batch["mask"][b])[frames] if "mask" in batch else None,
                hidden=None if hidden is None else np.asarray(hidden[b])[:, frames],
            )
            for b in range(labels.shape[1])
        ]


def _squared_error(images: tf.Tensor, step: Step) -> tf.Tensor:
    """Mean over pixels and channels, [B]."""
    target = images if step.target is None else step.target
    return tf.reduce_mean(tf.math.squared_difference(target, step.reconstruction), axis=[1, 2, 3])


def _segmentation_metrics(masks: np.ndarray, labels: tf.Tensor, num_slots: int):
    labels = np.asarray(labels)
    return {
        "fg_ari": ari.adjusted_rand_index(masks, labels, num_slots, foreground_only=True),
        "ari": ari.adjusted_rand_index(masks, labels, num_slots),
        **segment_overlap(masks, labels, num_slots)._asdict(),
    }
