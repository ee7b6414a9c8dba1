"""Figure 12 from clips whose figures are known, and from a small model."""

import dataclasses
import types

import numpy as np
import pytest
import small_models
import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import clip_scores, inference
from iodine.reproduction.framework import tasks, workloads
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure12

DATASET, OCCLUDED = "clips/made_up", "clips/occluded"
FRAMES = 4


def columns(*frames):
    """Label maps [F, 8, 8] of frames given by a digit for each column."""
    rows = np.array([[int(digit) for digit in frame] for frame in frames])
    return np.repeat(rows[:, np.newaxis], 8, axis=1)


TRUE = columns("00000012", "00000012", "00000002", "00000012")


def scores_of(labels):
    frames = np.random.default_rng(0).random((*TRUE.shape, 3))
    predictions = frames.copy()
    predictions[1:] = (frames[1:] + frames[:-1]) / 2  # half of what copying is wrong by
    masks = TRUE[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]
    return clip_scores.score_clip(frames, predictions, labels, 4, masks)


def summary_of(labels):
    summary = clip_scores.summarize([scores_of(labels)])
    return {"data set": DATASET, "clips that diverge": 1, **summary}


def test_what_is_said_of_clips():
    swapped = columns("00000012", "00000012", "00000003", "00000012")
    hidden = columns("00000012", "00000012", "00000002", "00000032")
    summaries = {
        figure12._CARRIED: summary_of(TRUE),
        figure12._RESTARTED: summary_of(swapped),
        figure12._HIDDEN: summary_of(hidden),
    }
    carried, restarted, of_hidden, paper = figure12._comparison(summaries).split("; ")
    assert carried == (
        "state carried: foreground ARI 1.000 of clips and 1.000 of frames, ID switches in 0.0% of "
        "object-frames and MOTA 1.000 (0.0% and 1.000 if the background does not count), 0.25 "
        "times the error of copying the last frame"
    )
    # Object 2 is in three of the five object-frames, and changes its slot twice.
    assert "ID switches in 40.0% of object-frames and MOTA 0.600" in restarted
    assert of_hidden == "of 1 objects that had a slot and were hidden for a while 0 have it again"
    assert paper.startswith("the paper shows one clip")
    row = figure12._row("a", summaries[figure12._RESTARTED])
    assert (row["clips"], row["clips that diverge"]) == (1, 1)
    assert row["ID switches by object-frames"] == pytest.approx(0.4)
    assert row["hidden and has its slot again in the foreground"] == 1
    assert row["error by copying's"] == pytest.approx(0.25)


def test_without_true_masks_there_is_an_error_only():
    scores = scores_of(TRUE)._replace(
        clip_fg_ari=np.nan, frame_fg_aris=None, mot=None, occlusions=None
    )
    summary = {"data set": DATASET, "clips that diverge": 0, **clip_scores.summarize([scores])}
    assert figure12._in_words("a", summary) == "a: 0.25 times the error of copying the last frame"
    assert figure12._row("a", summary)["MOTA"] is None


def context_of(model, missing=None):
    """At budget smoke, with random clips in place of data sets."""
    random = np.random.default_rng(0)
    clips = {name: np.float32(random.random((4, *TRUE.shape, 3))) for name in (DATASET, OCCLUDED)}
    masks = TRUE[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]

    def scenes(dataset, count):
        return {"image": clips[dataset][:count], "mask": np.stack([masks] * count)}

    data = types.SimpleNamespace(dataset=DATASET)
    config = types.SimpleNamespace(data=data)
    run = types.SimpleNamespace(model=model, folder="runs/a", config=config)
    return types.SimpleNamespace(
        budget=Budget("smoke"),
        runs={tasks.OBJECTS_ROOM_SEQUENCES: run},
        missing=missing or {},
        seed=3,
        batches=lambda dataset, count, batch_size: [scenes(dataset, count)],
        scenes=scenes,
    )


@pytest.fixture(scope="module")
def model():
    return small_models.build_model(small_models.small_config({"sequence.enabled": True}))


def test_shows_what_the_model_predicts(model, tmp_path):
    context = context_of(model)
    workload = context.budget.workload(tasks.OBJECTS_ROOM_SEQUENCES)
    workload = dataclasses.replace(workload, occluded=OCCLUDED)
    with workloads.registered("smoke", tasks.IODINE, tasks.OBJECTS_ROOM_SEQUENCES, workload):
        findings = figure12.FIGURE12.make(context)
    assert [row["inference"] for row in findings.table] == list(findings.numbers)
    assert findings.numbers["state carried"]["num_clips"] == 4
    # Two clips, and one of objects that are hidden: three rows, and one for each slot.
    pictures = [image.get_array() for image in findings.figures["figure12"].axes[0].images]
    size = (FRAMES - 1) * (3 + small_models.SLOTS)
    assert len(pictures) == 3 * size
    for place, (dataset, number) in enumerate([(DATASET, 0), (DATASET, 1), (OCCLUDED, 0)]):
        clip = context.scenes(dataset, 2)["image"]
        steps = inference.infer(model, tf.constant(clip), context.seed)
        of_clip = pictures[place * size : (place + 1) * size]
        np.testing.assert_allclose(of_clip[0], clip[number, 1], atol=1e-6)
        expected = np.clip(steps[1].reconstruction[number], 0, 1)
        np.testing.assert_allclose(of_clip[FRAMES - 1], expected, atol=1e-4)
    assert list(findings.pages) == ["figure12_0.gif", "figure12_1.gif"]
    findings.pages["figure12_0.gif"](tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_bytes().startswith(b"GIF89a")


def test_says_what_it_needs():
    still = small_models.build_model(small_models.small_config())
    with pytest.raises(UserError, match="runs/a holds a model of single images; Figure 12 shows"):
        figure12.FIGURE12.make(context_of(still))
    context = context_of(still, {tasks.OBJECTS_ROOM_SEQUENCES: "no data"})
    context.runs.clear()
    with pytest.raises(UserError, match="Figure 12 needs a model of clips: no data"):
        figure12.FIGURE12.make(context)
