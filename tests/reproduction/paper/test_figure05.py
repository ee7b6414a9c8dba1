"""Figure 5: bars and rows say what the probes found, and what is not run."""

from types import SimpleNamespace

import numpy as np
import pytest

from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import FactorScore
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure05 as factor_scores


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


def test_one_latent_for_all_objects_is_not_probed():
    vae = SimpleNamespace(model=SimpleNamespace(spec=SimpleNamespace(num_slots=1)))
    context = SimpleNamespace(runs={"VAE": vae}, budget=Budget("smoke"))
    findings = factor_scores.FIGURE5.make(context)
    assert findings.comparison == (
        "IODINE not run; IODINE (deconv) not run; "
        "VAE not run (one latent for all objects, which matches none)"
    )
    [axes] = findings.figures["figure5"].axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["IODINE (not run)", "IODINE (deconv) (not run)", "VAE (not run)"]


def test_bars_are_as_high_as_the_scores():
    def of(score, name="x", kind="scalar"):
        return FactorScore(name, kind, score, 0.0, 0.01, 80, 20)

    scores = {
        "IODINE": {"x": of(0.9), "shape": of(0.7, "shape", "categorical")},
        "IODINE (deconv)": {"x": of(-0.2), "shape": "too few"},
    }
    [axes] = factor_scores.scores_figure(scores).axes
    heights = [[bar.get_height() for bar in group.patches] for group in axes.containers[1::2]]
    assert heights == [[0.9, 0.7], [0, 0], [0, 0]]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["IODINE", "IODINE (deconv)", "VAE (not run)"]
    assert [text.get_text() for text in axes.texts].count("not run") == 3  # a shape, and the VAE's
    titles = [text.get_text() for text in axes.get_xticklabels()]
    assert titles == ["x\n(R$^2$)", "shape\n(accuracy)"]
