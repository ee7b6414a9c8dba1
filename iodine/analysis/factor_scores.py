"""How well every factor is read from the latents of a model's objects: Figure 5 of the paper."""

from collections.abc import Iterable, Mapping
from typing import Any

from iodine.analysis import object_latents, probes, scene_latents
from iodine.analysis.factors import factors_of
from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import FactorScore
from iodine.analysis.scene_latents import SceneLatents
from iodine.errors import UserError
from iodine.models.interface import SceneModel


def collect(
    model: SceneModel,
    batches: Iterable[Mapping[str, Any]],
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> ObjectLatents | SceneLatents:
    """The latents of all objects: each of its slot, or of a model without slots of its scene.

    Arguments and errors are those of `object_latents.collect`.
    """
    if model.spec.num_slots == 1:
        return scene_latents.collect(model, batches, seed)
    return object_latents.collect(model, batches, num_slots, num_iterations, seed)


def score(latents: ObjectLatents | SceneLatents) -> dict[str, FactorScore | str]:
    """By factor its score, or in one line why there is none, such as too few objects."""
    probe: Any = scene_latents.probe if isinstance(latents, SceneLatents) else probes.probe
    scores: dict[str, FactorScore | str] = {}
    for factor in factors_of(latents):
        try:
            [scores[factor.name]] = probe(latents, [factor])
        except UserError as error:
            scores[factor.name] = str(error)
    return scores


def as_row(name: str, found: FactorScore | str, absent: str = "") -> dict[str, Any]:
    """A line of a table: factor, kind, score and the rest; a reason where there is no score."""
    row: dict[str, Any] = {"factor": name}
    if isinstance(found, str):
        return {**row, **dict.fromkeys(FactorScore._fields[1:], absent), "reason": found}
    return {**row, **found._asdict(), "reason": ""} | {"name": name}
