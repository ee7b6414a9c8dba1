"""Names of what programs write for a user's files."""

import pathlib
from collections.abc import Collection, Iterable

from iodine.errors import UserError


def unique_stems(paths: Iterable[str]) -> list[str]:
    """The files' names without their endings; those that come again get a number."""
    names: list[str] = []
    for path in paths:
        name = stem = pathlib.Path(path).stem
        number = 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names


def check_overwrites_none(
    paths: Iterable[str], folder: pathlib.Path, written: Collection[str]
) -> None:
    """Raises UserError if a file that is read is one of those that are `written` to a folder."""
    for path in map(pathlib.Path, paths):
        if path.name in written and path.resolve() == (folder / path.name).resolve():
            raise UserError(f"{path} would be overwritten; give another --output")
