"""The speed of training."""

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Measures steps a second, without the first step, which builds the graph, and interruptions.

    What it reports covers the steps since it was last asked.
    """

    def __init__(self):
        """Nothing is measured before the first `count`."""
        self._start: float | None = None
        self._steps = 0

    def count(self) -> None:
        """One more step is done."""
        if self._start is None:
            self._start = time.monotonic()
        else:
            self._steps += 1

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Leaves out the time that is spent within."""
        before = time.monotonic()
        yield
        self._start += time.monotonic() - before

    def steps_per_second(self) -> float:
        """The rate since the last call; 0 before the second step."""
        now = time.monotonic()
        rate = self._steps / max(now - self._start, 1e-9)
        self._start, self._steps = now, 0
        return rate
