"""IODINE on clips: sections A.1 and A.2."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from iodine.config import checks, override
from iodine.errors import UserError
from iodine.evaluation.clips import decompose_clips
from iodine.evaluation.streaming import Stream
from iodine.models import registry
from iodine.models.iodine.config import SequenceConfig
from iodine.models.iodine.sequences import FrameOrder
from iodine.models.parts.noise import draw_noise, draw_same_noise, draw_same_noise_at

SIDE, SLOTS, CLIPS, FRAMES, FIRST = 8, 3, 2, 4, 2
ITERATIONS = FRAMES - 2 + FIRST
CONFIG = override(
    registry.preset("tetrominoes_small"),
    {
        "data.image_size": SIDE,
        "model.num_slots": SLOTS,
        "model.latent_size": 4,
        "model.num_iterations": ITERATIONS,
        "model.decoder.channels": (4, 4),
        "model.refinement.channels": (4, 4, 4),
        "model.refinement.mlp_sizes": (6,),
        "model.refinement.lstm_size": 5,
        "model.sequence.enabled": True,
        "model.sequence.first_frame_refinements": FIRST,
    },
)


def build(config=CONFIG):
    model = registry.build(config)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(0.2 * generator.standard_normal(variable.shape))
    return model


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def clips():
    values = np.random.default_rng(1).uniform(size=(CLIPS, FRAMES, SIDE, SIDE, 3))
    return tf.constant(values, tf.float32)


def noise_for(model, num_iterations=ITERATIONS):
    return draw_noise((0, 0), model.noise(SLOTS, num_iterations), CLIPS)


def log_prob(step, frames):
    """Log p of Eq. 1 [B] by SciPy: at every pixel a mixture of Normals."""
    means, masks = np.float64(step.components), np.float64(step.masks)
    of_channels = scipy.stats.norm.logpdf(
        np.float64(frames)[:, np.newaxis], means, CONFIG.model.likelihood_scale
    )
    return scipy.special.logsumexp(of_channels.sum(-1), b=masks, axis=1).sum((1, 2))


def gradients_of(model, clips):
    with tf.GradientTape() as tape:
        losses = model.losses(model.infer(clips, noise_for(model), training=True), clips)
    gradients = tape.gradient(
        losses.total, model.trainable_variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return float(losses.total), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize(
    ("first", "frames"), [(1, [0, 1, 2, 3, 4]), (2, [0, 0, 1, 2, 3]), (4, [0, 0, 0, 0, 1])]
)
def test_decodings_belong_to_frames(first, frames):
    order = FrameOrder(SequenceConfig(first_frame_refinements=first))
    assert [order.frame_of(t) for t in range(5)] == frames
    assert order.num_frames(4) == frames[-1] + 1
    assert order.num_iterations(frames[-1] + 1) == 4


def test_sixteen_refinements_read_seventeen_frames():
    order = FrameOrder(SequenceConfig())
    assert order.num_frames(16) == 17
    assert order.num_iterations(16) == 15  # as the released code has it for clips of 16 frames


def test_a_still_clip_is_an_image(model, clips):
    """With the same weights and noise: all that differs is which frame is read."""
    of_images = build(override(CONFIG, {"model.sequence.enabled": False}))
    still = tf.repeat(clips[:, :1], FRAMES, axis=1)
    steps = model.infer(still, noise_for(model))
    expected = of_images.infer(clips[:, 0], noise_for(of_images))
    assert len(steps) == len(expected) == ITERATIONS + 1
    for step, image_step in zip(steps, expected, strict=True):
        for name in ("latents", "masks", "log_likelihood", "kl"):
            np.testing.assert_allclose(
                getattr(step, name), getattr(image_step, name), rtol=1e-5, atol=1e-5
            )


def test_a_step_is_scored_on_its_frame_and_has_not_seen_it(model, clips):
    steps = model.infer(clips, noise_for(model))
    changed = np.array(clips)
    changed[:, 2] = 1 - changed[:, 2]
    others = model.infer(tf.constant(changed), noise_for(model))
    for t, (step, other) in enumerate(zip(steps, others, strict=True)):
        frame = model.frame_of(t)
        np.testing.assert_array_equal(step.target, clips[:, frame])
        np.testing.assert_allclose(step.log_likelihood, log_prob(step, step.target), rtol=1e-4)
        is_same = np.array_equal(step.reconstruction, other.reconstruction)
        assert is_same == (frame <= 2)


def test_frames_that_are_not_needed_are_not_read(model, clips):
    steps = model.infer(clips, noise_for(model, 2), num_iterations=2)
    expected = model.infer(clips[:, :2], noise_for(model, 2))
    assert len(steps) == len(expected) == 3
    np.testing.assert_array_equal(steps[-1].reconstruction, expected[-1].reconstruction)


def test_a_stream_gives_what_the_clip_gives_at_once(model):
    """Also a clip of three times as many frames as the model is made for."""
    values = np.random.default_rng(2).uniform(size=(CLIPS, 3 * FRAMES, SIDE, SIDE, 3))
    clips = tf.constant(values, tf.float32)
    at_once = decompose_clips(model, clips, seed=3)
    stream = Stream(model, seed=3)
    for frame in range(clips.shape[1]):
        result = stream(clips[:, frame])
        for name, value in result._asdict().items():
            expected = getattr(at_once, name)[:, frame]
            largest = np.abs(expected).max()
            np.testing.assert_allclose(value, expected, atol=1e-5 * largest, err_msg=name)
            assert np.isfinite(value).all()


def test_a_draw_by_its_number_is_the_one_of_all(model):
    specs = model.noise(SLOTS, 5)
    drawn = draw_same_noise(7, specs, 2)["z"]
    for number in (0, 5):
        one = draw_same_noise_at(7, specs, 2, tf.constant(number))["z"]
        np.testing.assert_array_equal(one, drawn[number])


def test_the_frame_seen_last_counts_if_it_is_told_to(clips):
    plain, weight = build(), 0.5
    model = build(override(CONFIG, {"model.sequence.seen_frame_weight": weight}))
    steps = model.infer(clips, noise_for(model))
    expected = float(plain.losses(plain.infer(clips, noise_for(plain)), clips).total)
    for t, step in enumerate(steps):
        frame = model.frame_of(t)
        if frame == 0:  # nothing else has been seen
            assert step.seen_log_likelihood is None
            continue
        of_seen = log_prob(step, clips[:, frame - 1])
        np.testing.assert_allclose(step.seen_log_likelihood, of_seen, rtol=1e-4)
        expected -= weight * t / ITERATIONS * of_seen.mean()
    assert float(model.losses(steps, clips).total) == pytest.approx(expected, rel=1e-5)


def test_truncation_ends_gradients_and_changes_no_value(model, clips):
    truncated = build(override(CONFIG, {"model.sequence.truncation": 1}))
    value, gradients = gradients_of(model, clips)
    truncated_value, truncated_gradients = gradients_of(truncated, clips)
    assert truncated_value == pytest.approx(value, rel=1e-6)
    names = [variable.name for variable in model.trainable_variables]
    # lambda(1) acts on the loss through refinements only: the first decoding weighs nothing.
    place = next(i for i, name in enumerate(names) if "initial_posterior" in name)
    assert np.abs(gradients[place]).max() > 0
    assert np.abs(truncated_gradients[place]).max() == 0
    # A refinement's update is still told by the decoding after it.
    update = next(i for i, name in enumerate(names) if "update" in name)
    assert np.abs(truncated_gradients[update]).max() > 0


@pytest.mark.parametrize("truncation", [0, 2])
def test_recomputed_rounds_have_the_same_gradients(clips, truncation):
    config = override(CONFIG, {"model.sequence.truncation": truncation})
    value, gradients = gradients_of(build(config), clips)
    again, recomputed = gradients_of(build(override(config, {"model.recompute": True})), clips)
    assert again == pytest.approx(value, rel=1e-6)
    for expected, gradient in zip(gradients, recomputed, strict=True):
        np.testing.assert_allclose(gradient, expected, atol=1e-3 * np.abs(expected).max() + 1e-6)


def test_mistakes_are_told(model, clips):
    with pytest.raises(UserError, match="a clip of 1 frame has nothing to predict"):
        decompose_clips(model, clips[:, :1])
    with pytest.raises(UserError, match="clips of 2 frames are too short for 4 iterations"):
        model.infer(clips[:, :2], noise_for(model), num_iterations=ITERATIONS)
    with pytest.raises(UserError, match=r"clips have the shape .* expected \[B, F, H, W, C\]"):
        model.infer(clips[:, 0], noise_for(model))
    of_images = build(override(CONFIG, {"model.sequence.enabled": False}))
    with pytest.raises(UserError, match="takes single images, not clips"):
        decompose_clips(of_images, clips)
    with pytest.raises(UserError, match="takes single images"):
        Stream(of_images)
    with pytest.raises(UserError, match="5 refinements read the first frame"):
        checks.check(override(CONFIG, {"model.sequence.first_frame_refinements": 5}))
