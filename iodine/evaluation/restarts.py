"""The control of tracking: a model of clips that forgets."""

import itertools

import tensorflow as tf

from iodine.models.interface import SceneModel, Step


class Restarted(SceneModel):
    """Predicts each frame of a clip from the one before it alone, with slots that start anew.

    The frame before is read as often as told, so that it is taken apart as well as a single image
    is. The slots of a clip have the same noise each time, which makes it easier for them to find
    the same objects again. Frame 0 is predicted from nothing, as the model does.
    """

    def __init__(self, model: SceneModel, num_iterations: int | None = None):
        """Wraps a model.

        Args:
            model: of clips; its variables are not copied.
            num_iterations: how many rounds of inference read each frame, at least: no fewer than
                read the first frame of a clip. By default as many as a clip of the training takes.
        """
        super().__init__(name="restarted")
        self.config, self.prior = model.config, model.prior
        self.spec = model.spec._replace(num_iterations=(model.spec.num_frames or 2) - 1)
        self._model = model
        wanted = num_iterations or model.spec.num_iterations
        # Of the still clip that is read in place of a frame, and the frame after it.
        self._num_frames = next(n for n in itertools.count(2) if model.iterations_for(n) >= wanted)

    def noise(self, num_slots, num_iterations):
        """That of one still clip."""
        del num_iterations
        return self._model.noise(num_slots, self._model.iterations_for(self._num_frames))

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ) -> list[Step]:
        """A step for each frame."""
        self.check_images(images)
        num_slots, num_iterations = self.call_sizes(num_slots, num_iterations, images.shape[1])
        before, after = images[:, :num_iterations], images[:, 1 : num_iterations + 1]
        still = [before] * (self._num_frames - 1)
        clips = tf.stack([*still, after], axis=2)  # [B, F - 1, frames of a still clip, H, W, C]
        clips = tf.reshape(clips, [-1, *clips.shape[2:]])
        repeated = {name: tf.repeat(x, num_iterations, axis=1) for name, x in noise.items()}
        steps = self._model.infer(clips, repeated, num_slots, None, scheduled, training)
        first, last = steps[0], steps[-1]
        return [
            _of_frame(first, 0, num_iterations),
            *(_of_frame(last, i, num_iterations) for i in range(num_iterations)),
        ]

    def losses(self, steps, images, scheduled=None):
        """The model's."""
        return self._model.losses(steps, images, scheduled)

    def decode(self, latents):
        """The model's."""
        return self._model.decode(latents)

    def frame_of(self, step):
        """Each frame has a step."""
        return step

    def iterations_for(self, num_frames):
        """As many as there are frames to predict; refuses what the model does."""
        self._model.iterations_for(num_frames)
        return num_frames - 1


def _of_frame(step: Step, number: int, count: int) -> Step:
    """Of a batch [B * count, ...] every `count`-th row, from `number` on."""
    return Step(*(None if field is None else field[number::count] for field in step))
