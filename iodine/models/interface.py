"""What all models have in common: the one interface that the rest of the package knows.

Shape letters: B batch, K slots, S steps of inference, F frames of a clip, H W C image, Z latent
size, N draws of noise.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sonnet as snt
import tensorflow as tf

from iodine.config import Config
from iodine.errors import UserError

# A quantity that changes while training: the step's number to a scalar.
Schedule = Callable[[tf.Tensor | int], tf.Tensor]


class Spec(NamedTuple):
    """What a model is made for."""

    image_shape: tuple[int, int, int]  # H, W, C
    latent_size: int  # Z
    num_slots: int  # K by default; 1 for a model without slots
    num_iterations: int  # rounds of inference by default
    free_slots: bool  # whether K may be another at a call
    free_iterations: bool  # whether the number of rounds may
    # F of the clips that the default number of rounds reads; None for a model of single images. A
    # clip's number of frames and the number of rounds follow from each other.
    num_frames: int | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what `SceneModel.infer` takes for each example: [H, W, C], or [F, H, W, C]."""
        return self.image_shape if self.num_frames is None else (self.num_frames, *self.image_shape)


class NoiseSpec(NamedTuple):
    """Random numbers that a call of `SceneModel.infer` needs."""

    num_draws: int  # N; the first draws do not change when there are more of them
    shape: tuple[int, ...]  # of one draw for one image
    kind: str = "normal"  # standard "normal", or "uniform" in [0, 1)


class Step(NamedTuple):
    """What is known of a batch after one step of inference.

    A step is a decoding of IODINE (the first one before any refinement). For other models it is
    what they repeat: an E- and M-step, a frame; there is one where nothing is repeated.
    """

    masks: tf.Tensor  # [B, K, H, W] in [0, 1], summing to 1 over the slots
    components: tf.Tensor  # [B, K, H, W, C], about [0, 1], not clipped
    reconstruction: tf.Tensor  # [B, H, W, C], about [0, 1], not clipped
    latents: tf.Tensor  # [B, K, Z], the posterior's mean where there is a posterior
    log_likelihood: tf.Tensor  # [B], nats
    mask_logits: tf.Tensor | None = None  # [B, K, H, W]; their softmax over the slots is `masks`
    sample: tf.Tensor | None = None  # [B, K, Z], what was decoded
    latent_scale: tf.Tensor | None = None  # [B, K, Z], the posterior's standard deviation
    kl: tf.Tensor | None = None  # [B, K], nats, of posterior and prior
    # [B, K, H, W], the mask logits that `decode` gives for the sample, where `masks` are not their
    # softmax but inferred in another way.
    decoded_mask_logits: tf.Tensor | None = None
    # [B, H, W, C], the frame of the clip that the step is scored on; None for single images.
    target: tf.Tensor | None = None
    # [B], nats, of the frame that was seen last, where a model of clips is scored on that too.
    seen_log_likelihood: tf.Tensor | None = None


class Losses(NamedTuple):
    """What a model is trained by."""

    total: tf.Tensor  # [], to be minimised; a mean over the batch
    terms: dict[str, tf.Tensor]  # by name: [S], means over the batch, for the log
    selection: tf.Tensor  # [B], of each image; the best model has the lowest mean


