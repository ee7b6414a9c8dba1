"""The figures of clips as a table for the terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from iodine.evaluation.clip_scores import MEANS, REGIONS

# Lines of the table: what is printed, and of what the number behind it is the count.
_ROWS = {
    "mota": ("mota", ""),
    "motp": ("motp", ""),
    "id_switches": ("switches_share", "switches"),
    "matches": ("matches_share", "matches"),
    "misses": ("misses_share", "misses"),
    "false_positives": ("false_positives_share", "false_positives"),
    "mostly_tracked": ("mostly_tracked_share", "mostly_tracked"),
    "mostly_detected": ("mostly_detected_share", "mostly_detected"),
}


def table(summary: dict[str, Any]) -> str:
    """What `clip_scores.summarize` returns, line by line; "-" for what there is no number of."""
    lines = [f"{'metric':<20}{'mean':>12}{'std':>12}{'95 % interval':>24}"]
    for name in filter(summary.__contains__, MEANS):
        entry = summary[name]
        interval = "{:.4f} to {:.4f}".format(*entry["ci95"])
        lines.append(f"{name:<20}{entry['mean']:>12.4f}{entry['std']:>12.4f}{interval:>24}")
    lines.append(f"{'error_ratio':<20}{_number(summary['error_ratio']):>12}")
    if regions := [name for name in REGIONS if name in summary]:
        lines += ["", _line("tracking", regions)]
        lines += [_row(label, [summary[name] for name in regions]) for label in _ROWS]
        lines.append(_hidden_row([summary[name]["occlusions"] for name in regions]))
    count, first = summary["num_clips"], summary["first_frame"]
    lines += ["", f"{count:,} {'clip' if count == 1 else 'clips'}, scored from frame {first} on"]
    return "\n".join([*lines, *_left_out(summary)])


def _row(label: str, regions: Sequence[dict[str, Any]]) -> str:
    share, count = _ROWS[label]
    return _line(
        label, (_number(r[share]) + (f" ({r[count]:,})" if count else "") for r in regions)
    )


def _hidden_row(occlusions: Sequence[dict[str, Any]]) -> str:
    return _line(
        "kept_when_hidden",
        (f"{_number(o['retained'])} ({o['kept']:,} of {o['cases']:,})" for o in occlusions),
    )


def _line(label: str, cells: Iterable[str]) -> str:
    return f"{label:<20}" + "".join(f"{cell:>24}" for cell in cells)


def _left_out(summary: dict[str, Any]) -> list[str]:
    names: dict[int, list[str]] = {}
    for name in filter(summary.__contains__, MEANS):
        names.setdefault(summary[name]["num_left_out"], []).append(name)
    return [
        f"{number} {'clip' if number == 1 else 'clips'} left out of {', '.join(of)}, which are "
        "not defined for them"
        for number, of in names.items()
        if number
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
