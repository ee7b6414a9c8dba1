"""How a decomposition comes about over the iterations of inference: Figures 7 and 8."""

from typing import Any

import numpy as np

from iodine.evaluation import spread
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.summary import METRICS, mean_over_images
from iodine.figures import decompositions as plots
from iodine.figures.iterations import iteration_curves
from iodine.studies.findings import Findings
from iodine.studies.subject import Subject

_PANELS = {"fg_ari": True, "mse": False, "kl": False, "neg_elbo": False}  # whether more is better


def study(subject: Subject, scene: int = 0) -> Findings:
    """Evaluates every iteration over all images, and draws one of them.

    Args:
        subject: with at least one image; without true masks there is no ARI.
        scene: number of the image that is drawn.

    Raises:
        UserError: for a scene that does not exist.
    """
    shown = subject.scene(scene)["image"]
    result = subject.decompose(shown, all_iterations=True)
    model = subject.model
    evaluator = Evaluator(
        model.scene_model, subject.num_slots, subject.num_iterations, subject.seed
    )
    values = evaluator(subject.batches)
    means = {name: mean_over_images(name, values[name]) for name in METRICS if name in values}
    num_images = values["mse"].shape[1]
    return Findings(
        summary=_in_words(means, num_images),
        numbers={
            "images": num_images,
            "means": {name: spread.json_list(mean) for name, mean in means.items()},
        },
        table=_rows(means),
        figures={
            "iterate": plots.iterations_figure(shown[0], result.iterations),
            "iterate_curves": iteration_curves(
                _quartiles(values), model.config.train.num_iterations or model.spec.num_iterations
            ),
        },
    )


def _quartiles(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By metric [3, S], of the images that it is defined for."""
    is_finite = spread.finite_images(values)
    found = {}
    for name, more_is_better in _PANELS.items():
        if name in values:
            counts = spread.defined(values[name], is_finite)
            if counts.any():
                found[name] = spread.quartiles(
                    values[name][:, counts], is_finite[:, counts], more_is_better
                )
    return found


def _rows(means: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A line for each step; a mean that is not defined is empty."""
    count = len(next(iter(means.values())))
    return [
        {"iteration": t, **{name: spread.json_number(mean[t]) for name, mean in means.items()}}
        for t in range(count)
    ]


def _in_words(means: dict[str, np.ndarray], num_images: int) -> str:
    name, title, best = "mse", "mean squared error", np.argmin
    if np.isfinite(means.get("fg_ari", np.nan)).any():
        name, title, best = "fg_ari", "foreground ARI", np.argmax
    curve = means[name]
    place = int(best(np.where(np.isfinite(curve), curve, -np.inf if name == "fg_ari" else np.inf)))
    of = f"{num_images} image{'s' * (num_images != 1)}"
    if len(curve) == 1:
        return f"{title} {curve[0]:.4g} over {of}; the model has one step of inference"
    return (
        f"{title} {curve[0]:.4g} after the first step, {curve[-1]:.4g} after {len(curve) - 1} "
        f"more, best {curve[place]:.4g} after {place} more; over {of}"
    )
