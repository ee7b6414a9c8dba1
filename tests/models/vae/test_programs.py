"""All programs on a run of a model without slots: one mask, one segment."""

import json

import numpy as np
import pytest
import tensorflow as tf

from iodine.training import checkpoints


@pytest.fixture(scope="module")
def flags(tiny_data):
    values = {
        "data.dataset": "tetrominoes/generated_small",
        "data.image_size": 8,
        "model.latent_size": 4,
        "model.encoder.channels": "(4, 4)",
        "model.encoder.mlp_sizes": "(8,)",
        "model.decoder.channels": "(6, 6)",
        "train.batch_size": 4,
        "train.average_decay": 0.9,
        "train.log_every": 5,
        "train.validate_every": 10,
        "train.image_every": 10,
        "train.checkpoint_every": 5,
    }
    return (
        *("--preset=vae_tetrominoes", "--steps=20", f"--data_dir={tiny_data}"),
        *(f"--config.{name}={value}" for name, value in values.items()),
    )


@pytest.fixture(scope="module")
def run(program, flags, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae") / "run"
    outcome = program("train", *flags, f"--run={folder}")
    assert outcome.code == 0, outcome.err
    assert "validation at step 20: " in outcome.err
    return folder


def test_a_finished_run_is_resumed_at_its_end(run, flags, program):
    outcome = program("train", *flags, f"--run={run}")
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("slots", [(), ("--num_slots=1",)])
def test_three_pieces_in_one_segment_have_a_foreground_ari_of_0(
    run, program, tiny_data, tmp_path, slots
):
    outcome = program(
        *("evaluate", f"--run={run}", f"--data_dir={tiny_data}", f"--output={tmp_path}"),
        *("--num_images=13", *slots),
    )
    assert outcome.code == 0, outcome.err
    record = json.loads(next(tmp_path.glob("evaluation*.json")).read_text())
    assert record["fg_ari"]["mean"] == record["ari"]["mean"] == 0
    assert record["fg_ari"]["num_images"] == 13
    assert record["neg_elbo"]["mean"] == pytest.approx(
        record["kl"]["mean"] + record["neg_log_likelihood"]["mean"]
    )


def test_it_decomposes_into_one_component(run, program, tiny_data, tmp_path):
    outcome = program(
        "decompose", f"--run={run}", f"--data_dir={tiny_data}", f"--output={tmp_path}"
    )
    assert outcome.code == 0, outcome.err
    with np.load(tmp_path / "test_0000.npz") as arrays:
        np.testing.assert_array_equal(arrays["masks"], np.ones([1, 8, 8]))
        np.testing.assert_array_equal(arrays["components"][0], arrays["reconstruction"])
    for name in ("overview.png", "iterations.png"):
        assert (tmp_path / name).stat().st_size > 1_000


def test_its_saved_model_is_the_model(run, program, tmp_path):
    assert program("export", f"--run={run}", f"--output={tmp_path / 'saved'}").code == 0
    images = np.random.default_rng(0).uniform(size=(3, 8, 8, 3)).astype(np.float32)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    result = saved.decompose(tf.constant(images))
    _, model = checkpoints.load_model(str(run))
    [step] = model.infer(tf.constant(images), {"z": tf.zeros([1, 3, 1, 4])})
    np.testing.assert_allclose(result["latent_mean"], step.latents, atol=1e-5)
    np.testing.assert_array_equal(result["masks"], step.masks)


def test_its_step_is_measured(program, tmp_path):
    path = tmp_path / "benchmark.json"
    outcome = program(
        *("benchmark", "--preset=vae_tetrominoes", "--config.model.decoder.channels=(4, 4)"),
        *("--batch_size=2", "--repetitions=1", "--nomemory", f"--output={path}"),
    )
    assert outcome.code == 0, outcome.err
    assert json.loads(path.read_text())["convolution_gigaoperations"] > 0
