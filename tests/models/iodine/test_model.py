"""Algorithm 1."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_iodine import NumpyIodine
from numpy_reference import central_difference, normal_kl
from small_models import (
    LATENT,
    SIDE,
    SLOTS,
    build_model,
    random_images,
    random_noise,
    small_config,
    whole_config,
)

from iodine.errors import UserError
from iodine.models import registry
from iodine.models.iodine.model import Iodine
from iodine.models.parts.noise import draw_noise

SHAPE = (SIDE, SIDE, 3)


@pytest.fixture(scope="module")
def model():
    return build_model(small_config())


def outputs(iteration):
    return {
        "parameters": iteration.parameters,
        "z": iteration.z,
        "means": iteration.mixture.means,
        "mask_logits": iteration.mixture.mask_logits,
        "kl": iteration.kl,
        "neg_log_likelihood": iteration.neg_log_likelihood,
    }


def assert_same(iteration, other, tolerance=1e-5, rows=slice(None), other_rows=slice(None)):
    ours, theirs = outputs(iteration), outputs(other)
    for name, value in ours.items():
        a, b = value.numpy()[rows], theirs[name].numpy()[other_rows]
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max(), err_msg=name)


@pytest.mark.parametrize(
    "background", [{}, {"background.latent_scale": 0.3, "background.likelihood_scale": 0.4}]
)
def test_three_refinements_equal_numpy(background):
    """Everything at once: order of the inputs, norms, strides, LSTM, additive update, losses."""
    side = 5
    model = build_model(small_config({"num_iterations": 3, **background}), side)
    images, noise = random_images(2, side), random_noise(4, 2)
    iterations = model(images, noise=noise)
    assert len(iterations) == 4
    reference = NumpyIodine(model, side)
    for b in range(2):
        parameters = np.tile(model.initial_posterior.numpy().astype(np.float64), (SLOTS, 1))
        state = (np.zeros([SLOTS, 6]), np.zeros([SLOTS, 6]))
        image = images.numpy()[b : b + 1].astype(np.float64)
        for t, iteration in enumerate(iterations):
            actual = iteration.parameters.numpy()[b]
            np.testing.assert_allclose(actual, parameters, atol=2e-4, err_msg=f"iteration {t}")
            nll, kl, means, logits = reference.loss(parameters, image, noise.numpy()[t, b])
            assert iteration.neg_log_likelihood.numpy()[b] == pytest.approx(nll, rel=1e-4)
            np.testing.assert_allclose(iteration.kl.numpy()[b], kl, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(iteration.mixture.means[b], means[0], atol=1e-3)
            np.testing.assert_allclose(iteration.mixture.mask_logits[b], logits[0], atol=1e-3)
            if t < 3:
                parameters, state = reference.refine(
                    parameters, image, noise.numpy()[t, b].astype(np.float64), state
                )
    moved = np.abs(iterations[3].parameters - iterations[0].parameters).max()
    assert moved > 0.1


@pytest.mark.parametrize(("slots", "refinements"), [(2, 1), (5, 3)])
def test_slots_and_iterations_are_free_at_call_time_with_the_same_weights(
    model, slots, refinements
):
    config = small_config({"num_slots": slots, "num_iterations": refinements})
    other = Iodine(config, SHAPE)
    images = random_images(2)
    other(images)
    for variable, value in zip(other.trainable_variables, model.trainable_variables, strict=True):
        assert variable.shape == value.shape
        variable.assign(value)
    noise = random_noise(refinements + 1, 2, slots)
    count = len(model.variables)
    at_call = model(images, num_slots=slots, num_iterations=refinements, noise=noise)
    assert len(model.variables) == count
    assert len(at_call) == refinements + 1
    assert at_call[0].mixture.means.shape == (2, slots, SIDE, SIDE, 3)
    for ours, theirs in zip(at_call, other(images, noise=noise), strict=True):
        assert_same(ours, theirs)


def test_the_configurations_slots_and_iterations_are_the_default(model):
    iterations = model(random_images(1))
    assert len(iterations) == 3
    assert iterations[0].z.shape == (1, SLOTS, LATENT)


def test_permuting_the_noises_slots_permutes_the_outputs(model):
    images, noise = random_images(2), random_noise(3, 2)
    order = [2, 0, 1]
    plain = model(images, noise=noise)
    permuted = model(images, noise=tf.gather(noise, order, axis=2))
    for ours, theirs in zip(permuted, plain, strict=True):
        for name, value in outputs(theirs).items():
            expected = value.numpy()
            if name != "neg_log_likelihood":
                expected = expected[:, order]
            np.testing.assert_allclose(
                outputs(ours)[name], expected, atol=1e-4 * np.abs(expected).max(), err_msg=name
            )
        np.testing.assert_allclose(ours.mixture.mean(), theirs.mixture.mean(), atol=1e-4)
    slots = plain[-1].parameters.numpy()
    assert np.abs(slots[:, order] - slots).max() > 0.01


@pytest.mark.parametrize("given", [True, False])
def test_first_iterations_do_not_change_when_there_are_more(model, given):
    images = random_images(2)
    noise = random_noise(5, 2) if given else None
    few = model(images, num_iterations=1, noise=noise[:2] if given else None)
    many = model(images, num_iterations=4, noise=noise)
    assert (len(few), len(many)) == (2, 5)
    for short, long in zip(few, many, strict=False):
        assert_same(short, long, tolerance=1e-6)


def test_an_images_result_does_not_depend_on_the_others(model):
    images, noise = random_images(3), random_noise(3, 3)
    together = model(images, noise=noise)
    for b in range(3):
        alone = model(images[b : b + 1], noise=noise[:, b : b + 1])
        for ours, theirs in zip(together, alone, strict=True):
            assert_same(ours, theirs, tolerance=1e-4, rows=slice(b, b + 1))


def test_default_noise_is_seed_0_the_same_for_every_image(model):
    image = random_images(1)
    iterations = model(tf.repeat(image, 2, axis=0))
    noise = draw_noise((0, 0), model.noise(SLOTS, 2), 1)
    assert noise["z"].shape == (3, 1, SLOTS, LATENT)
    explicit = model(image, noise=noise["z"])
    for ours, theirs in zip(iterations, explicit, strict=True):
        for row in (slice(0, 1), slice(1, 2)):
            assert_same(ours, theirs, tolerance=1e-4, rows=row)


def test_given_noise_is_every_examples_own(model):
    images, noise = tf.repeat(random_images(1), 2, axis=0), random_noise(3, 2)
    iteration = model(images, noise=noise)[0]
    posterior = iteration.posterior
    expected = posterior.mean() + posterior.stddev() * noise[0]
    np.testing.assert_allclose(iteration.z, expected, atol=1e-6)
    assert np.abs(iteration.z[0] - iteration.z[1]).max() > 0.1


def test_noise_of_another_shape_is_refused(model):
    with pytest.raises(UserError, match=r"noise has the shape \(2, 2, 3, 4\), expected"):
        model(random_images(2), num_iterations=2, noise=random_noise(2, 2))


@pytest.mark.parametrize("arguments", [{"num_slots": 0}, {"num_slots": 1}, {"num_iterations": 0}])
def test_too_few_slots_or_iterations_are_refused(model, arguments):
    with pytest.raises(UserError, match=next(iter(arguments))):
        model(random_images(2), **arguments)


@pytest.mark.parametrize("scale_map", ["softplus", "sqrt_softplus"])
def test_lambda_starts_at_the_standard_normal(scale_map):
    iteration = Iodine(small_config({"scale_map": scale_map}), SHAPE)(
        random_images(2), num_iterations=1
    )[0]
    np.testing.assert_array_equal(iteration.posterior.mean(), np.zeros([2, SLOTS, LATENT]))
    np.testing.assert_allclose(iteration.posterior.stddev(), 1, rtol=1e-6)
    np.testing.assert_allclose(iteration.kl, 0, atol=1e-5)


def test_glorot_start_is_within_its_limits_and_spread():
    config = small_config({"initial_posterior": "glorot_uniform", "latent_size": 400})
    values = Iodine(config, SHAPE).initial_posterior.numpy()
    limit = np.sqrt(6 / (800 + 800))
    assert values.shape == (800,)
    assert np.abs(values).max() <= limit
    assert np.std(values) == pytest.approx(limit / np.sqrt(3), rel=0.1)


def initial_gradient_and_reference(loss_of):
    """Of a loss on the decoding before any refinement, by lambda(1), and how NumPy has it."""
    side = 5
    model = build_model(small_config(), side)
    images, noise = random_images(2, side), random_noise(2, 2)
    with tf.GradientTape() as tape:
        first = model(images, num_iterations=1, noise=noise)[0]
        total = tf.reduce_mean(loss_of(first.neg_log_likelihood, tf.reduce_sum(first.kl, axis=1)))
    gradient = tape.gradient(total, model.initial_posterior)
    reference = NumpyIodine(model, side)

    def loss(initial):
        parameters, values = np.tile(initial, (SLOTS, 1)), []
        for image, eps in zip(images.numpy(), noise.numpy()[0], strict=True):
            nll, kl, _, _ = reference.loss(parameters, image[np.newaxis].astype(np.float64), eps)
            values.append(loss_of(nll, kl.sum()))
        return np.mean(values)

    return gradient, central_difference(loss, model.initial_posterior.numpy())


@pytest.mark.parametrize(
    "loss_of", [lambda nll, kl: nll + kl, lambda nll, kl: kl], ids=["loss", "kl"]
)
def test_initial_lambdas_gradient_equals_finite_differences(loss_of):
    gradient, expected = initial_gradient_and_reference(loss_of)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_every_weight_receives_a_finite_gradient(model):
    @tf.function
    def gradients(images, noise):
        with tf.GradientTape() as tape:
            losses = model.losses(model.infer(images, {"z": noise}, training=True), images)
        return tape.gradient(losses.total, model.trainable_variables)

    for variable, gradient in zip(
        model.trainable_variables, gradients(random_images(2), random_noise(3, 2)), strict=True
    ):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
        assert np.abs(gradient).max() > 0, variable.name


def layers_with_a_shortcut(model):
    return [module for module in model.submodules if hasattr(module, "use_shortcut")]


@pytest.mark.parametrize("where", ["decoder", "refinement", "both"])
def test_shortcuts_change_neither_outputs_nor_variables(model, where):
    plain = build_model(small_config())
    part = {"decoder": plain.decoder, "refinement": plain.refinement, "both": plain}[where]
    layers = layers_with_a_shortcut(part)
    assert len(layers) == (2 if where == "both" else 1)
    for layer in layers:
        assert layer.use_shortcut
        layer.use_shortcut = False
    for variable, value in zip(plain.trainable_variables, model.trainable_variables, strict=True):
        assert variable.shape == value.shape
        variable.assign(value)
    images, noise = random_images(2), random_noise(3, 2)
    for ours, theirs in zip(plain(images, noise=noise), model(images, noise=noise), strict=True):
        assert_same(ours, theirs, tolerance=1e-4)


def test_likelihood_scale_can_be_given_at_call_time(model):
    other = build_model(small_config({"likelihood_scale": 0.2}))
    for variable, value in zip(other.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(value)
    images, noise = random_images(2), random_noise(3, 2)
    given = model(images, noise=noise, likelihood_scale=tf.constant(0.2))
    for ours, theirs in zip(given, other(images, noise=noise), strict=True):
        assert_same(ours, theirs)
    plain = model(images, noise=noise)[0].neg_log_likelihood
    assert np.abs(given[0].neg_log_likelihood - plain).min() > 1


def test_steps_are_the_iterations_in_the_terms_of_all_models(model):
    images, noise = random_images(2), random_noise(3, 2)
    iterations = model(images, noise=noise)
    for step, iteration in zip(model.infer(images, {"z": noise}), iterations, strict=True):
        expected = {
            "masks": iteration.mixture.masks,
            "components": iteration.mixture.means,
            "reconstruction": iteration.mixture.mean(),
            "latents": iteration.parameters[..., :LATENT],
            "log_likelihood": iteration.mixture.log_prob(images),
            "mask_logits": iteration.mixture.mask_logits,
            "sample": iteration.z,
            "latent_scale": tf.nn.softplus(iteration.parameters[..., LATENT:]),
            "kl": iteration.kl,
        }
        assert set(expected) == {n for n, v in step._asdict().items() if v is not None}
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(step, name), value, rtol=1e-5, atol=1e-6)


def test_inference_follows_what_is_scheduled(model):
    images, noise = random_images(2), random_noise(3, 2)
    scheduled = {"likelihood_scale": tf.constant(0.2), "kl_weight": tf.constant(0.3)}
    expected = model(images, noise=noise, **scheduled)
    steps = model.infer(images, {"z": noise}, scheduled=scheduled)
    for step, iteration in zip(steps, expected, strict=True):
        np.testing.assert_array_equal(step.sample, iteration.z)
        np.testing.assert_array_equal(step.log_likelihood, -iteration.neg_log_likelihood)


def test_kl_weight_acts_only_through_the_gradient_input(model):
    images, noise = random_images(2), random_noise(3, 2)
    one, none = model(images, noise=noise), model(images, noise=noise, kl_weight=0.0)
    assert_same(one[0], none[0], tolerance=0)
    assert np.abs(one[1].parameters - none[1].parameters).max() > 1e-4


def test_a_trained_model_refines_with_the_kl_weight_that_it_was_trained_with():
    config = whole_config(small_config({"objective.kl_weight": 0.05}))
    model, images, noise = registry.build(config), random_images(2), random_noise(3, 2)
    explicit = model(images, noise=noise, kl_weight=0.05)
    assert_same(model(images, noise=noise)[-1], explicit[-1], tolerance=0)
    whole = model(images, noise=noise, kl_weight=1.0)
    assert np.abs(whole[-1].parameters - explicit[-1].parameters).max() > 1e-6


def test_mask_first_reads_the_first_channel_as_the_mask():
    model = build_model(small_config({"decoder.mask_first": True}))
    iteration = model(random_images(2), num_iterations=1, noise=random_noise(2, 2))[0]
    decoded = model.decoder(tf.reshape(iteration.z, [-1, LATENT])).numpy()
    decoded = decoded.reshape(2, SLOTS, SIDE, SIDE, 4)
    np.testing.assert_allclose(iteration.mixture.mask_logits, decoded[..., 0], atol=1e-6)
    np.testing.assert_allclose(iteration.mixture.means, decoded[..., 1:], atol=1e-6)


def test_it_runs_with_the_deconv_decoder_and_without_lstm():
    changes = {"decoder.kind": "deconv", "decoder.mlp_sizes": (9, 9), "refinement.lstm_size": 0}
    model = build_model(small_config(changes))
    iterations = model(random_images(2), noise=random_noise(3, 2))
    assert iterations[-1].mixture.means.shape == (2, SLOTS, SIDE, SIDE, 3)
    assert np.isfinite(iterations[-1].neg_log_likelihood).all()


def test_unknown_batch_size_gives_the_same_numbers(model):
    signature = tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)
    traced = tf.function(lambda x: model(x)[-1].parameters, input_signature=[signature])
    for batch in (1, 3):
        images = random_images(batch)
        expected = model(images)[-1].parameters
        np.testing.assert_allclose(traced(images), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (tf.TensorSpec([2, 9, 8, 3]), "images have the shape .2, 9, 8, 3., expected"),
        (tf.TensorSpec([2, 8, 8, 1]), r"expected \[B, H, W, C\] = \[B, 8, 8, 3\]"),
        (tf.TensorSpec([8, 8, 3]), "images have the shape .8, 8, 3."),
        (tf.TensorSpec([2, 8, 8, 3], tf.uint8), "images are uint8, expected float32"),
        (tf.TensorSpec([2, 8, 8, 3], tf.float64), "images are float64, expected float32"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(model, images, message):
    with pytest.raises(UserError, match=message):
        model(tf.zeros(images.shape, images.dtype))


def test_a_single_slot_is_refused(model):
    with pytest.raises(UserError, match="num_slots is 1; a mixture needs at least 2"):
        model(random_images(1), num_slots=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_map": "exp"}, "unknown scale_map 'exp'; known: softplus, sqrt_softplus"),
        ({"prior": "flat"}, "unknown prior 'flat'"),
        ({"initial_posterior": "zero"}, "unknown initial_posterior 'zero'; known: prior"),
        ({"decoder.kind": "mlp"}, "unknown decoder 'mlp'"),
        ({"refinement.coordinates": "polar"}, "unknown coordinates 'polar'"),
        ({"refinement.image_inputs": ("depth",)}, "unknown input 'depth'"),
    ],
)
def test_unknown_names_in_the_configuration_are_refused_at_once(changes, message):
    with pytest.raises(UserError, match=message):
        Iodine(small_config(changes), SHAPE)


def with_a_scale_of_0(min_scale):
    """A model whose first posterior has the raw scale -1e4, of which softplus is 0 in float32."""
    model = build_model(small_config({"min_scale": min_scale}))
    raw = model.initial_posterior.numpy()
    raw[LATENT:] = -1e4
    model.initial_posterior.assign(raw)
    return model


@pytest.mark.parametrize(("min_scale", "is_finite"), [(1e-5, True), (0.0, False)])
def test_the_floor_of_the_scale_keeps_losses_and_gradients_finite(min_scale, is_finite):
    model, images, noise = with_a_scale_of_0(min_scale), random_images(2), random_noise(3, 2)
    with tf.GradientTape() as tape:
        steps = model.infer(images, {"z": noise}, training=True)
        losses = model.losses(steps, images)
    assert np.isfinite(steps[0].kl).all() == is_finite
    if is_finite:
        mean = model.initial_posterior.numpy()[:LATENT].astype(np.float64)
        np.testing.assert_allclose(steps[0].kl, np.full([2, SLOTS], normal_kl(mean, 1e-5).sum()))
        np.testing.assert_allclose(steps[0].latent_scale, 1e-5, rtol=1e-6)
        assert np.isfinite(losses.total)
        gradients = tape.gradient(losses.total, model.trainable_variables)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_the_floor_of_the_scale_changes_nothing_above_it(model):
    plain = build_model(small_config({"min_scale": 0.0}))
    assert model.config.min_scale == 1e-5
    images, noise = random_images(2), random_noise(3, 2)
    for ours, theirs in zip(model(images, noise=noise), plain(images, noise=noise), strict=True):
        assert_same(ours, theirs, tolerance=0)
