"""The file of an evaluation, so that those with other settings lie beside each other."""

import re
from collections.abc import Mapping
from typing import Any


def stem(settings: Mapping[str, Any], usual: Mapping[str, Any], name: str = "evaluation") -> str:
    """The name, without ending, of the file with an evaluation's figures.

    Args:
        settings: what decides the figures, by name.
        usual: the same of the evaluation that is just called `name`.
        name: what every name begins with.

    Returns:
        As "evaluation", or "evaluation-split_validation-num_iterations_10": the settings that are
        not the usual ones, in their order. What a file's name should not hold becomes "_".
    """
    others = [f"-{key}_{value}" for key, value in settings.items() if value != usual[key]]
    return name + "".join(re.sub(r"[^\w.-]", "_", other) for other in others)
