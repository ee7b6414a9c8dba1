"""What Algorithm 1 repeats: decode, score, refine. And the networks that it takes."""

from collections.abc import Iterable

import sonnet as snt
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import SceneModel, Spec
from iodine.models.iodine import background
from iodine.models.iodine.config import IodineConfig
from iodine.models.iodine.inputs import Gradients, RefinementInputBuilder
from iodine.models.iodine.refinement_network import RefinementNetwork
from iodine.models.iodine.sequences import FrameOrder
from iodine.models.iodine.state import Iteration, State
from iodine.models.parts import distributions
from iodine.models.parts.decoders import build_decoder
from iodine.models.parts.distributions import tfd
from iodine.models.parts.image_distributions import SlotImage
from iodine.models.parts.likelihoods import image_distribution
from iodine.models.parts.precision import convolution_dtype
from iodine.models.parts.recomputation import recomputed


class Round(SceneModel):
    """Decoder, refinement network and lambda(1), and one round of Algorithm 1 with them."""

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
        self.config = config
        self.clips = FrameOrder(config.sequence) if config.sequence.enabled else None
        self.spec = Spec(
            image_shape=image_shape,
            latent_size=config.latent_size,
            num_slots=config.num_slots,
            num_iterations=config.num_iterations,
            free_slots=True,
            free_iterations=True,
            num_frames=self.clips.num_frames(config.num_iterations) if self.clips else None,
        )
        self._gradient_share = 1.0
        if config.refinement.gradient_of_batch_mean:
            self._gradient_share = 1 / train_batch_size
        self._conv_dtype = convolution_dtype(config.precision)
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

    def initial_state(self, batch: tf.Tensor, num_slots: int) -> State:
        """lambda(1) and h(1)."""
        parameters = tf.tile(self.initial_posterior[tf.newaxis, tf.newaxis], [batch, num_slots, 1])
        return State(parameters, self.refinement.initial_state(batch * num_slots))

    def refine(
        self, scale, kl_weight, images, parameters, state, noise, from_constants: bool = False
    ):
        """One round of Algorithm 1: the `Iteration`, the next lambda, the next state.

        `from_constants`: gradients of what is next do not reach what the refinement starts from.
        """
        iteration, terms, gradients = self.decoded(
            images, parameters, noise, scale, kl_weight, with_gradients=True
        )
        inputs = self.inputs(images, parameters, iteration.mixture, terms, gradients)
        if from_constants:
            inputs, parameters, state = constant((inputs, parameters, state))
        image_inputs = {  # coordinates stay exact
            scope: value if scope == "fixed" else tf.cast(value, self._conv_dtype)
            for scope, value in inputs.image.items()
        }
        update, state = self.refinement(
            inputs._replace(image=image_inputs), state, parameters.shape[1]
        )
        return iteration, parameters + tf.reshape(update, tf.shape(parameters)), state

    @snt.once
    def create_variables(self):
        """By a round as usual: where rounds are recomputed it is too late to create any."""
        size = self.config.latent_size
        images, noise = tf.zeros([1, *self.spec.image_shape]), tf.zeros([1, 2, size])
        state = self.refinement.initial_state(2)
        self.refine(1.0, 1.0, images, tf.zeros([1, 2, 2 * size]), state, noise)

    def recomputing(self, refine, scale):
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

    def prior_of_slots(self, num_slots):
        """That of all slots, but of a first one that is the background's: see `background.py`."""
        return background.prior_of_slots(self.config.background, self.prior, num_slots)

    def _posterior(self, parameters: tf.Tensor) -> tfd.Normal:
        config = self.config
        posterior = distributions.posterior(parameters, config.scale_map, config.min_scale)
        return background.posterior_of_slots(config.background, posterior)

    def _mixture(self, outputs, mask_logits, scale) -> SlotImage:
        config = self.config
        scale = background.likelihood_scales(
            config.background, scale, config.likelihood_scale, background.num_slots_in(outputs)
        )
        return image_distribution(self.config.likelihood, outputs, mask_logits, scale)

    def _pack_state(self, state):
        return snt.LSTMState(*state) if state else ()

    def decoded(self, images, parameters, noise, scale, kl_weight, with_gradients):
        """Sample, decode, likelihood, loss; and the loss's gradients by mu and lambda."""
        watch = with_gradients and "posterior_gradient" in self.config.refinement.flat_inputs
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if watch:
                tape.watch(parameters)
            posterior = self._posterior(parameters)
            z = posterior.mean() + posterior.stddev() * noise
            output = self._decoder_output(z)
            prior = self.prior_of_slots(background.num_slots_in(parameters))
            kl = tf.reduce_sum(posterior.kl_divergence(prior), axis=-1)
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


def constant(nest):
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
