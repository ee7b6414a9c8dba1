"""How well a linear layer reads the true factors of objects from their latents: Figure 5."""

from iodine.analysis import factor_scores, object_latents
from iodine.analysis.object_latents import ObjectLatents
from iodine.errors import UserError
from iodine.figures.factor_scores import scores_figure
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject


def study(subject: Subject) -> Findings:
    """Probes every factor that the data have.

    Raises:
        UserError: for data without masks or factors, without a factor that differs between objects,
            or too few images for any probe.
    """
    latents = factor_scores.collect(
        subject.model.scene_model,
        subject.batches,
        subject.seed,
        subject.num_slots,
        subject.num_iterations,
    )
    scores = factor_scores.score(latents)
    found = {name: score for name, score in scores.items() if not isinstance(score, str)}
    if not found:
        reasons = "; ".join(str(reason) for reason in scores.values())
        raise UserError(reasons or "no factor of the data differs between objects; give other data")
    rows = [factor_scores.as_row(name, score) for name, score in scores.items()]
    numbers = {"objects": len(latents.image), "scores": rows}
    how = "one latent for all objects, which are told by their order"
    if isinstance(latents, ObjectLatents):
        rate = object_latents.matching_rate(latents)
        numbers["objects with a slot of their own"] = rate
        how = (
            f"{rate:.0%} of {len(latents.image)} objects have a slot of their own (intersection "
            "over union above 0.5, the background's pixels counted)"
        )
    parts = [f"{name} {s.score:.3f} (chance {s.chance:.3f})" for name, s in found.items()]
    return Findings(
        summary=f"{', '.join(parts)}; {how}",
        numbers=numbers,
        table=rows,
        figures={"probe": scores_figure({subject.model.name: scores}, [subject.model.name])},
    )
