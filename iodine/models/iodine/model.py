"""IODINE: Algorithm 1, unrolled."""

import functools

import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import Losses, NoiseSpec, Step, annealed, num_frames_in
from iodine.models.iodine import objective
from iodine.models.iodine.round import Round, constant
from iodine.models.iodine.sequences import FrameOrder, with_seen_frames
from iodine.models.iodine.state import Iteration, State
from iodine.models.parts.noise import draw_same_noise


class Iodine(Round):
    """The model of section 2. Its weights depend neither on K nor on T."""

    def noise(self, num_slots: int, num_iterations: int) -> dict[str, NoiseSpec]:
        """Of the sample of each decoding."""
        return {"z": NoiseSpec(num_iterations + 1, (num_slots, self.spec.latent_size))}

    def infer(
        self, images, noise, num_slots=None, num_iterations=None, scheduled=None, training=False
    ) -> list[Step]:
        """Algorithm 1, see `__call__`: a step for each decoding, t = 0 to T.

        Of a clip, decoding t is scored on the frame `frame_of(t)`; what comes after the last one's
        is not read.
        """
        backpropagated = self.config.objective.backpropagated_refinements if training else 0
        iterations = self(
            images,
            num_slots,
            num_iterations,
            noise["z"],
            backpropagated=backpropagated,
            **(scheduled or {}),
        )
        steps = [iteration.step() for iteration in iterations]
        if not self.clips:
            return steps
        return [step._replace(target=images[:, self.frame_of(t)]) for t, step in enumerate(steps)]

    @classmethod
    def num_frames(cls, config):
        """Those that the refinements of training read; None for single images."""
        if not config.model.sequence.enabled:
            return None
        num_iterations = config.train.num_iterations or config.model.num_iterations
        return FrameOrder(config.model.sequence).num_frames(num_iterations)

    def frame_of(self, step: int) -> int:
        """0 for single images; of a clip see `sequences.py`."""
        return self.clips.frame_of(step) if self.clips else 0

    def iterations_for(self, num_frames: int) -> int:
        """T that reads a clip of F frames. Raises UserError for fewer than two frames."""
        if not self.clips:
            return super().iterations_for(num_frames)
        return self.clips.num_iterations(num_frames)

    def start(self, images, noise, num_slots=None):
        """The first frames of clips: `first_frame_refinements` refinements read them."""
        self._check_frames(images)
        num_slots, _ = self.call_sizes(num_slots, None)
        state = self.initial_state(tf.shape(images)[0], num_slots)
        for draw in tf.unstack(noise["z"]):
            step, state = self.advance(images, {"z": draw}, state)
        return step, state

    def advance(self, images, noise, state):
        """The next frames: a decoding, scored on them, and a refinement that reads them."""
        self._check_frames(images)
        iteration, parameters, recurrent = self.refine(
            self.config.likelihood_scale,
            self.config.objective.kl_weight,
            images,
            state.parameters,
            state.recurrent,
            noise["z"],
        )
        return iteration.step()._replace(target=images), State(parameters, recurrent)

    def losses(self, steps, images, scheduled=None) -> Losses:
        """Eq. 4."""
        del images  # the likelihood has seen them
        kl_weight = (scheduled or {}).get("kl_weight", self.config.objective.kl_weight)
        weights = objective.iteration_weights(
            len(steps) - 1, self.config.objective.backpropagated_refinements
        )
        return objective.losses(steps, weights, kl_weight, self.config.sequence.seen_frame_weight)

    @classmethod
    def schedules(cls, config):
        """The likelihood's scale (sigma of Eq. 1) and the weight of the KL; 1 is the ELBO's."""
        model, own = config.model, config.model.objective
        return {
            "likelihood_scale": annealed(
                own.likelihood_scale_start, model.likelihood_scale, own.anneal_steps
            ),
            "kl_weight": annealed(own.kl_weight_start, own.kl_weight, own.anneal_steps),
        }

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        images: tf.Tensor,
        num_slots: int | None = None,
        num_iterations: int | None = None,
        noise: tf.Tensor | None = None,
        likelihood_scale: tf.Tensor | float | None = None,
        kl_weight: tf.Tensor | float | None = None,
        backpropagated: int = 0,
    ) -> list[Iteration]:
        """Runs Algorithm 1.

        Args:
            images: float32 [B, H, W, 3] in [0, 1]; with `sequence.enabled` clips
                [B, F, H, W, 3].
            num_slots: K; the configuration's by default.
            num_iterations: T, the number of refinements; the configuration's by default, for clips
                those that reach the last frame.
            noise: standard normal [T + 1, B, K, Z], one for each decoding. By default the noise of
                seed 0, the same for every image.
            likelihood_scale: sigma of Eq. 1; the configuration's by default.
            kl_weight: weight of the KL in the inner loss; that of the end of training by default.
            backpropagated: if more than 0, gradients of the result pass through the last so many
                refinements only; what comes before counts as constant.

        Returns:
            One `Iteration` for each decoding, t = 0 (before any refinement) to T.

        Raises:
            UserError: for images or noise of another shape, fewer than two slots, or no iteration.
        """
        self.check_images(images)
        num_slots, num_iterations = self.call_sizes(
            num_slots, num_iterations, num_frames_in(images)
        )
        if num_slots < 2:
            raise UserError(f"num_slots is {num_slots}; a mixture needs at least 2")
        self._check_noise(noise, [num_iterations + 1, images.shape[0], num_slots])
        batch = tf.shape(images)[0]
        if noise is None:
            noise = draw_same_noise(0, self.noise(num_slots, num_iterations), batch)["z"]
        scale = self.config.likelihood_scale if likelihood_scale is None else likelihood_scale
        kl_weight = self.config.objective.kl_weight if kl_weight is None else kl_weight
        frames = [images] * (num_iterations + 1)
        if self.clips:
            frames = self.clips.frames(images, num_iterations)
        parameters, state = self.initial_state(batch, num_slots)
        refine, refine_anew = (
            functools.partial(self.refine, scale, kl_weight, from_constants=constant)
            for constant in (False, True)
        )
        if self.config.recompute:
            self.create_variables()
            refine, refine_anew = (self.recomputing(f, scale) for f in (refine, refine_anew))
        iterations = []
        for t in range(num_iterations):
            is_anew = self.clips is not None and self.clips.begins_anew(t)
            refine_this = refine_anew if is_anew else refine
            iteration, parameters, state = refine_this(frames[t], parameters, state, noise[t])
            iterations.append(iteration)
            if backpropagated and t < num_iterations - backpropagated:
                parameters, state = constant((parameters, state))
        last, _, _ = self.decoded(frames[-1], parameters, noise[-1], scale, kl_weight, False)
        iterations.append(last)
        if self.config.sequence.seen_frame_weight:
            iterations = with_seen_frames(iterations, frames)
        return iterations

    def _check_frames(self, images: tf.Tensor) -> None:
        """Raises UserError unless images [B, H, W, C] can be frames of clips."""
        if not self.clips:
            raise UserError("this model takes single images, not the frames of clips")
        self.check_images(images[:, tf.newaxis])

    def _check_noise(self, noise: tf.Tensor | None, expected: list[int | None]) -> None:
        expected = [*expected, self.config.latent_size]
        if noise is not None and not noise.shape.is_compatible_with(expected):
            raise UserError(
                f"noise has the shape {noise.shape}, expected [N, B, K, Z] = {expected}"
            )
