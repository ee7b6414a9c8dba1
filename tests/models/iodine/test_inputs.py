"""The inputs of the refinement network: values, gradients, what is stopped and left out."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from leave_one_out import leave_one_out_by_separate_mixtures
from numpy_reference import (
    central_difference,
    component_log_prob,
    conv_same,
    elu,
    layer_norm,
    neg_log_likelihood,
    normal_kl,
    sigma,
    softmax,
)
from recording import by_name, recorded_inputs
from small_models import LATENT, SLOTS, build_model, random_images, random_noise, small_config

from iodine.errors import UserError
from iodine.models.iodine.inputs import (
    FLAT_INPUTS,
    IMAGE_INPUTS,
    RefinementInputBuilder,
    mask_posterior,
)
from iodine.models.parts.coordinates import coordinate_channels
from iodine.models.parts.image_distributions import (
    MAX_LOG_MASK_GRADIENT,
    PixelTerms,
    SpatialMixture,
)

SIDE, B = 4, 2
GRADIENT_INPUTS = ("means_gradient", "mask_gradient", "posterior_gradient")
PAPERS_STOPPED = (
    "means_gradient",
    "mask_gradient",
    "likelihood",
    "leave_one_out_likelihood",
    "posterior_gradient",
)
WITHOUT_NORM = {
    "refinement.layer_norm": (),
    "refinement.image_inputs": tuple(IMAGE_INPUTS),
    "refinement.flat_inputs": FLAT_INPUTS,
}


def run(changes, kl_weight=1.0, side=SIDE, train_batch_size=1, use_shortcut=True):
    """A model's iterations, and its inputs by name for each of its two refinements."""
    model = build_model(small_config(changes), side, train_batch_size=train_batch_size)
    model.refinement.first.use_shortcut = use_shortcut
    images, noise = random_images(B, side), random_noise(3, B)
    with recorded_inputs() as built:
        iterations = model(images, noise=noise, kl_weight=kl_weight)
    inputs = [by_name(b, model.config, SLOTS) for b in built]
    assert len(inputs) == 2
    return model, images.numpy(), noise.numpy(), iterations, inputs


def leave_one_out(component, masks):
    """Log-likelihood of the K mixtures of K - 1 slots, the masks renormalised."""
    result = []
    for k in range(component.shape[1]):
        others = np.delete(masks, k, axis=1)
        others = others / others.sum(axis=1, keepdims=True)
        result.append(scipy.special.logsumexp(np.delete(component, k, axis=1), b=others, axis=1))
    return np.stack(result, axis=1)


