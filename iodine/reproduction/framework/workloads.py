"""How each budget trains a model for a task; more can be registered."""

import contextlib
from collections.abc import Collection, Iterator

from iodine.models import registry
from iodine.reproduction.framework import workload_tables
from iodine.reproduction.framework.tasks import BUDGETS, TASKS, Workload

_WORKLOADS = {budget: dict(table) for budget, table in workload_tables.TABLES.items()}


def register(budget: str, model: str, task: str, workload: Workload) -> None:
    """Makes a budget train a model for a task, or train it otherwise than before.

    Args:
        budget: one of `BUDGETS`.
        model: its name in tables and figures, as in "MONet".
        task: one of `TASKS`.
        workload: names a preset of the model, which `iodine.models.registry` knows.

    Raises:
        ValueError: for an unknown budget or task.
    """
    if budget not in BUDGETS or task not in TASKS:
        raise ValueError(f"no budget {budget!r} or no task {task!r}")
    _WORKLOADS[budget][model, task] = workload


@contextlib.contextmanager
def registered(budget: str, model: str, task: str, workload: Workload) -> Iterator[None]:
    """As `register`, until the block ends."""
    before = dict(_WORKLOADS[budget])
    register(budget, model, task, workload)
    try:
        yield
    finally:
        _WORKLOADS[budget].clear()
        _WORKLOADS[budget].update(before)


def find(budget: str, model: str, task: str) -> Workload | None:
    """How a budget trains a model for a task; None if it does not."""
    return _WORKLOADS[budget].get((model, task))


def models_for(budget: str, tasks: Collection[str]) -> list[str]:
    """The models that a budget trains for any of these tasks."""
    return list(dict.fromkeys(model for model, task in _WORKLOADS[budget] if task in tasks))


def kind_of(model: str) -> str | None:
    """The model's `config.model.kind`; None for one that no budget trains for any task."""
    for workloads in _WORKLOADS.values():
        for (name, _), workload in workloads.items():
            if name == model:
                return registry.preset(workload.preset).model.kind
    return None
