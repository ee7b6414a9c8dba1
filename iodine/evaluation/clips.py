"""What a model of clips makes of each frame, before it has seen it."""

from collections.abc import Sequence
from typing import TypeVar

import tensorflow as tf

from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel

Result = TypeVar("Result")


def by_frame(model: SceneModel, results: Sequence[Result]) -> list[Result]:
    """Of what belongs to the steps of inference, in their order, what each frame has last.

    Frame 0 has the unrefined decoding of the prior, or, where several refinements read it, one that
    has seen it. All others are predicted from the frames before them.
    """
    return list({model.frame_of(step): result for step, result in enumerate(results)}.values())


def decompose_clips(
    model: SceneModel,
    clips: tf.Tensor,
    seed: int = 0,
    num_slots: int | None = None,
) -> Decomposition:
    """Predicts every frame of clips from the ones before it, and takes it apart.

    Args:
        model: a trained model of clips.
        clips: float32 [B, F, H, W, 3] in [0, 1]; F need not be that of the training.
        seed: of the noise; every clip gets the same.
        num_slots: K; the model's by default.

    Returns:
        All fields with an axis F after B: a clip's are those of a batch of images.

    Raises:
        UserError: for clips of a wrong shape or type, or of a single frame.
    """
    results = inference.decompose_iterations(model, clips, seed, num_slots)
    fields = zip(*by_frame(model, results), strict=True)
    return Decomposition(*(None if f[0] is None else tf.stack(f, axis=1) for f in fields))
