"""Lines where nobody watches, a bar on a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import sys
import termios
import time

import pytest

from iodine import progress


def test_lines_tell_rate_and_time_left(monkeypatch, capsys):
    clock = iter([0.0, 30.0, 32.0, 42.0, 50.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    shown = progress.Progress(1000, 1500)
    shown.update(1001)  # built the graph, 30 s
    shown.update(1101)  # too soon after the last line
    shown.note = "loss 3.0"
    shown.update(1121)
    shown.update(1500)
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "training: 1,001 of 1,500 steps",
        "training: 1,121 of 1,500 steps, 10.0 steps/s, 38 s left, loss 3.0",
        "training: 1,500 of 1,500 steps, 24.9 steps/s, done in 50 s, loss 3.0",
    ]


def test_lines_of_tracked_items(monkeypatch, capsys):
    clock = iter([0.0, 5.0, 10.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    assert list(progress.track("abc", 3, "here", "things")) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines() == [
        "here: 2 of 3 things, 0.2 things/s, 5 s left",
        "here: 3 of 3 things, 0.1 things/s, done in 20 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "0 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7_169, "119 min"),
        (7_200, "2 h 00 min"),
        (11_100, "3 h 05 min"),
        (172_799, "2 days 0 h"),
        (187_200, "2 days 4 h"),
    ],
)
def test_durations(seconds, told):
    assert progress.duration(seconds) == told


def test_the_last_count_is_read_from_what_was_printed(monkeypatch, capsys):
    clock = iter([0.0, 15.0, 30.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    shown = progress.Progress(0, 16_000)
    shown.update(1_100)
    shown.update(12_345)
    text = capsys.readouterr().err
    assert progress.last_count(f"old\n{text}validation at step 12,345: loss 3\n") == 12_345
    assert progress.last_count(text[: text.rindex("training")]) == 1_100
    assert progress.last_count("validation at step 10: 7 steps\n") is None


def test_a_table_is_printed_now_and_then(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    table = progress.Table()
    table.show(["a 1", "b 1"])
    for clock[0] in (20.0, 59.0):
        table.show(["a 2", "b 2"])
    table.say("between")
    clock[0] = 60.0
    table.show(["a 3"])
    table.show(["a 4"], now=True)
    table.close()
    assert capsys.readouterr().err.splitlines() == ["a 1", "b 1", "between", "a 3", "a 4"]


def test_unknown_total_and_repeated_counts(monkeypatch, capsys):
    clock = iter([0.0, 5.0, 15.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    shown = progress.Progress(0, None, "file", "MB")
    for done in (0, 1, 1, 21, 21):
        shown.update(done)
    assert capsys.readouterr().err.splitlines() == ["file: 21 MB, 2.0 MB/s"]


def test_no_line_for_a_total_that_is_not_reached(capsys):
    items = progress.track(range(3), 3, "here")
    next(items)
    items.close()
    assert capsys.readouterr().err == ""


def read_all(master):
    """What was written to a terminal that has been closed."""
    parts = []
    with contextlib.suppress(OSError):  # EIO: there is no more
        while part := os.read(master, 4096):
            parts.append(part)
    os.close(master)
    return b"".join(parts)


def open_terminal():
    """Of 100 columns: its two ends."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    return master, slave


def test_bar_on_a_terminal(monkeypatch):
    master, slave = open_terminal()
    with open(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        shown = progress.Progress(10, 30)
        for step in range(11, 31):
            shown.note = f"loss {step}"
            shown.update(step)
            if step == 20:
                shown.say("validation at step 20: fine")
        shown.close()
        monkeypatch.undo()
    text = read_all(master).decode()
    lines = [line.split("\r")[-1] for line in text.rstrip("\r\n").split("\r\n")]
    assert len(lines) == 2, text  # the message and the bar's last state
    assert lines[0] == "validation at step 20: fine"
    assert "100%" in lines[1]
    assert "30/30" in lines[1]
    assert "steps/s" in lines[1]
    assert "loss 30" in lines[1]


def screen(text):
    """The lines that a terminal shows in the end."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[A|\r|\n|[^\x1b\r\n]+", text):
        if part == "\x1b[A":
            row -= 1
        elif part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        else:
            rows[row] = rows[row][:column].ljust(column) + part + rows[row][column + len(part) :]
            column += len(part)
    return [row.rstrip() for row in rows if row.strip()]


def test_a_table_on_a_terminal_is_drawn_in_place(monkeypatch):
    master, slave = open_terminal()
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((20, 24)))
    with open(slave, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        table = progress.Table()
        table.show(["artifact", "table1    10 %", "all       5 %"])
        table.say("training 2 of 2")
        table.show(["artifact", "table1    70 %", "all       35 %", "run       1,000 of 2,000"])
        table.show(["artifact", "all       50 %"])
        table.close()
        monkeypatch.undo()
    assert screen(read_all(master).decode()) == ["training 2 of 2", "artifact", "all       50 %"]
