"""The factor regressor and three training steps of the released code, reproduced.

`parity/README.md` says where the records come from.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from parity_records import (
    DATASETS,
    at_recorded_indices,
    in_released_layout,
    load,
    recorded_trainer,
)
from worst_figures import note

from iodine.models.iodine.released_checkpoints import released_variables
from iodine.training.trainer import Trainer

NUM_STEPS = 3
OUTPUTS, LOSSES, NORMS = 1e-4, 1e-5, 1e-4  # relative tolerances
MOVEMENT = 0.01  # mean difference over mean movement, asked for over all variables; about 1e-5
MOMENTS = 1e-3  # norm of the difference over norm
# Rows of the table that pytest prints at its end.
TOTAL, TERMS = "total losses of three steps", "terms of these losses, each"
NORM = "gradients' norm of three steps"


class Training(NamedTuple):
    """The recorded and our training from the same weights, with the same noise and images."""

    dataset: str
    records: dict[str, np.ndarray]
    regressions: list[Any]  # of every iteration, before the first step
    trainer: Trainer
    steps: list[Any]  # the `StepMetrics` of each step
    rates: list[float]
    trained: dict[str, np.ndarray]  # variables after the steps by released name
    moments: dict[str, np.ndarray]  # by released name with /Adam, /Adam_1
    before: dict[str, np.ndarray]


def scene_batch(records, training):
    """What the recorded training was fed."""
    num_entities = training["visibility"].shape[1]
    masks = np.eye(num_entities, dtype=np.float32)[training["labels"]]
    return {
        "image": tf.constant(records["image"]),
        "mask": tf.constant(masks.transpose(0, 3, 1, 2)),
        "visibility": tf.constant(training["visibility"]),
        "factors": {
            key.removeprefix("factor/"): tf.constant(value)
            for key, value in training.items()
            if key.startswith("factor/")
        },
    }


@pytest.fixture(scope="module", params=DATASETS)
def training(request):
    dataset = request.param
    records, recorded = load(f"{dataset}_records"), load(f"{dataset}_training")
    trainer, batch = recorded_trainer(dataset), scene_batch(records, recorded)
    noise = {"z": tf.constant(records["eps"])}
    regressions = [
        trainer.regressor(
            step.sample, step.masks, batch["mask"], batch["visibility"], batch["factors"]
        )
        for step in trainer.model.infer(batch["image"], noise)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_noise", lambda *_: noise)
        steps, rates = [], []
        for _ in range(NUM_STEPS):
            rates.append(float(trainer.optimizer.learning_rate))
            steps.append(trainer.train_step(batch))
    trained, moments = {}, {}
    slots = {
        suffix: trainer.optimizer_slots(kind)
        for suffix, kind in (("/Adam", "momentum"), ("/Adam_1", "velocity"))
    }
    for name, entry in released_variables(trainer.model, trainer.regressor).items():
        # Sonnet 1 keeps the forget bias out of its variable.
        offset = np.asarray(entry.offset, np.float32)
        parts = [v.numpy() - offset for v in entry.variables]
        trained[name] = in_released_layout(entry, parts)
        for suffix, slot in slots.items():
            parts = [slot[v.ref()].numpy() for v in entry.variables]
            moments[name + suffix] = in_released_layout(entry, parts)
    return Training(
        dataset,
        {**records, **recorded},
        regressions,
        trainer,
        steps,
        rates,
        trained,
        moments,
        load(f"{dataset}_weights"),
    )


def indices_of(records, name, step=1):
    """Flat indices that the records keep of a variable, or None for all."""
    indices = records.get(f"gradients/{name}/indices")
    return None if indices is None else indices[::step]


def test_factor_regression_of_every_iteration_agrees(training):
    records = training.records
    assert len(training.regressions) == records["evaluation/loss"].shape[0]
    names = [key for key in records if key.startswith("evaluation/predictions/")]
    assert [name.rsplit("/", 1)[-1] for name in names] == list(training.regressions[0].predictions)
    for t, regression in enumerate(training.regressions):
        assert float(regression.loss) == pytest.approx(records["evaluation/loss"][t], rel=LOSSES)
        np.testing.assert_array_equal(regression.assignment, records["evaluation/assignment"][:, t])
        for name in names:
            recorded = records[name][:, t]
            actual = regression.predictions[name.rsplit("/", 1)[-1]].numpy()
            assert actual.shape == recorded.shape
            largest = np.abs(recorded).max()
            assert np.abs(actual - recorded).max() < OUTPUTS * largest, (name, t)


def test_scalars_of_every_step_agree(training):
    records, factor_losses = training.records, training.records["train/factor/loss"]
    for i, metrics in enumerate(training.steps):
        assert training.rates[i] == pytest.approx(records["train/learning_rate"][i], rel=1e-6)
        for kind, actual, recorded, tolerance in (
            (TOTAL, metrics.loss + metrics.factor_loss, records["train/loss/total"][i], LOSSES),
            (TERMS, metrics.factor_loss, factor_losses[i], LOSSES),
            (TERMS, tf.reduce_sum(metrics.terms["kl"]), records["train/loss/kl"][i], LOSSES),
            (TERMS, metrics.mse, records["train/loss/mse"][i], LOSSES),
            (NORM, metrics.gradient_norm, records["train/debug/global_grad_norm"][i], NORMS),
        ):
            difference = abs(float(actual) - float(recorded)) / abs(float(recorded))
            note(kind, training.dataset, difference, tolerance)
            assert difference < tolerance, (kind, i)
    # They differ from step to step, by more than the tolerances.
    assert len({round(float(np.log(value)), 3) for value in records["train/loss/total"]}) == 3
    rates = records["train/learning_rate"]
    assert (np.abs(np.diff(rates)) > 2e-6 * rates[0]).all()


def test_variables_after_the_steps_agree(training):
    records, differences, movements = training.records, [], []
    assert training.trainer.step == NUM_STEPS
    for name, values in training.trained.items():
        indices = indices_of(records, name)
        actual = at_recorded_indices(values, indices)
        before = at_recorded_indices(training.before[name], indices)
        recorded = records[f"after3/{name}"]
        assert actual.shape == recorded.shape
        differences.append(np.abs(actual - recorded).reshape(-1))
        movements.append(np.abs(recorded - before).reshape(-1))
        difference = differences[-1].mean() / movements[-1].mean()
        note("variables after three steps", training.dataset, difference, MOVEMENT)
        assert difference < MOVEMENT, name
    assert np.concatenate(differences).mean() < MOVEMENT * np.concatenate(movements).mean()


def test_adams_moments_after_the_steps_agree(training):
    records = training.records
    recorded_names = {
        key.removeprefix("after3/")
        for key in records
        if key.startswith("after3/") and key.endswith(("/Adam", "/Adam_1"))
    }
    assert recorded_names == set(training.moments)
    for name, values in training.moments.items():
        indices = indices_of(records, name.rpartition("/")[0], step=8)
        recorded = records[f"after3/{name}"].astype(np.float64)
        difference = np.linalg.norm(at_recorded_indices(values, indices) - recorded)
        assert difference < MOMENTS * np.linalg.norm(recorded), name
