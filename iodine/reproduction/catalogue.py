"""All artifacts, in the order of the paper."""

import difflib
import re

from iodine.errors import UserError
from iodine.reproduction.framework.artifact import Artifact
from iodine.reproduction.paper.figure04_16_to_18 import FIGURE4, FIGURE16_18
from iodine.reproduction.paper.figure05 import FIGURE5
from iodine.reproduction.paper.figure06_30_to_32 import FIGURE6, FIGURE30_32
from iodine.reproduction.paper.figure07_19 import FIGURE7, FIGURE19
from iodine.reproduction.paper.figure08 import FIGURE8
from iodine.reproduction.paper.figure09 import FIGURE9
from iodine.reproduction.paper.figure10 import FIGURE10
from iodine.reproduction.paper.figure11 import FIGURE11
from iodine.reproduction.paper.figure12 import FIGURE12
from iodine.reproduction.paper.figure13_to_15 import FIGURE13_15
from iodine.reproduction.paper.figure20_to_22 import FIGURE20_22
from iodine.reproduction.paper.figure23 import FIGURE23
from iodine.reproduction.paper.figure24_to_29 import FIGURE24_29
from iodine.reproduction.paper.figure33_to_40 import FIGURE33_40
from iodine.reproduction.paper.section_a3 import SECTION_A3
from iodine.reproduction.paper.table1 import TABLE1

ARTIFACTS: tuple[Artifact, ...] = (
    TABLE1,
    SECTION_A3,
    FIGURE4,
    FIGURE5,
    FIGURE6,
    FIGURE7,
    FIGURE8,
    FIGURE9,
    FIGURE10,
    FIGURE11,
    FIGURE12,
    FIGURE13_15,
    FIGURE16_18,
    FIGURE19,
    FIGURE20_22,
    FIGURE23,
    FIGURE24_29,
    FIGURE30_32,
    FIGURE33_40,
)


def find(name: str) -> Artifact:
    """The artifact of that name, or that holds the figure: "figure14" is in "figure13-15".

    Raises:
        UserError: for an unknown one, listing the known.
    """
    known = {artifact.name: artifact for artifact in ARTIFACTS}
    if name in known:
        return known[name]
    for artifact in ARTIFACTS:
        numbers = re.fullmatch(r"figure(\d+)-(\d+)", artifact.name)
        number = re.fullmatch(r"figure(\d+)", name)
        if numbers and number and int(numbers[1]) <= int(number[1]) <= int(numbers[2]):
            return artifact
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}" if close else ""
    raise UserError(f"unknown artifact {name!r}{hint}; known: {', '.join(known)}")
