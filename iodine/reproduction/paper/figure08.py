"""Figure 8: models trained with different numbers of iterations, run for many more."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iodine.evaluation import spread
from iodine.figures import decompositions as plots
from iodine.reproduction.framework import tasks, wording
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context, Run

# A median is as good as its best if it is within this share of its whole improvement, from the
# first iteration to the best one: when inference has converged, and until it diverges.
_AS_GOOD = 0.05
_QUARTERS = ("first_quartile", "median", "third_quartile")
_SHORT = 20  # characters of a legend whose entries have room beside each other
_SHOWN_ABOVE = 4  # times the largest value while training: where an axis ends


def _trainings(budget: Budget) -> list[Training]:
    numbers = budget.choose(smoke=(1, 2), cpu=(1, 2, 4, 6), paper=(1, 2, 4, 6))
    return [
        budget.training(
            f"T = {number}",
            tasks.CLEVR6,
            {"train.num_iterations": number},
            short=True,
            stand_in=True,
        )
        for number in numbers
    ]


def _make(context: Context) -> Findings:
    num_iterations = context.budget.choose(smoke=3, cpu=15, paper=15)
    curves = {
        label: curve(_refined(context, run, num_iterations), trained_with(run))
        for label, run in context.runs.items()
    }
    rows = [row for label, record in curves.items() for row in _rows(label, record)]
    return Findings(
        comparison=_comparison(curves),
        numbers={
            "test_iterations": num_iterations,
            "images": context.budget.num_images,
            "curves": {label: _as_json(record) for label, record in curves.items()},
        },
        table=rows,
        figures={"figure8": draw(curves, context.missing)},
    )


def trained_with(run: Run) -> int:
    """T of a run's training, the number of refinements."""
    return run.config.train.num_iterations or run.model.spec.num_iterations


def _refined(context: Context, run: Run, num_iterations: int) -> dict[str, np.ndarray]:
    """`Context.evaluate` after each refinement, t = 1 to T, [T, N].

    The unrefined decoding is left out: the paper's curves begin where something was inferred.
    """
    values = context.evaluate(run, num_iterations=num_iterations, may_diverge=True)
    return {name: array[1:] for name, array in values.items()}


def curve(values: dict[str, np.ndarray], trained: int) -> dict[str, Any]:
    """What Figure 8 shows of one model.

    Args:
        values: of `Context.evaluate` after each refinement, t = 1 to T, [T, N].
        trained: T of the training.

    Returns:
        By metric the `spread.quartiles`, [3, T]; `not_finite`, the images at each iteration whose
        ELBO or reconstruction is not finite, [T]; `images`, their number N, of which
        `without_foreground` do not count for the ARI; and what the medians say: `converged`
        (iteration), `gain_ari` and `gain_mse` (after more iterations than trained with: ARI
        gained, and share of the error lost), `diverges` (iteration, or None).
    """
    is_finite = spread.finite_images(values)
    counts = {name: spread.defined(values[name], is_finite) for name, *_ in spread.PANELS}
    record: dict[str, Any] = {
        name: spread.quartiles(values[name][:, counts[name]], is_finite[:, counts[name]], more)
        for name, _, more in spread.PANELS
    }
    ari, mse = record["fg_ari"][1], record["mse"][1]
    ends = [end for end in (diverges_at(-ari), diverges_at(mse)) if end]
    return record | {
        "trained": trained,
        "images": is_finite.shape[1],
        "without_foreground": int((~counts["fg_ari"]).sum()),
        "not_finite": (~is_finite).sum(axis=1),
        "converged": max(converged_at(-ari), converged_at(mse)),
        "diverges": min(ends, default=None),
        **_gains(ari, mse, trained),
    }


def _gains(ari: np.ndarray, mse: np.ndarray, trained: int) -> dict[str, float]:
    """What iterations beyond the T of training gain; not a number where that T is not reached."""
    if trained > len(ari) or not np.isfinite(mse[trained - 1]):
        return {"gain_ari": np.nan, "gain_mse": np.nan}
    return {
        "gain_ari": float(ari[trained - 1 :].max() - ari[trained - 1]),
        "gain_mse": float(1 - mse[trained - 1 :].min() / mse[trained - 1]),
    }


def converged_at(costs: np.ndarray) -> int:
    """The first iteration, from 1, that is as good as the best of all.

    Args:
        costs: [T], less is better; infinite ones are as bad as can be.
    """
    return int(np.argmax(costs <= costs.min() + _tolerance(costs))) + 1


def diverges_at(costs: np.ndarray) -> int | None:
    """The iteration, from 1, after the last that is as good as the best before it.

    None if that is the last one, [T]; 1 if none is finite.
    """
    as_good = np.isfinite(costs) & (costs <= np.minimum.accumulate(costs) + _tolerance(costs))
    if not as_good.any():
        return 1
    last = int(np.flatnonzero(as_good)[-1]) + 1
    return last + 1 if last < len(costs) else None


def _tolerance(costs: np.ndarray) -> float:
    finite = costs[np.isfinite(costs)]
    return _AS_GOOD * float(finite[0] - finite.min()) if len(finite) else 0.0