VARIANTS = {
    "paper": {},
    "released": {
        "refinement.log_likelihoods": True,
        "refinement.mask_posterior_epsilon": 0.02,
        "refinement.mask_gradient_of_logits": True,
        "refinement.coordinates": "cosine",
        "likelihood": "logistic",
        "likelihood_scale": 0.3,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_values_equal_numpy(variant):
    model, images, _, iterations, inputs = run(WITHOUT_NORM | VARIANTS[variant])
    config = model.config
    for iteration, found in zip(iterations, inputs, strict=False):
        means = iteration.mixture.means.numpy()
        logits = iteration.mixture.mask_logits.numpy().astype(np.float64)
        masks = softmax(logits)
        component = component_log_prob(images, means, config.likelihood_scale, config.likelihood)
        log_prob = scipy.special.logsumexp(component, b=masks, axis=1)
        others = leave_one_out(component, masks)
        p = np.exp(component)
        posterior = p / (p.sum(axis=1, keepdims=True) + config.refinement.mask_posterior_epsilon)
        expected = {
            "image": images[:, np.newaxis],
            "means": means,
            "mask": masks[..., np.newaxis],
            "mask_logits": logits[..., np.newaxis],
            "mask_posterior": posterior[..., np.newaxis],
            "constant": np.full([1, 1, SIDE, SIDE, 1], 0.5),
            "flat_constant": np.full([B, SLOTS, 1], 0.5),
            "posterior": iteration.parameters.numpy(),
        }
        if variant == "paper":
            x = np.linspace(-1, 1, SIDE)
            expected["likelihood"] = np.exp(log_prob)[:, np.newaxis, ..., np.newaxis]
            expected["leave_one_out_likelihood"] = np.exp(others)[..., np.newaxis]
            expected["coordinates"] = np.stack(np.meshgrid(x, x), axis=-1)[np.newaxis, np.newaxis]
        else:
            log_prob = log_prob[:, np.newaxis]
            expected["likelihood"] = log_prob[..., np.newaxis]
            expected["leave_one_out_likelihood"] = (log_prob - others)[..., np.newaxis]
            expected["coordinates"] = coordinate_channels("cosine", SIDE, SIDE, 3)[np.newaxis]
        assert set(expected) == set(found) - set(GRADIENT_INPUTS)
        for name, value in expected.items():
            assert found[name].shape == value.shape, name
            np.testing.assert_allclose(
                found[name], value, rtol=1e-4, atol=1e-5 * np.abs(value).max(), err_msg=name
            )


def test_the_paper_feeds_17_channels_in_the_order_of_its_table():
    builder = RefinementInputBuilder(small_config().refinement, SIDE)
    assert builder.scopes == (
        ["image"] * 3  # image
        + ["slot"] * 3  # means
        + ["slot"] * 3  # mask, logits, posterior
        + ["slot"] * 4  # gradients of means and mask
        + ["image", "slot"]  # likelihood, leave-one-out likelihood
        + ["fixed"] * 2  # coordinates
    )


def decode(model, z):
    """Means and mask logits of [B, K, Z], in float64."""
    batch, slots, latent = z.shape
    x = np.linspace(-1, 1, SIDE)
    fixed = np.broadcast_to(np.stack(np.meshgrid(x, x), axis=-1), (batch * slots, SIDE, SIDE, 2))
    tiled = np.tile(z.reshape(-1, 1, 1, latent), (1, SIDE, SIDE, 1))
    channels = np.concatenate([tiled, fixed], axis=-1)
    decoder = model.decoder
    for layer in [decoder.first, *decoder.hidden]:
        channels = elu(conv_same(channels, layer.w.numpy(), layer.b.numpy()))
    channels = conv_same(channels, decoder.last.w.numpy(), decoder.last.b.numpy())
    channels = channels.reshape(batch, slots, SIDE, SIDE, 4)
    return channels[..., :3], channels[..., 3]


def close(actual, expected, tolerance=1e-4):
    assert actual.shape == expected.shape
    assert np.abs(expected).max() > 1e-3  # not the comparison of zeros
    np.testing.assert_allclose(actual, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_by_means_and_masks_equal_finite_differences(variant):
    model, images, _, iterations, inputs = run(WITHOUT_NORM | VARIANTS[variant])
    scale, family = model.config.likelihood_scale, model.config.likelihood
    mixture = iterations[1].mixture
    means = mixture.means.numpy().astype(np.float64)
    logits = mixture.mask_logits.numpy().astype(np.float64)
    masks = softmax(logits)

    def loss(means=means, masks=masks):
        return neg_log_likelihood(images, means, masks, scale, family).sum()

    close(inputs[1]["means_gradient"], central_difference(lambda m: loss(means=m), means))
    if variant == "paper":  # m_k is free: the masks need not sum to 1 while it moves
        expected = central_difference(lambda m: loss(masks=m), masks)
    else:
        expected = central_difference(lambda x: loss(masks=softmax(x)), logits)
    close(inputs[1]["mask_gradient"][..., 0], expected)


@pytest.mark.parametrize(
    ("scale_map", "prior", "kl_weight"),
    [
        ("softplus", "standard_normal", 1.0),
        ("softplus", "standard_normal", 0.05),
        ("sqrt_softplus", "posterior_at_zero", 1.0),
    ],
)
def test_gradient_by_lambda_equals_finite_differences(scale_map, prior, kl_weight):
    changes = WITHOUT_NORM | {"scale_map": scale_map, "prior": prior}
    model, images, noise, iterations, inputs = run(changes, kl_weight)
    prior_scale = 1.0 if prior == "standard_normal" else np.sqrt(np.log(2))

    def loss(parameters):
        mean = parameters[..., :LATENT]
        scale = sigma(parameters[..., LATENT:], scale_map)
        means, logits = decode(model, mean + scale * noise[1])
        nll = neg_log_likelihood(images, means, softmax(logits), model.config.likelihood_scale)
        return nll.sum() + kl_weight * normal_kl(mean, scale, prior_scale).sum()

    parameters = iterations[1].parameters.numpy()
    close(inputs[1]["posterior_gradient"], central_difference(loss, parameters))


def test_gradients_are_of_each_image_or_of_the_mean_over_the_batch_that_is_trained_on():
    changes = {**WITHOUT_NORM, "refinement.gradient_of_batch_mean": False}
    each = run(changes, train_batch_size=32)[-1][0]
    mean = run(changes | {"refinement.gradient_of_batch_mean": True}, train_batch_size=32)[-1][0]
    for name in GRADIENT_INPUTS:
        np.testing.assert_allclose(mean[name] * 32, each[name], rtol=1e-5, err_msg=name)


def terms_of(component, logits):
    """A mixture and terms with given component log-likelihoods [1, K, 1, N]."""
    means = tf.zeros([*component.shape, 3])
    mixture = SpatialMixture(means, tf.constant(logits, tf.float32), 1.0)
    component = tf.constant(component, tf.float32)
    joint = component + mixture.log_masks
    return mixture, PixelTerms(component, joint, tf.reduce_logsumexp(joint, axis=1))


def leave_one_out_log_likelihood(mixture, terms):
    return mixture.leave_one_out_log_likelihood(None, terms)  # the terms have seen the image


def hard_pixels():
    """One slot fits and the others are at -500, also with hardly any mask; and ordinary ones."""
    component = np.full([1, 4, 1, 12], -500.0)
    logits = np.zeros([1, 4, 1, 12])
    for k in range(4):
        component[0, k, 0, k] = component[0, k, 0, 4 + k] = 3.0
        logits[0, k, 0, 4 + k] = -20.0
    generator = np.random.default_rng(0)
    component[..., 8:] = generator.normal(size=(1, 4, 1, 4)) * 3
    logits[..., 8:] = generator.normal(size=(1, 4, 1, 4)) * 10
    return component, logits


@pytest.mark.parametrize(
    "function", [leave_one_out_log_likelihood, leave_one_out_by_separate_mixtures]
)
def test_leave_one_out_equals_the_direct_mixtures_where_one_slot_explains_everything(function):
    component, logits = hard_pixels()
    actual = function(*terms_of(component, logits)).numpy()
    expected = leave_one_out(component, softmax(logits))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)
    assert expected[0, 0, 0, 0] < -499
    assert expected[0, 1, 0, 0] > 1


def test_leave_one_out_of_two_slots_is_the_other_slot():
    component = np.array([-500.0, 2.0]).reshape(1, 2, 1, 1)
    mixture, terms = terms_of(component, np.array([30.0, -30.0]).reshape(1, 2, 1, 1))
    actual = leave_one_out_log_likelihood(mixture, terms).numpy().ravel()
    np.testing.assert_allclose(actual, [2, -500], rtol=1e-6)


def test_mask_posterior_and_gradients_stay_finite_where_one_slot_explains_everything():
    component, logits = hard_pixels()
    mixture, terms = terms_of(component, logits)
    p = component - scipy.special.logsumexp(component, axis=1, keepdims=True)
    np.testing.assert_allclose(mask_posterior(terms), np.exp(p), rtol=1e-5, atol=1e-6)
    masks = softmax(logits)
    log_prob = scipy.special.logsumexp(component, b=masks, axis=1, keepdims=True)
    expected = -np.exp(np.minimum(component - log_prob, MAX_LOG_MASK_GRADIENT))
    found = mixture.mask_gradient(None, terms)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-30)
    by_logits = masks - masks * np.exp(component - log_prob)
    _, actual = mixture.gradients(tf.zeros([1, 1, 12, 3]), terms)
    np.testing.assert_allclose(actual, by_logits, atol=1e-5)


@pytest.mark.parametrize("slots", [2, 4])
def test_leave_one_out_can_be_differentiated_where_one_slot_explains_everything(slots):
    component, logits = hard_pixels()
    means = tf.zeros([1, slots, 1, 12, 3])
    with tf.GradientTape() as tape:
        free = [tf.constant(x[:, :slots], tf.float32) for x in (component, logits)]
        tape.watch(free)
        mixture = SpatialMixture(means, free[1], 1.0)
        joint = free[0] + mixture.log_masks
        terms = PixelTerms(free[0], joint, tf.reduce_logsumexp(joint, axis=1))
        first = leave_one_out_log_likelihood(mixture, terms)[:, 0]
    by_component, by_logits = tape.gradient(first, free)
    others = softmax(component[:, 1:slots] + logits[:, 1:slots])
    np.testing.assert_allclose(by_component[:, 1:], others, atol=1e-5)
    np.testing.assert_allclose(by_component[:, 0], 0, atol=1e-6)
    expected = others - softmax(logits[:, 1:slots])
    np.testing.assert_allclose(by_logits[:, 1:], expected, atol=1e-5)
    np.testing.assert_allclose(by_logits[:, 0], 0, atol=1e-5)


def test_mask_gradient_is_bounded_where_a_slot_that_fits_has_no_mask():
    component = np.array([0.0, -500.0]).reshape(1, 2, 1, 1)
    mixture, terms = terms_of(component, np.array([-100.0, 0.0]).reshape(1, 2, 1, 1))
    gradient = mixture.mask_gradient(None, terms).numpy().ravel()
    np.testing.assert_allclose(gradient[0], -np.exp(MAX_LOG_MASK_GRADIENT), rtol=1e-5)
    assert np.isfinite(np.square(gradient)).all()


def test_layer_norm_equals_numpy_on_exactly_the_listed_inputs():
    listed = ("image", "means_gradient", "likelihood", "posterior_gradient", "posterior")
    model, _, _, _, normed = run(
        {**WITHOUT_NORM, "refinement.layer_norm": listed, "likelihood_scale": 0.7}
    )
    assert set(model.inputs.layer_norms) == set(listed)
    plain = run({**WITHOUT_NORM, "likelihood_scale": 0.7})
    # The first iteration's plain inputs are the same if everything before them is.
    for variable, other in zip(
        [model.initial_posterior, *model.decoder.trainable_variables],
        [plain[0].initial_posterior, *plain[0].decoder.trainable_variables],
        strict=True,
    ):
        other.assign(variable)
    with recorded_inputs() as built:
        plain[0](random_images(B, SIDE), noise=random_noise(3, B))
    before = by_name(built[0], plain[0].config, SLOTS)
    for name, value in before.items():
        expected = value.astype(np.float64)
        if name in listed:
            norm = model.inputs.layer_norms[name]
            rows = expected.reshape(-1, *expected.shape[2:])
            rows = layer_norm(rows, norm.scale.numpy(), norm.offset.numpy())
            expected = rows.reshape(expected.shape)
            assert np.abs(norm.scale.numpy() - 1).max() > 0.01
        np.testing.assert_allclose(
            normed[0][name], expected, atol=1e-4 * np.abs(expected).max(), err_msg=name
        )


def decoder_gradients(name, stopped):
    """Of a loss on lambda(2), by the decoder, whose only way there is through one input."""
    is_flat = name in FLAT_INPUTS
    config = small_config(
        {
            "refinement.image_inputs": ("image",) if is_flat else (name,),
            "refinement.flat_inputs": (name,) if is_flat else (),
            "refinement.stop_gradient": (name,) if stopped else (),
        }
    )
    model = build_model(config, 6)
    projection = np.random.default_rng(5).normal(size=(B, SLOTS, 2 * LATENT)).astype(np.float32)
    with tf.GradientTape() as tape:
        iterations = model(random_images(B, 6), num_iterations=1, noise=random_noise(2, B))
        loss = tf.reduce_sum(iterations[1].parameters * projection)
    return tape.gradient(loss, model.decoder.trainable_variables)


INPUTS_OF_THE_DECODER = (
    *PAPERS_STOPPED,
    "means",
    "mask",
    "mask_logits",
    "mask_posterior",
)


@pytest.mark.parametrize("name", INPUTS_OF_THE_DECODER)
def test_stop_gradient_stops(name):
    assert all(gradient is None for gradient in decoder_gradients(name, stopped=True))


@pytest.mark.parametrize("name", INPUTS_OF_THE_DECODER)
def test_gradient_flows_and_is_finite_when_not_stopped(name):
    gradients = [g for g in decoder_gradients(name, stopped=False) if g is not None]
    assert gradients
    assert all(np.isfinite(g).all() for g in gradients)
    assert max(np.abs(g).max() for g in gradients) > 1e-6


def test_exactly_the_papers_five_inputs_are_stopped_and_normalised():
    config = small_config().refinement
    assert set(config.stop_gradient) == set(config.layer_norm) == set(PAPERS_STOPPED)
    assert set(IMAGE_INPUTS) - set(config.image_inputs) == {"constant"}
    assert set(FLAT_INPUTS) - set(config.flat_inputs) == {"flat_constant"}


CHANNELS = {"image": 3, "means": 3, "means_gradient": 3, "coordinates": 2}  # the others have 1


@pytest.mark.parametrize("name", small_config().refinement.image_inputs)
def test_an_image_input_can_be_left_out(name):
    all_inputs = small_config().refinement.image_inputs
    kept = tuple(n for n in all_inputs if n != name)
    model, _, _, iterations, inputs = run({"refinement.image_inputs": kept})
    assert set(inputs[0]) == {*kept, "posterior", "posterior_gradient"}
    channels = 17 - CHANNELS.get(name, 1)
    assert len(model.inputs.scopes) == channels
    assert model.refinement.first.w.shape[2] == channels
    assert name not in model.inputs.layer_norms
    assert np.isfinite(iterations[-1].parameters).all()


@pytest.mark.parametrize("kept", [("posterior",), ("posterior_gradient",), ()])
def test_flat_inputs_can_be_left_out(kept):
    model, _, _, iterations, inputs = run({"refinement.flat_inputs": kept})
    assert {n for n in inputs[0] if n in FLAT_INPUTS} == set(kept)
    assert model.refinement.lstm.input_to_hidden.shape[0] == 7 + 2 * LATENT * len(kept)
    assert ("posterior_gradient" in model.inputs.layer_norms) == ("posterior_gradient" in kept)
    assert np.isfinite(iterations[-1].parameters).all()


@pytest.mark.parametrize(
    "kept", [("means",), ("image",), ("image", "likelihood"), ("mask", "image")]
)
@pytest.mark.parametrize("fast", [True, False])
def test_few_image_inputs_are_enough(kept, fast):
    _, _, _, iterations, _ = run({"refinement.image_inputs": kept}, use_shortcut=fast)
    assert iterations[-1].parameters.shape == (B, SLOTS, 2 * LATENT)


@pytest.mark.parametrize("field", ["image_inputs", "flat_inputs", "layer_norm", "stop_gradient"])
def test_an_unknown_input_is_refused_naming_the_field(field):
    config = small_config({f"refinement.{field}": ("posteriors",)}).refinement
    with pytest.raises(UserError, match=f"refinement.{field}: unknown input 'posteriors'; known: "):
        RefinementInputBuilder(config, SIDE)


def test_an_input_named_twice_is_refused():
    config = small_config({"refinement.image_inputs": ("image", "mask", "image")}).refinement
    with pytest.raises(UserError, match=r"refinement.image_inputs: an input is named twice"):
        RefinementInputBuilder(config, SIDE)


def test_an_image_input_is_not_a_flat_input():
    config = small_config({"refinement.flat_inputs": ("image",)}).refinement
    with pytest.raises(UserError, match="flat_inputs: unknown input 'image'"):
        RefinementInputBuilder(config, SIDE)
