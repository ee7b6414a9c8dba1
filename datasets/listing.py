"""What there is: the data sets as a table."""

import itertools

from iodine.datasets import catalogue
from iodine.datasets.scene_builder import SceneConfig
from iodine.datasets.shards import SPLITS

_HEADER = ("name", "size", *SPLITS, "licence", "description")


def table() -> str:
    """Name, image size, sizes of the splits, licence, description; a line a data set.

    Variants that options make of another one are named in a line below it: its name with one or
    several of the endings is a data set too.
    """
    rows: list[tuple[str, ...]] = [_HEADER]
    for name, (_, config) in catalogue.entries().items():
        if not config.variant_of:
            rows.append((name, *_columns(config)))
            rows += _options_row(name)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _columns(config: SceneConfig) -> list[str]:
    height, width = config.image_size
    frames = "" if config.num_frames is None else f"{config.num_frames} x "
    sizes = [config.settings()[f"num_{split}"] for split in SPLITS]
    return [
        f"{frames}{height} x {width}",
        *(f"{size:,}" if size else "-" for size in sizes),
        config.licence,
        config.description,
    ]


def _options_row(name: str) -> list[tuple[str, ...]]:
    """The line with the endings that a name may get; none if it may get none."""
    builder, base = catalogue.entries()[name]
    endings = [
        config.name.removeprefix(base.name)
        for config in builder.BUILDER_CONFIGS
        if config.variant_of == base.name
    ]
    if not endings:
        return []
    composed = {a + b for a, b in itertools.permutations(endings, 2)}
    single = [ending for ending in endings if ending not in composed]

    def place(ending: str) -> int:
        """How far behind the name it may stand: the same for endings that exclude each other."""
        return max(len(first) for first in ["", *endings] if first + ending in endings)

    groups = itertools.groupby(sorted(single, key=place), place)
    choices = " ".join("|".join(group) for _, group in groups)
    text = f"the same with one or several of these endings, in this order: {choices}"
    return [("", *("" for _ in SPLITS), "", "", text)]
