"""Many inferences of one ambiguous stimulus, and which decomposition each of them is: section 4.4.

They differ in the noise of the latent samples only. Foreground is compared by the block that pieces
are made of, because slots may differ by a pixel along an edge without differing in what they mean.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

from iodine.evaluation import ari as metrics
from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel

_BATCH = 20  # one graph for any multiple of it

Grouping = tuple[int, ...]  # of each foreground block its group, numbered as they come


@dataclasses.dataclass(frozen=True)
class Stimulus:
    """An ambiguous scene.

    Attributes:
        image: float32 [H, W, 3] in [0, 1].
        label_maps: [R, H, W] of all its valid readings, 0 the background.
        block_size: side of a block in pixels; all pieces lie on one grid of blocks.
    """

    image: np.ndarray
    label_maps: np.ndarray
    block_size: int

    @property
    def corners(self) -> np.ndarray:
        """Row and column in pixels, [N, 2], of every foreground block, row by row."""
        foreground = self.label_maps[0] > 0
        first = np.argwhere(foreground).min(axis=0)
        places = np.argwhere(foreground[first[0] :: self.block_size, first[1] :: self.block_size])
        return first + self.block_size * places

    @property
    def groupings(self) -> list[Grouping]:
        """What each reading makes of the blocks."""
        return [grouping(label_map[tuple(self.corners.T)]) for label_map in self.label_maps]


@dataclasses.dataclass(frozen=True)
class Variant:
    """One distinct decomposition of a stimulus, and the runs that came to it.

    Attributes:
        grouping: of the foreground blocks.
        reading: the valid reading that it is; None for an invalid decomposition.
        orders: by the slots that hold its groups, in the groups' order, the numbers of the runs.
    """

    grouping: Grouping
    reading: int | None
    orders: dict[tuple[int, ...], list[int]]

    @property
    def runs(self) -> list[int]:
        """The numbers of its runs, ascending."""
        return sorted(run for runs in self.orders.values() for run in runs)


class NoisyInference:
    """Decomposes every image with noise of its own, which depends on (seed, its number).

    The same image again gives as many runs of one; the graph is built once.
    """

    def __init__(
        self, model: SceneModel, num_iterations: int, seed: int = 0, num_slots: int | None = None
    ):
        """T may be larger than that of the figures: the first iterations do not depend on it."""
        self._model = model
        self._num_slots = num_slots
        self._num_iterations = num_iterations
        self._seed = seed
        self._infer = tf.function(self._infer_batch, autograph=False, reduce_retracing=True)

    def __call__(self, images: np.ndarray, first: int = 0) -> list[Decomposition]:
        """Decomposes images whose numbers begin at `first`.

        Args:
            images: float32 [B, H, W, 3] in [0, 1].
            first: number of the first one.

        Returns:
            NumPy arrays, a record for each decoding.
        """
        parts = []
        for start in range(0, len(images), _BATCH):
            batch = tf.constant(images[start : start + _BATCH], tf.float32)
            parts.append(self._infer(batch, first + start + tf.range(len(batch))))
        return [
            Decomposition(
                *(
                    None if fields[0] is None else np.concatenate(fields)
                    for fields in zip(*of_iteration, strict=True)
                )
            )
            for of_iteration in zip(*parts, strict=True)
        ]

    def _infer_batch(self, images: tf.Tensor, numbers: tf.Tensor) -> list[Decomposition]:
        iterations = inference.infer_by_example(
            self._model, images, numbers, self._seed, self._num_slots, self._num_iterations
        )
        return [inference.decomposition(i) for i in iterations]


def grouping(labels: np.ndarray) -> Grouping:
    """The same for labels [N] that group equally, whatever they are."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(int(label), len(numbers)) for label in labels)


def block_labels(masks: np.ndarray, stimulus: Stimulus) -> np.ndarray:
    """The slot of the largest mean mask over each foreground block: [B, K, H, W] to [B, N]."""
    side = np.arange(stimulus.block_size)
    rows = stimulus.corners[:, 0, np.newaxis, np.newaxis] + side[:, np.newaxis]  # [N, side, 1]
    columns = stimulus.corners[:, 1, np.newaxis, np.newaxis] + side  # [N, 1, side]
    return np.argmax(masks[:, :, rows, columns].mean(axis=(3, 4)), axis=1)


