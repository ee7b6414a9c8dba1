"""What tells data from others of the same name: their settings, and the bytes of their files."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import sys
from typing import Any

from iodine.datasets import reading
from iodine.datasets.scene_builder import SceneBuilder

_FILE = "digests.json"
_READERS = 8
_WORTH_TELLING = 10**10  # bytes, which take some seconds to read


def identity(builder: SceneBuilder) -> dict[str, Any]:
    """Name, version and settings of data that have been made, and a digest of all of them.

    The digest covers the bytes of every file. Those of a file are read once: its digest is kept in
    the data's folder, beside the file's size and time of change, and holds while these do.

    Args:
      builder: from `reading.open_dataset`.

    Returns:
      JSON types: `dataset`, `version`, `settings`, and `digest`, 64 hexadecimal digits.

    Raises:
      UserError: if a file is missing or not as long as it was written.
    """
    paths = [
        pathlib.Path(path)
        for split in builder.info.splits
        for path in reading.files(builder, split)
    ]
    told = {
        "dataset": builder.full_name,
        "version": str(builder.version),
        "settings": builder.stored_settings,
    }
    files = _digests(pathlib.Path(builder.data_path), sorted(paths))
    content = json.dumps([told["settings"], files], sort_keys=True)
    return {**told, "digest": hashlib.sha256(content.encode()).hexdigest()}


def _digests(folder: pathlib.Path, paths: list[pathlib.Path]) -> dict[str, str]:
    """SHA-256 by the names of files, of which those are read that are not as they were."""
    known = _known(folder)
    stats = {path: path.stat() for path in paths}
    entries: dict[str, dict[str, Any]] = {
        path.name: {"bytes": stat.st_size, "changed": stat.st_mtime_ns}
        for path, stat in stats.items()
    }
    unread = []
    for path in paths:
        entry, old = entries[path.name], known.get(path.name, {})
        if isinstance(old.get("sha256"), str) and old == {**entry, "sha256": old["sha256"]}:
            entries[path.name] = old
        else:
            unread.append(path)
    if unread:
        size = sum(stats[path].st_size for path in unread)
        if size > _WORTH_TELLING:
            print(f"reading {size / 1e9:.0f} GB of {folder} for their digest", file=sys.stderr)
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for path, digest in zip(unread, pool.map(_sha256, unread), strict=True):
                entries[path.name]["sha256"] = digest
        _keep(folder, entries)
    return {name: entry["sha256"] for name, entry in entries.items()}


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """What `_keep` wrote; nothing if it cannot be read."""
    try:
        values = json.loads((folder / _FILE).read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {name: entry for name, entry in values.items() if isinstance(entry, dict)}


def _keep(folder: pathlib.Path, entries: dict[str, dict[str, Any]]) -> None:
    new_file = folder / f"{_FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):  # a folder that may only be read is read again next time
        try:
            new_file.write_text(json.dumps(entries, indent=1) + "\n")
            new_file.replace(folder / _FILE)
        finally:
            new_file.unlink(missing_ok=True)
