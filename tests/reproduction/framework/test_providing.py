"""What an artifact needs is made once, shared, and told where it cannot be had."""

import dataclasses
import shutil

import pytest

from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.models.iodine import presets
from iodine.reproduction.framework import providing, workloads
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.context import Run
from iodine.reproduction.framework.budgets import Budget
from iodine.training import run_folder as runs

CPU = Budget("cpu")
SMOKE = Budget("smoke")


def artifact(trainings, datasets=()):
    return Artifact(
        name="figure0",
        title="",
        claim="",
        make=lambda context: Findings("", {}, []),
        trainings=lambda budget: trainings,
        datasets=lambda budget: datasets,
    )


@pytest.fixture
def provide(tiny_data, tmp_path):
    """Provides an artifact; keeps what was to be trained in `provide.jobs`."""

    def call(record, given=None, failing=()):
        def train(jobs):
            call.jobs += jobs
            return {folder: "no" for config, folder in jobs if config.train.seed in failing}

        return providing.provide(
            record, SMOKE, tiny_data, str(tmp_path / "runs"), given or {}, train
        )

    call.jobs = []
    return call


def test_the_same_configuration_has_the_same_folder(tmp_path):
    config = presets.preset("tetrominoes_small")
    folder = providing.folder_of(config, "runs")
    quieter = config_lib.override(config, {"train.log_every": 7, "train.image_every": 9})
    other = config_lib.override(config, {"model.num_slots": 5})
    assert folder.parent.name == "runs"
    assert folder.name.startswith("tetrominoes_small-")
    assert folder.name.endswith("-seed0")
    assert providing.folder_of(quieter, "runs") == folder
    assert providing.folder_of(other, "runs") != folder


def test_a_run_is_finished_when_its_last_step_is_saved(tmp_path):
    pretrained = runs.resolve("pretrained:tetrominoes_small")
    config = runs.read_config(pretrained)
    folder = tmp_path / "run"
    assert not providing.is_finished(config, folder)
    shutil.copytree(pretrained, folder)  # its weights are saved under step 0
    assert not providing.is_finished(config, folder)
    for path in (folder / "checkpoints").glob("ckpt-0.*"):
        path.rename(path.with_name(path.name.replace("ckpt-0", f"ckpt-{config.train.steps}")))
    assert providing.is_finished(config, folder)
    with pytest.raises(UserError, match=r"config\.model\.num_slots"):
        providing.is_finished(config_lib.override(config, {"model.num_slots": 9}), folder)


def test_equal_trainings_are_trained_once(provide):
    first = SMOKE.training("first", workloads.TETRIS)
    context = provide(artifact([first, dataclasses.replace(first, label="second")]))
    assert [config for config, _ in provide.jobs] == [first.config]
    assert list(context.runs) == ["first", "second"]
    assert context.runs["first"].folder == context.runs["second"].folder


def test_a_given_run_takes_the_place_of_the_plain_training_only(provide):
    plain = SMOKE.training("plain", workloads.TETRIS)
    changed = SMOKE.training("changed", workloads.TETRIS, {"model.num_slots": 3})
    given = {workloads.TETRIS: "pretrained:tetrominoes_small"}
    context = provide(artifact([plain, changed]), given)
    assert [config for config, _ in provide.jobs] == [changed.config]
    assert context.runs["plain"].folder == "pretrained:tetrominoes_small"
    assert context.runs["plain"].config.model.num_iterations == 16
    assert "pretrained:tetrominoes_small" in context.note()


def test_a_given_run_is_taken_also_where_the_budget_trains_none(provide):
    training = SMOKE.training("CLEVR6", workloads.CLEVR6)
    context = provide(artifact([training]), {workloads.CLEVR6: "pretrained:tetrominoes_small"})
    assert provide.jobs == []
    assert context.runs["CLEVR6"].config.preset == "tetrominoes_small"


def test_what_fails_or_is_not_there_is_told(provide):
    trainings = [
        SMOKE.training("good", workloads.TETRIS),
        SMOKE.training("fails", workloads.TETRIS, seed=1),
        SMOKE.training("no data", workloads.IMAGENET),
        SMOKE.training("no stand-in", workloads.CLEVR6),
    ]
    context = provide(artifact(trainings), failing=[1])
    assert list(context.runs) == ["good"]
    assert context.missing["fails"] == "no"
    assert "no data of imagenet/centre_crop" in context.missing["no data"]
    assert context.missing["no stand-in"] == "CLEVR6 is not trained at --budget=smoke"


def test_nothing_at_all_is_an_error(provide):
    with pytest.raises(UserError, match=r"nothing of figure0 can be made: .*imagenet"):
        provide(artifact([SMOKE.training("no data", workloads.IMAGENET)]))


def test_data_are_generated_in_the_budgets_size(tmp_path):
    record = artifact([], ["tetrominoes/more_small", "clevr/released"])
    context = providing.provide(record, SMOKE, str(tmp_path), "runs", {}, train=None)
    assert len(context.batches("tetrominoes/more_small", 64)[0]["image"]) == 64
    assert context.scenes("tetrominoes/more_small", 3)["mask"].shape == (3, 6, 8, 8)
    assert "no data of clevr/released" in context.missing["clevr/released"]


def test_the_budgets_differ_as_documented():
    paper = Budget("paper").training("x", workloads.TETRIS, short=True)
    assert paper.config == presets.preset("tetrominoes")
    short = CPU.training("x", workloads.TETRIS, {"model.num_slots": 3}, seed=4, short=True)
    assert (short.config.train.steps, short.config.train.seed) == (6_000, 4)
    assert short.config.model.num_slots == 3
    assert not short.is_plain
    assert CPU.training("x", workloads.TETRIS).config == presets.preset("tetrominoes_small")
    assert CPU.training("x", workloads.CLEVR6).config is None
    stand_in = CPU.training("x", workloads.CLEVR6, stand_in=True)
    assert stand_in.config == presets.preset("tetrominoes_small")
    assert Run(stand_in, "runs/x", stand_in.config).note == (
        "tetrominoes_small for CLEVR6 on tetrominoes/generated_small, 14,000 steps"
    )


@pytest.mark.parametrize("name", workloads.BUDGETS)
def test_every_workload_is_a_valid_configuration(name):
    from iodine.config import checks

    for task in workloads.TASKS:
        training = Budget(name).training("x", task, stand_in=True)
        if training.config is not None:
            checks.check(training.config)