def draw(curves: dict[str, dict[str, Any]], missing: dict[str, str]) -> Figure:
    """Medians and shaded quartiles over refinements, from 1; a dot where training's T ends.

    Args:
        curves: of `curve`, by label.
        missing: what could not be had, to be named in the legend.
    """
    figure = Figure(figsize=(7, 2.9))
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.32, top=0.91, wspace=0.22)
    for letter, (name, title, _), axis in zip("abc", spread.PANELS, axes, strict=True):
        _set_range(axis, name, list(curves.values()))
        for number, (label, record) in enumerate(curves.items()):
            worst = int(record["not_finite"].max())
            note = f" ({worst} of {record['images']} images not finite)" if worst else ""
            color = plots.slot_color(number)
            _draw_curve(axis, record[name], record["trained"], color, label + note)
        axis.set_title(f"({letter}) {title}", fontsize=8)
        axis.set_xlabel("refinements at test time", fontsize=7)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    for label in missing:
        axes[0].plot([], [], color="0.7", label=f"{label}: not run")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        title="trained with (dot: where training ended)",
        loc="lower center",
        bbox_to_anchor=(0.5, 0),
        ncols=4 if max(map(len, labels), default=0) < _SHORT else 2,
        fontsize=7,
        title_fontsize=7,
        frameon=False,
    )
    return figure


def _set_range(axis: Axes, name: str, records: list[dict[str, Any]]) -> None:
    """Everything up to a few times what training reached; what diverges leaves the figure."""
    if name == "fg_ari":
        axis.set_ylim(-0.1, 1.05)
        return
    every = np.concatenate([record[name].ravel() for record in records])
    trained = np.concatenate([record[name][:, : record["trained"]].ravel() for record in records])
    trained = trained[np.isfinite(trained)]
    top = _SHOWN_ABOVE * trained.max() if len(trained) else 1.0
    shown = every[np.isfinite(every) & (every <= top)]
    scale = spread.scale_of(shown) if name == "mse" else "linear"  # the KL begins at about 0
    low, high = (shown.min(), shown.max()) if len(shown) else (0.0, 1.0)
    axis.set_yscale(scale)
    if scale == "log":
        axis.set_ylim(low / 1.3, high * 1.3)
    else:
        axis.set_ylim(0, high * 1.05 or 1.0)


def _draw_curve(
    axis: Axes, quartiles: np.ndarray, trained: int, color: np.ndarray, label: str
) -> None:
    """One model's median [T] and quartiles; infinite ones lie outside of the axis' range."""
    low, high = axis.get_ylim()
    first, median, third = quartiles
    steps = np.arange(1, len(median) + 1)
    axis.fill_between(
        steps,
        np.clip(first, low, high),
        np.clip(third, low, high),
        color=color,
        alpha=0.15,
        linewidth=0,
    )
    shown = np.where(np.isfinite(median), median, np.nan)
    axis.plot(steps, shown, color=color, linewidth=1.2, label=label)
    if trained <= len(steps):
        axis.plot(trained, shown[trained - 1], "o", color=color, markersize=5)


def _comparison(curves: dict[str, dict[str, Any]]) -> str:
    parts = [f"{label}: {_sentence(record)}" for label, record in curves.items()]
    return (
        "; ".join(parts)
        + " (the paper's converge within 3 to 5 iterations, improve beyond the T of training, and "
        "the shortest trained diverge after two to three times that T)"
    )


def _sentence(record: dict[str, Any]) -> str:
    trained, ari = record["trained"], record["fg_ari"][1]
    if trained > len(ari):
        return "run for fewer iterations than trained with"
    at_end = spread.json_number(ari[trained - 1])
    best = spread.json_number(ari.max())
    parts = [
        f"median ARI {at_end:.3f} at iteration {trained}" if at_end is not None else "not finite",
        f"best {best:.3f} at {int(ari.argmax()) + 1}" if best is not None else "never finite",
        f"converged by {record['converged']}",
    ]
    if record["gain_mse"] > 0.01 or record["gain_ari"] > 0.001:
        parts.append(f"error down by {record['gain_mse']:.0%} beyond T")
    else:
        parts.append("no better beyond T")
    diverges = record["diverges"]
    parts.append(f"diverges from {diverges}" if diverges else f"stable to {len(ari)}")
    if worst := int(record["not_finite"].max()):
        parts.append(f"{worst} of {record['images']} images not finite")
    return ", ".join(parts) + wording.without_foreground(record["without_foreground"])


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    quartiles = {
        name: {key: spread.json_list(row) for key, row in zip(_QUARTERS, record[name], strict=True)}
        for name, *_ in spread.PANELS
    }
    gains = {key: spread.json_number(record[key]) for key in ("gain_ari", "gain_mse")}
    names = ("trained", "images", "without_foreground", "converged", "diverges")
    kept = {key: record[key] for key in names}
    return kept | gains | quartiles | {"not_finite": record["not_finite"].tolist()}


def _rows(label: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """A line an iteration."""
    rows = []
    for t in range(len(record["not_finite"])):
        row: dict[str, Any] = {"trained with": label, "test iteration": t + 1}
        for name, *_ in spread.PANELS:
            low, median, high = (float(x) for x in record[name][:, t])
            row |= {f"{name} median": median, f"{name} 25 %": low, f"{name} 75 %": high}
        rows.append(row | {"images not finite": int(record["not_finite"][t])})
    return rows


FIGURE8 = Artifact(
    name="figure8",
    title="Models trained with 1, 2, 4 and 6 iterations, over 15 test iterations",
    claim="inference converges within 3 to 5 iterations, stays stable for much longer than it was "
    "trained for and improves a little, and diverges after about two to three times the number of "
    "training iterations",
    make=_make,
    trainings=_trainings,
)
