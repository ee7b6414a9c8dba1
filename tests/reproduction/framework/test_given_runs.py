"""Which places given runs take, and what is said of those that fit none."""

import json

import linear_slots
import pytest

from iodine.config import override, to_dict
from iodine.errors import UserError
from iodine.models import registry
from iodine.reproduction.framework import given_runs, tasks, workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, deconv_decoder
from iodine.reproduction.framework.given_runs import GivenRun
from iodine.reproduction.paper.figure09 import FIGURE9
from iodine.reproduction.paper.figure13_to_15 import FIGURE13_15
from iodine.reproduction.paper.figure23 import FIGURE23
from iodine.reproduction.paper.figure33_to_40 import FIGURE33_40, without
from iodine.reproduction.paper.table1 import TABLE1

CPU = Budget("cpu")
TETRIS, CLEVR6 = tasks.TETRIS, tasks.CLEVR6


def given(task=TETRIS, changes=None, name="runs/mine", preset="tetrominoes_fast"):
    return GivenRun(task, name, override(registry.preset(preset), changes or {}))


def artifact(trainings, name="figure0"):
    return Artifact(name, "", "", lambda context: Findings("", {}, []), lambda budget: trainings)


def why_unused(runs, *artifacts):
    with pytest.raises(UserError) as error:
        given_runs.check_all_used(runs, artifacts, CPU)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_flags_name_a_task_and_a_run(tmp_path):
    config = registry.preset("tetrominoes_small")
    (tmp_path / "config.json").write_text(json.dumps(to_dict(config)))
    flag = f"Tetris={tmp_path}"
    [run, other] = given_runs.read([flag, "CLEVR6=pretrained:tetrominoes_small", flag])
    assert run == GivenRun(TETRIS, str(tmp_path), config)
    assert (other.task, other.name) == (CLEVR6, "pretrained:tetrominoes_small")
    with pytest.raises(UserError, match="--run=Chess=x is not TASK=RUN with TASK one of CLEVR6, "):
        given_runs.read(["Chess=x"])
    with pytest.raises(UserError, match="run folder nowhere does not exist"):
        given_runs.read(["Tetris=nowhere"])


def test_a_run_takes_the_place_of_its_task_and_model_only():
    trainings = [CPU.training("a", TETRIS), CPU.training("b", CLEVR6, stand_in=True)]
    assert given_runs.choose(trainings, [given()]) == {"a": [given()]}
    # The budget's own preset and data do not matter, nor does whether it trains the task.
    other = given(CLEVR6, preset="clevr6", changes={"train.steps": 7})
    assert given_runs.choose([CPU.training("c", CLEVR6)], [other]) == {"c": [other]}
    linear = GivenRun(TETRIS, "runs/linear", linear_slots.linear_slots_small())
    assert given_runs.choose(trainings, [linear]) == {}
    assert why_unused([linear], artifact(trainings)) == (
        "--run=Tetris=runs/linear is not used: figure0, a: its model is linear_slots, iodine is "
        "needed"
    )


