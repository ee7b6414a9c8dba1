"""What every registered model promises: `models/interface.py`, for the smallest preset of each.

A new model is covered by being registered. What it promises differently is said in the sets below.
"""

import numpy as np
import pytest
import tensorflow as tf
from small_models import smallest_preset

from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.interface import SceneModel, Step, annealed, mixed
from iodine.models.parts.noise import draw_noise

BATCH, SPLIT = 5, 2
# Models whose slots have an order of their own, which noise does not decide.
ORDERED = {"monet"}
# Models whose posterior does not depend on the noise: only what is sampled from it does.
FEED_FORWARD = {"monet", "vae"}
KINDS = registry.kinds()
TOLERANCE = 1e-4


class Case:
    """A model, images, and its noise for two rounds of inference, or as many as it has."""

    def __init__(self, kind):
        tf.random.set_seed(0)
        self.kind, self.config = kind, smallest_preset(kind)
        self.model = registry.build(self.config)
        generator = np.random.default_rng(0)
        for variable in self.model.trainable_variables:  # biases are not 0
            variable.assign_add(0.05 * generator.standard_normal(variable.shape))
        self.spec = self.model.spec
        self.slots = self.spec.num_slots
        self.rounds = 2 if self.spec.free_iterations else self.spec.num_iterations
        self.images = tf.constant(
            generator.uniform(size=(BATCH, *self.spec.image_shape)), tf.float32
        )
        self.noise = self.draw()
        self.steps = self.infer()

    def draw(self, slots=None, rounds=None):
        specs = self.model.noise(slots or self.slots, rounds or self.rounds)
        return draw_noise((0, 0), specs, BATCH)

    def infer(self, images=None, noise=None, slots=None, rounds=None, **arguments):
        images = self.images if images is None else images
        noise = self.noise if noise is None else noise
        return self.model.infer(
            images, noise, slots or self.slots, rounds or self.rounds, **arguments
        )

    def slot_axes(self):
        """By the names of the noise: the axis of [N, B, ...] that grows with the slots, if any."""
        now, more = (self.model.noise(k, self.rounds) for k in (self.slots, self.slots + 1))
        axes = {}
        for name, spec in now.items():
            sizes = zip(spec.shape, more[name].shape, strict=True)
            grown = [axis for axis, (a, b) in enumerate(sizes) if a != b]
            axes[name] = 2 + grown[0] if grown else None
        return axes


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    return Case(request.param)


def present(step):
    """The fields that a step has."""
    return {name: value for name, value in step._asdict().items() if value is not None}


def assert_same(steps, others, tolerance=TOLERANCE, reorder=None):
    """Relative to the largest magnitude of each field; `reorder` sorts the slots of the others."""
    for s, (step, other) in enumerate(zip(steps, others, strict=True)):
        for name, value in present(step).items():
            expected = getattr(other, name).numpy()
            if reorder is not None and name not in ("reconstruction", "log_likelihood"):
                expected = expected[:, reorder]
            largest = np.abs(expected).max()
            np.testing.assert_allclose(
                value, expected, atol=tolerance * largest, rtol=0, err_msg=f"{name} of step {s}"
            )


def test_it_is_a_scene_model_that_says_its_kind(case):
    assert isinstance(case.model, SceneModel)
    assert case.model.config == case.config.model
    assert case.config.model.kind == case.kind
    assert type(case.config.model)().kind == case.kind
    side = case.config.data.image_size
    assert case.spec.image_shape == (side, side, 3)
    assert case.spec.num_slots >= 1
    assert case.spec.num_iterations >= 1
    assert case.model.trainable_variables
    assert {variable.dtype for variable in case.model.trainable_variables} == {tf.float32}


