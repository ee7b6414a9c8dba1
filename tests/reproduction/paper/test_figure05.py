"""Figure 5: bars and rows say what the probes found, and what is not run."""

from types import SimpleNamespace

import numpy as np
import pytest

from iodine.analysis import factor_scores
from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import FactorScore
from iodine.analysis.scene_latents import SceneLatents
from iodine.figures.factor_scores import scores_figure
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure05
from iodine.reproduction.paper.figure06_30_to_32 import FIGURE6


def linear_latents(num_images=200, shapes=3):
    """Three objects an image whose latents hold x and the shape linearly, with a few others."""
    rng = np.random.default_rng(0)
    count = 3 * num_images
    x, shape = rng.normal(size=count), rng.integers(1, shapes + 1, count)
    code = np.column_stack([x, np.eye(shapes + 1)[shape], rng.normal(size=(count, 2))])
    return ObjectLatents(
        latents=(code @ rng.normal(size=(code.shape[1],) * 2)).astype(np.float32),
        factors={"x": x.astype(np.float32), "shape": shape},
        image=np.repeat(np.arange(num_images), 3),
        slot=np.tile([0, 1, 2], num_images),
        iou=np.ones(count),
    )


def test_scores_reach_the_ceiling_where_latents_hold_the_factors_linearly():
    scores = factor_scores.score(linear_latents())
    assert list(scores) == ["x", "shape"]
    assert scores["x"].score > 0.99
    assert scores["shape"].score > 0.99
    assert scores["shape"].chance == pytest.approx(1 / 3, abs=0.1)


def test_a_factor_without_a_score_is_told_and_the_others_stay():
    latents = linear_latents()
    latents.factors["shape"][0] = 99  # occurs once
    scores = factor_scores.score(latents)
    assert scores["x"].score > 0.99
    assert "too few for a probe" in scores["shape"]


def scene_latents_of(objects):
    """The same objects, three an image, whose codes stand side by side in one latent."""
    together = objects.latents.reshape(-1, 3 * objects.latents.shape[1])
    return SceneLatents(
        np.repeat(together, 3, axis=0), objects.factors, objects.image, objects.slot
    )


def test_one_latent_for_all_objects_is_probed_in_their_order(monkeypatch):
    asked = []

    def collect(model, batches, seed):
        asked.append((model, batches, seed))
        return scene_latents_of(linear_latents())

    monkeypatch.setattr(factor_scores.scene_latents, "collect", collect)
    config = SimpleNamespace(data=SimpleNamespace(dataset="tetrominoes/generated"))
    vae = SimpleNamespace(model=SimpleNamespace(spec=SimpleNamespace(num_slots=1)), config=config)
    context = SimpleNamespace(
        runs={"VAE": vae},
        budget=Budget("smoke"),
        batches=lambda dataset, count: (dataset, count),
        seed=5,
    )
    findings = figure05.FIGURE5.make(context)
    assert asked == [(vae.model, ("tetrominoes/generated", 64), 5)]
    rows = {row["factor"]: row for row in findings.table}
    assert rows["x"]["model"] == "VAE"
    assert min(row["score"] for row in rows.values()) > 0.99
    assert rows["shape"]["num_test"] == 120
    assert findings.numbers["objects with a slot of their own"] == {}
    start, *_, deconv = findings.comparison.split("; ")
    assert start.startswith("VAE: x 0.99") or start.startswith("VAE: x 1.000")
    assert "one latent for all objects, which are told by their order" in findings.comparison
    assert deconv == "IODINE (deconv) not run"
    [axes] = findings.figures["figure5"].axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["IODINE (not run)", "IODINE (deconv) (not run)", "VAE"]
    heights = [bar.get_height() for bar in axes.containers[-1].patches]
    assert heights == [rows[name]["score"] for name in ("x", "shape")]


def test_the_vae_of_figure_5_is_that_of_figure_6():
    for name in ("smoke", "cpu", "paper"):
        budget = Budget(name)
        own, others = (
            [t.config for t in artifact.trainings(budget) if t.model == "VAE"]
            for artifact in (figure05.FIGURE5, FIGURE6)
        )
        assert own[0].model.kind == "vae"
        assert own[0] in others


def test_bars_are_as_high_as_the_scores():
    def of(score, name="x", kind="scalar"):
        return FactorScore(name, kind, score, 0.0, 0.01, 80, 20)

    scores = {
        "IODINE": {"x": of(0.9), "shape": of(0.7, "shape", "categorical")},
        "IODINE (deconv)": {"x": of(-0.2), "shape": "too few"},
    }
    [axes] = scores_figure(scores, figure05._MODELS).axes
    heights = [[bar.get_height() for bar in group.patches] for group in axes.containers[1::2]]
    assert heights == [[0.9, 0.7], [0, 0], [0, 0]]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["IODINE", "IODINE (deconv)", "VAE (not run)"]
    assert [text.get_text() for text in axes.texts].count("not run") == 3  # a shape, and the VAE's
    titles = [text.get_text() for text in axes.get_xticklabels()]
    assert titles == ["x\n(R$^2$)", "shape\n(accuracy)"]
