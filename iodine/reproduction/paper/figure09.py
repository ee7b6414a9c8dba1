"""Figure 9: models trained with different numbers of slots, as they are and with more objects."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from iodine.evaluation import spread
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import tasks, wording
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

_SAME, _MORE = "same", "more"  # objects: as many as were trained on, or more
_COLORS = {_SAME: plots.slot_color(0), _MORE: plots.slot_color(1)}  # the paper's blue and orange
_OFFSETS = {_SAME: -0.19, _MORE: 0.19}
_BOX_WIDTH = 0.34


def _numbers(budget: Budget) -> tuple[int, ...]:
    return budget.choose(smoke=(3, 4), cpu=(2, 3, 4, 5), paper=(3, 5, 7, 9))


def _trainings(budget: Budget) -> list[Training]:
    return [
        budget.training(
            f"K = {number}",
            tasks.CLEVR6,
            {"model.num_slots": number},
            short=True,
            stand_in=True,
        )
        for number in _numbers(budget)
    ]


def _datasets(budget: Budget) -> list[str]:
    return [budget.workload(tasks.CLEVR6).more_objects]


def conditions(budget: Budget) -> dict[str, tuple[str, int]]:
    """Data set and number of slots of the blue boxes and of the orange ones."""
    workload = budget.workload(tasks.CLEVR6)
    config = budget.training("as it is", tasks.CLEVR6, stand_in=True).config
    return {
        _SAME: (config.data.dataset, config.model.num_slots),
        _MORE: (workload.more_objects, workload.more_slots),
    }


def _make(context: Context) -> Findings:
    tests = conditions(context.budget)
    boxes: dict[str, dict[str, Any]] = {}
    for label, run in context.runs.items():
        boxes[label] = {
            name: boxes_of(context.evaluate(run, dataset, num_slots, may_diverge=True))
            for name, (dataset, num_slots) in tests.items()
            if dataset not in context.missing
        }
    labels = [f"K = {number}" for number in _numbers(context.budget)]
    rows = [
        _row(label, name, tests, record)
        for label, by_test in boxes.items()
        for name, record in by_test.items()
    ]
    return Findings(
        comparison=_comparison(boxes, tests, context.missing),
        numbers={
            "images": context.budget.num_images,
            "tests": {
                name: {"data set": dataset, "slots": slots}
                for name, (dataset, slots) in tests.items()
            },
            "boxes": {
                label: {name: _as_json(record) for name, record in by_test.items()}
                for label, by_test in boxes.items()
            },
        },
        table=rows,
        figures={"figure9": draw(labels, boxes, tests, context.missing)},
    )


def boxes_of(values: dict[str, np.ndarray]) -> dict[str, Any]:
    """What Figure 9 shows of one evaluation, after its last iteration.

    Args:
        values: of `Context.evaluate`, [T + 1, N].

    Returns:
        `spread.box` by metric; `not_finite`, the number of images whose ELBO or reconstruction is
        not finite; `without_foreground`, the number that do not count for the ARI.
    """
    is_finite = spread.finite_images(values)
    counts = {name: spread.defined(values[name], is_finite) for name, *_ in spread.PANELS}
    last = is_finite[-1]
    record: dict[str, Any] = {
        name: spread.box(values[name][-1, counts[name]], last[counts[name]], more)
        for name, _, more in spread.PANELS
    }
    return record | {
        "not_finite": int((~last).sum()),
        "without_foreground": int((~counts["fg_ari"]).sum()),
    }


def draw(
    labels: list[str],
    boxes: dict[str, dict[str, Any]],
    tests: dict[str, tuple[str, int]],
    missing: dict[str, str],
) -> Figure:
    """A panel a metric, a column a model, blue and orange boxes.

    Args:
        labels: of the columns; those without boxes are "not run".
        boxes: of `boxes_of`, by label and test.
        tests: of `conditions`.
        missing: why a data set could not be had.
    """
    figure = Figure(figsize=(7, 2.8))
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.28, top=0.91, wspace=0.25)
    diverged = not_finite(boxes)
    for letter, (metric, title, _), axis in zip("abc", spread.PANELS, axes, strict=True):
        _set_range(axis, metric, boxes)
        for column, label in enumerate(labels):
            for name, record in boxes.get(label, {}).items():
                _draw_box(axis, column + _OFFSETS[name], record[metric], _COLORS[name])
            if label not in boxes:
                axis.text(column, 0.5, "not run", transform=axis.get_xaxis_transform(), **_NOT_RUN)
        axis.set_title(f"({letter}) {title}", fontsize=8)
        stars = ["*" if label in diverged else "" for label in labels]
        axis.set_xticks(
            range(len(labels)),
            [f"{number_of(label)}{star}" for label, star in zip(labels, stars, strict=True)],
        )
        axis.set_xlim(-0.6, len(labels) - 0.4)
        axis.set_xlabel("slots while training", fontsize=7)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    patches = []
    for name, (dataset, slots) in tests.items():
        why = ": not run" if dataset in missing else ""
        patches.append(
            Patch(color=_COLORS[name], alpha=0.6, label=f"{slots} slots on {dataset}{why}")
        )
    figure.legend(
        handles=patches,
        title="; ".join(f"* {label}: {text}" for label, text in diverged.items()) or None,
        title_fontsize=7,
        loc="lower center",
        bbox_to_anchor=(0.5, 0),
        ncols=2,
        fontsize=7,
        frameon=False,
    )
    return figure


_NOT_RUN = {"fontsize": 7, "color": "0.5", "rotation": 90, "ha": "center", "va": "center"}


def _set_range(axis: Axes, metric: str, boxes: dict[str, dict[str, Any]]) -> None:
    """All boxes and whiskers that are finite."""
    if metric == "fg_ari":
        axis.set_ylim(-0.25, 1.05)
        return
    values = np.array(
        [x for by_test in boxes.values() for r in by_test.values() for x in r[metric].values()]
    )
    scale = spread.scale_of(values)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    axis.set_yscale(scale)
    if scale == "log":
        axis.set_ylim(low / 1.3, high * 1.3)
    else:
        axis.set_ylim(0, high * 1.05 or 1.0)


def _draw_box(axis: Axes, x: float, stats: dict[str, float], color: np.ndarray) -> None:
    """One box; what is infinite reaches to the end of the axis."""
    low, high = axis.get_ylim()
    shown = {key: float(np.clip(value, low, high)) for key, value in stats.items()}
    axis.bxp(
        [shown],
        positions=[x],
        widths=_BOX_WIDTH,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": (*color, 0.6), "edgecolor": color, "linewidth": 0.8},
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"color": color, "linewidth": 0.8},
        capprops={"color": color, "linewidth": 0.8},
    )


def _comparison(
    boxes: dict[str, dict[str, Any]], tests: dict[str, tuple[str, int]], missing: dict[str, str]
) -> str:
    needed = tests[_SAME][1]
    diverged = not_finite(boxes)
    parts = []
    for label, by_test in boxes.items():
        medians = {
            metric: [f"{record[metric]['med']:.{digits}f}" for record in by_test.values()]
            for metric, digits in (("fg_ari", 3), ("mse", 4), ("kl", 0))
        }
        parts.append(
            f"{label}: ARI {', '.join(medians['fg_ari'])}, MSE {', '.join(medians['mse'])}, "
            f"KL {', '.join(medians['kl'])}"
            + (f" ({diverged[label]})" if label in diverged else "")
            + wording.without_foreground(sum(r["without_foreground"] for r in by_test.values()))
        )
    groups = {
        "enough": [by for label, by in boxes.items() if number_of(label) >= needed],
        "too few": [by for label, by in boxes.items() if number_of(label) < needed],
    }
    for name in tests:
        aris, kls = ([mean_median(g, name, m) for g in groups.values()] for m in ("fg_ari", "kl"))
        if all(map(math.isfinite, (*aris, *kls))):
            parts.append(
                f"{'more' if name == _MORE else 'as many'} objects: ARI {aris[0]:.3f} if trained "
                f"with {needed} slots or more, {aris[1]:.3f} with fewer, whose KL is "
                f"{kls[1] / kls[0]:.2f} times as high"
            )
    if lacking := [why for name, why in missing.items() if name == tests[_MORE][0]]:
        parts.append(f"more objects not run: {lacking[0]}")
    first = f"medians with {tests[_SAME][1]} slots on as many objects as trained on"
    if not lacking:
        first += f", then {tests[_MORE][1]} slots on more"
    return (
        f"{first}: {'; '.join(parts)} (the paper's ARI with too few slots is lower and its KL "
        "higher, and with enough slots more objects cost little)"
    )


def not_finite(boxes: dict[str, dict[str, Any]]) -> dict[str, str]:
    """How many images of each model are not finite, where any is; arguments as for `draw`."""
    numbers = {
        label: sum(record["not_finite"] for record in by_test.values())
        for label, by_test in boxes.items()
    }
    return {label: f"{n} images not finite, counted as worst" for label, n in numbers.items() if n}


def number_of(label: str) -> int:
    """K of a training's label."""
    return int(label.removeprefix("K = "))