class SceneModel(snt.Module, abc.ABC):
    """A model that splits images into K slots and describes each by a latent vector.

    A subclass sets `config` (its own section of the configuration) and `spec`, and `prior` if it
    has one: a TFP distribution with a scalar batch, of each latent of slots that hold objects.
    """

    config: Any
    spec: Spec
    prior: Any = None

    @abc.abstractmethod
    def noise(self, num_slots: int, num_iterations: int) -> dict[str, NoiseSpec]:
        """The random numbers of one call of `infer`; {} if it needs none."""

    @abc.abstractmethod
    def infer(
        self,
        images: tf.Tensor,
        noise: Mapping[str, tf.Tensor],
        num_slots: int | None = None,
        num_iterations: int | None = None,
        scheduled: Mapping[str, tf.Tensor] | None = None,
        training: bool = False,
    ) -> list[Step]:
        """Decomposes images.

        Args:
            images: float32 [B, H, W, C] in [0, 1]; clips [B, F, H, W, C] for a model of clips.
            noise: by the names of `noise`, float32 [N, B, *shape].
            num_slots: K; the specification's by default.
            num_iterations: rounds of inference; the specification's by default. Of a clip, those
                that read it to its end.
            scheduled: by the names of `schedules`, values other than those at the end of training.
            training: whether `losses` will be differentiated.

        Returns:
            The steps in order, the last one the result.

        Raises:
            UserError: for images of another shape or type, or numbers that the model does not take.
        """

    def start(
        self, images: tf.Tensor, noise: Mapping[str, tf.Tensor], num_slots: int | None = None
    ) -> tuple[Step, Any]:
        """Begins clips that come frame by frame; only for models of clips.

        Args:
            images: the first frames, float32 [B, H, W, C] in [0, 1].
            noise: as for `infer`, as many draws as rounds read the first frame.
            num_slots: K; the specification's by default.

        Returns:
            The last step that is scored on these frames, and the state for `advance`: nested
            tuples of tensors. Going on gives the same steps as `infer` of the whole clips.
        """
        raise UserError(f"{type(self).__name__} takes single images, not clips")

    def advance(
        self, images: tf.Tensor, noise: Mapping[str, tf.Tensor], state: Any
    ) -> tuple[Step, Any]:
        """The step that is scored on the next frames [B, H, W, C], and the state after them.

        `noise` is one draw, float32 [B, *shape] by name.
        """
        raise UserError(f"{type(self).__name__} takes single images, not clips")

    @abc.abstractmethod
    def losses(
        self,
        steps: Sequence[Step],
        images: tf.Tensor,
        scheduled: Mapping[str, tf.Tensor] | None = None,
    ) -> Losses:
        """What training minimises, for the steps that `infer` made of these images."""

    @abc.abstractmethod
    def decode(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents [B, K, Z] to components [B, K, H, W, C] and mask logits [B, K, H, W]."""

    @classmethod
    def schedules(cls, config: Config) -> dict[str, Schedule]:
        """What changes while this configuration is trained, besides the learning rate."""
        del config
        return {}

    def prior_of_slots(self, num_slots: int) -> Any:
        """p(z_k), of batch shape [] or [K, 1]: `prior`, but where a slot has one of its own."""
        del num_slots
        return self.prior

    def frame_of(self, step: int) -> int:
        """The number of the frame that a step of inference is scored on; 0 for single images."""
        del step
        return 0

    def iterations_for(self, num_frames: int) -> int:
        """The number of rounds that read a clip of so many frames to its end."""
        raise UserError(f"{type(self).__name__} takes single images, not clips of {num_frames}")

    @classmethod
    def num_frames(cls, config: Config) -> int | None:
        """F of the clips that this configuration is trained on; None for single images."""
        del config
        return None

    def call_sizes(
        self, num_slots: int | None, num_iterations: int | None, num_frames: int | None = None
    ) -> tuple[int, int]:
        """K and the number of rounds of a call.

        Args:
            num_slots: K, or None for the specification's.
            num_iterations: or None for the specification's, or those that a clip takes.
            num_frames: F, of a clip.

        Raises:
            UserError: for numbers that the model does not take.
        """
        spec = self.spec
        if num_iterations is None and num_frames is not None:
            num_iterations = self.iterations_for(num_frames)
        slots = spec.num_slots if num_slots is None else num_slots
        iterations = spec.num_iterations if num_iterations is None else num_iterations
        for name, value, usual, is_free in (
            ("num_slots", slots, spec.num_slots, spec.free_slots),
            ("num_iterations", iterations, spec.num_iterations, spec.free_iterations),
        ):
            if value < 1:
                raise UserError(f"{name} is {value}; at least 1 is needed")
            if value != usual and not is_free:
                raise UserError(f"{name} is {value}; this model has {usual} and takes no other")
        return slots, iterations

    def check_images(self, images: tf.Tensor) -> None:
        """Raises UserError unless images are float32 [B, H, W, C], or clips [B, F, H, W, C]."""
        expected: tuple[int | str, ...] = self.spec.image_shape
        letters = "B, H, W, C"
        is_clip = self.spec.num_frames is not None
        if is_clip:
            expected, letters = ("F", *expected), "B, F, H, W, C"
        shape = tuple(images.shape)
        if len(shape) != 4 + is_clip or shape[1 + is_clip :] != self.spec.image_shape:
            raise UserError(
                f"{'clips' if is_clip else 'images'} have the shape {tuple(images.shape)}, "
                f"expected [{letters}] = [B, {', '.join(map(str, expected))}]; crop and resize them"
            )
        if images.dtype != tf.float32:
            raise UserError(f"images are {images.dtype.name}, expected float32 in [0, 1]")


def annealed(start: float, end: float, anneal_steps: int) -> Schedule:
    """Moves geometrically from `start` to `end` (both positive) over `anneal_steps`, then stays.

    A start of 0 stands for `end` from the beginning.
    """

    def value(step: tf.Tensor | int) -> tf.Tensor:
        if anneal_steps == 0 or start in (0, end):
            return tf.constant(end, tf.float32)
        progress = tf.minimum(1.0, tf.cast(step, tf.float32) / anneal_steps)
        return start * (end / start) ** progress

    return value


def num_frames_in(images: tf.Tensor) -> int | None:
    """F of clips [B, F, H, W, C]; None for images [B, H, W, C]."""
    return images.shape[1] if len(images.shape) == 5 else None


def mixed(components: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """Components [..., K, H, W, C] weighted by masks [..., K, H, W], summed over the slots."""
    return tf.reduce_sum(masks[..., tf.newaxis] * components, axis=-4)
