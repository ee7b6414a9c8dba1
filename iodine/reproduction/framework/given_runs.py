"""Runs that the user gives in place of trainings, and which of an artifact's places they fit."""

import dataclasses
from collections.abc import Sequence

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.reproduction.framework import tasks, workloads
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.training import run_folder as runs

_SHOWN_REASONS = 3


@dataclasses.dataclass(frozen=True)
class GivenRun:
    """A run for a task, from `--run=TASK=RUN`."""

    task: str
    name: str  # its folder, or "pretrained:NAME"
    config: Config


def read(values: Sequence[str]) -> list[GivenRun]:
    """The runs of flags "TASK=RUN"; one that is given twice counts once.

    Raises:
        UserError: for a task that does not exist, or what is not a run.
    """
    given = []
    for value in dict.fromkeys(values):
        task, separator, name = value.partition("=")
        if not separator or task not in tasks.TASKS:
            known = ", ".join(tasks.TASKS)
            raise UserError(f"--run={value} is not TASK=RUN with TASK one of {known}")
        given.append(GivenRun(task, name, runs.read_config(runs.resolve(name))))
    return given


def by_place(trainings: Sequence[Training]) -> dict[str, list[Training]]:
    """An artifact's trainings by what of it they are for: several where it asks for seeds."""
    places: dict[str, list[Training]] = {}
    for training in trainings:
        places.setdefault(training.place, []).append(training)
    return places


def choose(trainings: Sequence[Training], given: Sequence[GivenRun]) -> dict[str, list[GivenRun]]:
    """The given runs that take the place of trainings, by place.

    A place that asks for several seeds takes all runs that fit, in place of all its seeds; another
    one takes the first that fits.
    """
    chosen = {}
    for place, members in by_place(trainings).items():
        fitting = [run for run in given if not obstacle(run, members[0], trainings)]
        if fitting:
            chosen[place] = fitting if members[0].is_of_seeds else fitting[:1]
    return chosen


def obstacle(run: GivenRun, training: Training, beside: Sequence[Training]) -> str | None:
    """Why a run cannot take the place of a training; None if it can.

    It has to be of the same task and model, to have the values that the artifact gives the
    training, and none of those by which the artifact's other trainings of the task differ from it.

    Args:
        run: the given one.
        training: of an artifact.
        beside: all trainings of the artifact.
    """
    if run.task != training.task:
        return f"{training.task} is needed"
    kind = workloads.kind_of(training.model)
    if run.config.model.kind != kind:
        return f"its model is {run.config.model.kind}, {kind or training.model} is needed"
    own = config_lib.flatten(run.config)
    wanted = {**tasks.TOLD_BY.get(training.model, {}), **training.overrides}
    for name, value in wanted.items():
        if own.get(name) != value:
            return f"its config.{name} is {own.get(name)!r}, {value!r} is needed"
    plain = {} if training.config is None else config_lib.flatten(training.config)
    for other in beside:
        if (other.task, other.model) != (training.task, training.model):
            continue
        for name, value in other.overrides.items():
            if name in training.overrides or (name in plain and plain[name] == value):
                continue
            if name in own and own[name] == value:
                return f"its config.{name} is {value!r}, as that of {other.place} is to be"
    return None


def check_all_used(
    given: Sequence[GivenRun], artifacts: Sequence[Artifact], budget: Budget
) -> None:
    """Raises UserError, saying why, for a given run that none of the artifacts uses."""
    trainings = {artifact.name: artifact.trainings(budget) for artifact in artifacts}
    chosen = {name: choose(needed, given) for name, needed in trainings.items()}
    used = [run for by in chosen.values() for runs_there in by.values() for run in runs_there]
    for run in given:
        if run not in used:
            reasons = [
                reason
                for name, needed in trainings.items()
                for reason in _reasons(run, name, needed, chosen[name])
            ]
            raise UserError(f"--run={run.task}={run.name} is not used: {_shortened(reasons)}")


def _reasons(
    run: GivenRun, name: str, trainings: Sequence[Training], chosen: dict[str, list[GivenRun]]
) -> list[str]:
    """Why an artifact does not use a run, for every place of the run's task."""
    reasons = []
    for place, members in by_place(trainings).items():
        if members[0].task == run.task:
            why = obstacle(run, members[0], trainings)
            if why is None:
                why = f"one run is shown, and {chosen[place][0].name} was given first"
            reasons.append(f"{name}, {place}: {why}")
    if reasons:
        return reasons
    tasks = ", ".join(dict.fromkeys(training.task for training in trainings))
    return [f"{name} needs {f'runs of {tasks} only' if tasks else 'no run'}"]


def _shortened(reasons: Sequence[str]) -> str:
    """The first few; those of other tasks, which say least, come last."""
    told = sorted(reasons, key=lambda reason: " needs " in reason)
    more = f"; and {len(told) - _SHOWN_REASONS} more" if len(told) > _SHOWN_REASONS else ""
    return "; ".join(told[:_SHOWN_REASONS]) + more
