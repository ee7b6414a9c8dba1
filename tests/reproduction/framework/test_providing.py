"""What an artifact needs is made once, shared, and told where it cannot be had."""

import dataclasses
import shutil

import pytest

from iodine.config import override, to_dict
from iodine.errors import UserError
from iodine.models import registry
from iodine.reproduction.framework import given_runs, providing, tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget
from iodine.training import run_folder as runs

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

    def call(record, given=(), failing=(), may_train=True):
        def train(jobs):
            call.jobs += jobs
            return {folder: "no" for config, folder in jobs if config.train.seed in failing}

        runs_dir = str(tmp_path / "runs")
        read = given_runs.read(given)
        allowed = train if may_train else None
        return providing.provide(record, SMOKE, tiny_data, runs_dir, read, allowed)

    call.jobs = []
    return call


def test_the_same_configuration_has_the_same_folder():
    config = registry.preset("tetrominoes_small")
    folder = providing.folder_of(config, "runs")
    assert folder.parent.name == "runs"
    assert folder.name.startswith("tetrominoes_small-")
    assert folder.name.endswith("-seed0")
    alike = {
        "train.log_every": 7,
        "train.image_every": 9,
        "train.xla": True,
        "train.deterministic": False,
        "model.recompute": True,
    }
    for name, value in alike.items():
        assert providing.folder_of(override(config, {name: value}), "runs") == folder, name
    others = {
        "model.num_slots": 5,
        "model.decoder.kernel_size": 5,
        "model.objective.kl_weight": 0.06,
        "train.learning_rate": 1e-3,
        "train.tf32": True,
        "train.steps": 15_000,
        "data.dataset": "tetrominoes/touching_small",
        "train.seed": 1,
    }
    found = {providing.folder_of(override(config, {n: v}), "runs") for n, v in others.items()}
    assert len(found | {folder}) == 1 + len(others)


def test_seeds_of_a_configuration_differ_in_the_end_of_the_name():
    config = registry.preset("tetrominoes_small")
    first = providing.folder_of(config, "runs").name
    fifth = providing.folder_of(override(config, {"train.seed": 5}), "runs").name
    assert first.removesuffix("-seed0") == fifth.removesuffix("-seed5")


def with_new_field(section, value=3):
    """The same section as a later version might have it."""
    field = ("new_field", int, dataclasses.field(default=3))
    later = dataclasses.make_dataclass(
        f"Later{type(section).__name__}", [field], bases=(type(section),), frozen=True
    )
    values = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
    return later(**values, new_field=value)


@pytest.mark.parametrize("section", ["model", "train", "data"])
def test_a_new_field_changes_no_name_until_it_is_set(section):
    config = registry.preset("tetrominoes_fast")
    folder = providing.folder_of(config, "runs")
    part = getattr(config, section)
    later = dataclasses.replace(config, **{section: with_new_field(part)})
    assert providing.folder_of(later, "runs") == folder
    changed = dataclasses.replace(config, **{section: with_new_field(part, 4)})
    assert providing.folder_of(changed, "runs") != folder


def test_a_new_field_within_a_section_of_the_model_changes_no_name():
    config = registry.preset("tetrominoes_fast")
    usual = dataclasses.make_dataclass(
        "LaterModel",
        [
            (
                "decoder",
                object,
                dataclasses.field(default=with_new_field(type(config.model.decoder)())),
            )
        ],
        bases=(type(config.model),),
        frozen=True,
    )
    values = {f.name: getattr(config.model, f.name) for f in dataclasses.fields(config.model)}
    later = usual(**{**values, "decoder": with_new_field(config.model.decoder)})
    assert providing.folder_of(dataclasses.replace(config, model=later), "runs") == (
        providing.folder_of(config, "runs")
    )


def test_a_run_is_finished_when_its_last_step_can_be_read(tmp_path):
    pretrained = runs.resolve("pretrained:tetrominoes_small")
    config = runs.read_config(pretrained)
    folder = tmp_path / "run"
    assert not providing.is_finished(config, folder)
    shutil.copytree(pretrained, folder)  # its weights are saved under step 0
    runs.write_json(folder / "config.json", to_dict(config))  # as this version writes it
    assert not providing.is_finished(config, folder)
    for path in (folder / "checkpoints").glob("ckpt-0.*"):
        path.rename(path.with_name(path.name.replace("ckpt-0", f"ckpt-{config.train.steps}")))
    assert providing.is_finished(config, folder)
    data = folder / f"checkpoints/ckpt-{config.train.steps}.data-00000-of-00001"
    content = data.read_bytes()
    for damaged in (content[:-9], content[:-9] + bytes(9), b""):
        data.write_bytes(damaged)
        assert not providing.is_finished(config, folder)
    data.write_bytes(content)
    assert providing.is_finished(config, folder)
    with pytest.raises(UserError, match=r"config\.model\.num_slots"):
        providing.is_finished(override(config, {"model.num_slots": 9}), folder)


