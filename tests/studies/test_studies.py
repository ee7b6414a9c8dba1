"""What each study finds of a small model, against the parts that it is made of."""

import json

import numpy as np
import pytest
import tensorflow as tf
from linear_slots import LinearSlots, LinearSlotsConfig
from PIL import Image
from small_models import LATENT, SIDE, SLOTS, build_model, small_config, whole_config

from iodine.analysis import disentanglement, multistability, object_latents
from iodine.analysis.factors import Factor
from iodine.api.model import Model
from iodine.datasets import ambiguous_tetrominoes
from iodine.errors import UserError
from iodine.evaluation import ari, inference
from iodine.models.vae.config import EncoderConfig, VaeConfig
from iodine.models.vae.model import Vae
from iodine.studies import disentangle, iterate, probe, project, reread, sample, traverse
from iodine.studies.findings import write
from iodine.studies.subject import Subject

NUM_IMAGES = 60


def scenes():
    """Two batches of two blocks each on black: the first of any colour, the second gray."""
    rng = np.random.default_rng(0)
    labels = np.zeros([NUM_IMAGES, SIDE, SIDE], int)
    images = np.zeros([NUM_IMAGES, SIDE, SIDE, 3], np.float32)
    x = np.zeros([NUM_IMAGES, 3], np.float32)
    color = np.zeros([NUM_IMAGES, 3], np.int32)
    for i in range(NUM_IMAGES):
        for entity in (1, 2):
            column = rng.integers(0, SIDE - 2)
            row = 4 * (entity - 1)
            shade = rng.integers(1, 3)
            labels[i, row : row + 3, column : column + 3] = entity
            images[i, row : row + 3, column : column + 3] = (shade / 2, 1 - shade / 2, 0.2)
            x[i, entity], color[i, entity] = column, shade
    masks = labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]
    batch = {
        "image": images,
        "mask": masks.astype(np.float32),
        "visibility": np.ones([NUM_IMAGES, 3], np.float32),
        "factors": {"x": x, "color": color},
    }
    half = NUM_IMAGES // 2
    return [tf.nest.map_structure(lambda a, r=r: a[r], batch) for r in (np.s_[:half], np.s_[half:])]


BATCHES = scenes()
BARE = [{"image": batch["image"]} for batch in BATCHES]


@pytest.fixture(scope="module")
def model():
    made = build_model(small_config())
    return Model(whole_config(made.config), made, "small")


@pytest.fixture(scope="module")
def vae():
    config = VaeConfig(latent_size=3, encoder=EncoderConfig(channels=(4,), mlp_sizes=(5,)))
    made = Vae(config, (SIDE, SIDE, 3))
    return Model(whole_config(config), made, "vae")


def test_a_scene_is_found_in_its_batch(model):
    subject = Subject(model, BATCHES)
    scene = subject.scene(45)
    np.testing.assert_array_equal(scene["image"], BATCHES[1]["image"][15:16])
    np.testing.assert_array_equal(scene["factors"]["x"], BATCHES[1]["factors"]["x"][15:16])
    with pytest.raises(UserError, match="there is no scene 60; the images are 0 to 59"):
        subject.scene(60)


def test_probe(model, vae):
    findings = probe.study(Subject(model, BATCHES))
    rows = {row["factor"]: row for row in findings.table}
    assert set(rows) == {"x", "color"}
    assert rows["color"]["kind"] == "categorical"
    assert findings.numbers["objects"] == 2 * NUM_IMAGES
    assert f"x {rows['x']['score']:.3f} (chance 0.000)" in findings.summary
    [axes] = findings.figures["probe"].axes
    heights = [bar.get_height() for bar in axes.containers[-1].patches]
    assert heights == [max(row["score"], 0) for row in findings.table]
    assert "one latent for all objects" in probe.study(Subject(vae, BATCHES)).summary
    with pytest.raises(UserError, match="the data have no mask and no visibility and no factors"):
        probe.study(Subject(model, BARE))


