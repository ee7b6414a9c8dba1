"""One image taken apart again and again with other samples: multi-stability, section 4.4."""

from typing import Any

import numpy as np

from iodine.analysis import multistability, rereading
from iodine.analysis.multistability import NoisyInference
from iodine.analysis.rereading import Reading
from iodine.errors import UserError
from iodine.evaluation import spread
from iodine.evaluation.inference import Decomposition
from iodine.figures.rereading import readings_figure, runs_figure
from iodine.studies import ambiguous
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject

_NEEDED = 2  # runs


def study(
    subject: Subject, scene: int = 0, num_runs: int = 50, block_size: int | None = None
) -> Findings:
    """Counts the distinct readings of one image.

    Args:
        subject: whose images hold the scene; the noise of run i is that of (seed, i).
        scene: number of the image.
        num_runs: how often it is read.
        block_size: side in pixels of the blocks of an ambiguous stimulus, whose valid readings are
            among its factors; None for other images.

    Raises:
        UserError: for a scene that does not exist, fewer than two runs, or a model without noise,
            which reads an image in one way.
    """
    shown, model = subject.scene(scene), subject.model.scene_model
    sizes = model.call_sizes(subject.num_slots, subject.num_iterations)
    if num_runs < _NEEDED:
        raise UserError(f"num_runs is {num_runs}; at least {_NEEDED} are needed")
    if not model.noise(*sizes):
        raise UserError(f"{subject.model.name} draws no samples, so it reads an image in one way")
    infer = NoisyInference(model, sizes[1], subject.seed, sizes[0])
    iterations = infer(np.repeat(shown["image"], num_runs, axis=0))
    if block_size is not None:
        return _of_known_readings(subject, shown, scene, iterations, block_size)
    result = iterations[-1]
    true_masks = shown["mask"][0] if "mask" in shown else None
    counted = rereading.counted_pixels(result.masks, true_masks)
    agreements = rereading.agreement(result.masks, counted)
    found = rereading.readings(result.masks, agreements, counted)
    latents = result.latent_mean.reshape(num_runs, -1)
    plane = multistability.principal_plane(latents)
    pairs = agreements[~np.eye(num_runs, dtype=bool)]
    labels = [f"{len(r.runs)} run{'s' * (len(r.runs) > 1)}" for r in found]
    return Findings(
        summary=f"{len(found)} distinct readings in {num_runs} runs, the most frequent in "
        f"{len(found[0].runs)}; two runs agree by an ARI of {pairs.mean():.3f} on average over "
        f"{int(counted.sum())} pixels",
        numbers={
            "scene": scene,
            "runs": num_runs,
            "readings": len(found),
            "mean agreement": float(pairs.mean()),
            "pixels": int(counted.sum()),
            "pixels are": "those of the true foreground"
            if true_masks is not None
            else "those that mostly belong to one slot by more than half",
            "each": [_reading(number, r, result) for number, r in enumerate(found, 1)],
        },
        table=_rows(found, result),
        figures={
            "reread": readings_figure(shown["image"][0], result, found, labels),
            "reread_runs": runs_figure(found, plane, latents),
        },
    )


def _of_known_readings(
    subject: Subject,
    shown: dict[str, Any],
    scene: int,
    iterations: list[Decomposition],
    block_size: int,
) -> Findings:
    """Figure 10 for this stimulus."""
    [stimulus] = ambiguous.stimuli(shown, block_size)
    last = len(iterations) - 1
    found = ambiguous.study(iterations, last, stimulus, scene, f"scene {scene}", subject.seed)
    of = found.numbers["summary"]
    return Findings(
        summary=f"{of['distinct decompositions']} distinct readings in {of['runs']} runs, among "
        f"them {of['readings found']} of the {of['readings']} valid ones, which are "
        f"{of['valid share']:.0%} of the runs; one in up to {of['most slot orders']} slot orders",
        numbers=found.numbers,
        table=found.numbers["decompositions"],
        figures={"reread": found.figure},
    )


def _reading(number: int, reading: Reading, result: Decomposition) -> dict[str, Any]:
    return {
        "reading": number,
        "runs": len(reading.runs),
        "slot orders": reading.orders,
        "shown run": reading.medoid,
        "mean elbo": spread.json_number(result.elbo[reading.runs].mean()),
    }


def _rows(found: list[Reading], result: Decomposition) -> list[dict[str, Any]]:
    """A line for each run, in their order."""
    number_of = {run: number for number, r in enumerate(found, 1) for run in r.runs}
    return [
        {"run": run, "reading": number_of[run], "elbo": spread.json_number(result.elbo[run])}
        for run in range(len(result.elbo))
    ]
