"""SIGINT and SIGTERM, remembered until there is a good moment; a second Ctrl-C ends at once."""

import os
import signal
import threading
import time

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ONE_PRESS = 0.1  # seconds within which the same Ctrl-C may come twice, by a program between
_STOPPING = b"\nstopping at the end of this step; Ctrl-C again ends at once\n"
_ENDED = b"\nended at once; the newest checkpoint is kept; run the same command to go on from it\n"


class StopRequest:
    """Within it, the first signal does not end the process; `signal` says which one came last.

    A SIGINT after another signal ends the process, whatever it is in the midst of, with exit code
    130 and without saving; what is half written is no checkpoint yet. Only for the main thread.
    """

    def __init__(self):
        """Changes nothing yet."""
        self.signal: signal.Signals | None = None

    def __enter__(self):
        # Python calls a handler once the main thread is back from TensorFlow, which may be never.
        # A signal's number is written to this pipe at once, and another thread reads it.
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        threading.Thread(target=_watch, args=(reader,), daemon=True).start()
        self._old_pipe = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_pipe)
        os.close(self._writer)  # ends the thread

    def _note(self, number, _frame):
        self.signal = signal.Signals(number)


def _watch(reader: int) -> None:
    """Ends the process at a SIGINT that is not the first signal, or itself with the pipe."""
    first = None
    while number := os.read(reader, 1):
        if number[0] not in _SIGNALS:
            continue
        if first is None:
            first = time.monotonic()
            if number[0] == signal.SIGINT:
                os.write(2, _STOPPING)
        elif number[0] == signal.SIGINT and time.monotonic() - first > _ONE_PRESS:
            os.write(2, _ENDED)
            os._exit(128 + signal.SIGINT)
    os.close(reader)
