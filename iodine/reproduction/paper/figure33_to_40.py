"""Figures 33 to 40: the training without one of the refinement network's inputs."""

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from iodine.evaluation import spread
from iodine.figures import decompositions as plots
from iodine.models.iodine.config import RefinementConfig
from iodine.reproduction.framework import tasks, training_curves
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

ALL_INPUTS = "all inputs"
_FIGURES = {tasks.CLEVR6: (33, 36), tasks.TETRIS: (37, 40)}  # the paper's numbers
_PANELS = {
    "loss": "total loss (training)",
    "fg_ari": "foreground ARI (validation)",
    "mse": "mean squared error (validation)",
    "kl": "KL over slots and iterations (training)",
}
_METRICS = tuple(_PANELS)
_MARGIN = 0.05  # of final foreground ARI: what counts as hurting or helping
_WARM_UP = 0.1  # share of the steps that decides no axis' range
_LINE_STYLES = ("-", "--", "-.")  # 3, so that blue and light blue have different ones


def removed_inputs(budget: Budget) -> tuple[str, ...]:
    """The inputs that are removed, one a training."""
    return budget.choose(
        smoke=("image", "posterior_gradient"),
        cpu=("image", "posterior_gradient", "means_gradient", "mask_posterior"),
        paper=RefinementConfig().image_inputs + RefinementConfig().flat_inputs,
    )


def _trainings(budget: Budget) -> list[Training]:
    names = (None, *removed_inputs(budget))
    return [
        budget.training(_label(task, name), task, without(name) if name else None, short=True)
        for task in _FIGURES
        for name in names
    ]


def without(name: str) -> dict[str, Any]:
    """The overrides that remove an input of the paper's refinement network."""
    config = RefinementConfig()
    for field in ("image_inputs", "flat_inputs"):
        inputs = getattr(config, field)
        if name in inputs:
            return {f"model.refinement.{field}": tuple(i for i in inputs if i != name)}
    raise ValueError(f"{name} is no input of the refinement network")


def _label(task: str, removed: str | None) -> str:
    return f"{task}, {_short_label(removed)}"


def _short_label(removed: str | None) -> str:
    return f"without {removed.replace('_', ' ')}" if removed else ALL_INPUTS


def _make(context: Context) -> Findings:
    names = (None, *removed_inputs(context.budget))
    figures, numbers, rows, sentences = {}, {}, [], []
    for task, (first, last) in _FIGURES.items():
        labels = {_label(task, name): _short_label(name) for name in names}
        curves = {
            short: curves_of(context.runs[label].folder)
            for label, short in labels.items()
            if label in context.runs
        }
        curves = {short: record for short, record in curves.items() if len(record["steps"])}
        figures[f"figure{first}-{last}"] = draw(list(labels.values()), curves, first)
        finals = {short: final(record) for short, record in curves.items()}
        numbers[task] = {
            "final": {s: _json(values) for s, values in finals.items()},
            "curves": {s: _curves_as_json(record) for s, record in curves.items()},
        }
        rows += [{"data set": task, "inputs": s, **values} for s, values in finals.items()]
        sentences.append(f"{task}: {compare(finals) if finals else 'not run'}")
    return Findings(
        comparison="; ".join(sentences) + " (in the paper only removing the posterior gradient "
        "hurts, and on Tetris the image)",
        numbers=numbers,
        table=rows,
        figures=figures,
    )


def curves_of(run: str) -> dict[str, np.ndarray]:
    """A run's curves over the steps at which it was validated.

    Returns:
        `steps` [S]; `loss`, Eq. 4 of the training batches, mean since the validation before;
        `fg_ari` and `mse`, means over validation images after the last refinement; `kl`, of the
        training batches as `loss`, summed over slots and the decodings of training. All [S];
        S is 0 for a run without validations.
    """
    found = training_curves.read(run, ("train", "train_kl", "validation"))
    if "validation/mse" not in found or "train/loss" not in found:
        return {"steps": np.array([])}
    steps, mse = found["validation/mse"]
    kl = [
        training_curves.windowed(curve, steps)
        for tag, curve in found.items()
        if tag.startswith("train_kl/")
    ]
    return {
        "steps": steps,
        "loss": training_curves.windowed(found["train/loss"], steps),
        "fg_ari": found["validation/fg_ari"][1],
        "mse": mse,
        "kl": np.sum(kl, axis=0),
    }


def final(record: dict[str, np.ndarray]) -> dict[str, float]:
    """The last value of each curve; their `steps` besides."""
    return {"steps": int(record["steps"][-1])} | {m: float(record[m][-1]) for m in _METRICS}


