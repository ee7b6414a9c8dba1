"""Progress of long work on standard error: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

import tqdm

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0


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
            yield f"done in {now - self._start:.0f} s"
        elif rate and self._last is not None:
            yield f"{(self._last - self._done) / rate:.0f} s left"
        if self.note:
            yield self.note


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
