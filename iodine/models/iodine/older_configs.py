"""Configurations as versions up to 0.3 wrote them, when there was one model and another T."""

from collections.abc import Mapping
from typing import Any

# What chose between exact shortcuts and the plain computation, which gave the same numbers.
_GONE = {"decoder": ("fast_first_layer",), "refinement": ("fast_first_layer", "fast_leave_one_out")}


def is_older(values: Mapping[str, Any]) -> bool:
    """Whether a configuration, as nested dictionaries, is from such a version."""
    return "kind" not in values["model"]


def counted_decodings(values: Mapping[str, Any]) -> bool:
    """Whether its T counts decodings, of which the first was trained as well.

    That version trained the released presets, and no others, as all are trained now.
    """
    return values["model"].get("refine_after_last") is False


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration as this version writes it."""
    model, train = dict(values["model"]), dict(values.get("train", {}))
    objective = dict(values.get("objective", {}))
    if counted_decodings(values):  # T decodings were T - 1 refinements
        model["num_iterations"] = max(model.get("num_iterations", 5) - 1, 1)
        if train.get("num_iterations"):
            train["num_iterations"] = max(train["num_iterations"] - 1, 1)
    model.pop("refine_after_last", None)
    model.setdefault("min_scale", 0.0)  # there was no floor
    objective.pop("iteration_weights", None)
    train["factor_regression"] = objective.pop("factor_regression", [])
    for section, names in _GONE.items():
        kept = dict(model.get(section, {})).items()
        model[section] = {name: value for name, value in kept if name not in names}
    model.update(kind="iodine", objective=objective)
    rest = {name: v for name, v in values.items() if name not in ("model", "train", "objective")}
    return {**rest, "model": model, "train": train}
