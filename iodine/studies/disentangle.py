"""Whether single latents stand for single factors of objects: a number beside Figure 6."""

from iodine.analysis import disentanglement, object_latents
from iodine.analysis.factors import factors_of
from iodine.errors import UserError
from iodine.figures.importances import importances_figure
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject


def study(subject: Subject) -> Findings:
    """DCI of all factors that the data have.

    Raises:
        UserError: for a model without slots, data without masks or factors, fewer than two factors
            that differ between objects, or too few images.
    """
    model = subject.model.scene_model
    if model.spec.num_slots == 1:
        raise UserError(
            f"{subject.model.name} has one latent for a whole scene; disentanglement is of the "
            "latents of objects"
        )
    latents = object_latents.collect(
        model, subject.batches, subject.num_slots, subject.num_iterations, subject.seed
    )
    factors = factors_of(latents)
    found = disentanglement.measure(latents, factors)
    names = [factor.name for factor in factors]
    rows = [
        {
            "latent": i + 1,
            "disentanglement": float(d),
            **dict(zip(names, map(float, r), strict=True)),
        }
        for i, (d, r) in enumerate(zip(found.of_latents, found.importance, strict=True))
    ]
    by_factor = [
        {"factor": f.name, "kind": f.kind, "completeness": float(c), "informativeness": i}
        for f, c, i in zip(factors, found.of_factors, found.informativeness, strict=True)
    ]
    read = ", ".join(f"{row['factor']} {row['informativeness']:.3f}" for row in by_factor)
    return Findings(
        summary=f"disentanglement {found.disentanglement:.3f}, completeness "
        f"{found.completeness:.3f}; read by random forests: {read}",
        numbers={
            "disentanglement": found.disentanglement,
            "completeness": found.completeness,
            "factors": by_factor,
            "objects": len(latents.image),
        },
        table=rows,
        figures={"disentangle": importances_figure(found.importance, names)},
    )
