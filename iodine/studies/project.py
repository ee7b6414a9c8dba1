"""Latents of objects in the plane: Figures 24 to 29."""

from typing import Any

import numpy as np

from iodine.analysis import object_latents, projections
from iodine.analysis.factors import Factor, factors_of
from iodine.analysis.object_latents import ObjectLatents
from iodine.errors import UserError
from iodine.figures.projections import projection_figure
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject

_SLOT = Factor("slot", "categorical")


def study(subject: Subject) -> Findings:
    """Projects by principal components and by t-SNE, coloured by the true factors.

    Where the data have none, the slots that hold something are projected, coloured by their number.

    Raises:
        UserError: for too few objects, or latents that are not finite.
    """
    latents, factors = _latents(subject)
    points = {
        method: projections.project(latents.latents, method, subject.seed)
        for method in projections.METHODS
    }
    agreement = [
        {"projection": method, **row}
        for method, of in points.items()
        for row in projections.agreement(of, factors, latents.factors)
    ]
    parts = [
        f"{row['factor']} {row['agreement']:.2f} (chance {row['chance']:.2f}; {row['projection']})"
        for row in agreement
    ]
    return Findings(
        summary=f"{len(latents.latents)} objects; share of {projections.NEIGHBOURS} nearest "
        f"neighbours of the same category: {', '.join(parts) or 'no categories'}",
        numbers={"objects": len(latents.latents), "neighbours": agreement},
        table=_rows(latents, factors, points),
        figures={
            f"project_{method}": projection_figure(of, factors, latents.factors)
            for method, of in points.items()
        },
    )


def _latents(subject: Subject) -> tuple[ObjectLatents, list[Factor]]:
    """Of the true objects, or without them of the slots that hold something."""
    if all("mask" in batch and batch.get("factors") for batch in subject.batches):
        latents = object_latents.collect(
            subject.model.scene_model,
            subject.batches,
            subject.num_slots,
            subject.num_iterations,
            subject.seed,
        )
        return latents, factors_of(latents)
    result = subject.decompose(subject.images)
    image, slot = np.nonzero(result.object_slots)
    if not len(slot):
        raise UserError("no slot holds an object of these images; give others, or train longer")
    latents = ObjectLatents(
        latents=result.latent_mean[image, slot],
        factors={_SLOT.name: slot + 1},
        image=image,
        slot=slot,
        iou=np.full(len(slot), np.nan),
    )
    return latents, [_SLOT]


def _rows(
    latents: ObjectLatents, factors: list[Factor], points: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """A line for each object: where it lies, and what it is."""
    columns: dict[str, np.ndarray] = {"image": latents.image, "slot": latents.slot + 1}
    for method, of in points.items():
        columns |= {f"{method}_{axis + 1}": of[:, axis] for axis in range(2)}
    for name in (factor.name for factor in factors if factor != _SLOT):
        values = latents.factors[name]
        flat = values.reshape(len(values), -1).T
        names = [name] if len(flat) == 1 else [f"{name}[{i}]" for i in range(len(flat))]
        columns |= dict(zip(names, flat, strict=True))
    lists = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]
