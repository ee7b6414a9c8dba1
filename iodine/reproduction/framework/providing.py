"""Gets what an artifact needs: data sets that are there or can be generated, and finished runs."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.datasets import catalogue, pipelines, preparation
from iodine.errors import UserError
from iodine.reproduction.framework import sweep_summary
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.context import Context, Run
from iodine.reproduction.framework.workloads import Budget, Training
from iodine.training import checkpoint_folder
from iodine.training import run_folder as runs

Train = Callable[[list[tuple[Config, pathlib.Path]]], dict[pathlib.Path, str]]


class NothingToShowError(UserError):
    """No part of an artifact can be had."""


def folder_of(config: Config, runs_dir: str) -> pathlib.Path:
    """Where a configuration is trained: the same configuration and seed, the same folder."""
    values = config_lib.to_dict(config)
    for field in runs.FREE_TO_CHANGE:
        section, name = field.split(".")
        del values[section][name]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path(runs_dir) / f"{config.preset}-{digest}-seed{config.train.seed}"


def is_finished(config: Config, folder: pathlib.Path) -> bool:
    """Whether the folder holds this configuration's last step."""
    if not (folder / "config.json").exists():
        return False
    runs.check_same(folder, config)
    steps = map(checkpoint_folder.step_of, checkpoint_folder.newest_first(folder / "checkpoints"))
    return max(steps, default=0) >= config.train.steps


def provide(
    artifact: Artifact,
    budget: Budget,
    data_dir: str,
    runs_dir: str,
    given: Mapping[str, str],
    train: Train,
    seed: int = 0,
    with_pages: bool = False,
) -> Context:
    """Makes data, trains what is not trained yet, and gathers all of it.

    Args:
        artifact: whose needs.
        budget: how much to train.
        data_dir: folder of the data sets; those that can be generated are made there.
        runs_dir: folder of the runs, which artifacts share.
        given: runs that exist, by task: they take the place of its plain training.
        train: trains configurations in folders; returns those that failed and why.
        seed: of the latent samples of all that is evaluated.
        with_pages: whether HTML pages are asked for.

    Raises:
        NothingToShowError: if nothing of the artifact can be had, saying why.
    """
    datasets = artifact.datasets(budget)
    planned, missing = {}, {}
    for training in artifact.trainings(budget):
        if run := _plan(training, given, runs_dir):
            planned[training.label] = run
        else:
            missing[training.label] = f"{training.task} is not trained at --budget={budget.name}"
    wanted = [*(run.config.data.dataset for run in planned.values()), *datasets]
    lacking = _make_data(wanted, budget, data_dir)
    missing.update({name: why for name, why in lacking.items() if name in datasets})
    failed = _train_unfinished(planned.values(), lacking, train)
    sweep_summary.write(runs_dir)
    for label, run in planned.items():
        if reason := lacking.get(run.config.data.dataset) or failed.get(pathlib.Path(run.folder)):
            missing[label] = reason
    found = {label: run for label, run in planned.items() if label not in missing}
    if not found and not set(datasets) - set(missing):
        reasons = dict.fromkeys(missing.values())
        raise NothingToShowError(f"nothing of {artifact.name} can be made: {'; '.join(reasons)}")
    return Context(budget, data_dir, found, missing, seed, with_pages)


def _plan(training: Training, given: Mapping[str, str], runs_dir: str) -> Run | None:
    """The run for a training, there already or not; None if there is to be none."""
    if training.is_plain and training.task in given:
        name = given[training.task]
        return Run(training, name, runs.read_config(runs.resolve(name)), is_given=True)
    if training.config is None:
        return None
    return Run(training, str(folder_of(training.config, runs_dir)), training.config)


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
            except UserError as failure:
                lacking[name] = str(failure)
    return lacking
