"""Which frame of a clip each refinement reads: sections A.1 and A.2 of the paper.

The decoding before refinement t (t = 0 .. T - 1) and that refinement belong to the same frame: the
decoding is scored on it, and the refinement reads the errors of that score. So what is decoded has
never seen the frame that it is scored on: the loss is one of prediction. The first frame may be
read several times, because one refinement alone does not take a scene apart.
"""

from collections.abc import Sequence

import tensorflow as tf

from iodine.errors import UserError
from iodine.models.iodine.config import SequenceConfig
from iodine.models.iodine.state import Iteration


class FrameOrder:
    """Tells frames, decodings and refinements of a clip by their numbers, each from 0 on."""

    def __init__(self, config: SequenceConfig):
        """Takes how often the first frame is read, and where gradients end."""
        self._first = config.first_frame_refinements
        self._truncation = config.truncation

    def frame_of(self, decoding: int) -> int:
        """The frame that the decoding t = 0 .. T is scored on."""
        return max(0, decoding - self._first + 1)

    def num_frames(self, num_iterations: int) -> int:
        """F that T refinements and the decoding after them read."""
        return self.frame_of(num_iterations) + 1

    def num_iterations(self, num_frames: int) -> int:
        """T that reads a clip of F frames: its last decoding is scored on the last frame.

        Raises:
            UserError: for fewer than two frames.
        """
        if num_frames < 2:
            raise UserError(
                f"a clip of {num_frames} frame has nothing to predict; at least 2 are needed"
            )
        return num_frames - 2 + self._first

    def frames(self, clips: tf.Tensor, num_iterations: int) -> list[tf.Tensor]:
        """Of clips [B, F, H, W, C] what the decodings t = 0 .. T are scored on, each [B, H, W, C].

        Raises:
            UserError: for clips that are too short.
        """
        needed = self.num_frames(num_iterations)
        if clips.shape[1] < needed:
            raise UserError(
                f"clips of {clips.shape[1]} frames are too short for {num_iterations} iterations, "
                f"which read {needed}"
            )
        frames = tf.unstack(clips, axis=1)
        return [frames[self.frame_of(t)] for t in range(num_iterations + 1)]

    def begins_anew(self, refinement: int) -> bool:
        """Whether what a refinement starts from counts as constant: `SequenceConfig.truncation`."""
        return bool(self._truncation) and refinement % self._truncation == 0


def with_seen_frames(
    iterations: Sequence[Iteration], frames: Sequence[tf.Tensor]
) -> list[Iteration]:
    """Adds the likelihood of the frame that was seen last, where it is not the one to predict.

    Args:
        iterations: the decodings t = 0 .. T.
        frames: what each is scored on.
    """
    completed = [iterations[0]]
    for t, iteration in enumerate(iterations[1:], start=1):
        seen = frames[t - 1]
        if seen is not frames[t]:
            terms = iteration.mixture.pixel_terms(seen)
            gradients = iteration.mixture.gradients(seen, terms)
            value = iteration.mixture.neg_log_likelihood(seen, terms, gradients)
            iteration = iteration._replace(seen_neg_log_likelihood=value)
        completed.append(iteration)
    return completed
