"""Table 1 from made-up evaluations: columns, means across runs, what is not run and why."""

from types import SimpleNamespace

import linear_slots
import numpy as np
import pytest

from iodine.models import registry
from iodine.reproduction.framework import tasks, workloads
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Run
from iodine.reproduction.paper import table1

CPU = Budget("cpu")
LINEAR = "Linear slots"


@pytest.fixture
def linear_model(monkeypatch):
    """A model without a KL that budget cpu trains on Tetris."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    linear_slots.register()
    workload = tasks.Workload("linear_slots_small")
    with workloads.registered("cpu", LINEAR, tasks.TETRIS, workload):
        yield


def evaluation(fg_ari, kl=None, left_out=0, diverging=0):
    """Two decodings of eight images; the first have no foreground, on the last it diverges."""
    aris = np.full(8, fg_ari)
    aris[:left_out] = np.nan
    values = {"fg_ari": np.stack([aris * 0, aris]), "mse": np.full((2, 8), 0.01)}
    values["mse"][1, 8 - diverging :] = np.inf
    return values | ({} if kl is None else {"kl": np.full((2, 8), kl)})


def made(evaluations, given=(), failed=(), diverged=()):
    """The findings, for the evaluation of each run of a place."""
    runs, missing, by_label = {}, {}, {}
    for training in table1.TABLE1.trainings(CPU):
        if training.config is None:
            missing[training.label] = CPU.why_not(training)
        elif training.place not in evaluations:
            missing[training.label] = "left out"
        elif training.label in failed:
            missing[training.label] = "it diverged"
        elif training.place not in given:
            runs[training.label] = Run(training, "runs/x", training.config)
        else:
            for name in given[training.place]:
                config = training.config
                runs[f"{training.place}, {name}"] = Run(training, name, config, is_given=True)
    for place, values in evaluations.items():
        labels = [label for label, run in runs.items() if run.training.place == place]
        by_label |= dict(zip(labels, values, strict=True))
    evaluate = {id(runs[label]): values for label, values in by_label.items()}
    context = SimpleNamespace(
        budget=CPU,
        runs=runs,
        missing=missing,
        diverged=frozenset(diverged),
        evaluate=lambda run, may_diverge: evaluate[id(run)],
    )
    return table1.TABLE1.make(context)


def of(findings, task):
    return next(row for row in findings.table if row["data set"] == task)


def test_a_column_a_model_beside_the_papers(linear_model):
    scores = [0.8, 0.9, 1.0, 0.9, 0.9]
    findings = made(
        {
            "IODINE on Tetris": [evaluation(score, kl=50.0) for score in scores],
            f"{LINEAR} on Tetris": [evaluation(0.25)] * 5,
        }
    )
    tetris = of(findings, tasks.TETRIS)
    assert tetris["IODINE"] == f"0.900 +- {np.std(scores):.3f}"
    assert tetris["IODINE runs"] == "5 seeds"
    assert tetris["paper IODINE"] == "0.992 +- 0.004"
    assert tetris["IODINE fg_ari"] == pytest.approx(np.mean(scores))
    assert tetris["IODINE kl"] == 50
    assert tetris[LINEAR] == "0.250 +- 0.000"
    assert tetris[f"paper {LINEAR}"] == "-"
    assert tetris[f"{LINEAR} kl"] is None
    assert tetris["MONet"] == "not run: left out"
    assert tetris["paper MONet"] == "-"
    clevr6 = of(findings, tasks.CLEVR6)
    assert clevr6["IODINE"] == "not run: IODINE is not trained on CLEVR6 at --budget=cpu"
    assert clevr6[LINEAR] == f"not run: {LINEAR} is not trained on CLEVR6 at --budget=cpu"
    assert clevr6["paper MONet"] == "0.962 +- 0.006"
    assert of(findings, tasks.SHAPES)["paper R-NEM"] == "0.776 +- 0.019"
    assert len({tuple(row) for row in findings.table}) == 1  # all with the same keys
    assert len(findings.table) == 5
    iodine, linear = findings.comparison.split("; ")
    assert "IODINE on Tetris: foreground ARI 0.900 +- 0.063 over 5 seeds (tetrom" in iodine
    assert iodine.endswith("the paper's 0.992 +- 0.004")
    assert linear.startswith(f"{LINEAR} on Tetris: foreground ARI 0.250")


def test_given_runs_are_counted_as_such():
    findings = made(
        {"IODINE on Tetris": [evaluation(0.5), evaluation(0.7)]},
        given={"IODINE on Tetris": ["runs/a", "runs/b"]},
    )
    tetris = of(findings, tasks.TETRIS)
    assert tetris["IODINE"] == "0.600 +- 0.100"
    assert tetris["IODINE runs"] == "2 given runs"
    assert "runs/a" in tetris["IODINE trained"]
    assert "over 2 given runs (" in findings.comparison


def test_seeds_that_failed_and_images_without_foreground_are_told():
    findings = made(
        {"IODINE on Tetris": [evaluation(0.5, left_out=3)] * 4},
        failed=["IODINE on Tetris, seed 3"],
    )
    tetris = of(findings, tasks.TETRIS)
    assert tetris["IODINE fg_ari"] == 0.5
    assert tetris["IODINE runs"] == "4 of 5 seeds"
    assert tetris["IODINE images without foreground"] == 3
    assert "0.500 +- 0.000 (3 images without foreground left out) over 4 of" in findings.comparison


def test_images_and_seeds_that_diverged_are_counted_and_fail_in_the_mean_over_all():
    findings = made(
        {
            "IODINE on Tetris": [
                evaluation(0.8, kl=5.0, diverging=2),
                *[evaluation(0.4, kl=9.0)] * 3,
            ]
        },
        failed=["IODINE on Tetris, seed 4"],
        diverged=["IODINE on Tetris, seed 4"],
    )
    tetris = of(findings, tasks.TETRIS)
    over_all = [0.8 * 6 / 8, 0.4, 0.4, 0.4, 0.0]
    assert tetris["IODINE fg_ari"] == pytest.approx(np.mean([0.8, 0.4, 0.4, 0.4]))
    assert tetris["IODINE fg_ari, all"] == pytest.approx(np.mean(over_all))
    assert tetris["IODINE fg_ari, all_std"] == pytest.approx(np.std(over_all))
    assert tetris["IODINE mse"] == pytest.approx(0.01)
    assert tetris["IODINE mse, all"] is tetris["IODINE kl, all"] is None
    assert tetris["IODINE images that diverged"] == 2
    assert tetris["IODINE seeds that diverged"] == 1
    assert tetris["IODINE runs"] == "4 of 5 seeds"
    assert tetris["IODINE"] == (
        f"0.500 +- 0.173 (over all {np.mean(over_all):.3f} +- {np.std(over_all):.3f}: "
        "2 images and 1 seed diverged)"
    )
    assert f"foreground ARI {tetris['IODINE']} over 4 of 5 seeds" in findings.comparison


def test_a_seed_that_failed_otherwise_is_no_failure_of_the_model():
    findings = made(
        {"IODINE on Tetris": [evaluation(0.5)] * 4}, failed=["IODINE on Tetris, seed 3"]
    )
    tetris = of(findings, tasks.TETRIS)
    assert tetris["IODINE"] == "0.500 +- 0.000"
    assert tetris["IODINE fg_ari, all"] == pytest.approx(0.5)
    assert tetris["IODINE seeds that diverged"] == 0


def test_a_run_that_diverges_on_every_image():
    findings = made({"IODINE on Tetris": [evaluation(0.5, diverging=8)] * 5})
    tetris = of(findings, tasks.TETRIS)
    assert tetris["IODINE"] == "not defined (over all 0.000 +- 0.000: 40 images diverged)"
    assert tetris["IODINE fg_ari"] is None
