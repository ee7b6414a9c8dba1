"""Makes `helpers/` importable: with --import-mode=importlib a test cannot import its neighbours.

After the tests, shows how far the numbers were from those of the released code.
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent / "helpers"))


def pytest_terminal_summary(terminalreporter):
    """Adds the table of the parity tests, if any of them ran."""
    import worst_figures

    if lines := worst_figures.table():
        terminalreporter.section("largest relative deviations from the released code")
        for line in lines:
            terminalreporter.write_line(line)
