"""Figure 10: one ambiguous stimulus, taken apart in several ways depending on the samples."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from iodine.analysis import multistability
from iodine.analysis.multistability import NoisyInference, Stimulus
from iodine.datasets import catalogue
from iodine.errors import UserError
from iodine.evaluation.inference import Decomposition
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context
from iodine.studies import ambiguous

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
    return ambiguous.stimuli(context.scenes(name, num_stimuli), block_size)


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
        scene: ambiguous.study(
            experiment.infer([shown[scene]], experiment.num_runs),
            experiment.num_iterations,
            shown[scene],
            scene,
            headings[scene],
            experiment.seed,
        )
        for scene in headings
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


def _richest(many: dict[str, Any]) -> int:
    """The scene with most readings, of these the one with most valid runs, of these the first."""
    richness = list(zip(many["readings found of each"], many["valid share of each"], strict=True))
    return richness.index(max(richness))


def _many_stimuli(experiment: _Experiment, shown: Sequence[Stimulus]) -> dict[str, Any]:
    # Other noise than that of the runs shown, which would else favour the scene chosen by these.
    iterations = experiment.infer(shown, _RUNS_A_STIMULUS, first=experiment.num_runs)
    curve = ambiguous.valid_shares(iterations, shown)
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
        "valid share of each": ambiguous.validity(own, shown).mean(axis=1).tolist(),
        "readings found of each": readings,
    }


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
