"""What a machine leaves out of the suite, and the command that brings it."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Need(NamedTuple):
    """Something that some tests need and not every machine has."""

    reason: str  # a regular expression of the reason that those tests are skipped for
    name: str
    command: str


NEEDS = (
    Need(r"'bpy'", "Blender", "make test-blender"),
    Need(r"'apache_beam'", "Apache Beam", "make test-beam"),
    Need(r"'av'", "PyAV", '.venv/bin/pip install -e ".[video]"'),
    Need(r"no Chromium", "a browser", "apt-get install chromium"),
    Need(r"mount", "the right to mount a small disk", "sudo make test"),
)
SLOW = "those that take minutes: make test-slow"


def lines(reasons: Iterable[str]) -> Sequence[str]:
    """A line for each need that the machine lacks: how many tests, and what brings it.

    Args:
        reasons: of each test, or file of tests, that was skipped. A reason that is none of the
            machine's, such as a model that has no prior, is nobody's lack and not told.
    """
    counts = dict.fromkeys(NEEDS, 0)
    for reason in reasons:
        for need in NEEDS:
            if re.search(need.reason, reason):
                counts[need] += 1
                break
    return [
        f"{count} that {'needs' if count == 1 else 'need'} {need.name}: {need.command}"
        for need, count in counts.items()
        if count
    ]


def pytest_terminal_summary(terminalreporter, config):
    """Pytest's hook: prints the list."""
    skipped = terminalreporter.stats.get("skipped", [])
    told = list(lines(r.longrepr[2] for r in skipped if isinstance(r.longrepr, tuple)))
    if config.option.markexpr == "not slow":
        told.append(SLOW)
    if told:
        terminalreporter.section("tests left out on this machine")
        for line in told:
            terminalreporter.write_line(line)
