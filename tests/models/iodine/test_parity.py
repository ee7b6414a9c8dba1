"""The released code's numbers, reproduced; `parity/README.md` says where they come from."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from parity_records import in_released_layout, load, recorded_trainer
from recording import by_name, recorded_inputs
from worst_figures import note

from iodine.models import registry
from iodine.models.interface import Losses, Step
from iodine.models.iodine.config import IodineConfig, RefinementConfig
from iodine.models.iodine.model import Iodine
from iodine.models.iodine.released_checkpoints import released_variables
from iodine.models.parts.decoders import DecoderConfig

NUM_ITERATIONS = 5  # refinements; there are 6 decodings
OUTPUTS, INPUTS, LOSSES, GRADIENTS = 1e-4, 1e-3, 1e-5, 1e-3  # tolerances
# One gradient is the difference of large numbers (its terms' magnitudes add up to 47,000), so that
# rounding decides its fourth digit: exactly, by this model in float64, it is 43.46511; recorded
# 43.38959; the released code under TensorFlow 2.21 gives 43.40706.
ILL_CONDITIONED = (
    "multi_dsprites",
    "model/iodine/preprocess/layer_norm_counterfactual/gamma",
)
EXACT_ILL_CONDITIONED = 43.46511
ILL_CONDITIONED_TOLERANCE = 3e-3  # here 2e-4 to 6e-4; other processors round differently
SHOWN = {  # what the summary shows of the outputs
    "zp": "posterior parameters",
    "recons": "reconstructions",
    "mask_logits": "mask logits",
}
SIZES = {  # K, Z, LSTM
    "tetrominoes": (4, 32, 0),
    "multi_dsprites": (6, 16, 128),
}
RELEASED_INPUTS = {  # the released names, in alphabetical order as they are concatenated
    "capacity": "constant",
    "components": "means",
    "coordinates": "coordinates",
    "counterfactual": "leave_one_out_likelihood",
    "dcomponents": "means_gradient",
    "dmask": "mask_gradient",
    "image": "image",
    "log_prob": "likelihood",
    "mask": "mask_logits",
    "posterior": "mask_posterior",
    "pred_mask": "mask",
}
RELEASED_FLAT_INPUTS = {
    "dzp": "posterior_gradient",
    "flat_capacity": "flat_constant",
    "zp": "posterior",
}


def released_config(dataset):
    num_slots, latent_size, lstm_size = SIZES[dataset]
    return IodineConfig(
        num_slots=num_slots,
        num_iterations=NUM_ITERATIONS,
        latent_size=latent_size,
        scale_map="sqrt_softplus",
        prior="posterior_at_zero",
        initial_posterior="glorot_uniform",
        likelihood="logistic",
        likelihood_scale=0.03,
        min_scale=0.0,
        decoder=DecoderConfig(
            channels=(32, 32, 32, 32),
            kernel_size=5,
            coordinates="linear_yx",
            constant_input=5.0,
            mask_first=True,
        ),
        refinement=RefinementConfig(
            channels=(32, 32, 32),
            kernel_size=5,
            stride=2,
            mlp_sizes=(128,),
            mlp_final_activation=False,
            lstm_size=lstm_size,
            image_inputs=tuple(RELEASED_INPUTS.values()),
            flat_inputs=tuple(RELEASED_FLAT_INPUTS.values()),
            coordinates="cosine",
            log_likelihoods=True,
            mask_gradient_of_logits=True,
            mask_posterior_epsilon=1e-6,
            gradient_of_batch_mean=True,
        ),
    )


class Replay(NamedTuple):
    """One recorded run and ours of the same weights, images and noise."""

    dataset: str
    records: dict[str, np.ndarray]
    model: Iodine
    iterations: list[Any]
    steps: list[Step]
    inputs: list[dict[str, np.ndarray]]  # by iteration and our name
    losses: Losses
    gradients: dict[str, list[np.ndarray]]  # by released name

    def at_pixels(self, x):
        """[..., H, W, C] to [..., 64, C]."""
        x = np.asarray(x)
        return x.reshape(*x.shape[:-3], -1, x.shape[-1])[..., self.records["pixels"], :]

    def stacked(self, get):
        """One array [B, 6, ...] of something of every iteration."""
        return np.stack([get(i).numpy() for i in self.iterations], axis=1)


@pytest.fixture(scope="module", params=list(SIZES))
def replay(request):
    dataset = request.param
    records = load(f"{dataset}_records")
    config = released_config(dataset)
    model = recorded_trainer(dataset).model
    assert model.config == config
    with recorded_inputs() as built, tf.GradientTape() as tape:
        iterations = model(tf.constant(records["image"]), noise=tf.constant(records["eps"]))
        steps = [iteration.step() for iteration in iterations]
        losses = model.losses(steps, tf.constant(records["image"]))
    entries = released_variables(model)
    gradients = tape.gradient(losses.total, {name: e.variables for name, e in entries.items()})
    return Replay(
        dataset,
        records,
        model,
        iterations,
        steps,
        [by_name(b, config, config.num_slots) for b in built],
        losses,
        {name: [g.numpy() for g in value] for name, value in gradients.items()},
    )


def deviation(actual, recorded, largest=None):
    largest = np.abs(recorded).max() if largest is None else largest
    assert actual.shape == recorded.shape
    return np.abs(actual.astype(np.float64) - recorded).max() / largest


def assert_close(replay, kind, difference, tolerance, *where):
    """Fails with `where` unless the difference is below the tolerance; notes it under its kind."""
    if kind is not None:
        note(kind, replay.dataset, difference, tolerance)
    assert difference < tolerance, where


def relative(actual, recorded):
    return abs(float(actual) - float(recorded)) / abs(float(recorded))


@pytest.mark.parametrize("dataset", SIZES)
def test_released_preset_is_this_configuration(dataset):
    assert registry.preset(f"{dataset}_released").model == released_config(dataset)


def test_posterior_parameters_samples_kl_and_likelihood_agree(replay):
    for name, get in {
        "zp": lambda i: i.parameters,
        "z": lambda i: i.z,
        "kl": lambda i: i.kl,
        "re": lambda i: i.neg_log_likelihood,
    }.items():
        actual, recorded = replay.stacked(get), replay.records[f"forward_noise/{name}"]
        for t in range(NUM_ITERATIONS + 1):
            difference = deviation(actual[:, t], recorded[:, t])
            assert_close(replay, SHOWN.get(name), difference, OUTPUTS, name, t)


def test_decoded_images_agree(replay):
    for name, get in {
        "recons": lambda i: i.mixture.mean(),
        "mask_logits": lambda i: i.mixture.mask_logits[..., tf.newaxis],
        "mask": lambda i: i.mixture.masks[..., tf.newaxis],
        "components": lambda i: i.mixture.means,
    }.items():
        actual = replay.at_pixels(replay.stacked(get))
        recorded = replay.records[f"forward_noise/{name}"]
        largest = replay.records[f"largest/forward_noise/{name}"]
        difference = deviation(actual, recorded, largest)
        assert_close(replay, SHOWN.get(name), difference, OUTPUTS, name)


def test_outputs_agree_when_only_the_first_noise_is_used(replay):
    noise = replay.records["eps"].copy()
    noise[1:] = 0
    iterations = replay.model(tf.constant(replay.records["image"]), noise=tf.constant(noise))
    for name, get in {
        "zp": lambda i: i.parameters,
        "kl": lambda i: i.kl,
        "re": lambda i: i.neg_log_likelihood,
    }.items():
        actual = np.stack([get(i).numpy() for i in iterations], axis=1)
        difference = deviation(actual, replay.records[f"forward_init/{name}"])
        assert_close(replay, SHOWN.get(name), difference, OUTPUTS, name)


@pytest.mark.parametrize("name", [*RELEASED_INPUTS, *RELEASED_FLAT_INPUTS])
def test_refinement_input_agrees_at_every_iteration(replay, name):
    recorded = replay.records[f"inputs/{name}"]
    assert len(replay.inputs) == NUM_ITERATIONS
    for t, inputs in enumerate(replay.inputs):
        actual = inputs[{**RELEASED_INPUTS, **RELEASED_FLAT_INPUTS}[name]]
        if name in RELEASED_INPUTS:
            actual = replay.at_pixels(actual)
        expected = recorded[:, min(t, recorded.shape[1] - 1)]
        expected = np.broadcast_to(expected, np.broadcast_shapes(expected.shape, actual.shape))
        actual = np.broadcast_to(actual, expected.shape)
        difference = deviation(actual, expected, replay.records[f"largest/inputs/{name}"][t])
        assert_close(replay, "refinement inputs", difference, INPUTS, name, t)


def test_loss_terms_agree(replay):
    records, losses, terms_by_name = replay.records, replay.losses, replay.losses.terms
    weights = np.linspace(0, 1, NUM_ITERATIONS + 1)
    total = records["forward_noise/loss/total"] - records["forward_noise/factor/loss"]
    terms = {
        "total": (losses.total, total),
        "kl, unweighted": (np.sum(terms_by_name["kl"]), records["forward_noise/loss/kl"]),
        "reconstruction, weighted": (
            np.sum(weights * terms_by_name["neg_log_likelihood"]),
            records["forward_noise/loss/recons"],
        ),
    }
    for t in range(NUM_ITERATIONS + 1):
        kl = records["forward_noise/kl"][:, t].astype(np.float64).sum(axis=-1).mean()
        re = records["forward_noise/re"][:, t].astype(np.float64).mean()
        terms[f"kl {t}"] = (terms_by_name["kl"][t], kl)
        terms[f"reconstruction {t}"] = (terms_by_name["neg_log_likelihood"][t], re)
        terms[f"negative ELBO {t}"] = (terms_by_name["neg_elbo"][t], re + kl)
    for name, (actual, recorded) in terms.items():
        assert_close(replay, "loss terms", relative(actual, recorded), LOSSES, name)


def test_gradient_of_every_variable_agrees(replay):
    entries = released_variables(replay.model)
    recorded_names = {
        key.removeprefix("gradients/").removesuffix("/norm")
        for key in replay.records
        if key.startswith("gradients/") and key.endswith("/norm")
    }
    assert {n for n in recorded_names if not n.startswith("factor_evaluator/")} == set(entries)
    for name, entry in entries.items():
        actual = in_released_layout(entry, replay.gradients[name])
        norm = float(replay.records[f"gradients/{name}/norm"])
        recorded = replay.records[f"gradients/{name}"]
        kind, tolerance = "gradients", GRADIENTS
        if (replay.dataset, name) == ILL_CONDITIONED:
            assert norm == pytest.approx(EXACT_ILL_CONDITIONED, rel=2e-3)
            recorded, norm = np.array([EXACT_ILL_CONDITIONED]), EXACT_ILL_CONDITIONED
            kind, tolerance = "the ill-conditioned gradient", ILL_CONDITIONED_TOLERANCE
        assert_close(replay, kind, relative(np.linalg.norm(actual), norm), tolerance, name)
        if f"gradients/{name}/indices" in replay.records:
            actual = actual.reshape(-1)[replay.records[f"gradients/{name}/indices"]]
        difference = np.linalg.norm(actual - recorded) / np.linalg.norm(recorded)
        assert_close(replay, kind, difference, tolerance, name)


def test_global_norm_agrees(replay):
    """With the factor regressor's gradients, which are not of this model, from the records."""
    squares = [np.sum(np.square(g, dtype=np.float64)) for p in replay.gradients.values() for g in p]
    squares += [
        float(value) ** 2
        for key, value in replay.records.items()
        if key.startswith("gradients/factor_evaluator/") and key.endswith("/norm")
    ]
    norm = float(replay.records["gradients/global_norm"])
    assert np.sqrt(np.sum(squares)) == pytest.approx(norm, rel=LOSSES)
