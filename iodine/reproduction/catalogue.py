"""All artifacts, in the order of the paper."""

import difflib

from iodine.errors import UserError
from iodine.reproduction.artifact import Artifact
from iodine.reproduction.decompositions import FIGURE4
from iodine.reproduction.table1 import TABLE1

ARTIFACTS: tuple[Artifact, ...] = (TABLE1, FIGURE4)


def find(name: str) -> Artifact:
    """The artifact of that name. Raises UserError for an unknown one, listing the known."""
    known = {artifact.name: artifact for artifact in ARTIFACTS}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}" if close else ""
        raise UserError(f"unknown artifact {name!r}{hint}; known: {', '.join(known)}")
    return known[name]
