"""How far the trainings of several artifacts are, and when those that are left will have ended."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence

from iodine.config import Config
from iodine.progress import duration

WAITING, TRAINING, TRAINED, MADE, NOT_MADE = "waiting", "training", "trained", "made", "not made"
_HEADER = ("artifact", "", "runs", "updates", "trained in")
_HEADER_OF_RUNS = ("training now", "", "", "updates", "done in")


@dataclasses.dataclass
class _Training:
    """One run. Its rate is the number of updates a second since the first that was told."""

    preset: str
    steps: int  # in all
    done: int
    began: tuple[int, float] = (0, 0.0)  # updates and time at the last `begin`
    rated_from: tuple[int, float] | None = None
    rate: float | None = None
    is_running: bool = False
    is_dropped: bool = False  # failed, or not to be had

    @property
    def left(self) -> int:
        """Updates that will still be made."""
        return 0 if self.is_dropped else self.steps - self.done


class Standing:
    """Keeps count of the trainings of artifacts that are made in their order."""

    def __init__(
        self,
        wanted: Mapping[str, Mapping[pathlib.Path, tuple[Config, int]]],
        num_at_once: int = 1,
    ):
        """Begins with what earlier calls left.

        Args:
            wanted: of each artifact by name its runs: folder, configuration, and updates that were
                made before. Artifacts may share runs.
            num_at_once: how many runs of an artifact are trained side by side.
        """
        self._num_at_once = num_at_once
        self._artifacts = {name: list(runs) for name, runs in wanted.items()}
        self._states = dict.fromkeys(wanted, WAITING)
        self._trainings = {
            folder: _Training(config.preset, config.train.steps, min(done, config.train.steps))
            for runs in wanted.values()
            for folder, (config, done) in runs.items()
        }

    @property
    def is_worth_a_table(self) -> bool:
        """Whether there are several trainings left, or several artifacts."""
        return len(self._artifacts) > 1 or sum(t.left > 0 for t in self._trainings.values()) > 1

    def enter(self, artifact: str, state: str) -> None:
        """Says what an artifact is at; what is not trained of one that is past it never will be."""
        self._states[artifact] = state
        if state not in (WAITING, TRAINING):
            for folder in self._artifacts[artifact]:
                training = self._trainings[folder]
                training.is_dropped = training.is_dropped or training.done < training.steps

    def begin(self, folder: pathlib.Path) -> None:
        """Says that a run is training now."""
        training = self._trainings.get(folder)
        if training is not None:
            training.is_running, training.is_dropped = True, False
            training.began, training.rated_from = (training.done, time.monotonic()), None

    def reach(self, folder: pathlib.Path, done: int | None) -> None:
        """Says how many updates a run has made; None, if that is not known, changes nothing."""
        training = self._trainings.get(folder)
        if training is None or done is None:
            return
        if training.rated_from is None:  # building graphs took the time until then
            training.rated_from = done, time.monotonic()
        elif done > training.done:
            training.rate = _rate(training.rated_from, done)
        training.done = min(done, training.steps)

    def end(self, folder: pathlib.Path, has_failed: bool = False) -> None:
        """Says that a run trains no more: to its end, unless it has failed."""
        training = self._trainings.get(folder)
        if training is None:
            return
        if not has_failed:
            if training.rate is None:  # nobody told of the updates between
                training.rate = _rate(training.began, training.steps)
            training.done = training.steps
        training.is_running, training.is_dropped = False, has_failed

    def seconds_left(self) -> dict[str, float]:
        """Of each artifact the time until its trainings have ended; NaN where that is not known.

        A run that has not begun is taken to be as fast as those of its preset, else as the mean of
        all. Artifacts are trained one after another, each with `num_at_once` runs side by side.
        """
        passed, counted, left = 0.0, set(), {}
        for name, folders in self._artifacts.items():
            places = [passed] * self._num_at_once
            mine = [f for f in folders if f not in counted and self._trainings[f].left]
            counted.update(mine)
            for folder in sorted(mine, key=lambda f: not self._trainings[f].is_running):
                soonest = places.index(min(places))
                places[soonest] += self._seconds(self._trainings[folder])
            passed = math.nan if any(map(math.isnan, places)) else max(places)
            left[name] = passed
        return left

    def lines(self) -> list[str]:
        """The table: a row for each artifact that is not over, for all, and for each run now."""
        left = self.seconds_left()
        rows = [_HEADER]
        for name, folders in self._artifacts.items():
            if self._states[name] not in (MADE, NOT_MADE):
                rows.append((name, self._states[name], *self._progress(folders), _told(left[name])))
        is_over = sum(state in (MADE, NOT_MADE) for state in self._states.values())
        total = [*left.values()][-1] if left else 0.0
        what = f"{is_over} of {len(self._states)} over"
        rows.append(("all", what, *self._progress(self._trainings), _told(total)))
        running = {f: t for f, t in self._trainings.items() if t.is_running}
        if running:
            rows.append(_HEADER_OF_RUNS)
        for folder, training in running.items():
            rate = f"{training.rate:,.1f}/s" if training.rate else ""
            updates = f"{training.done:,} of {training.steps:,}"
            rows.append((folder.name, "", rate, updates, _told(self._seconds(training))))
        return _aligned(rows)

    def _seconds(self, training: _Training) -> float:
        """Until a run has ended, once it trains."""
        alike = [t.rate for t in self._trainings.values() if t.preset == training.preset and t.rate]
        every = [t.rate for t in self._trainings.values() if t.rate]
        rates = [training.rate] if training.rate else alike or every
        return training.left * len(rates) / sum(rates) if rates else math.nan

    def _progress(self, folders: Iterable[pathlib.Path]) -> tuple[str, str]:
        """Runs that are finished, and the share of all updates that is made."""
        runs = [self._trainings[folder] for folder in folders]
        if not runs:
            return "-", "-"
        share = sum(t.done for t in runs) / max(sum(t.steps for t in runs), 1)
        return (
            f"{sum(t.done == t.steps for t in runs)} of {len(runs)}",
            f"{math.floor(100 * share)} %",
        )


def _rate(since: tuple[int, float], done: int) -> float | None:
    """Updates a second; None if none was made."""
    count, then = since
    return (done - count) / max(time.monotonic() - then, 1e-9) if done > count else None


def _told(seconds: float) -> str:
    return "?" if math.isnan(seconds) else duration(seconds) if seconds else "-"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
