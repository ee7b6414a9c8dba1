"""Progress of long work on standard error: in place on a terminal, lines now and then elsewhere."""

import re
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeVar

import tqdm

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_TABLES = 60.0


class Progress:
    """Says how far some work is, its rate and the time left.

    Attributes:
        note: a few current figures, shown beside the count.
    """

    def __init__(self, first: int, last: int | None, label: str = "training", unit: str = "steps"):
        """Counts from `first`, where resumed work begins, to `last`; None if that is not known."""
        self.note = ""
        self._done, self._last, self._label, self._unit = first, last, label, unit
        self._bar = None
        self._start = self._last_line = time.monotonic()
        self._rated_from: tuple[int, float] | None = None  # count and time
        if sys.stderr.isatty():
            self._bar = tqdm.tqdm(
                desc=label, total=last, initial=first, unit=f" {unit}", dynamic_ncols=True
            )

    def update(self, done: int) -> None:
        """Says that the count is now `done`. The rate leaves out the first call: it builds graphs.

        A count that was said already is ignored.
        """
        if done == self._done:
            return
        self._done = done
        if self._bar is not None:
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if self._rated_from is None:
            self._rated_from = (done, now)
        if now - self._last_line >= _SECONDS_BETWEEN_LINES or done == self._last:
            self._last_line = now
            self.say(f"{self._label}: {', '.join(self._parts(now))}")

    def say(self, line: str) -> None:
        """Prints a line without breaking the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._bar is not None:
            self._bar.close()

    def _parts(self, now: float) -> Iterator[str]:
        of_all = "" if self._last is None else f" of {self._last:,}"
        yield f"{self._done:,}{of_all} {self._unit}"
        count, then = self._rated_from
        rate = (self._done - count) / max(now - then, 1e-9)
        if rate:
            yield f"{rate:,.1f} {self._unit}/s"
        if self._done == self._last:
            yield f"done in {duration(now - self._start)}"
        elif rate and self._last is not None:
            yield f"{duration((self._last - self._done) / rate)} left"
        if self.note:
            yield self.note


class Table:
    """Lines that change all at once, such as the rows of a table."""

    def __init__(self):
        """Shows nothing yet."""
        self._bars: list[tqdm.tqdm] = []
        self._lines: list[str] = []
        self._last_shown: float | None = None
        self._is_terminal = sys.stderr.isatty()

    def show(self, lines: Sequence[str], now: bool = False) -> None:
        """Replaces what is shown.

        Args:
            lines: without line breaks; a terminal cuts off what does not fit.
            now: where there is no terminal, print them even if others were printed a moment ago.
        """
        self._lines = list(lines)
        if self._is_terminal:
            self._draw()
            return
        time_now = time.monotonic()
        is_due = self._last_shown is None or time_now - self._last_shown >= _SECONDS_BETWEEN_TABLES
        if now or is_due:
            self._last_shown = time_now
            print("\n".join(self._lines), file=sys.stderr, flush=True)

    def say(self, line: str, is_output: bool = False) -> None:
        """Prints a line above: on standard error, or on standard output."""
        file = sys.stdout if is_output else sys.stderr
        if self._bars:
            tqdm.tqdm.write(line, file=file)
        else:
            print(line, file=file, flush=True)

    def close(self) -> None:
        """Leaves on a terminal the last state, where it scrolls away like any other output."""
        while self._bars:
            self._bars.pop().close()
        if self._is_terminal and self._lines:
            print("\n".join(self._lines), file=sys.stderr, flush=True)
        self._lines = []

    def _draw(self) -> None:
        """A bar without a bar holds a line: tqdm moves the cursor, and lets others write above."""
        width = shutil.get_terminal_size().columns - 1
        while len(self._bars) > len(self._lines):
            self._bars.pop().close()
        while len(self._bars) < len(self._lines):
            self._bars.append(tqdm.tqdm(bar_format="{desc}", position=len(self._bars), leave=False))
        for bar, line in zip(self._bars, self._lines, strict=True):
            bar.set_description_str(line[:width])


def duration(seconds: float) -> str:
    """A time in the units in which one says it: "38 s", "12 min", "3 h 05 min", "2 days 4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(minutes / 60)
    return f"{hours // 24} days {hours % 24} h"


def last_count(text: str, label: str = "training", unit: str = "steps") -> int | None:
    """The count of the last line of a `Progress` in what a process has printed; None for none."""
    found = re.findall(rf"^{re.escape(label)}: ([\d,]+)\b.*? {re.escape(unit)}\b", text, re.M)
    return int(found[-1].replace(",", "")) if found else None


def track(
    items: Iterable[Item], total: int, label: str, unit: str = "items"
) -> Generator[Item, None, None]:
    """Yields the items and reports how far it is; an item counts once the next is asked for."""
    progress = Progress(0, total, label, unit)
    try:
        for done, item in enumerate(items, 1):
            yield item
            progress.update(done)
    finally:
        progress.close()
