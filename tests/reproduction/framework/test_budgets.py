"""What the budgets train, and that models which register are trained too."""

import linear_slots
import pytest

from iodine.config import checks, override
from iodine.datasets import catalogue as data_catalogue
from iodine.models import registry
from iodine.reproduction import catalogue
from iodine.reproduction.framework import tasks, workloads
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Run

CPU, SMOKE, PAPER = Budget("cpu"), Budget("smoke"), Budget("paper")


@pytest.fixture
def linear_model(monkeypatch):
    """A model that is no part of the package."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()
    return tasks.Workload("linear_slots_small", {"train.steps": 3})


def test_the_budgets_differ_as_documented():
    assert PAPER.training("x", tasks.TETRIS, short=True).config == registry.preset("tetrominoes")
    short = CPU.training("x", tasks.TETRIS, {"model.num_slots": 3}, seed=4, short=True)
    assert (short.config.train.steps, short.config.train.seed) == (6_000, 4)
    assert short.config.model.num_slots == 3
    assert short.overrides == {"model.num_slots": 3}
    assert CPU.training("x", tasks.TETRIS).config == registry.preset("tetrominoes_fast")
    for task, name in {
        tasks.SHAPES: "shapes",
        tasks.MULTI_DSPRITES: "multi_dsprites",
        tasks.MULTI_DSPRITES_BINARIZED: "multi_dsprites_binarized",
    }.items():
        assert CPU.training("x", task).config == registry.preset(f"{name}_fast")
        assert PAPER.training("x", task).config == registry.preset(name)
    assert CPU.training("x", tasks.CLEVR6).config is None
    stand_in = CPU.training("x", tasks.CLEVR6, stand_in=True)
    assert stand_in.config == registry.preset("tetrominoes_fast")
    assert Run(stand_in, "runs/x", stand_in.config).note == (
        "tetrominoes_fast for CLEVR6 on tetrominoes/generated, 28,000 steps"
    )
    assert SMOKE.training("x", tasks.TETRIS).config.preset == "tetrominoes_small"


def test_seeds_share_a_place_and_differ_in_nothing_else():
    trainings = CPU.seeds("IODINE on Tetris", tasks.TETRIS, 3)
    assert [t.label for t in trainings] == [f"IODINE on Tetris, seed {seed}" for seed in range(3)]
    assert {t.place for t in trainings} == {"IODINE on Tetris"}
    assert [t.config.train.seed for t in trainings] == [0, 1, 2]
    assert len({override(t.config, {"train.seed": 0}) for t in trainings}) == 1
    [lacking] = CPU.seeds("IODINE on CLEVR6", tasks.CLEVR6, 3)
    assert lacking.config is None
    assert lacking.is_of_seeds


@pytest.mark.parametrize("name", tasks.BUDGETS)
def test_every_workload_is_a_valid_configuration_of_known_data(name):
    known = data_catalogue.entries()
    for task in tasks.TASKS:
        training = Budget(name).training("x", task, stand_in=True)
        if training.config is not None:
            checks.check(training.config)
            workload = training.workload
            companions = workload.more_objects, workload.ambiguous, workload.occluded
            for dataset in (training.config.data.dataset, *filter(None, companions)):
                sides = known[dataset][1].image_size
                assert set(sides) == {training.config.data.image_size}, dataset


@pytest.mark.parametrize("name", tasks.BUDGETS)
def test_labels_are_unique_and_places_of_one_model_and_task(name):
    for artifact in catalogue.ARTIFACTS:
        trainings = artifact.trainings(Budget(name))
        assert len({t.label for t in trainings}) == len(trainings), artifact.name
        what = {(t.place, t.model, t.task) for t in trainings}
        assert len({place for place, _, _ in what}) == len(what), artifact.name


def test_a_model_is_trained_where_it_is_registered(linear_model):
    model = "Linear slots"
    assert workloads.kind_of(model) is None
    before = SMOKE.training("x", tasks.TETRIS, model=model)
    assert before.config is None
    assert SMOKE.why_not(before) == "Linear slots is not part of this package"
    with workloads.registered("smoke", model, tasks.TETRIS, linear_model):
        training = SMOKE.training("x", tasks.TETRIS, model=model)
        assert training.config.preset == "linear_slots_small"
        assert training.config.train.steps == 3
        assert workloads.kind_of(model) == linear_slots.KIND
        assert workloads.models_for("smoke", [tasks.TETRIS]) == ["IODINE", "MONet", model]
        assert model not in workloads.models_for("smoke", [tasks.SHAPES])
        elsewhere = CPU.training("x", tasks.TETRIS, model=model)
        reason = "Linear slots is not trained on Tetris at --budget=cpu"
        assert CPU.why_not(elsewhere) == reason
    assert workloads.find("smoke", model, tasks.TETRIS) is None


def test_unknown_budgets_and_tasks_cannot_be_registered(linear_model):
    with pytest.raises(ValueError, match="no budget 'huge'"):
        workloads.register("huge", "IODINE", tasks.TETRIS, linear_model)
    with pytest.raises(ValueError, match="no task 'Chess'"):
        workloads.register("cpu", "IODINE", "Chess", linear_model)
