"""Figure 6: its three panels, what is measured of them, and what is told where one is lacking."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_models import SIDE, build_model, small_config

from iodine.analysis import traversals
from iodine.config import checks
from iodine.datasets import catalogue
from iodine.evaluation import inference
from iodine.models.parts.decoders import DecoderConfig
from iodine.models.vae.config import EncoderConfig, VaeConfig
from iodine.models.vae.model import Vae
from iodine.reproduction.framework import tasks
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.paper import figure06_30_to_32
from iodine.reproduction.paper import figure06_30_to_32 as latent_traversals
from iodine.reproduction.paper.figure06_30_to_32 import FIGURE6, FIGURE30_32, IODINE, MULTI, SINGLE

SCENES = 4


def small_vae():
    """A VAE whose latents change the picture by a lot."""
    config = VaeConfig(
        latent_size=3,
        encoder=EncoderConfig(channels=(4,), mlp_sizes=(5,)),
        decoder=DecoderConfig(channels=(3,), kernel_size=3),
    )
    model = Vae(config, (SIDE, SIDE, 3))
    model.infer(tf.zeros([1, SIDE, SIDE, 3]), {"z": tf.zeros([1, 1, 1, 3])})
    generator = np.random.default_rng(0)
    for variable in model.decoder.trainable_variables:
        variable.assign_add(0.3 * generator.standard_normal(variable.shape))
    return model


def scenes_of(dataset, count):
    """Two objects in each scene; in "single" one. More than `SCENES` are not there."""
    labels = np.zeros([SCENES, SIDE, SIDE], int)
    labels[:, 1:4, 1:4] = 1
    if dataset != "single":
        labels[:, 5:8, 4:8] = 2
    images = np.random.default_rng(1).uniform(size=(SCENES, SIDE, SIDE, 3)).astype(np.float32)
    masks = labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]
    return {"image": images[:count], "mask": masks.astype(np.float32)[:count]}


def run_of(model, dataset):
    return SimpleNamespace(
        model=model, config=SimpleNamespace(data=SimpleNamespace(dataset=dataset))
    )


@pytest.fixture(scope="module")
def runs():
    return {
        SINGLE: run_of(small_vae(), "single"),
        MULTI: run_of(small_vae(), "several"),
        IODINE: run_of(build_model(small_config()), "several"),
    }


@pytest.fixture(autouse=True)
def dci(monkeypatch):
    """Of scenes with factors, which these have none of; `tests/studies` has it of real ones."""
    found = {"disentanglement": 0.25, "completeness": 0.5}
    monkeypatch.setattr(figure06_30_to_32, "_disentanglement", lambda context: found)
    return found


def context_of(runs, missing=None, scenes=scenes_of):
    return SimpleNamespace(
        runs=runs,
        missing=missing or {},
        budget=Budget("smoke"),
        scenes=scenes,
        seed=0,
        with_pages=False,
    )


def test_three_panels_are_drawn_and_told(runs):
    findings = FIGURE6.make(context_of(runs))
    assert "DCI disentanglement 0.250, completeness 0.500" in findings.comparison
    by_model = {}
    for row in findings.table:
        by_model.setdefault(row["model"], []).append(row)
    assert list(by_model) == [SINGLE, MULTI, IODINE]
    assert [len(rows) for rows in by_model.values()] == [3, 3, 4]  # all the latents that there are
    for label, rows in by_model.items():
        kl = findings.numbers["kl"][label]
        assert [row["latent"] for row in rows] == np.argsort(-np.array(kl)).tolist()
        assert [row["kl"] for row in rows] == sorted(kl, reverse=True)
        assert (rows[0]["row_shift"] is None) == (label != IODINE)
        assert (rows[0]["share_of_others"] is None) == (label == SINGLE)
        assert rows[0]["share_of_own"] is not None
    [axes] = findings.figures["figure6"].axes
    texts = [text.get_text() for text in axes.texts]
    headings = list(latent_traversals._HEADINGS.values())
    assert [text for text in texts if text in headings] == headings
    assert len(axes.images) == 3 * 1 + (3 + 3 + 4) * len(traversals.DEFAULT_VALUES)
    assert f"{SINGLE}: a traversal moves" in findings.comparison
    assert findings.comparison.count("%) of the others") == 2
    assert "traversing 4 latents of one slot moves its object" in findings.comparison


def test_moved_pixels_are_means_over_scenes_and_latents(runs):
    """Against a loop that decodes every value by itself."""
    model = runs[MULTI].model
    scenes = scenes_of("several", SCENES)
    result = inference.decompose_iterations(model, tf.constant(scenes["image"]))[-1]
    own, others, shares = [], [], []
    for scene in range(latent_traversals.num_measured(Budget("smoke"))):
        for latent in range(3):
            pictures = []
            for value in traversals.DEFAULT_VALUES:
                z = result.latent_mean[scene].numpy().copy()
                z[0, latent] = value
                pictures.append(model.decode(tf.constant(z[np.newaxis]))[0][0, 0].numpy())
            moves = (np.max(pictures, axis=0) - np.min(pictures, axis=0)).max(axis=-1) > 0.1
            counts = [int((moves & (mask > 0)).sum()) for mask in scenes["mask"][scene][1:]]
            biggest = int(np.argmax(counts))
            areas = [9, 12]
            own.append(counts[biggest] / areas[biggest])
            others.append(counts[1 - biggest])
            shares.append(counts[1 - biggest] / areas[1 - biggest])
    found = FIGURE6.make(context_of(runs)).numbers["moved pixels"][MULTI]
    assert found["traversals"] == 6
    assert found["share_of_own"] == pytest.approx(np.mean(own))
    assert found["moved_others"] == pytest.approx(np.mean(others))
    assert found["share_of_others"] == pytest.approx(np.mean(shares))
    assert 0 < np.mean(shares) <= 1


def test_a_panel_without_a_run_says_why_and_the_others_stay(runs):
    context = context_of({MULTI: runs[MULTI]}, {SINGLE: "no data here", IODINE: "not trained"})
    findings = FIGURE6.make(context)
    assert {row["model"] for row in findings.table} == {MULTI}
    assert findings.comparison.startswith(f"{SINGLE} not run; {MULTI}: a traversal moves")
    assert findings.comparison.endswith("; IODINE not run")
    [axes] = findings.figures["figure6"].axes
    texts = [text.get_text() for text in axes.texts]
    assert "not run: no data here" in texts
    assert "not run: not trained" in texts


def test_data_without_masks_are_traversed_but_not_measured(runs):
    def scenes(dataset, count):
        return {"image": scenes_of(dataset, count)["image"]}

    findings = FIGURE6.make(context_of({MULTI: runs[MULTI]}, scenes=scenes))
    assert findings.table[0]["moved_others"] is None
    assert f"{MULTI} without masks" in findings.comparison


def test_figures_30_to_32_are_iodines_alone(runs):
    findings = FIGURE30_32.make(context_of({IODINE: runs[IODINE]}))
    assert set(findings.figures) == {"figure30", "figure31", "figure32"}
    assert {row["model"] for row in findings.table} == {IODINE}
    assert len({row["scene"] for row in findings.table}) == 3


@pytest.mark.parametrize("name", tasks.BUDGETS)
def test_every_budget_trains_all_panels_on_data_of_their_size(name):
    trainings = FIGURE6.trainings(Budget(name))
    assert [training.label for training in trainings] == [SINGLE, MULTI, IODINE]
    for training in trainings:
        checks.check(training.config)
        data = catalogue.entries()[training.config.data.dataset][1]
        assert set(data.image_size) == {training.config.data.image_size}
        assert (data.num_entities == 2) == (training.label == SINGLE)
        assert (training.config.model.kind == "vae") == (training.label != IODINE)