def test_disentangle(model, vae):
    """Against the measure on latents that are collected here."""
    findings = disentangle.study(Subject(model, BATCHES))
    latents = object_latents.collect(model.scene_model, BATCHES)
    factors = [Factor("x", "scalar"), Factor("color", "categorical")]
    expected = disentanglement.measure(latents, factors)
    assert findings.numbers["disentanglement"] == expected.disentanglement
    assert findings.numbers["completeness"] == expected.completeness
    assert [row["factor"] for row in findings.numbers["factors"]] == ["x", "color"]
    assert len(findings.table) == LATENT
    table = np.array([[row["x"], row["color"]] for row in findings.table])
    np.testing.assert_array_equal(table, expected.importance)
    assert f"disentanglement {expected.disentanglement:.3f}, completeness" in findings.summary
    shown = findings.figures["disentangle"].axes[0].images[0].get_array()
    np.testing.assert_allclose(np.sort(shown, axis=1), np.sort(table.T, axis=1))
    with pytest.raises(UserError, match="vae has one latent for a whole scene"):
        disentangle.study(Subject(vae, BATCHES))
    with pytest.raises(UserError, match="the data have no mask"):
        disentangle.study(Subject(model, BARE))


def test_project(model):
    findings = project.study(Subject(model, BATCHES))
    assert set(findings.figures) == {"project_pca", "project_tsne"}
    assert len(findings.table) == 2 * NUM_IMAGES
    place = np.array([[row["pca_1"], row["pca_2"]] for row in findings.table])
    latents = np.stack(
        [
            inference.infer_by_example(
                model.scene_model, tf.constant(batch["image"]), tf.range(first, first + 30)
            )[-1].latents
            for batch, first in zip(BATCHES, (0, 30), strict=True)
        ]
    ).reshape(NUM_IMAGES, SLOTS, LATENT)
    own = np.stack([latents[row["image"], row["slot"] - 1] for row in findings.table])
    centred = own - own.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(place), np.abs(centred @ axes[:2].T), atol=1e-4)
    x = np.concatenate([batch["factors"]["x"] for batch in BATCHES])
    assert [row["x"] for row in findings.table] == x[:, 1:].ravel().tolist()


def test_project_without_ground_truth(model):
    findings = project.study(Subject(model, BARE))
    result = model.decompose(np.concatenate([batch["image"] for batch in BARE]))
    expected = np.argwhere(result.object_slots)
    assert [[row["image"], row["slot"] - 1] for row in findings.table] == expected.tolist()
    assert {row["factor"] for row in findings.numbers["neighbours"]} == {"slot"}


def test_traverse(model, vae):
    findings = traverse.study(Subject(model, BATCHES), scene=40, num_latents=3)
    kl = findings.numbers["kl"]
    assert [row["latent"] for row in findings.table] == np.argsort(-np.array(kl))[:3].tolist()
    assert all(row["moved_others"] is not None for row in findings.table)
    assert "traversing 3 latents of one slot moves its object by up to" in findings.summary
    assert set(findings.figures) == {"traverse", "traverse_slot"}
    bare = traverse.study(Subject(vae, BARE))
    assert bare.table[0]["moved_own"] is None
    assert bare.table[0]["row_shift"] is None
    assert bare.summary.startswith("latents by KL in nats: z")
    assert len(bare.table) == 3  # all that there are


def test_iterate(model):
    """Against the ARI of each step of the model itself."""
    findings = iterate.study(Subject(model, BATCHES, num_iterations=3), scene=7)
    assert [row["iteration"] for row in findings.table] == [0, 1, 2, 3]
    scores, errors = [], []
    for batch, first in zip(BATCHES, (0, 30), strict=True):
        images = tf.constant(batch["image"])
        steps = inference.infer_by_example(
            model.scene_model, images, tf.range(first, first + 30), num_iterations=3
        )
        labels = [np.argmax(step.masks, axis=1) for step in steps]
        scores.append(
            [
                ari.adjusted_rand_index(batch["mask"], of, SLOTS, foreground_only=True)
                for of in labels
            ]
        )
        errors.append([np.square(images - s.reconstruction).mean(axis=(1, 2, 3)) for s in steps])
    for name, parts in (("fg_ari", scores), ("mse", errors)):
        expected = np.concatenate(parts, axis=1)  # [S, N]
        found = [row[name] for row in findings.table]
        np.testing.assert_allclose(found, expected.mean(axis=1), rtol=1e-4)
        panel = {"fg_ari": 0, "mse": 1}[name]
        [line] = [
            x
            for x in findings.figures["iterate_curves"].axes[panel].lines
            if len(x.get_xdata()) > 1
        ]
        np.testing.assert_allclose(line.get_ydata(), np.median(expected, axis=1), rtol=1e-4)
    first, last = (findings.table[t]["fg_ari"] for t in (0, -1))
    start = f"foreground ARI {first:.4g} after the first step, {last:.4g} after 3 more, best "
    assert findings.summary.startswith(start)