def compare(finals: dict[str, dict[str, float]]) -> str:
    """Which removals hurt: final foreground ARI against that with all inputs."""
    aris = {label: values["fg_ari"] for label, values in finals.items()}
    if ALL_INPUTS not in aris:
        return "all inputs not run, so nothing to compare with"
    base = aris.pop(ALL_INPUTS)
    changes = {label.removeprefix("without "): ari - base for label, ari in aris.items()}
    text = f"final validation ARI {base:.3f} with all inputs"
    if not changes:
        return f"{text}, no other run"
    hurting = sorted((c, n) for n, c in changes.items() if c < -_MARGIN)
    harmless = sorted((c, n) for n, c in changes.items() if not c < -_MARGIN)
    listed = [
        f"removing {', '.join(f'{name} ({change:+.3f})' for change, name in group)} {verb}"
        for verb, group in (("hurts", hurting), ("does not hurt", harmless))
        if group
    ]
    return f"{text}; {', '.join(listed)} (by more than {_MARGIN})"


def draw(labels: list[str], curves: dict[str, dict[str, np.ndarray]], number: int) -> Figure:
    """Four panels, a curve a training; those without curves are "not run" in the legend.

    Args:
        labels: of all trainings, "all inputs" first.
        curves: of `curves_of`, by label.
        number: of the paper's figure that is the first panel.
    """
    rows_of_legend = -(-len(labels) // 3)
    bottom = 0.55 + 0.17 * rows_of_legend  # inches
    height = (4.3 if curves else 1.6) + bottom
    figure = Figure(figsize=(7, height))
    axes = figure.subplots(2, 2, sharex=True).ravel()
    figure.subplots_adjust(
        left=0.07,
        right=0.985,
        bottom=bottom / height,
        top=1 - 0.25 / height,
        wspace=0.16,
        hspace=0.2 if curves else 0.5,
    )
    for axis, metric in zip(axes, _METRICS, strict=True):
        _set_range(axis, metric, list(curves.values()))
        for label, style in zip(labels, _styles(), strict=False):
            record = curves.get(label)
            if record is None:
                axis.plot([], [], color="0.75", linestyle=":", label=f"{label}: not run")
            else:
                values = np.where(np.isfinite(record[metric]), record[metric], np.nan)
                marker = "." if len(values) < 3 else None
                axis.plot(record["steps"], values, label=label, marker=marker, **style)
        if not curves:
            axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center", color="0.5")
            axis.set(xticks=[], yticks=[])
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        if metric in ("loss", "kl"):
            axis.yaxis.set_major_formatter(EngFormatter(sep=""))
        axis.set_title(f"Figure {number}: {_PANELS[metric]}", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        number += 1
    for axis in axes[2:]:
        axis.set_xlabel("training step", fontsize=7)
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        texts,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.01),
        ncols=3,
        fontsize=7,
        handlelength=3.5,
        frameon=False,
    )
    return figure


def _styles():
    """Black for all inputs; then colours, each with another line style than its neighbours."""
    yield {"color": "black", "linewidth": 2.0, "zorder": 3}
    for number, style in zip(itertools.count(), itertools.cycle(_LINE_STYLES)):
        yield {"color": plots.slot_color(number), "linewidth": 1.2, "linestyle": style}


def _set_range(axis: Axes, metric: str, records: list[dict[str, np.ndarray]]) -> None:
    """All finite values but those of the first tenth of the steps, which leave the figure."""
    if metric == "fg_ari":
        axis.set_ylim(-0.05, 1.05)
        return
    late = [r[metric][r["steps"] > _WARM_UP * r["steps"][-1]] for r in records]
    values = np.concatenate([*late, np.array([])])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    scale = spread.scale_of(values)
    low, high = values.min(), values.max()
    pad = 0.05 * (high - low) or 1.0
    axis.set_yscale(scale)
    axis.set_ylim(*((low / 1.2, high * 1.2) if scale == "log" else (low - pad, high + pad)))


def _json(values: dict[str, float]) -> dict[str, float | None]:
    return {name: spread.json_number(value) for name, value in values.items()}


def _curves_as_json(record: dict[str, np.ndarray]) -> dict[str, list]:
    curves = {metric: spread.json_list(record[metric]) for metric in _METRICS}
    return {"steps": record["steps"].tolist()} | curves


FIGURE33_40 = Artifact(
    name="figure33-40",
    title="The refinement network without one of its inputs",
    claim="removing one input hardly matters, except the posterior gradient, which often improves "
    "performance and convergence, and on Tetris the image",
    make=_make,
    trainings=_trainings,
)
