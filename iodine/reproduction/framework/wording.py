"""Phrases that several artifacts use."""

NOT_RUN = "not run"


def span(low: int, high: int) -> str:
    """A range in words, "3" or "3-6"."""
    return str(low) if low == high else f"{low}-{high}"


def without_foreground(count: int) -> str:
    """Says, in brackets, how many images a mean of foreground ARI leaves out; "" for none."""
    if not count:
        return ""
    return f" ({count} image{'s' * (count > 1)} without foreground left out)"