def test_steps_have_the_shapes_and_types_of_the_interface(case):
    b, k, z = BATCH, case.slots, case.spec.latent_size
    height, width, channels = case.spec.image_shape
    shapes = {
        "masks": (b, k, height, width),
        "components": (b, k, height, width, channels),
        "reconstruction": (b, height, width, channels),
        "latents": (b, k, z),
        "log_likelihood": (b,),
        "mask_logits": (b, k, height, width),
        "sample": (b, k, z),
        "latent_scale": (b, k, z),
        "kl": (b, k),
        "decoded_mask_logits": (b, k, height, width),
        "target": (b, height, width, channels),
        "seen_log_likelihood": (b,),
    }
    assert set(shapes) == set(Step._fields)
    optional = {"mask_logits", "sample", "latent_scale", "kl", "decoded_mask_logits"}
    optional |= {"target", "seen_log_likelihood"}  # of clips
    assert case.steps
    for step in case.steps:
        assert isinstance(step, Step)
        found = present(step)
        assert set(shapes) - optional <= set(found)
        assert set(found) == set(present(case.steps[0]))
        for name, value in found.items():
            assert tuple(value.shape) == shapes[name], name
            assert value.dtype == tf.float32, name
            assert np.isfinite(value).all(), name


def test_masks_are_shares_of_each_pixel(case):
    for step in case.steps:
        masks = step.masks.numpy()
        assert masks.min() >= 0
        np.testing.assert_allclose(masks.sum(axis=1), 1, atol=1e-5)
        if step.mask_logits is not None:
            logits = step.mask_logits.numpy().astype(np.float64)
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(masks, shares, atol=1e-5)


def test_the_reconstruction_is_the_sum_of_the_masked_components(case):
    for step in case.steps:
        expected = np.einsum("bkhw,bkhwc->bhwc", step.masks, step.components)
        np.testing.assert_allclose(step.reconstruction, expected, atol=1e-5)


def test_the_posterior_has_a_scale_a_sample_and_a_kl_that_is_not_negative(case):
    for step in case.steps:
        if step.kl is not None:
            assert float(tf.reduce_min(step.kl)) > -1e-4
        if step.latent_scale is not None:
            assert step.sample is not None
            assert float(tf.reduce_min(step.latent_scale)) > 0


def test_the_steps_of_few_iterations_are_the_first_of_more(case):
    if not case.spec.free_iterations:
        pytest.skip("the number of iterations is fixed")
    more = case.infer(noise=case.draw(rounds=4), rounds=4)
    assert len(more) == len(case.steps) + 2
    assert_same(case.steps, more[: len(case.steps)], 1e-5)
    assert any(
        np.abs(more[-1].reconstruction - case.steps[-1].reconstruction).max(axis=(1, 2, 3)) > 1e-6
    )


def test_another_number_of_slots_is_taken_or_refused(case):
    slots = case.slots + 1
    variables = len(case.model.variables)
    if not case.spec.free_slots:
        with pytest.raises(UserError, match=f"num_slots is {slots}; this model has {case.slots}"):
            case.infer(noise=case.noise, slots=slots)
        return
    last = case.infer(noise=case.draw(slots=slots), slots=slots)[-1]
    assert last.masks.shape[:2] == (BATCH, slots)
    np.testing.assert_allclose(np.sum(last.masks, axis=1), 1, atol=1e-5)
    assert len(case.model.variables) == variables


@pytest.mark.parametrize("name", ["num_slots", "num_iterations"])
def test_fewer_than_one_of_anything_is_refused(case, name):
    with pytest.raises(UserError, match=f"{name} is 0; at least 1 is needed"):
        case.model.infer(case.images, case.noise, **{name: 0})


def test_numbers_of_the_specification_are_the_default(case):
    assert case.model.call_sizes(None, None) == (case.spec.num_slots, case.spec.num_iterations)


def test_images_of_another_shape_or_type_are_refused(case):
    height, width, channels = case.spec.image_shape
    for shape in ([2, height + 1, width, channels], [2, height, width, 1], [height, width, 3]):
        with pytest.raises(UserError, match="images have the shape"):
            case.infer(tf.zeros(shape))
    with pytest.raises(UserError, match="images are uint8, expected float32"):
        case.infer(tf.zeros([2, height, width, channels], tf.uint8))


