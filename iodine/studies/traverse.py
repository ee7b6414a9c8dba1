"""What single latents of one slot do to a scene: Figures 6 and 30 to 32."""

from iodine.analysis import traversals
from iodine.analysis.traversal_effects import (
    effect_table,
    effects_in_words,
    moved_pixels_of_scene,
)
from iodine.figures.traversals import traversal_figure
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject


def study(subject: Subject, scene: int = 0, num_latents: int = 6) -> Findings:
    """Traverses the latents that matter most over all images, of a slot that holds an object.

    Args:
        subject: whose images say which latents matter, by their KL.
        scene: number of the image that is traversed.
        num_latents: how many latents; all if there are fewer.

    Raises:
        UserError: for a model without prior or posterior, or a scene that does not exist.
    """
    shown = subject.scene(scene)
    model = subject.model.scene_model
    ranked_by = subject.decompose(subject.images)
    kl = traversals.kl_of_objects(model, ranked_by.decomposition)
    ranking = traversals.rank_latents(kl)
    masks, mean = ranked_by.masks[scene], ranked_by.latent_mean[scene]
    slot = traversals.any_slot(masks, subject.seed) if len(masks) > 1 else 0
    traversal = traversals.traverse(model, mean, slot, ranking[:num_latents])
    of_latent = kl.mean(axis=0)
    moved = moved_pixels_of_scene(traversal, shown["mask"][0]) if "mask" in shown else None
    rows = [
        {"scene": scene, "slot": slot + 1, **row}
        for row in effect_table(traversal, of_latent, moved)
    ]
    by_kl = ", ".join(f"z{row['latent']} {row['kl']:.2f}" for row in rows)
    summary = f"latents by KL in nats: {by_kl}"
    if len(masks) > 1:
        summary = f"{effects_in_words(rows)}; {summary}"
    return Findings(
        summary=summary,
        numbers={"kl": of_latent.tolist(), "latents": rows},
        table=rows,
        figures={
            name: traversal_figure(traversal, shown["image"][0], of_latent, what)
            for name, what in (("traverse", "reconstructions"), ("traverse_slot", "components"))
        },
    )
