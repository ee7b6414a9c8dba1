"""What the table of trainings and artifacts says, for clocks and counts that are set by hand."""

import math
import pathlib
import time

import pytest

from iodine.config import override
from iodine.models import registry
from iodine.reproduction.framework.standing import MADE, NOT_MADE, TRAINED, TRAINING, Standing

A, B, C, D = (pathlib.Path("runs") / name for name in "abcd")


def config(preset, steps):
    return override(registry.preset(preset), {"train.steps": steps})


SMALL, FAST = config("tetrominoes_small", 1000), config("tetrominoes_fast", 3000)


@pytest.fixture
def clock(monkeypatch):
    """`clock[0]` is the time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def standing():
    """Two artifacts that share a run, another of which is at 500 of 1,000 updates already."""
    wanted = {
        "table1": {A: (SMALL, 0), B: (SMALL, 500), C: (FAST, 0)},
        "figure8": {A: (SMALL, 0), D: (SMALL, 0)},
        "figure14": {},
    }
    return Standing(wanted, num_at_once=2)


def test_time_left_is_that_of_the_schedule(standing, clock):
    assert all(math.isnan(seconds) for seconds in standing.seconds_left().values())
    standing.enter("table1", TRAINING)
    standing.begin(A)
    standing.begin(B)
    clock[0] = 40.0  # graphs are built
    standing.reach(A, None)
    standing.reach(A, 1)
    standing.reach(B, 501)
    clock[0] = 50.0
    standing.reach(A, 101)  # 10 a second, 899 left: 89.9 s
    standing.reach(B, 551)  # 5 a second, 449 left: 89.8 s
    # C has another preset, so the mean of both: 3,000 at 7.5 a second, on B's place. D has that of
    # its preset, which is the same here.
    of_table1 = 89.8 + 3000 / 7.5
    assert standing.seconds_left() == pytest.approx(
        {
            "table1": of_table1,
            "figure8": of_table1 + 1000 / 7.5,
            "figure14": of_table1 + 1000 / 7.5,
        }
    )


def test_the_table(standing, clock):
    standing.enter("table1", TRAINING)
    standing.begin(A)
    standing.begin(B)
    standing.reach(A, 1)
    standing.reach(B, 501)
    clock[0] = 10.0
    standing.reach(A, 101)
    standing.reach(B, 551)
    assert standing.lines() == [
        "artifact                   runs    updates       trained in",
        "table1        training     0 of 3  13 %          8 min",
        "figure8       waiting      0 of 2  5 %           10 min",
        "figure14      waiting      -       -             10 min",
        "all           0 of 3 over  0 of 4  10 %          10 min",
        "training now                       updates       done in",
        "a                          10.0/s  101 of 1,000  90 s",
        "b                          5.0/s   551 of 1,000  90 s",
    ]


def test_rates_of_runs_that_nobody_watches_are_those_of_the_whole(clock):
    standing = Standing({"figure5": {A: (SMALL, 200), B: (SMALL, 0), C: (FAST, 0)}})
    standing.begin(A)
    assert math.isnan(standing.seconds_left()["figure5"])
    clock[0] = 80.0
    standing.end(A)  # 800 updates at 10 a second
    assert standing.seconds_left()["figure5"] == pytest.approx(1000 / 10 + 3000 / 10)
    standing.begin(B)
    clock[0] = 130.0
    standing.end(B)  # 1,000 at 20 a second
    assert standing.seconds_left()["figure5"] == pytest.approx(3000 / 15)
    assert [line.split()[-1] for line in standing.lines()[1:]] == ["min", "min"]


def test_what_fails_is_not_waited_for(standing, clock):
    standing.begin(A)
    clock[0] = 10.0
    standing.end(A)  # 100 a second
    standing.begin(C)
    standing.end(C, has_failed=True)
    assert standing.seconds_left()["table1"] == pytest.approx(5.0)  # B
    standing.enter("table1", TRAINED)
    assert standing.seconds_left() == pytest.approx(
        {"table1": 0.0, "figure8": 10.0, "figure14": 10.0}
    )
    standing.begin(C)  # another artifact tries again
    assert standing.seconds_left()["table1"] == pytest.approx(30.0)


def test_artifacts_that_are_over_have_no_row(standing):
    standing.enter("table1", MADE)
    standing.enter("figure8", NOT_MADE)
    names = [line.split("  ")[0] for line in standing.lines()]
    assert names == ["artifact", "figure14", "all"]
    assert "2 of 3 over" in standing.lines()[-1]


def test_a_table_is_for_several_things(standing):
    assert standing.is_worth_a_table
    assert not Standing({"figure5": {A: (SMALL, 0)}}).is_worth_a_table
    assert not Standing({"figure5": {A: (SMALL, 0), B: (SMALL, 1000)}}).is_worth_a_table
    assert Standing({"figure5": {A: (SMALL, 0), B: (SMALL, 999)}}).is_worth_a_table


def test_runs_that_it_does_not_know_are_ignored(standing):
    before = standing.lines()
    for tell in (standing.begin, standing.end, lambda folder: standing.reach(folder, 5)):
        tell(pathlib.Path("elsewhere"))
    assert standing.lines() == before