def test_slots_permute_with_their_noise(case):
    axes = {name: axis for name, axis in case.slot_axes().items() if axis is not None}
    if case.kind in ORDERED or not axes or case.slots < 2:
        pytest.skip("no noise decides the order of the slots")
    order = np.roll(np.arange(case.slots), 1)
    noise = {
        name: tf.gather(value, order, axis=axes[name]) if name in axes else value
        for name, value in case.noise.items()
    }
    assert_same(case.infer(noise=noise), case.steps, reorder=order)
    latents = case.steps[-1].latents.numpy()
    assert np.abs(latents[:, order] - latents).max() > 1e-3  # the slots differ


def test_an_images_result_does_not_depend_on_the_rest_of_its_batch(case):
    parts = []
    for rows in (slice(0, SPLIT), slice(SPLIT, SPLIT + 1), slice(SPLIT + 1, BATCH)):
        noise = {name: value[:, rows] for name, value in case.noise.items()}
        parts.append(case.infer(case.images[rows], noise))
    joined = [
        Step(
            **{
                name: tf.concat([getattr(step, name) for step in steps], axis=0)
                for name in present(steps[0])
            }
        )
        for steps in zip(*parts, strict=True)
    ]
    assert_same(joined, case.steps)


def test_the_same_noise_gives_the_same_result_and_other_noise_another(case):
    assert_same(case.infer(), case.steps, 1e-6)
    if case.noise:
        other = draw_noise((1, 0), case.model.noise(case.slots, case.rounds), BATCH)
        last = case.infer(noise=other)[-1]
        field = "sample" if case.kind in FEED_FORWARD else "latents"
        assert np.abs(getattr(last, field) - getattr(case.steps[-1], field)).max() > 1e-6


def test_decode_gives_the_components_of_what_was_sampled(case):
    for step in case.steps:
        sample = step.latents if step.sample is None else step.sample
        components, mask_logits = case.model.decode(sample)
        np.testing.assert_allclose(components, step.components, atol=1e-5)
        expected = step.mask_logits
        if step.decoded_mask_logits is not None:
            expected = step.decoded_mask_logits
        if expected is not None:
            np.testing.assert_allclose(mask_logits, expected, atol=1e-4)


def test_decode_takes_each_slot_by_itself(case):
    last = case.steps[-1]
    sample = last.latents if last.sample is None else last.sample
    whole, _ = case.model.decode(sample)
    alone, _ = case.model.decode(sample[:, -1:])
    np.testing.assert_allclose(alone[:, 0], whole[:, -1], atol=1e-5)


def test_losses_are_means_over_the_batch_with_terms_for_each_step(case):
    losses = case.model.losses(case.steps, case.images)
    assert losses.total.shape == ()
    assert np.isfinite(losses.total)
    assert losses.selection.shape == (BATCH,)
    assert np.isfinite(losses.selection).all()
    assert losses.terms
    for name, values in losses.terms.items():
        assert values.shape == (len(case.steps),), name
        assert np.isfinite(values).all(), name
    halves = []
    for rows in (slice(0, 2), slice(2, 4)):
        noise = {name: value[:, rows] for name, value in case.noise.items()}
        steps = case.infer(case.images[rows], noise, training=True)
        halves.append(case.model.losses(steps, case.images[rows]))
    both = {name: value[:, :4] for name, value in case.noise.items()}
    together = case.model.losses(case.infer(case.images[:4], both), case.images[:4])
    mean = (float(halves[0].total) + float(halves[1].total)) / 2
    assert float(together.total) == pytest.approx(mean, rel=TOLERANCE)
    for name, values in together.terms.items():
        mean = (halves[0].terms[name] + halves[1].terms[name]) / 2
        np.testing.assert_allclose(values, mean, rtol=1e-3, atol=1e-3, err_msg=name)
    selections = np.concatenate([half.selection for half in halves])
    np.testing.assert_allclose(together.selection, selections, rtol=TOLERANCE)


