"""Figure 10: one ambiguous stimulus, taken apart in several ways depending on the samples."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from iodine.analysis import multistability
from iodine.analysis.multistability import NoisyInference, Stimulus, Variant
from iodine.datasets import ambiguous_tetrominoes, catalogue
from iodine.errors import UserError
from iodine.evaluation import spread
from iodine.evaluation.inference import Decomposition
from iodine.figures.multistability import Example, multistability_figure
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

_LABEL = tasks.TETRIS  # whose pieces may touch, but for budget smoke
_LONGER = 2  # the share of valid readings is also reported after so many times T iterations
_RUNS_A_STIMULUS = 8  # where many stimuli are looked at


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(_LABEL, _LABEL)]


def _datasets(budget: Budget) -> list[str]:
    return [budget.workload(_LABEL).ambiguous]


def stimuli(context: Context, num_stimuli: int) -> list[Stimulus]:
    """The first test scenes of the budget's ambiguous data; scene 0 is the canonical one."""
    (name,) = _datasets(context.budget)
    block_size = catalogue.find(name)[1].block_size
    scenes = context.scenes(name, num_stimuli)
    size = scenes["image"].shape[1]
    return [
        Stimulus(
            image, ambiguous_tetrominoes.reading_label_maps(table, size, block_size), block_size
        )
        for image, table in zip(scenes["image"], scenes["factors"]["readings"], strict=True)
    ]


def _make(context: Context) -> Findings:
    if context.missing:
        reasons = "; ".join(context.missing.values())
        raise UserError(f"Figure 10 needs a model and a stimulus: {reasons}")
    shown = stimuli(context, context.budget.choose(smoke=2, cpu=40, paper=40))
    experiment = _Experiment.of(context)
    many = _many_stimuli(experiment, shown)
    # The canonical stimulus is shown whatever comes of it; beside it, and said to be chosen, the
    # one with most readings, since few stimuli have several for one model.
    headings = {0: "scene 0, the canonical stimulus"}
    headings.setdefault(
        _richest(many), f"scene {_richest(many)}, the one of {len(shown)} with most readings"
    )
    studies = {
        scene: _study(experiment, scene, shown[scene], headings[scene]) for scene in headings
    }
    names = ("figure10", "figure10_most_readings")
    return Findings(
        comparison=_comparison([study.numbers["summary"] for study in studies.values()], many),
        numbers={
            "scenes": [study.numbers for study in studies.values()],
            "many stimuli": many,
        },
        table=[row for study in studies.values() for row in study.numbers["decompositions"]],
        figures={name: s.figure for name, s in zip(names, studies.values(), strict=False)},
    )


@dataclasses.dataclass(frozen=True)
class _Experiment:
    """The trained model, run for longer than it is shown."""

    noisy: NoisyInference
    num_iterations: int  # of what is shown
    num_runs: int
    seed: int

    @classmethod
    def of(cls, context: Context) -> "_Experiment":
        """With the model's own number of iterations."""
        model = context.runs[_LABEL].model
        num_iterations = model.spec.num_iterations
        return cls(
            noisy=NoisyInference(model, _LONGER * num_iterations, context.seed),
            num_iterations=num_iterations,
            num_runs=context.budget.choose(smoke=8, cpu=100, paper=100),
            seed=context.seed,
        )

    def infer(
        self, shown: Sequence[Stimulus], num_runs: int, first: int = 0
    ) -> list[Decomposition]:
        """So many runs of each stimulus, one stimulus after another, numbered from `first`."""
        images = np.repeat([stimulus.image for stimulus in shown], num_runs, axis=0)
        return self.noisy(images, first)


class _Study(NamedTuple):
    """What many runs make of one stimulus."""

    numbers: dict[str, Any]
    figure: Figure


