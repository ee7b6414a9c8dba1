"""What a run keeps of the data that it is trained on: others are not taken for them."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from iodine.errors import UserError
from iodine.training import run_folder as runs

_FILE = "data.json"
_SHOWN_DIGITS = 12


def read(folder: pathlib.Path) -> dict[str, Any] | None:
    """The identity of a run's data, as `datasets.identity` has it; None of an older version's run.

    Raises:
        UserError: if it is there and cannot be read.
    """
    path = folder / _FILE
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path} cannot be read ({error}); restore it from a copy") from None
    if not isinstance(values, dict) or not isinstance(values.get("digest"), str):
        raise UserError(f"{path} is not what a training writes there; restore it from a copy")
    return values


def keep(folder: pathlib.Path, identity: Mapping[str, Any] | None) -> None:
    """Writes the identity of the data, unless it is there: a run of an older version has none."""
    if identity is not None and read(folder) is None:
        runs.write_json(folder / _FILE, dict(identity))


def check_same(folder: pathlib.Path, identity: Mapping[str, Any] | None) -> None:
    """Raises UserError, saying in what they differ, for other data than the run began with."""
    began = read(folder)
    if began is None or identity is None or began["digest"] == identity["digest"]:
        return
    old, new = began.get("settings") or {}, identity["settings"]
    changes = [
        f"{name} {old.get(name)} there, {new.get(name)} now"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    raise UserError(
        f"run {folder} was started with other data of {began.get('dataset')}: digest "
        f"{began['digest'][:_SHOWN_DIGITS]} there, {identity['digest'][:_SHOWN_DIGITS]} now "
        f"({', '.join(changes) or 'the same settings, but other files'}); give the --data_dir that "
        "it began with, or another --run"
    )
