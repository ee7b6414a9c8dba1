"""What the models of Table 1 cost: images until an accuracy, ratios to IODINE, units."""

from types import SimpleNamespace

import linear_slots
import numpy as np
import pytest

from iodine.benchmarks import report
from iodine.config import override
from iodine.models import registry
from iodine.reproduction.framework import training_curves
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import section_a3


@pytest.fixture
def linear_config(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()
    return registry.preset("linear_slots_small")


def test_images_until_an_accuracy_are_the_first_steps_that_reach_it(monkeypatch, linear_config):
    steps = np.array([10, 20, 30])
    curves = {
        "a": {"validation/fg_ari": (steps, np.array([0.4, 0.85, 0.7]))},
        "b": {"validation/fg_ari": (steps, np.array([0.5, 0.6, 0.95]))},
        "c": {},
    }
    monkeypatch.setattr(training_curves, "read", lambda run, prefixes: curves[run])
    batches = {"a": 4, "b": 8, "c": 4}
    runs = [
        SimpleNamespace(folder=name, config=override(linear_config, {"train.batch_size": size}))
        for name, size in batches.items()
    ]
    found = section_a3._images_until(runs)
    assert found == {
        "images to 0.5": (20 * 4 + 10 * 8) / 2,
        "runs that reached 0.5": "2 of 3",
        "images to 0.8": (20 * 4 + 30 * 8) / 2,
        "runs that reached 0.8": "2 of 3",
        "images to 0.9": 30 * 8,
        "runs that reached 0.9": "1 of 3",
    }
    assert section_a3._images_until([])["images to 0.5"] is None


def test_costs_are_of_one_image_and_parameters_those_of_the_layers(monkeypatch, linear_config):
    measured = {
        "convolution_gigaoperations": 3.0,
        "matrix_gigaoperations": 1.0,
        "peak_memory_mib": 900.0,
        "memory_at_start_mib": 500.0,
        "step_ms": {"median": 8.0, "low": 6.0, "high": 10.0},
        "step_over_limit_processor": {"median": 1.1},
    }
    sizes = []

    def measure(config, repetitions, batches, with_memory):
        assert with_memory
        sizes.append((config.train.batch_size, repetitions, next(batches)["image"].shape[0]))
        return measured

    monkeypatch.setattr(report, "measure", measure)
    found = section_a3._cost(linear_config, 5, with_memory=True)
    assert sizes == [(4, 5, 4)]
    assert found["GFLOP an image"] == 1.0
    assert found["MiB of 4 images"] == 400.0
    assert (found["ms an image"], found["ms an image, quartiles"]) == (2.0, "1.50 to 2.50")
    pixels, latents = 8 * 8 * 3, 4 * 5
    in_and_out = (pixels + 1) * latents + (5 + 1) * 8 * 8 * 4
    assert found["parameters"] == in_and_out


def test_other_models_are_compared_with_iodine_on_the_same_data():
    def row(data, model, cost):
        names = ("parameters", "GFLOP an image", "MiB of 4 images", "ms an image")
        return {"data set": data, "model": model, **dict.fromkeys(names, cost)}

    rows = [row("Tetris", "IODINE", 4.0), row("Tetris", "MONet", 1.0), row("Shapes", "R-NEM", 3.0)]
    [line] = section_a3._comparisons(rows)
    assert line.startswith("Tetris: MONet has 0.25 of the parameters, 0.25 of the arithmetic")


def test_every_model_of_table_1_is_measured_once():
    found = section_a3._first_of_each_place(Budget("paper"))
    places = [training.place for training in found]
    assert len(places) == len(set(places))
    assert {"IODINE on CLEVR6", "MONet on CLEVR6", "R-NEM on Shapes"} < set(places)
    assert {training.config.train.seed for training in found} == {0}