def test_iterate_of_images_without_masks_by_a_model_of_one_step(vae):
    findings = iterate.study(Subject(vae, BARE))
    assert len(findings.table) == 1
    assert "fg_ari" not in findings.table[0]
    assert findings.summary.startswith("mean squared error ")
    assert findings.summary.endswith("over 60 images; the model has one step of inference")


def test_reread(model):
    findings = reread.study(Subject(model, BATCHES, seed=3), scene=31, num_runs=6)
    images = np.repeat(BATCHES[1]["image"][1:2], 6, axis=0)
    steps = inference.infer_by_example(model.scene_model, tf.constant(images), tf.range(6), 3)
    elbo = inference.decomposition(steps[-1]).elbo
    np.testing.assert_allclose([row["elbo"] for row in findings.table], elbo, rtol=1e-4)
    counts = np.bincount([row["reading"] for row in findings.table])[1:]
    assert counts.tolist() == [of["runs"] for of in findings.numbers["each"]]
    assert counts.tolist() == sorted(counts, reverse=True)
    assert findings.numbers["pixels"] == 18  # two blocks of nine
    assert findings.summary.startswith(f"{len(counts)} distinct readings in 6 runs, the most ")


def test_reread_of_a_stimulus_whose_readings_are_known(model):
    scene = ambiguous_tetrominoes.generate_scene(0, "test", 0, SIDE, 1)
    readings = scene["factors"]["readings"][np.newaxis]
    image = (scene["image"] / np.float32(255))[np.newaxis]
    subject = Subject(model, [{"image": image, "factors": {"readings": readings}}])
    findings = reread.study(subject, num_runs=5, block_size=1)
    masks = multistability.NoisyInference(model.scene_model, 2)(np.repeat(image, 5, axis=0))[
        -1
    ].masks
    maps = ambiguous_tetrominoes.reading_label_maps(readings[0], SIDE, 1)
    stimulus = multistability.Stimulus(image[0], maps, 1)
    found = multistability.variants(masks, stimulus)
    assert [row["runs"] for row in findings.table] == [len(variant.runs) for variant in found]


def test_reread_needs_samples(model):
    made = LinearSlots(LinearSlotsConfig(), (SIDE, SIDE, 3), 1)
    subject = Subject(Model(whole_config(made.config), made, "linear"), BARE)
    with pytest.raises(UserError, match="linear draws no samples, so it reads an image in one way"):
        reread.study(subject)
    with pytest.raises(UserError, match="num_runs is 1; at least 2 are needed"):
        reread.study(Subject(model, BARE), num_runs=1)


def test_sample(model):
    findings = sample.study(Subject(model, seed=5, num_slots=4), num_samples=3)
    scenes = model.sample(3, seed=5, num_slots=4)
    shares = np.array([row["share_of_pixels"] for row in findings.table]).reshape(3, 4)
    labels = scenes.masks.argmax(axis=1)
    expected = [[(of == slot).mean() for slot in range(4)] for of in labels]
    np.testing.assert_allclose(shares, expected)
    row, masks, components = findings.table[6], scenes.masks[1, 2], scenes.components[1, 2]
    assert (row["sample"], row["slot"]) == (1, 3)
    green = np.average(components[..., 1], weights=masks)
    assert row["green"] == pytest.approx(green, rel=1e-4)


def test_everything_is_written(model, tmp_path):
    findings = sample.study(Subject(model), num_samples=2)
    paths = write(findings, tmp_path / "new", "sample", "a note", {"run": "small"})
    assert [path.name for path in paths] == ["sample.png", "sample.csv", "sample.json"]
    assert np.asarray(Image.open(paths[0])).std() > 20
    header, *lines = paths[1].read_text().splitlines()
    assert header == "sample,slot,share_of_pixels,is_object,red,green,blue"
    assert len(lines) == 2 * SLOTS
    record = json.loads(paths[2].read_text())
    assert record["run"] == "small"
    assert record["summary"] == findings.summary
    assert record["numbers"]["slots"] == findings.table
