"""The control without memory, beside the model on still clips."""

import numpy as np
import pytest
import small_models
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.restarts import Restarted

CLIPS, FRAMES, SLOTS = 2, 4, 3
SEED = 5


@pytest.fixture(scope="module")
def clips():
    images = small_models.random_images(CLIPS * FRAMES)
    return tf.reshape(images, [CLIPS, FRAMES, *images.shape[1:]])


@pytest.fixture(scope="module")
def model():
    changes = {"sequence.enabled": True, "sequence.first_frame_refinements": 2}
    return small_models.build_model(small_models.small_config(changes))


@pytest.mark.parametrize(("iterations", "times"), [(1, 1), (2, 1), (4, 3)])
def test_each_frame_is_predicted_from_the_one_before_it(model, clips, iterations, times):
    """Two refinements or more read it, as the model reads the first frame of a clip."""
    control = Restarted(model, iterations)
    steps = inference.infer_by_example(control, clips, tf.range(CLIPS), SEED)
    assert len(steps) == FRAMES
    for frame, step in enumerate(steps):
        seen = clips[:, max(frame - 1, 0)]
        still = tf.stack([seen] * times + [clips[:, frame]], axis=1)
        of_still = inference.infer_by_example(model, still, tf.range(CLIPS), SEED)
        expected = of_still[-1] if frame else of_still[0]
        np.testing.assert_array_equal(step.target, clips[:, frame])
        for name in ("masks", "reconstruction", "latents", "log_likelihood", "kl"):
            ours, theirs = getattr(step, name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, err_msg=name)


def test_nothing_is_remembered(model, clips):
    control = Restarted(model)
    changed = tf.concat([1 - clips[:, :1], clips[:, 1:]], axis=1)
    before, after = (inference.infer(control, x) for x in (clips, changed))
    assert np.abs(before[1].masks - after[1].masks).max() > 1e-6
    for first, second in zip(before[2:], after[2:], strict=True):
        np.testing.assert_allclose(first.masks, second.masks, atol=1e-6)


def test_is_evaluated_like_the_model_itself(model, clips):
    evaluator = Evaluator(Restarted(model), seed=SEED)
    values = evaluator([{"image": clips[:1]}, {"image": clips[1:]}])
    steps = inference.infer_by_example(Restarted(model), clips, tf.range(CLIPS), SEED)
    errors = [np.square(s.reconstruction - s.target).mean(axis=(1, 2, 3)) for s in steps]
    np.testing.assert_allclose(values["mse"], errors, rtol=1e-4)
    for clip, scores in enumerate(evaluator.clip_scores):
        expected = [of_frame[clip] for of_frame in errors[1:]]
        np.testing.assert_allclose(scores.next_frame_errors, expected, rtol=1e-4)


def test_a_single_frame_is_refused(model, clips):
    with pytest.raises(UserError, match="a clip of 1 frame has nothing to predict"):
        inference.infer(Restarted(model), clips[:, :1])