def mean_median(group: list[dict[str, Any]], test: str, metric: str) -> float:
    """The mean over models of the medians of one test; not a number for no model."""
    medians = [by_test[test][metric]["med"] for by_test in group if test in by_test]
    return float(np.mean(medians)) if medians else math.nan


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    boxes = {
        metric: {key: spread.json_number(value) for key, value in record[metric].items()}
        for metric, *_ in spread.PANELS
    }
    return boxes | {key: record[key] for key in ("not_finite", "without_foreground")}


def _row(
    label: str, test: str, tests: dict[str, tuple[str, int]], record: dict[str, Any]
) -> dict[str, Any]:
    dataset, slots = tests[test]
    row: dict[str, Any] = {"trained with": label, "tested with": f"K = {slots}", "on": dataset}
    for metric, *_ in spread.PANELS:
        row |= {f"{metric} {key}": value for key, value in record[metric].items()}
    return row | {
        "images not finite": record["not_finite"],
        "images without foreground": record["without_foreground"],
    }


FIGURE9 = Artifact(
    name="figure9",
    title="Models trained with different numbers of slots",
    claim="trained with enough slots for all objects (7, 9) IODINE also segments scenes with more "
    "objects; with too few (3, 5) its ARI is lower and its KL much higher, even with more slots "
    "at test time",
    make=_make,
    trainings=_trainings,
    datasets=_datasets,
)
