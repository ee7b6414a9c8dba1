"""Gets what an artifact needs: data sets that are there or can be generated, and finished runs."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.datasets import catalogue, pipelines, preparation
from iodine.errors import UserError
from iodine.locking import InUseError
from iodine.reproduction.framework import given_runs
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.given_runs import GivenRun
from iodine.training import checkpoint_folder
from iodine.training import run_folder as runs

Train = Callable[[list[tuple[Config, pathlib.Path]]], dict[pathlib.Path, str]]


class NothingToShowError(UserError):
    """No part of an artifact can be had."""


def folder_of(config: Config, runs_dir: str) -> pathlib.Path:
    """Where a configuration is trained: the same configuration and seed, the same folder.

    The name tells the seed, and by a digest the other fields that are not at their defaults. So a
    field that is new in this version changes no name, and neither do fields that decide nothing
    about what is learned.
    """
    usual = dataclasses.replace(
        config, data=type(config.data)(), model=type(config.model)(), train=type(config.train)()
    )
    defaults = config_lib.flatten(usual)
    untold = {*runs.FREE_TO_CHANGE, "preset", "train.seed"}
    values = {
        name: value
        for name, value in config_lib.flatten(config).items()
        if name not in untold and value != defaults[name]
    }
    values["model.kind"] = config.model.kind
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path(runs_dir) / f"{config.preset}-{digest}-seed{config.train.seed}"


def is_finished(config: Config, folder: pathlib.Path) -> bool:
    """Whether the folder holds this configuration's last step, and it can be read."""
    if not (folder / "config.json").exists():
        return False
    runs.check_same(folder, config)
    paths = checkpoint_folder.newest_first(folder / "checkpoints")
    last = [path for path in paths if checkpoint_folder.step_of(path) >= config.train.steps]
    return any(map(checkpoint_folder.is_sound, last))


def trainings(
    artifact: Artifact, budget: Budget, given: Sequence[GivenRun], runs_dir: str
) -> dict[pathlib.Path, tuple[Config, int]]:
    """By folder the configurations that `provide` may train, and the updates made already.

    Nothing is checked but what the names of checkpoints tell.
    """
    planned, _ = _plan(artifact, budget, given, runs_dir)
    found = {}
    for run in planned.values():
        if not run.is_given:
            folder = pathlib.Path(run.folder)
            newest = checkpoint_folder.newest_first(folder / "checkpoints")[:1]
            found[folder] = run.config, sum(map(checkpoint_folder.step_of, newest))
    return found


def provide(
    artifact: Artifact,
    budget: Budget,
    data_dir: str,
    runs_dir: str,
    given: Sequence[GivenRun],
    train: Train | None,
    seed: int = 0,
    with_pages: bool = False,
) -> Context:
    """Makes data, trains what is not trained yet, and gathers all of it.

    Runs no operation of TensorFlow, which would take memory of the GPUs that `train` needs.

    Args:
        artifact: whose needs.
        budget: how much to train.
        data_dir: folder of the data sets; those that can be generated are made there.
        runs_dir: folder of the runs, which artifacts share.
        given: runs that exist and take the place of trainings; see `given_runs.choose`.
        train: trains configurations in folders; returns those that failed and why. None: what is
            not trained yet is left out.
        seed: of the latent samples of all that is evaluated.
        with_pages: whether HTML pages are asked for.

    Raises:
        NothingToShowError: if nothing of the artifact can be had, saying why.
        InUseError: if another process makes the data or trains the runs.
    """
    datasets = artifact.datasets(budget)
    planned, missing = _plan(artifact, budget, given, runs_dir)
    if train is None:
        missing.update(_untrained(planned))
        planned = {label: run for label, run in planned.items() if label not in missing}
    wanted = [*(run.config.data.dataset for run in planned.values()), *datasets]
    lacking = _make_data(wanted, budget, data_dir)
    missing.update({name: why for name, why in lacking.items() if name in datasets})
    failed = _train_unfinished(planned.values(), lacking, train) if train else {}
    for label, run in planned.items():
        if reason := lacking.get(run.config.data.dataset) or failed.get(pathlib.Path(run.folder)):
            missing[label] = reason
    diverged = frozenset(
        label
        for label, run in planned.items()
        if label in missing and (pathlib.Path(run.folder) / runs.DIVERGED).exists()
    )
    found = {label: run for label, run in planned.items() if label not in missing}
    if not found and not set(datasets) - set(missing):
        reasons = dict.fromkeys(missing.values())
        raise NothingToShowError(f"nothing of {artifact.name} can be made: {'; '.join(reasons)}")
    return Context(budget, data_dir, found, missing, seed, with_pages, diverged)


def _plan(
    artifact: Artifact, budget: Budget, given: Sequence[GivenRun], runs_dir: str
) -> tuple[dict[str, Run], dict[str, str]]:
    """The runs of an artifact, there already or not; and of those that are not to be, why."""
    trainings = artifact.trainings(budget)
    chosen = given_runs.choose(trainings, given)
    planned, missing = {}, {}
    for place, members in given_runs.by_place(trainings).items():
        for run in chosen.get(place, ()):
            label = f"{place}, {run.name}" if members[0].is_of_seeds else place
            training = dataclasses.replace(members[0], label=label)
            planned[label] = Run(training, run.name, run.config, is_given=True)
        for training in members if place not in chosen else ():
            if training.config is None:
                missing[training.label] = budget.why_not(training)
            else:
                folder = str(folder_of(training.config, runs_dir))
                planned[training.label] = Run(training, folder, training.config)
    return planned, missing


def _untrained(planned: Mapping[str, Run]) -> dict[str, str]:
    """The runs that would have to be trained first, and their numbers of updates."""
    return {
        label: f"not trained; {run.config.train.steps:,} updates of {run.config.preset}"
        for label, run in planned.items()
        if not run.is_given and not is_finished(run.config, pathlib.Path(run.folder))
    }


def _train_unfinished(planned: Iterable[Run], lacking: Collection[str], train: Train):
    """Trains each configuration once; returns what `train` does."""
    jobs = {}
    for run in planned:
        folder = pathlib.Path(run.folder)
        can_train = not run.is_given and run.config.data.dataset not in lacking
        if can_train and not is_finished(run.config, folder):
            jobs[folder] = run.config
    return train([(config, folder) for folder, config in jobs.items()]) if jobs else {}


def _make_data(names: Iterable[str], budget: Budget, data_dir: str) -> dict[str, str]:
    """Generates what is not there; returns those that cannot be had, and why."""
    lacking = {}
    for name in dict.fromkeys(names):
        try:
            pipelines.open_dataset(data_dir, name)
        except UserError as error:
            config = catalogue.find(name)[1]
            if config.needs_source or config.source_url:
                lacking[name] = str(error)
                continue
            sizes = {k: v for k, v in budget.data_sizes.items() if config.settings().get(k)}
            try:
                preparation.prepare(name, data_dir, settings=sizes)
            except InUseError:
                raise
            except UserError as failure:
                lacking[name] = str(failure)
    return lacking