def test_another_model_takes_its_own_place(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()
    workload = tasks.Workload("linear_slots_small")
    linear = GivenRun(TETRIS, "runs/linear", linear_slots.linear_slots_small())
    with workloads.registered("smoke", "Linear slots", TETRIS, workload):
        trainings = [
            CPU.training("IODINE", TETRIS),
            CPU.training("linear", TETRIS, model="Linear slots"),
        ]
        chosen = given_runs.choose(trainings, [given(), linear])
    assert chosen == {"IODINE": [given()], "linear": [linear]}


@pytest.mark.parametrize("short", [True, False])
def test_a_variant_needs_a_run_with_its_values(short):
    trainings = [
        CPU.training("plain", TETRIS, short=short),
        CPU.training("three", TETRIS, {"model.num_slots": 3}, short=short),
    ]
    plain, three = given(), given(changes={"model.num_slots": 3}, name="runs/three")
    six = given(changes={"model.num_slots": 6}, name="runs/six")
    assert given_runs.choose(trainings, [plain]) == {"plain": [plain]}
    assert given_runs.choose(trainings, [three]) == {"three": [three]}
    assert given_runs.choose(trainings, [three, plain]) == {"plain": [plain], "three": [three]}
    assert given_runs.choose(trainings, [six]) == {"plain": [six]}  # no variant of the artifact
    assert why_unused([six], artifact(trainings[1:])) == (
        "--run=Tetris=runs/six is not used: figure0, three: its config.model.num_slots is 6, 3 is "
        "needed"
    )


def test_a_variant_is_never_taken_for_another_one():
    changes = {**without("image"), **without("posterior_gradient")}
    both = given(changes=changes, name="runs/both")
    assert given_runs.choose(FIGURE33_40.trainings(CPU), [both]) == {}
    reason = why_unused([both], FIGURE33_40)
    assert "all inputs: its config.model.refinement.image_inputs is ('means', " in reason
    assert "as that of Tetris, without image is to be" in reason
    assert reason.endswith("; and 2 more")
    image = given(changes=without("image"), name="runs/image")
    chosen = given_runs.choose(FIGURE33_40.trainings(CPU), [image, given()])
    assert chosen == {"Tetris, all inputs": [given()], "Tetris, without image": [image]}


def test_the_decoders_of_figure_23():
    deconv = given(CLEVR6, deconv_decoder(CPU), "runs/deconv")
    broadcast = given(CLEVR6, preset="clevr6")  # another broadcast decoder than the budget's own
    chosen = given_runs.choose(FIGURE23.trainings(CPU), [deconv, broadcast])
    assert chosen == {"deconv": [deconv], "broadcast": [broadcast]}
    larger = given(CLEVR6, deconv_decoder(Budget("paper")), "runs/larger")
    assert given_runs.choose(FIGURE23.trainings(CPU), [larger]) == {}
    assert "broadcast: its config.model.decoder.kind is 'deconv', as that of deconv is to be" in (
        why_unused([larger], FIGURE23)
    )


def test_numbers_of_slots_go_to_their_columns():
    three = given(CLEVR6, {"model.num_slots": 3}, "runs/three")
    assert given_runs.choose(FIGURE9.trainings(CPU), [three, given(CLEVR6)]) == {
        "K = 3": [three],
        "K = 4": [given(CLEVR6)],
    }


def test_given_runs_take_the_place_of_all_seeds():
    runs = [given(name=f"runs/{i}") for i in range(3)]
    trainings = TABLE1.trainings(CPU)
    assert given_runs.choose(trainings, runs) == {"IODINE on Tetris": runs}
    assert given_runs.choose(trainings, runs[:1]) == {"IODINE on Tetris": runs[:1]}
    sprites = [given(tasks.MULTI_DSPRITES, name=f"runs/s{i}") for i in range(2)]
    assert given_runs.choose(trainings, sprites) == {"IODINE on Multi-dSprites": sprites}
    given_runs.check_all_used([*runs, *sprites], [TABLE1], CPU)


def test_where_one_run_is_shown_it_is_the_first():
    runs = [given(name="runs/a"), given(name="runs/b")]
    figure = artifact([CPU.training("Tetris", TETRIS)])
    assert given_runs.choose(figure.trainings(CPU), runs) == {"Tetris": runs[:1]}
    assert why_unused(runs, figure) == (
        "--run=Tetris=runs/b is not used: figure0, Tetris: one run is shown, and runs/a was given "
        "first"
    )
    given_runs.check_all_used(runs, [figure, TABLE1], CPU)


def test_a_run_that_nothing_asks_for_is_told():
    assert why_unused([given()], FIGURE9, FIGURE13_15) == (
        "--run=Tetris=runs/mine is not used: figure9 needs runs of CLEVR6 only; figure13-15 needs "
        "no run"
    )
    given_runs.check_all_used([], [FIGURE9], CPU)
