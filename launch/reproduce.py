"""`iodine-reproduce`: makes tables and figures of the paper.

Makes the data and trains the models that an artifact needs, unless they are there, evaluates them,
and writes into OUTPUT/NAME pictures, NAME.json, NAME.csv, and a line that compares with the paper.
Where several models are trained, a table on standard error says how far all are and the time left.
"""

import functools
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from absl import flags

from iodine.errors import UserError
from iodine.launch import app, training_jobs
from iodine.reproduction import catalogue, listing
from iodine.reproduction.framework import given_runs, providing, sweep_summary, tasks, writing
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context
from iodine.reproduction.framework.given_runs import GivenRun
from iodine.reproduction.framework.standing import MADE, NOT_MADE, TRAINED, TRAINING, Standing

_ARTIFACT = flags.DEFINE_list(
    "artifact", [], "Names as --list has them, separated by commas; or all."
)
_BUDGET = flags.DEFINE_enum(
    "budget",
    "cpu",
    tasks.BUDGETS,
    "How much to train: smoke (seconds, learns nothing), cpu (what 2 cores can train: mostly hours "
    "an artifact, see --list; Tetrominoes stand in for CLEVR6), paper (as the paper).",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "data", "Folder of the data sets; what can be generated is made there."
)
_RUNS = flags.DEFINE_string("runs", "runs/reproduce", "Folder of the runs, shared by artifacts.")
_OUTPUT = flags.DEFINE_string("output", "output/reproduce", "Folder of the results.")
_RUN = flags.DEFINE_multi_string(
    "run",
    [],
    'A run to use instead of training, as in "Tetris=runs/mine" or "Tetris=pretrained:NAME", for '
    "a task as --list names it; several are allowed. It is taken where its model and the fields "
    "that the artifact varies are those wanted; in table1 in place of all seeds.",
)
_JOBS = flags.DEFINE_integer(
    "jobs",
    1,
    "Trainings at once: one a GPU, or each with its share of the cores.",
    lower_bound=1,
)
_TRAIN = flags.DEFINE_bool(
    "train", True, "Train what is not trained yet; without, it is shown as not run."
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the latent samples.", lower_bound=0, upper_bound=2**31 - 1
)
_HTML = flags.DEFINE_bool(
    "html", False, "With figure6, write a page with sliders too: it needs no server, no network."
)
_LIST = flags.DEFINE_bool(
    "list",
    False,
    "List the artifacts, what each trains and how long; with --artifact, the same for each of its "
    "models and data sets.",
)


def main() -> None:
    """Reads the flags and makes the artifacts, one after another."""
    tf.get_logger().setLevel("ERROR")  # it warns of many graphs: there is one for each model
    budget = Budget(_BUDGET.value)
    is_all = _ARTIFACT.value == ["all"]
    if _LIST.value and (is_all or not _ARTIFACT.value):
        print(listing.table(budget, _RUNS.value))
        return
    if not _ARTIFACT.value:
        raise UserError("give --artifact=NAME, several separated by commas, or all; see --list")
    named = dict.fromkeys(map(catalogue.find, [] if is_all else _ARTIFACT.value))
    artifacts = catalogue.ARTIFACTS if is_all else list(named)
    if _LIST.value:
        for artifact in artifacts:
            print(f"== {artifact.name}: {artifact.title}")
            print(listing.places(artifact, budget, _RUNS.value))
        return
    given = given_runs.read(_RUN.value)
    given_runs.check_all_used(given, artifacts, budget)
    wanted = {a.name: providing.trainings(a, budget, given, _RUNS.value) for a in artifacts}
    standing = Standing(wanted, _JOBS.value)
    ready: Iterable[Any] = (provide(artifact, budget, given, standing) for artifact in artifacts)
    if _JOBS.value > 1:  # all trainings first: evaluating takes memory of the GPUs, and keeps it
        ready = list(ready)
    failed = 0
    for artifact, context in zip(artifacts, ready, strict=True):
        try:
            make(artifact, context)
            standing.enter(artifact.name, MADE)
        except UserError as error:
            standing.enter(artifact.name, NOT_MADE)
            if len(artifacts) == 1:
                raise
            if is_all and isinstance(error, providing.NothingToShowError):
                print(f"not run: {error}", flush=True)
                continue
            failed += 1
            print(f"warning: {artifact.name} is not made: {error}", file=sys.stderr)
    if failed:
        raise UserError(f"{failed} of {len(artifacts)} artifacts could not be made, see above")


def provide(
    artifact: Artifact, budget: Budget, given: Sequence[GivenRun], standing: Standing
) -> Context | UserError:
    """What an artifact needs; the error, for `make` to raise, if nothing of it can be had."""
    print(f"== {artifact.name}: {artifact.title}", flush=True)
    standing.enter(artifact.name, TRAINING)
    train = functools.partial(
        training_jobs.train_all,
        data_dir=_DATA_DIR.value,
        num_at_once=_JOBS.value,
        standing=standing,
    )
    try:
        return providing.provide(
            artifact,
            budget,
            _DATA_DIR.value,
            _RUNS.value,
            given,
            train if _TRAIN.value else None,
            _SEED.value,
            _HTML.value,
        )
    except UserError as error:
        return error
    finally:
        standing.enter(artifact.name, TRAINED)


def make(artifact: Artifact, context: Context | UserError) -> None:
    """Makes one artifact and prints where it is and what it says.

    Raises:
        UserError: if nothing of it can be had, or a model that is evaluated diverges.
    """
    if isinstance(context, UserError):
        raise context
    if _JOBS.value > 1:  # other trainings have reported since
        print(f"== {artifact.name}", flush=True)
    sweep_summary.write(_RUNS.value)
    for reason, labels in by_reason(context.missing).items():
        print(f"not run: {', '.join(labels)}: {reason}")
    findings = artifact.make(context)
    folder = writing.write(artifact, context, findings, _OUTPUT.value)
    print(f"paper: {artifact.claim}")
    print(f"here: {findings.comparison}")
    print(f"written to {folder}", flush=True)


def by_reason(missing: dict[str, str]) -> dict[str, list[str]]:
    """What could not be had, by the reason."""
    labels: dict[str, list[str]] = {}
    for label, reason in missing.items():
        labels.setdefault(reason, []).append(label)
    return labels


def run() -> None:
    """Entry point of `iodine-reproduce`."""
    app.run(main)


if __name__ == "__main__":
    run()