def _study(experiment: _Experiment, scene: int, stimulus: Stimulus, heading: str) -> _Study:
    num_runs, last = experiment.num_runs, experiment.num_iterations
    longer = experiment.infer([stimulus], num_runs)
    iterations = longer[: last + 1]
    result = iterations[-1]
    found = multistability.variants(result.masks, stimulus)
    latents = np.stack([i.latent_mean.reshape(num_runs, -1) for i in iterations])
    plane = multistability.principal_plane(latents[-1])
    background = multistability.background_slots(result.masks, stimulus)
    examples = [Example(*x) for x in _labelled(multistability.choose_examples(found))]
    curve = _valid_shares(longer, [stimulus])
    numbers = {
        "summary": {
            "scene": scene,
            "runs": num_runs,
            "iterations": experiment.num_iterations,
            "distinct decompositions": len(found),
            "valid share": curve[last],
            "valid share at length": curve[-1],
            "readings found": sum(variant.reading is not None for variant in found),
            "readings": len(stimulus.label_maps),
            "most slot orders": max(len(variant.orders) for variant in found),
            "share of the background in one slot": spread.json_list(background[1].mean()),
        },
        "decompositions": [_row(scene, *x, num_runs) for x in enumerate(found, 1)],
        "runs": _run_records(result, stimulus, found, experiment.seed),
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
    return _Study(numbers, multistability_figure(*drawn))


def _richest(many: dict[str, Any]) -> int:
    """The scene with most readings, of these the one with most valid runs, of these the first."""
    richness = list(zip(many["readings found of each"], many["valid share of each"], strict=True))
    return richness.index(max(richness))


def _valid_shares(iterations: Sequence[Decomposition], shown: Sequence[Stimulus]) -> list[float]:
    """Of all runs of all stimuli, after each iteration."""
    return [float(_validity(iteration, shown).mean()) for iteration in iterations]


def _validity(iteration: Decomposition, shown: Sequence[Stimulus]) -> np.ndarray:
    """Bool [stimuli, runs]."""
    by_stimulus = np.split(iteration.masks, len(shown))
    return np.stack(
        [multistability.is_valid(m, s) for m, s in zip(by_stimulus, shown, strict=True)]
    )


def _many_stimuli(experiment: _Experiment, shown: Sequence[Stimulus]) -> dict[str, Any]:
    # Other noise than that of the runs shown, which would else favour the scene chosen by these.
    iterations = experiment.infer(shown, _RUNS_A_STIMULUS, first=experiment.num_runs)
    curve = _valid_shares(iterations, shown)
    own = iterations[experiment.num_iterations]
    readings = [
        sum(variant.reading is not None for variant in multistability.variants(masks, stimulus))
        for masks, stimulus in zip(np.split(own.masks, len(shown)), shown, strict=True)
    ]
    return {
        "stimuli": len(shown),
        "runs each": _RUNS_A_STIMULUS,
        "first noise": [experiment.seed, experiment.num_runs],
        "valid share": curve[experiment.num_iterations],
        "valid share by iteration": curve,
        "valid share of each": _validity(own, shown).mean(axis=1).tolist(),
        "readings found of each": readings,
    }


def _row(scene: int, number: int, variant: Variant, num_runs: int) -> dict[str, Any]:
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


def _run_records(
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


def _comparison(summaries: Sequence[dict[str, Any]], many: dict[str, Any]) -> str:
    several = sum(number > 1 for number in many["readings found of each"])
    return "; ".join(
        [
            *(
                f"scene {s['scene']}: {s['distinct decompositions']} distinct decompositions in "
                f"{s['runs']} runs, among them {s['readings found']} of the {s['readings']} valid "
                f"readings, which are {s['valid share']:.0%} of the runs "
                f"({s['valid share at length']:.0%} at {_LONGER} times the iterations), one "
                f"decomposition in up to {s['most slot orders']} slot orders"
                for s in summaries
            ),
            f"{many['stimuli']} stimuli, {many['runs each']} runs each: {many['valid share']:.0%} "
            f"of the runs are valid, {several} stimuli got several readings",
            "the paper shows two readings of one stimulus, one of them in two slot orders, and an "
            "invalid segmentation",
        ]
    )


FIGURE10 = Artifact(
    name="figure10",
    title="Multi-stability: an ambiguous stimulus is taken apart in several ways",
    claim="depending on the samples, IODINE takes one image apart into permuted slots, into other "
    "valid pieces, and sometimes into an invalid segmentation",
    make=_make,
    trainings=_trainings,
    datasets=_datasets,
)
