"""After the tests, shows how far the numbers were from those of the released code."""


def pytest_terminal_summary(terminalreporter):
    """Adds the table of the parity tests, if any of them ran."""
    import worst_figures

    if lines := worst_figures.table():
        terminalreporter.section("largest relative deviations from the released code")
        for line in lines:
            terminalreporter.write_line(line)
