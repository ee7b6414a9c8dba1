"""Truncated backpropagation: what the gradient is of, and that nothing else changes."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_iodine import NumpyIodine
from small_models import (
    LATENT,
    SLOTS,
    build_model,
    random_images,
    random_noise,
    small_config,
    whole_config,
)

from iodine.training.trainer import Trainer

SIDE, T, LAST = 5, 3, 2  # three refinements, of which the last two are differentiated
FIRST = T - LAST  # the decoding from which on losses count
GROUPS = {
    "decoder": lambda model: model.decoder.trainable_variables,
    "convolutions": lambda model: [
        variable
        for layer in (model.refinement.first, *model.refinement.hidden)
        for variable in layer.trainable_variables
    ],
    "rest of the refinement network": lambda model: [
        variable
        for layer in (model.refinement.mlp, model.refinement.lstm, model.refinement.update)
        for variable in layer.trainable_variables
    ],
    "layer norms": lambda model: model.inputs.trainable_variables,
}


def config_of(backpropagated, **changes):
    fields = {"num_iterations": T, "objective.backpropagated_refinements": backpropagated}
    return small_config({**fields, **changes})


def losses_and_gradients(model, images, noise):
    with tf.GradientTape() as tape:
        losses = model.losses(model.infer(images, {"z": noise}, training=True), images)
    return losses, {
        variable.ref(): gradient
        for variable, gradient in zip(
            model.trainable_variables,
            tape.gradient(losses.total, model.trainable_variables),
            strict=True,
        )
    }


class LastRefinements:
    """The loss as a function of the weights, with the earlier lambda and state held constant.

    Nothing is stopped within what is differentiated, so it can be held against differences.
    """

    def __init__(self):
        self.model = build_model(config_of(LAST, **{"refinement.stop_gradient": ()}), SIDE)
        self.images, self.noise = random_images(1, SIDE), random_noise(T + 1, 1)
        self._reference = NumpyIodine(self.model, SIDE)
        self._image = self.images.numpy().astype(np.float64)
        self._noise = self.noise.numpy().astype(np.float64)[:, 0]
        parameters = np.tile(self.model.initial_posterior.numpy().astype(np.float64), (SLOTS, 1))
        state = (np.zeros([SLOTS, 6]), np.zeros([SLOTS, 6]))
        for t in range(FIRST):
            parameters, state = self._reference.refine(
                parameters, self._image, self._noise[t], state
            )
        self._constant = parameters, state

    def loss(self):
        """Of today's weights."""
        (parameters, state), total = self._constant, 0.0
        for t in range(FIRST, T + 1):
            nll, kl, _, _ = self._reference.loss(parameters, self._image, self._noise[t])
            total += t / T * (nll + kl.sum())
            if t < T:
                parameters, state = self._reference.refine(
                    parameters, self._image, self._noise[t], state
                )
        return total

    def slope(self, variables, seed, step=1e-3):
        """Central difference along a random direction, and that direction."""
        generator = np.random.default_rng(seed)
        before = [variable.numpy() for variable in variables]
        moves = [step * generator.standard_normal(value.shape) for value in before]
        losses, reached = [], []
        for sign in (1, -1):
            for variable, value, move in zip(variables, before, moves, strict=True):
                variable.assign((value + sign * move).astype(np.float32))
            reached.append([variable.numpy().astype(np.float64) for variable in variables])
            losses.append(self.loss())
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        ways = [above - below for above, below in zip(*reached, strict=True)]
        return losses[0] - losses[1], ways


@pytest.fixture(scope="module")
def last_refinements():
    return LastRefinements()


@pytest.fixture(scope="module")
def truncated(last_refinements):
    return losses_and_gradients(
        last_refinements.model, last_refinements.images, last_refinements.noise
    )


def test_the_loss_is_that_of_the_last_refinements(last_refinements, truncated):
    assert float(truncated[0].total) == pytest.approx(last_refinements.loss(), rel=1e-4)


@pytest.mark.parametrize("group", GROUPS)
def test_the_gradient_is_that_of_the_last_refinements(last_refinements, truncated, group):
    variables = GROUPS[group](last_refinements.model)
    gradients = [truncated[1][variable.ref()].numpy() for variable in variables]
    for seed in range(2):
        expected, ways = last_refinements.slope(variables, seed)
        actual = sum(np.sum(g * way) for g, way in zip(gradients, ways, strict=True))
        scale = np.sqrt(
            sum(np.sum(g**2) * np.mean(way**2) for g, way in zip(gradients, ways, strict=True))
        )
        assert scale > 1e-6
        assert actual == pytest.approx(expected, abs=2e-3 * scale)


def test_the_gradient_through_all_refinements_is_another(last_refinements, truncated):
    """So that the test before can tell them apart."""
    whole = build_model(config_of(0, **{"refinement.stop_gradient": ()}), SIDE)
    theirs = last_refinements.model
    for variable, value in zip(whole.trainable_variables, theirs.trainable_variables, strict=True):
        variable.assign(value)
    _, gradients = losses_and_gradients(whole, last_refinements.images, last_refinements.noise)
    for group in GROUPS.values():
        ours = [gradients[variable.ref()].numpy() for variable in group(whole)]
        short = [truncated[1][variable.ref()].numpy() for variable in group(theirs)]
        difference = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(ours, short, strict=True)))
        assert difference > 0.05 * np.sqrt(sum(np.sum(b**2) for b in short))


def test_no_gradient_reaches_what_comes_before(truncated, last_refinements):
    initial = last_refinements.model.initial_posterior
    assert truncated[1][initial.ref()] is None
    others = [v for v in last_refinements.model.trainable_variables if v is not initial]
    assert all(truncated[1][variable.ref()] is not None for variable in others)


@pytest.mark.parametrize("backpropagated", [1, 2])
@pytest.mark.parametrize("recompute", [False, True])
def test_forward_values_do_not_change(backpropagated, recompute):
    model = build_model(config_of(backpropagated, recompute=recompute))
    images, noise = random_images(2), random_noise(T + 1, 2)
    plain = model.infer(images, {"z": noise})
    training = model.infer(images, {"z": noise}, training=True)
    for step, other in zip(plain, training, strict=True):
        for name, value in step._asdict().items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


@pytest.mark.parametrize("backpropagated", [T, T + 4])
def test_all_refinements_or_more_are_the_same_as_0(backpropagated):
    images, noise = random_images(2), random_noise(T + 1, 2)
    few, whole = (
        losses_and_gradients(build_model(config_of(number)), images, noise)
        for number in (backpropagated, 0)
    )
    assert float(few[0].total) == float(whole[0].total)
    for ours, theirs in zip(few[1].values(), whole[1].values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_step_leaves_the_initial_lambda_alone():
    config = whole_config(config_of(1), learning_rate=0.01)
    trainer = Trainer(config, tf.distribute.get_strategy())
    before = [variable.numpy() for variable in trainer.model.trainable_variables]
    trainer.train_step({"image": random_images(2)})
    assert trainer.model.initial_posterior.shape == (2 * LATENT,)
    for variable, value in zip(trainer.model.trainable_variables, before, strict=True):
        is_initial = variable is trainer.model.initial_posterior
        assert np.array_equal(variable, value) == is_initial, variable.name