def test_every_weight_learns_from_a_finite_gradient_in_a_graph(case):
    @tf.function(autograph=False)
    def gradients(images, noise):
        with tf.GradientTape() as tape:
            steps = case.model.infer(images, noise, case.slots, case.rounds, training=True)
            total = case.model.losses(steps, images).total
        return tape.gradient(total, case.model.trainable_variables)

    found = gradients(case.images, case.noise)
    for variable, gradient in zip(case.model.trainable_variables, found, strict=True):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
    assert sum(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in found) == len(found)


def test_a_graph_for_any_batch_gives_the_same(case):
    images = tf.TensorSpec([None, *case.spec.image_shape])
    noise = {
        name: tf.TensorSpec([n.num_draws, None, *n.shape])
        for name, n in case.model.noise(case.slots, case.rounds).items()
    }
    in_graph = tf.function(
        lambda images, noise: present(case.model.infer(images, noise, case.slots, case.rounds)[-1]),
        input_signature=[images, noise],
        autograph=False,
    )
    for rows in (slice(0, 1), slice(0, BATCH)):
        found = in_graph(
            case.images[rows], {name: value[:, rows] for name, value in case.noise.items()}
        )
        expected = Step(**{name: v[rows] for name, v in present(case.steps[-1]).items()})
        assert_same([Step(**found)], [expected])


def test_schedules_end_where_inference_is_without_them(case):
    schedules = registry.schedules(case.config)
    scheduled = {name: schedule(10**9) for name, schedule in schedules.items()}
    for name, value in scheduled.items():
        assert value.dtype == tf.float32, name
        assert value.shape == (), name
    steps = case.infer(scheduled=scheduled)
    assert_same(steps, case.steps, 1e-6)
    ours, theirs = (
        case.model.losses(steps, case.images, scheduled),
        case.model.losses(case.steps, case.images),
    )
    assert float(ours.total) == pytest.approx(float(theirs.total), rel=1e-5)


def test_it_is_made_for_the_side_of_the_datas_images(case):
    config = override(case.config, {"data.image_size": case.config.data.image_size + 3})
    side = config.data.image_size
    model = registry.build(config)
    assert model.spec.image_shape == (side, side, 3)
    noise = draw_noise((0, 0), model.noise(case.slots, case.rounds), 1)
    last = model.infer(tf.zeros([1, side, side, 3]), noise, case.slots, case.rounds)[-1]
    assert last.components.shape == (1, case.slots, side, side, 3)


def test_annealing_is_geometric_and_then_stays():
    value = annealed(0.4, 0.1, 100)
    for step in (0, 1, 50, 99, 100, 250):
        expected = 0.4 * (0.1 / 0.4) ** min(1, step / 100)
        assert float(value(step)) == pytest.approx(expected, rel=1e-5)
        assert float(value(tf.constant(step))) == pytest.approx(expected, rel=1e-5)
    assert value(7).dtype == tf.float32


@pytest.mark.parametrize(("start", "steps"), [(0.0, 0), (0.0, 100), (0.3, 0), (0.1, 100)])
def test_without_a_start_of_its_own_it_is_the_end_from_the_beginning(start, steps):
    for step in (0, 5, 200):
        assert float(annealed(start, 0.1, steps)(step)) == pytest.approx(0.1)


def test_an_end_of_0_is_reached_at_once():
    assert float(annealed(0.0, 0.0, 100)(3)) == 0


def test_mixing_weighs_and_adds_up_the_slots_under_any_leading_axes():
    generator = np.random.default_rng(0)
    components = generator.normal(size=(2, 3, 4, 5, 6, 3)).astype(np.float32)
    masks = generator.dirichlet(np.ones(4), (2, 3, 5, 6)).astype(np.float32)
    masks = np.moveaxis(masks, -1, 2)
    expected = np.einsum("abkhw,abkhwc->abhwc", masks, components)
    np.testing.assert_allclose(mixed(components, masks), expected, atol=1e-6)
