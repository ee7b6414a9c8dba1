"""What many runs make of one ambiguous stimulus whose valid readings are known: Figure 10."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis import multistability
from iodine.analysis.multistability import Stimulus, Variant
from iodine.datasets import ambiguous_tetrominoes
from iodine.evaluation import spread
from iodine.evaluation.inference import Decomposition
from iodine.figures.multistability import Example, multistability_figure


def stimuli(scenes: Mapping[str, Any], block_size: int) -> list[Stimulus]:
    """The stimuli of scenes with `image` [B, H, W, 3] and the factor `readings`.

    Args:
        scenes: of one of the ambiguous data sets.
        block_size: side of its blocks in pixels.
    """
    size = scenes["image"].shape[1]
    return [
        Stimulus(
            image, ambiguous_tetrominoes.reading_label_maps(table, size, block_size), block_size
        )
        for image, table in zip(scenes["image"], scenes["factors"]["readings"], strict=True)
    ]


class Study(NamedTuple):
    """What many runs make of one stimulus."""

    numbers: dict[str, Any]
    figure: Figure


def study(
    longer: Sequence[Decomposition],
    last: int,
    stimulus: Stimulus,
    scene: int,
    heading: str,
    seed: int,
) -> Study:
    """Counts what the runs of one stimulus come to, and draws them as Figure 10 does.

    Args:
        longer: of all runs, after each iteration, t = 0 to some number from `last` on.
        last: the iteration that is looked at.
        stimulus: what all runs have seen.
        scene: its number.
        heading: of the figure's lower part.
        seed: the noise of run i is that of (seed, i).
    """
    iterations = longer[: last + 1]
    num_runs = len(iterations[-1].masks)
    result = iterations[-1]
    found = multistability.variants(result.masks, stimulus)
    latents = np.stack([i.latent_mean.reshape(num_runs, -1) for i in iterations])
    plane = multistability.principal_plane(latents[-1])
    background = multistability.background_slots(result.masks, stimulus)
    examples = [Example(*x) for x in _labelled(multistability.choose_examples(found))]
    curve = valid_shares(longer, [stimulus])
    numbers = {
        "summary": {
            "scene": scene,
            "runs": num_runs,
            "iterations": last,
            "distinct decompositions": len(found),
            "valid share": curve[last],
            "valid share at length": curve[-1],
            "readings found": sum(variant.reading is not None for variant in found),
            "readings": len(stimulus.label_maps),
            "most slot orders": max(len(variant.orders) for variant in found),
            "share of the background in one slot": spread.json_list(background[1].mean()),
        },
        "decompositions": [row(scene, *x, num_runs) for x in enumerate(found, 1)],
        "runs": run_records(result, stimulus, found, seed),
        "valid share by iteration": curve,
        "shown runs": [dataclasses.asdict(example) for example in examples],
        "latents": {
            "projected": "posterior means of all slots one after another; the axes are fitted to "
            "those of all runs after the last iteration",
            "variance shares": plane.variance_shares.tolist(),
            "points": spread.json_list(plane(latents[-1])),
            "paths": [spread.json_list(plane(latents[:, example.run])) for example in examples],
        },
    }
    drawn = (heading, stimulus, result, examples, found, plane, latents, background)
    return Study(numbers, multistability_figure(*drawn))


def valid_shares(iterations: Sequence[Decomposition], shown: Sequence[Stimulus]) -> list[float]:
    """Of all runs of all stimuli, after each iteration."""
    return [float(validity(iteration, shown).mean()) for iteration in iterations]


def validity(iteration: Decomposition, shown: Sequence[Stimulus]) -> np.ndarray:
    """Bool [stimuli, runs]."""
    by_stimulus = np.split(iteration.masks, len(shown))
    return np.stack(
        [multistability.is_valid(m, s) for m, s in zip(by_stimulus, shown, strict=True)]
    )


def row(scene: int, number: int, variant: Variant, num_runs: int) -> dict[str, Any]:
    """A line of the table; readings are numbered from 1."""
    orders = sorted(variant.orders.items(), key=lambda item: -len(item[1]))
    return {
        "scene": scene,
        "decomposition": number,
        "runs": len(variant.runs),
        "share": len(variant.runs) / num_runs,
        "valid": variant.reading is not None,
        "reading": "-" if variant.reading is None else variant.reading + 1,
        "groups": max(variant.grouping) + 1,
        "grouping of the blocks": "".join(str(group + 1) for group in variant.grouping),
        "slot orders": len(orders),
        "runs by slot order": "; ".join(
            f"{' '.join(str(slot + 1) for slot in order)}: {len(runs)}" for order, runs in orders
        ),
    }


def run_records(
    result: Decomposition, stimulus: Stimulus, found: Sequence[Variant], seed: int
) -> list[dict[str, Any]]:
    """What became of each run; its noise is that of (seed, its number)."""
    scores = multistability.reading_scores(result.masks, stimulus)
    background, shares = multistability.background_slots(result.masks, stimulus)
    number_of = {run: number for number, v in enumerate(found, 1) for run in v.runs}
    return [
        {
            "run": run,
            "seed": [seed, run],
            "decomposition": number_of[run],
            "best reading": int(np.argmax(scores[run])) + 1,
            "fg_ari": float(np.max(scores[run])),
            "elbo": spread.json_list(result.elbo[run]),
            "background slot": int(background[run]) + 1,
            "background share": spread.json_list(shares[run]),
        }
        for run in range(len(scores))
    ]


def _labelled(examples: Sequence[tuple[int, Variant]]) -> Iterator[tuple[int, str]]:
    """Left of the rows: what it is and how often it came, the same in how many in this order."""
    for run, variant in examples:
        name = "invalid" if variant.reading is None else f"valid {variant.reading + 1}"
        (same_order,) = (len(runs) for runs in variant.orders.values() if run in runs)
        count = f"{len(variant.runs)} run{'s' * (len(variant.runs) > 1)}"
        more = f",\n{same_order} in these slots" * (len(variant.orders) > 1)
        yield run, f"{name}: {count}{more}"
