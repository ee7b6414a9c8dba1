"""SIGINT and SIGTERM, remembered until there is a good moment to stop."""

import signal


class StopRequest:
    """Within it, the two signals do not end the process; `signal` says which one came last."""

    def __init__(self):
        """Changes nothing yet."""
        self.signal: signal.Signals | None = None

    def __enter__(self):
        self._old = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number, _frame):
        self.signal = signal.Signals(number)
