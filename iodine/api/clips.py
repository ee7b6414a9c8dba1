"""Clips, as a whole or frame by frame, with NumPy in and out."""

import numpy as np
import tensorflow as tf

from iodine.api.images import Images, as_batch
from iodine.api.result import Result
from iodine.errors import UserError
from iodine.evaluation import streaming
from iodine.evaluation.clips import decompose_clips
from iodine.models.interface import SceneModel


def follow(model: SceneModel, frames: Images, num_slots: int | None, seed: int, fit: str) -> Result:
    """See `Model.follow`."""
    batch = as_batch(frames, model.spec.image_shape[0], fit)
    record = decompose_clips(model, tf.constant(batch.images[np.newaxis]), seed, num_slots)
    fields = record.each(lambda field: np.asarray(field[0]))
    return Result(images=batch.images, notes=batch.notes, **fields._asdict())


class Stream:
    """Takes a clip apart as its frames come; its memory does not grow. See `Model.stream`."""

    def __init__(self, model: SceneModel, num_slots: int | None, seed: int, fit: str):
        """Has seen no frame yet. Raises UserError for a model of single images."""
        self._side = model.spec.image_shape[0]
        self._fit = fit
        self._stream = streaming.Stream(model, seed, num_slots)

    def __call__(self, frame: Images) -> Result:
        """What was predicted of the next frame before it was seen; and sees it.

        Args:
            frame: one image, as for `Model.decompose`.

        Raises:
            UserError: for several images, or one that cannot be used.
        """
        batch = as_batch(frame, self._side, self._fit)
        if len(batch.images) != 1:
            raise UserError(f"{len(batch.images)} images; give the frames one by one")
        record = self._stream(tf.constant(batch.images)).each(np.asarray)
        return Result(images=batch.images, notes=batch.notes, **record._asdict())
