"""Figure 12: clips instead of images, each frame predicted and taken apart before it is seen."""

import functools
import operator
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import clip_scores, clips
from iodine.evaluation.clip_scores import ClipScores
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.restarts import Restarted
from iodine.evaluation.summary import diverged
from iodine.figures import sequences
from iodine.figures.grids import Block
from iodine.models.interface import SceneModel
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.artifact import Artifact, Findings
from iodine.reproduction.framework.budgets import Budget, Training
from iodine.reproduction.framework.context import Context

_LABEL = tasks.OBJECTS_ROOM_SEQUENCES
_BATCH = 16  # clips; the control reads each of their frames as a clip of its own
_CARRIED, _RESTARTED = "state carried", "slots start anew each frame"
_HIDDEN = "objects hidden for a while"
_REGIONS = {"mot": "", "mot_foreground": " in the foreground"}
_MEANS = ("clip_fg_ari", "frame_fg_ari", "next_frame_error", "copy_last_error")


def _trainings(budget: Budget) -> list[Training]:
    return [budget.training(_LABEL, _LABEL, stand_in=True)]


def _datasets(budget: Budget) -> list[str]:
    workload = budget.workload(_LABEL)
    return [workload.occluded] if workload and workload.occluded else []


def _make(context: Context) -> Findings:
    if _LABEL not in context.runs:
        raise UserError(f"Figure 12 needs a model of clips: {context.missing[_LABEL]}")
    run = context.runs[_LABEL]
    if run.model.spec.num_frames is None:
        raise UserError(f"{run.folder} holds a model of single images; Figure 12 shows clips")
    dataset = run.config.data.dataset
    summaries = {
        _CARRIED: _summary(context, run.model, dataset),
        _RESTARTED: _summary(context, Restarted(run.model), dataset),
    }
    blocks, pages = _shown(context, run.model, dataset, "")
    for name in _datasets(context.budget):
        if name in context.missing:
            blocks.append(Block(_HIDDEN, not_run=context.missing[name]))
            continue
        summaries[_HIDDEN] = _summary(context, run.model, name)
        of_hidden, _ = _shown(context, run.model, name, f", {_HIDDEN}", count=1)
        blocks += of_hidden
    return Findings(
        comparison=_comparison(summaries),
        numbers=summaries,
        table=[_row(name, summary) for name, summary in summaries.items()],
        figures={"figure12": sequences.at_print_size(blocks)},
        pages=pages,
    )


def _summary(context: Context, model: SceneModel, dataset: str) -> dict[str, Any]:
    """`clip_scores.summarize` of the clips that the model does not diverge on."""
    num_clips = context.budget.choose(smoke=4, cpu=320, paper=320)
    evaluator = Evaluator(model, seed=context.seed)
    is_bad = diverged(evaluator(context.batches(dataset, num_clips, _BATCH)))
    scores: list[ClipScores] = [
        clip for clip, bad in zip(evaluator.clip_scores, is_bad, strict=True) if not bad
    ]
    if not scores:
        raise UserError(f"the model diverges on all {num_clips} clips of {dataset}")
    return {
        "data set": dataset,
        "clips that diverge": int(is_bad.sum()),
        **clip_scores.summarize(scores),
    }


def _shown(
    context: Context, model: SceneModel, dataset: str, remark: str, count: int = 2
) -> tuple[list[Block], dict[str, Any]]:
    """The first test clips in the layout of the figure; and as animations, by file name."""
    frames = context.scenes(dataset, count)["image"]
    results = clips.decompose_clips(model, tf.constant(frames), context.seed).each(np.asarray)
    blocks, animations = [], {}
    for number, clip in enumerate(frames):
        result = results.each(operator.itemgetter(number))
        blocks.append(sequences.clip_block(f"clip {number}{remark}", clip, result))
        pictures = sequences.animation(clip, result)
        animations[f"figure12_{number}.gif"] = functools.partial(sequences.save_animation, pictures)
    return blocks, animations


def _row(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """A line of the table."""
    row = {
        "inference": name,
        "data set": summary["data set"],
        "clips": summary["num_clips"],
        "clips that diverge": summary["clips that diverge"],
        **{key: summary.get(key, {}).get("mean") for key in _MEANS},
        "error by copying's": summary["error_ratio"],
    }
    for region, remark in _REGIONS.items():
        mot = summary.get(region, {})
        row |= {
            f"ID switches by object-frames{remark}": mot.get("switches_share"),
            f"MOTA{remark}": mot.get("mota"),
            f"MOTP{remark}": mot.get("motp"),
            f"mostly tracked{remark}": mot.get("mostly_tracked_share"),
            f"hidden and has its slot again{remark}": mot.get("occlusions", {}).get("retained"),
            f"cases{remark}": mot.get("occlusions", {}).get("cases"),
        }
    return row


def _comparison(summaries: dict[str, dict[str, Any]]) -> str:
    parts = [_in_words(name, summaries[name]) for name in (_CARRIED, _RESTARTED)]
    if hidden := summaries.get(_HIDDEN, {}).get("mot_foreground"):
        kept = hidden["occlusions"]
        parts.append(
            f"of {kept['cases']} objects that had a slot and were hidden for a while "
            f"{kept['kept']} have it again"
        )
    parts.append(
        "the paper shows one clip, whose slots keep their objects in all 16 frames, and no figures"
    )
    return "; ".join(parts)


def _in_words(name: str, summary: dict[str, Any]) -> str:
    error = f"{_number(summary['error_ratio'], '.2f')} times the error of copying the last frame"
    if "clip_fg_ari" not in summary:
        return f"{name}: {error}"
    switches, motas = (
        [_number(summary[region][key], form) for region in _REGIONS]
        for key, form in (("switches_share", ".1%"), ("mota", ".3f"))
    )
    return (
        f"{name}: foreground ARI {summary['clip_fg_ari']['mean']:.3f} of clips and "
        f"{summary['frame_fg_ari']['mean']:.3f} of frames, ID switches in {switches[0]} of "
        f"object-frames and MOTA {motas[0]} ({switches[1]} and {motas[1]} if the background does "
        f"not count), {error}"
    )


def _number(value: float | None, form: str) -> str:
    return "no" if value is None else format(value, form)


FIGURE12 = Artifact(
    name="figure12",
    title="Objects Room sequences",
    claim="with a frame for each iteration and next-step prediction IODINE keeps the association "
    "of objects to slots over 16 frames, so that tracking comes almost for free",
    make=_make,
    trainings=_trainings,
    datasets=_datasets,
)
