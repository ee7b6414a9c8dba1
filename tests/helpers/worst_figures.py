"""The largest deviations from the records that the tests met, for pytest's summary."""

from typing import NamedTuple


class Worst(NamedTuple):
    """The largest deviation of one kind, and what it had to stay below."""

    deviation: float
    tolerance: float


_WORST: dict[tuple[str, str], Worst] = {}  # by kind and data set, in the order of their arrival


def note(kind: str, dataset: str, deviation: float, tolerance: float) -> None:
    """Keeps the deviation if it is the largest of its kind; NaN is larger than any number."""
    seen = _WORST.get((kind, dataset))
    if seen is None or not deviation <= seen.deviation:
        _WORST[kind, dataset] = Worst(float(deviation), tolerance)


def table() -> list[str]:
    """The lines of a table; none if nothing was noted."""
    if not _WORST:
        return []
    kinds = list(dict.fromkeys(kind for kind, _ in _WORST))
    datasets = list(dict.fromkeys(dataset for _, dataset in _WORST))
    lines = ["".join([f"{'':<32}", *(f"{name:>18}" for name in [*datasets, "tolerance"])])]
    for kind in kinds:
        found = [_WORST.get((kind, dataset)) for dataset in datasets]
        cells = ["-" if worst is None else f"{worst.deviation:.1e}" for worst in found]
        tolerance = max(worst.tolerance for worst in found if worst is not None)
        lines.append("".join([f"{kind:<32}", *(f"{c:>18}" for c in [*cells, f"{tolerance:.0e}"])]))
    return lines