def variants(masks: np.ndarray, stimulus: Stimulus) -> list[Variant]:
    """The distinct decompositions among runs, the most frequent first.

    Args:
        masks: [B, K, H, W], a row a run; equally frequent ones are in the order of their first run.
        stimulus: what all runs have seen.
    """
    readings = {group: number for number, group in enumerate(stimulus.groupings)}
    found: dict[Grouping, Variant] = {}
    for run, labels in enumerate(block_labels(masks, stimulus)):
        group = grouping(labels)
        variant = found.setdefault(group, Variant(group, readings.get(group), {}))
        order = tuple(dict.fromkeys(labels.tolist()))
        variant.orders.setdefault(order, []).append(run)
    return sorted(found.values(), key=lambda variant: -len(variant.runs))


def is_valid(masks: np.ndarray, stimulus: Stimulus) -> np.ndarray:
    """Whether each run's decomposition is one of the valid readings: [B, K, H, W] to bool [B]."""
    valid = set(stimulus.groupings)
    return np.array([grouping(labels) in valid for labels in block_labels(masks, stimulus)])


def reading_scores(masks: np.ndarray, stimulus: Stimulus) -> np.ndarray:
    """Foreground ARI of each run against each reading: [B, K, H, W] to [B, R]."""
    labels = np.argmax(masks, axis=1)
    scores = []
    for label_map in stimulus.label_maps:
        true_masks = label_map == np.arange(label_map.max() + 1)[:, np.newaxis, np.newaxis]
        true_masks = np.repeat(true_masks[np.newaxis], len(masks), axis=0)
        scores.append(metrics.adjusted_rand_index(true_masks, labels, masks.shape[1], True))
    return np.stack(scores, axis=1)


def background_slots(masks: np.ndarray, stimulus: Stimulus) -> tuple[np.ndarray, np.ndarray]:
    """The slot with most of the background, and its share of it in [0, 1]; both [B].

    A model may share a black background among all slots: then no share is much above 1 / K.
    """
    shares = masks[:, :, stimulus.label_maps[0] == 0].mean(axis=2)
    return np.argmax(shares, axis=1), np.max(shares, axis=1)


@dataclasses.dataclass(frozen=True)
class PrincipalPlane:
    """The plane of the first two principal components.

    Attributes:
        mean: [D].
        axes: [2, D], of length 1.
        variance_shares: [2], of the whole variance.
    """

    mean: np.ndarray
    axes: np.ndarray
    variance_shares: np.ndarray

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Projects [..., D] to [..., 2]."""
        return (latents - self.mean) @ self.axes.T


def principal_plane(latents: np.ndarray) -> PrincipalPlane:
    """Fits the plane to latents [N, D] of at least two runs; rows that are not finite are ignored.

    Of latents that are all the same, or of less than two finite ones, every share is 0.
    """
    latents = latents[np.isfinite(latents).all(axis=1)].astype(np.float64)
    if len(latents) < 2:
        size = latents.shape[1]
        return PrincipalPlane(np.zeros(size), np.eye(2, size), np.zeros(2))
    with np.errstate(invalid="ignore"):  # shares of no variance
        fitted = PCA(2, svd_solver="full").fit(latents)
    shares = np.nan_to_num(fitted.explained_variance_ratio_)
    return PrincipalPlane(fitted.mean_, fitted.components_, shares)


def choose_examples(found: Sequence[Variant]) -> list[tuple[int, Variant]]:
    """Runs to show, as the paper does, with the variant of each, as far as they occurred.

    They are the first runs of: the second most frequent valid decomposition; the most frequent
    valid one, in its two most frequent slot orders; the most frequent invalid one.
    """
    valid = [variant for variant in found if variant.reading is not None]
    invalid = [variant for variant in found if variant.reading is None]
    examples = [(variant.runs[0], variant) for variant in valid[1:2]]
    for variant in valid[:1]:
        orders = sorted(variant.orders.values(), key=lambda runs: -len(runs))
        examples += [(runs[0], variant) for runs in orders[:2]]
    return [*examples, *((variant.runs[0], variant) for variant in invalid[: 4 - len(examples)])]
