"""Clips that come frame by frame, with the memory of one frame."""

from typing import Any

import tensorflow as tf

from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel
from iodine.models.parts.noise import draw_same_noise, draw_same_noise_at


def start(
    model: SceneModel, images: tf.Tensor, seed: int = 0, num_slots: int | None = None
) -> tuple[Decomposition, Any]:
    """The first frames of clips.

    Args:
        model: a trained model of clips.
        images: float32 [B, H, W, 3] in [0, 1].
        seed: of the noise, the same for every clip.
        num_slots: K; the model's by default.

    Returns:
        What `decompose_clips` gives for frame 0, and the state for `advance`: nested tuples of
        tensors.

    Raises:
        UserError: for images of a wrong shape or type, or a model of single images.
    """
    rounds = model.iterations_for(2)  # one after the other on frame 0; the next one reads frame 1
    slots, _ = model.call_sizes(num_slots, rounds)
    specs = {
        name: spec._replace(num_draws=rounds) for name, spec in model.noise(slots, rounds).items()
    }
    noise = draw_same_noise(seed, specs, tf.shape(images)[0])
    step, state = model.start(images, noise, slots)
    return inference.decomposition(step), (tf.constant(rounds), state)


def advance(
    model: SceneModel, images: tf.Tensor, state: Any, seed: int = 0, num_slots: int | None = None
) -> tuple[Decomposition, Any]:
    """The next frames: what was predicted of them, and the state that has seen them.

    Arguments as for `start`; the state is that of the frames before.
    """
    draw, inner = state
    slots, _ = model.call_sizes(num_slots, None)
    noise = draw_same_noise_at(seed, model.noise(slots, 1), tf.shape(images)[0], draw)
    step, inner = model.advance(images, noise, inner)
    return inference.decomposition(step), (draw + 1, inner)


class Stream:
    """Takes clips apart as their frames come: the same numbers as for the whole clips at once.

    stream = Stream(model)
    for frame in camera:  # float32 [B, H, W, 3] in [0, 1]
        result = stream(frame)  # predicted from the frames before, before this one was seen
    """

    def __init__(self, model: SceneModel, seed: int = 0, num_slots: int | None = None):
        """Has seen nothing yet; the graph of a frame is built once.

        Raises:
            UserError: for a model of single images.
        """
        model.iterations_for(2)
        self._arguments = (seed, num_slots)
        self._model = model
        self._state = None
        self._start = tf.function(self._start_graph, autograph=False, reduce_retracing=True)
        self._advance = tf.function(self._advance_graph, autograph=False, reduce_retracing=True)

    def __call__(self, images: tf.Tensor) -> Decomposition:
        """The next frames, float32 [B, H, W, 3]; B is that of the first ones."""
        if self._state is None:
            result, self._state = self._start(images)
        else:
            result, self._state = self._advance(images, self._state)
        return result

    def restart(self) -> None:
        """Forgets all frames: the next ones are the first of other clips."""
        self._state = None

    def _start_graph(self, images: tf.Tensor):
        return start(self._model, images, *self._arguments)

    def _advance_graph(self, images: tf.Tensor, state):
        return advance(self._model, images, state, *self._arguments)
