"""IODINE: Algorithm 1, unrolled."""

import functools
from collections.abc import Iterable

import sonnet as snt
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import (
    Losses,
    NoiseSpec,
    SceneModel,
    Spec,
    Step,
    annealed,
    num_frames_in,
)
from iodine.models.iodine import objective
from iodine.models.iodine.config import IodineConfig
from iodine.models.iodine.inputs import Gradients, RefinementInputBuilder
from iodine.models.iodine.iteration import Iteration, State
from iodine.models.iodine.refinement_network import RefinementNetwork
from iodine.models.iodine.sequences import FrameOrder, with_seen_frames
from iodine.models.parts import distributions
from iodine.models.parts.decoders import build_decoder
from iodine.models.parts.distributions import tfd
from iodine.models.parts.image_distributions import SlotImage
from iodine.models.parts.noise import draw_same_noise
from iodine.models.parts.normal_of_mean import image_distribution
from iodine.models.parts.recomputation import recomputed

PRECISIONS = {"float32": tf.float32, "bfloat16": tf.bfloat16}


class Iodine(SceneModel):
    """The model of section 2. Its weights depend neither on K nor on T."""

    def __init__(
        self,
        config: IodineConfig,
        image_shape: tuple[int, int, int],
        train_batch_size: int = 1,
        name: str = "iodine",
    ):
        """Builds for square RGB images.

        Args:
            config: see `IodineConfig`.
            image_shape: H, W = H, C = 3.
            train_batch_size: of the whole batch that is trained on, on all replicas together. Where
                the inputs are gradients of the batch's mean (`gradient_of_batch_mean`), every
                image's are divided by it, whatever batch the image comes in later.
            name: of the module.

        Raises:
            UserError: for a configuration that names something unknown.
        """
        super().__init__(name=name)
        _check_choice("scale_map", config.scale_map, distributions.SCALE_MAPS)
        _check_choice("precision", config.precision, PRECISIONS)
        self.config = config
        self._clips = FrameOrder(config.sequence) if config.sequence.enabled else None
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=config.num_slots,
            num_iterations=config.num_iterations,
            free_slots=True,
            free_iterations=True,
            num_frames=self._clips.num_frames(config.num_iterations) if self._clips else None,
        )
        self._gradient_share = 1.0
        if config.refinement.gradient_of_batch_mean:
            self._gradient_share = 1 / train_batch_size
        self._conv_dtype = PRECISIONS[config.precision]
        self.prior = distributions.prior(config.prior, config.scale_map)
        side = image_shape[0]
        self.decoder = build_decoder(config.decoder, config.latent_size, side)
        self.inputs = RefinementInputBuilder(config.refinement, side)
        self.refinement = RefinementNetwork(
            config.refinement, self.inputs.scopes, 2 * config.latent_size
        )
        self.initial_posterior = tf.Variable(
            _initial_parameters(config), name="initial_posterior"
        )  # lambda(1), [2 Z], shared by all slots

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
        if not self._clips:
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
        return self._clips.frame_of(step) if self._clips else 0

    def iterations_for(self, num_frames: int) -> int:
        """T that reads a clip of F frames. Raises UserError for fewer than two frames."""
        if not self._clips:
            return super().iterations_for(num_frames)
        return self._clips.num_iterations(num_frames)

    def start(self, images, noise, num_slots=None):
        """The first frames of clips: `first_frame_refinements` refinements read them."""
        self._check_frames(images)
        num_slots, _ = self.call_sizes(num_slots, None)
        state = self._initial_state(tf.shape(images)[0], num_slots)
        for draw in tf.unstack(noise["z"]):
            step, state = self.advance(images, {"z": draw}, state)
        return step, state

    def advance(self, images, noise, state):
        """The next frames: a decoding, scored on them, and a refinement that reads them."""
        self._check_frames(images)
        iteration, parameters, recurrent = self._refine(
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
        if self._clips:
            frames = self._clips.frames(images, num_iterations)
        parameters, state = self._initial_state(batch, num_slots)
        refine, refine_anew = (
            functools.partial(self._refine, scale, kl_weight, from_constants=constant)
            for constant in (False, True)
        )
        if self.config.recompute:
            self._create_variables()
            refine, refine_anew = (self._recomputing(f, scale) for f in (refine, refine_anew))
        iterations = []
        for t in range(num_iterations):
            is_anew = self._clips is not None and self._clips.begins_anew(t)
            refine_this = refine_anew if is_anew else refine
            iteration, parameters, state = refine_this(frames[t], parameters, state, noise[t])
            iterations.append(iteration)
            if backpropagated and t < num_iterations - backpropagated:
                parameters, state = _constant((parameters, state))
        last, _, _ = self._decode(frames[-1], parameters, noise[-1], scale, kl_weight, False)
        iterations.append(last)
        if self.config.sequence.seen_frame_weight:
            iterations = with_seen_frames(iterations, frames)
        return iterations

    def _initial_state(self, batch: tf.Tensor, num_slots: int) -> State:
        """lambda(1) and h(1)."""
        parameters = tf.tile(self.initial_posterior[tf.newaxis, tf.newaxis], [batch, num_slots, 1])
        return State(parameters, self.refinement.initial_state(batch * num_slots))

    def _check_frames(self, images: tf.Tensor) -> None:
        """Raises UserError unless images [B, H, W, C] can be frames of clips."""
        if not self._clips:
            raise UserError("this model takes single images, not the frames of clips")
        self.check_images(images[:, tf.newaxis])

    def _refine(
        self, scale, kl_weight, images, parameters, state, noise, from_constants: bool = False
    ):
        """One round of Algorithm 1: the `Iteration`, the next lambda, the next state.

        `from_constants`: gradients of what is next do not reach what the refinement starts from.
        """
        iteration, terms, gradients = self._decode(
            images, parameters, noise, scale, kl_weight, with_gradients=True
        )
        inputs = self.inputs(images, parameters, iteration.mixture, terms, gradients)
        if from_constants:
            inputs, parameters, state = _constant((inputs, parameters, state))
        image_inputs = {  # coordinates stay exact
            scope: value if scope == "fixed" else tf.cast(value, self._conv_dtype)
            for scope, value in inputs.image.items()
        }
        update, state = self.refinement(
            inputs._replace(image=image_inputs), state, parameters.shape[1]
        )
        return iteration, parameters + tf.reshape(update, tf.shape(parameters)), state

    @snt.once
    def _create_variables(self):
        """By a round as usual: where rounds are recomputed it is too late to create any."""
        size = self.config.latent_size
        images, noise = tf.zeros([1, *self.spec.image_shape]), tf.zeros([1, 2, size])
        state = self.refinement.initial_state(2)
        self._refine(1.0, 1.0, images, tf.zeros([1, 2, 2 * size]), state, noise)

    def _recomputing(self, refine, scale):
        """The same round, but it keeps for the backward pass nothing but what it is given."""

        @recomputed
        def tensors_of(images, parameters, noise, *state):
            images = tf.stop_gradient(images)  # nobody asks for their gradient
            iteration, parameters, state = refine(
                images, parameters, self._pack_state(state), noise
            )
            mixture = iteration.mixture
            decoded = (iteration.z, mixture.outputs, mixture.mask_logits)
            losses = (iteration.neg_log_likelihood, iteration.kl)
            return *decoded, *losses, parameters, *state

        def refine_and_forget(images, parameters, state, noise):
            z, outputs, mask_logits, neg_log_likelihood, kl, refined, *state = tensors_of(
                images, parameters, noise, *state
            )
            posterior = self._posterior(parameters)
            mixture = self._mixture(outputs, mask_logits, scale)
            iteration = Iteration(parameters, posterior, z, mixture, neg_log_likelihood, kl)
            return iteration, refined, self._pack_state(state)

        return refine_and_forget

    def _posterior(self, parameters: tf.Tensor) -> tfd.Normal:
        return distributions.posterior(parameters, self.config.scale_map, self.config.min_scale)

    def _mixture(self, outputs, mask_logits, scale) -> SlotImage:
        return image_distribution(self.config.likelihood, outputs, mask_logits, scale)

    def _pack_state(self, state):
        return snt.LSTMState(*state) if state else ()

    def _decode(self, images, parameters, noise, scale, kl_weight, with_gradients):
        """Sample, decode, likelihood, loss; and the loss's gradients by mu and lambda."""
        watch = with_gradients and "posterior_gradient" in self.config.refinement.flat_inputs
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if watch:
                tape.watch(parameters)
            posterior = self._posterior(parameters)
            z = posterior.mean() + posterior.stddev() * noise
            output = self._decoder_output(z)
            kl = tf.reduce_sum(posterior.kl_divergence(self.prior), axis=-1)
        mixture = self._mixture(*self._split_output(output, tf.shape(z)[:2]), scale)
        terms = mixture.pixel_terms(images)
        by_outputs, by_logits = mixture.gradients(images, terms)
        neg_log_likelihood = mixture.neg_log_likelihood(images, terms, (by_outputs, by_logits))
        iteration = Iteration(parameters, posterior, z, mixture, neg_log_likelihood, kl)
        if not with_gradients:
            return iteration, terms, None
        share = self._gradient_share
        kl_gradient = kl_weight * tf.ones_like(kl)
        by_outputs, by_logits, kl_gradient = (
            share * x for x in (by_outputs, by_logits, kl_gradient)
        )
        by_posterior = None
        if watch:
            # The tape sees the decoder only; no gradient by a weight is ever built.
            by_posterior = tape.gradient(
                [output, kl],
                parameters,
                output_gradients=[self._join_output(by_outputs, by_logits), kl_gradient],
            )
        return iteration, terms, Gradients(by_outputs, by_logits, by_posterior, share)

    def decode(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The decoder g: z [B, K, Z] to means [B, K, H, W, 3] and mask logits [B, K, H, W]."""
        outputs, mask_logits = self._split_output(self._decoder_output(z), tf.shape(z)[:2])
        return self._mixture(outputs, mask_logits, self.config.likelihood_scale).means, mask_logits

    def _decoder_output(self, z: tf.Tensor) -> tf.Tensor:
        """[B, K, Z] to float32 [B * K, H, W, 4]."""
        return tf.cast(self.decoder(tf.cast(_fold(z), self._conv_dtype)), tf.float32)

    def _split_output(self, output: tf.Tensor, batch_and_slots: tf.Tensor):
        """[B * K, H, W, 4] to colours [B, K, H, W, 3] and mask logits [B, K, H, W]."""
        output = tf.reshape(output, tf.concat([batch_and_slots, output.shape[1:]], axis=0))
        if self.config.decoder.mask_first:
            mask_logits, outputs = tf.split(output, [1, 3], axis=-1)
        else:
            outputs, mask_logits = tf.split(output, [3, 1], axis=-1)
        return outputs, tf.squeeze(mask_logits, axis=-1)

    def _join_output(self, outputs: tf.Tensor, mask_logits: tf.Tensor) -> tf.Tensor:
        """The inverse of `_split_output`."""
        parts = [outputs, mask_logits[..., tf.newaxis]]
        if self.config.decoder.mask_first:
            parts.reverse()
        return _fold(tf.concat(parts, axis=-1))

    def _check_noise(self, noise: tf.Tensor | None, expected: list[int | None]) -> None:
        expected = [*expected, self.config.latent_size]
        if noise is not None and not noise.shape.is_compatible_with(expected):
            raise UserError(
                f"noise has the shape {noise.shape}, expected [N, B, K, Z] = {expected}"
            )


def _constant(nest):
    """The same nested tensors, which no gradient passes."""
    return tf.nest.map_structure(lambda x: None if x is None else tf.stop_gradient(x), nest)


def _fold(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, *x.shape[2:]])  # [B, K, ...] -> [B * K, ...]


def _check_choice(field: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UserError(f"unknown {field} {value!r}; known: {', '.join(known)}")


def _initial_parameters(config: IodineConfig) -> tf.Tensor:
    size = config.latent_size
    if config.initial_posterior == "prior":  # N(0, 1)
        return tf.concat(
            [tf.zeros([size]), tf.fill([size], distributions.RAW_OF_UNIT_SCALE)], axis=0
        )
    if config.initial_posterior == "glorot_uniform":
        limit = (3.0 / (2 * size)) ** 0.5  # Glorot's rule with fan-in = fan-out = 2 Z
        return tf.random.uniform([2 * size], -limit, limit)
    raise UserError(
        f"unknown initial_posterior {config.initial_posterior!r}; known: prior, glorot_uniform"
    )
