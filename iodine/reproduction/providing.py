"""Gets what an artifact needs: data sets that are there or can be generated, and finished runs."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping

from iodine import checkpoint_folder, runs
from iodine import config as config_lib
from iodine.config import Config
from iodine.datasets import catalogue, pipelines, preparation
from iodine.errors import UserError
from iodine.reproduction.artifact import Artifact
from iodine.reproduction.context import Context, Run
from iodine.reproduction.workloads import Budget

Train = Callable[[list[tuple[Config, pathlib.Path]]], dict[pathlib.Path, str]]


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

    Raises:
        UserError: if nothing of the artifact can be had, saying why.
    """
    trainings = artifact.trainings(budget)
    datasets = artifact.datasets(budget)
    missing = {
        t.label: f"{t.task} is not trained at --budget={budget.name}"
        for t in trainings
        if t.config is None
    }
    wanted = [t for t in trainings if t.config is not None]
    taken = {t.label: given[t.task] for t in wanted if t.is_plain and t.task in given}
    names = [runs.read_config(runs.resolve(run)).data.dataset for run in taken.values()]
    names += [t.config.data.dataset for t in wanted if t.label not in taken]
    lacking = _make_data([*names, *datasets], budget, data_dir)
    missing.update({name: why for name, why in lacking.items() if name in datasets})
    missing.update(
        {
            t.label: lacking[t.config.data.dataset]
            for t in wanted
            if t.config.data.dataset in lacking
        }
    )
    wanted = [t for t in wanted if t.label not in missing]
    folders = {t.label: folder_of(t.config, runs_dir) for t in wanted if t.label not in taken}
    jobs = {folders[t.label]: t.config for t in wanted if t.label in folders}
    jobs = {folder: config for folder, config in jobs.items() if not is_finished(config, folder)}
    failed = train([(config, folder) for folder, config in jobs.items()]) if jobs else {}
    missing.update({label: failed[f] for label, f in folders.items() if f in failed})
    found = {
        t.label: Run(t, taken.get(t.label) or str(folders[t.label]))
        for t in wanted
        if t.label not in missing
    }
    if not found and not set(datasets) - set(missing):
        reasons = dict.fromkeys(missing.values())
        raise UserError(f"nothing of {artifact.name} can be made: {'; '.join(reasons)}")
    return Context(budget, data_dir, found, missing, seed)


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