def test_equal_trainings_are_trained_once(provide):
    first = SMOKE.training("first", tasks.TETRIS)
    context = provide(artifact([first, dataclasses.replace(first, label="second")]))
    assert [config for config, _ in provide.jobs] == [first.config]
    assert list(context.runs) == ["first", "second"]
    assert context.runs["first"].folder == context.runs["second"].folder


def test_a_given_run_takes_the_place_of_the_training_that_it_fits(provide):
    plain = SMOKE.training("plain", tasks.TETRIS)
    changed = SMOKE.training("changed", tasks.TETRIS, {"model.num_slots": 3})
    context = provide(artifact([plain, changed]), ["Tetris=pretrained:tetrominoes_small"])
    assert [config for config, _ in provide.jobs] == [changed.config]
    run = context.runs["plain"]
    assert run.folder == "pretrained:tetrominoes_small"
    assert run.is_given
    assert run.config == runs.read_config(runs.resolve("pretrained:tetrominoes_small"))
    assert "pretrained:tetrominoes_small" in context.note()


def test_a_given_run_is_taken_also_where_the_budget_trains_none(provide):
    training = SMOKE.training("CLEVR6", tasks.CLEVR6)
    context = provide(artifact([training]), ["CLEVR6=pretrained:tetrominoes_small"])
    assert provide.jobs == []
    assert context.runs["CLEVR6"].config.preset == "tetrominoes_small"


def test_given_runs_are_never_mixed_with_trained_seeds(provide, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(runs.resolve("pretrained:tetrominoes_small"), copy)
    given = ["Tetris=pretrained:tetrominoes_small", f"Tetris={copy}"]
    seeds = SMOKE.seeds("IODINE on Tetris", tasks.TETRIS, 5)
    context = provide(artifact(seeds), given)
    assert provide.jobs == []
    assert list(context.runs) == [
        "IODINE on Tetris, pretrained:tetrominoes_small",
        f"IODINE on Tetris, {copy}",
    ]
    assert {run.training.place for run in context.runs.values()} == {"IODINE on Tetris"}


def test_what_fails_or_is_not_there_is_told(provide):
    trainings = [
        SMOKE.training("good", tasks.TETRIS),
        SMOKE.training("fails", tasks.TETRIS, seed=1),
        SMOKE.training("no data", tasks.IMAGENET),
        SMOKE.training("no stand-in", tasks.CLEVR6),
    ]
    context = provide(artifact(trainings), failing=[1])
    assert list(context.runs) == ["good"]
    assert context.missing["fails"] == "no"
    assert "no data of imagenet/centre_crop" in context.missing["no data"]
    assert context.missing["no stand-in"] == ("IODINE is not trained on CLEVR6 at --budget=smoke")


def test_without_training_only_what_is_there_is_taken(provide):
    trainings = [
        SMOKE.training("given", tasks.TETRIS),
        SMOKE.training("never made", tasks.SHAPES),
    ]
    given = ["Tetris=pretrained:tetrominoes_small"]
    context = provide(artifact(trainings), given, may_train=False)
    assert provide.jobs == []
    assert list(context.runs) == ["given"]
    config = trainings[1].config
    assert context.missing == {
        "never made": f"not trained; {config.train.steps:,} updates of {config.preset}"
    }
    with pytest.raises(UserError, match="nothing of figure0 can be made: not trained; "):
        provide(artifact(trainings[1:]), may_train=False)


def test_nothing_at_all_is_an_error(provide):
    with pytest.raises(UserError, match=r"nothing of figure0 can be made: .*imagenet"):
        provide(artifact([SMOKE.training("no data", tasks.IMAGENET)]))


def test_data_are_generated_in_the_budgets_size(tmp_path):
    record = artifact([], ["tetrominoes/more_small", "clevr/released"])
    context = providing.provide(
        record, SMOKE, str(tmp_path), str(tmp_path / "runs"), [], train=None
    )
    assert len(context.batches("tetrominoes/more_small", 64)[0]["image"]) == 64
    assert context.scenes("tetrominoes/more_small", 3)["mask"].shape == (3, 6, 8, 8)
    assert "no data of clevr/released" in context.missing["clevr/released"]
