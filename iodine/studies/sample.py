"""Scenes drawn from the prior: what the decoder makes of slots that know nothing of each other."""

from typing import Any

import numpy as np

from iodine.analysis import traversals
from iodine.api.result import Scenes
from iodine.figures import decompositions as plots
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject


def study(subject: Subject, num_samples: int = 8) -> Findings:
    """Samples every slot's latent independently from the prior and decodes them together.

    Raises:
        UserError: for a model without a prior.
    """
    scenes = subject.model.sample(num_samples, subject.seed, subject.num_slots)
    is_object = traversals.object_slots(scenes.masks)
    rows = [
        [picture, segmentation, *(masks[..., np.newaxis] * components)]
        for picture, segmentation, masks, components in zip(
            scenes.reconstruction, scenes.segmentation, scenes.masks, scenes.components, strict=True
        )
    ]
    table = _rows(scenes, is_object)
    objects = is_object.sum(axis=1)
    return Findings(
        summary=f"{num_samples} scenes of {scenes.masks.shape[1]} slots; "
        f"{objects.mean():.2f} of them hold an object on average",
        numbers={"samples": num_samples, "objects": objects.tolist(), "slots": table},
        table=table,
        figures={"sample": plots.slots_grid(rows, ["scene", "segmentation"])},
    )


def _rows(scenes: Scenes, is_object: np.ndarray) -> list[dict[str, Any]]:
    """A line for each slot of each scene: its share of the pixels and its mean colour there."""
    num_slots = scenes.masks.shape[1]
    rows = []
    for sample, (masks, components) in enumerate(zip(scenes.masks, scenes.components, strict=True)):
        shares = np.bincount(masks.argmax(axis=0).ravel(), minlength=num_slots) / masks[0].size
        for slot in range(num_slots):
            weight = max(float(masks[slot].sum()), 1e-9)
            color = np.einsum("hw,hwc->c", masks[slot], components[slot]) / weight
            rows.append(
                {
                    "sample": sample,
                    "slot": slot + 1,
                    "share_of_pixels": float(shares[slot]),
                    "is_object": bool(is_object[sample, slot]),
                    **dict(zip(("red", "green", "blue"), map(float, color), strict=True)),
                }
            )
    return rows
