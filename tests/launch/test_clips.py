"""`iodine-evaluate` and `iodine-decompose` of a model of clips."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from iodine.config import override
from iodine.datasets import pipelines, preparation
from iodine.evaluation import clip_scores, inference
from iodine.evaluation.restarts import Restarted
from iodine.models import registry
from iodine.training import checkpoints
from iodine.training import run_folder as runs
from iodine.training.trainer import Trainer

DATASET = "tetrominoes/moving_generated"
FRAMES = 5
CONFIG = override(
    registry.preset("tetrominoes_small"),
    {
        "data.dataset": DATASET,
        "data.image_size": 35,
        "train.num_iterations": 0,
        "model.sequence.enabled": True,
        "model.num_iterations": 2,
        "model.latent_size": 4,
        "model.decoder.channels": (4, 4),
        "model.refinement.channels": (4,),
        "model.refinement.mlp_sizes": (8,),
    },
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("clips"))
    sizes = {"num_train": 1, "num_validation": 1, "num_test": 5, "num_frames": FRAMES}
    preparation.prepare(DATASET, folder, settings=sizes)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with its first weights."""
    folder = tmp_path_factory.mktemp("run")
    trainer = Trainer(CONFIG, tf.distribute.get_strategy())
    runs.start_or_resume(folder, CONFIG)
    checkpoints.TrainingCheckpoints(folder, trainer).save()
    return folder


def expected_scores(run, data_dir, count, control=None):
    """What the steps of inference give, one clip after another."""
    _, model = checkpoints.load_model(str(run))
    model = Restarted(model, control) if control else model
    batches = pipelines.evaluation_batches(data_dir, DATASET, "test", 1, count)
    scores = []
    for number, scene in enumerate(batches.as_numpy_iterator()):
        clip = tf.constant(scene["image"])
        steps = inference.infer_by_example(model, clip, tf.constant([number]))
        assert len(steps) == FRAMES
        scores.append(
            clip_scores.score_clip(
                scene["image"][0],
                np.stack([step.reconstruction[0] for step in steps]),
                np.stack([np.argmax(step.masks[0], axis=0) for step in steps]),
                model.spec.num_slots,
                scene["mask"][0],
                scene["factors"]["hidden"][0],
            )
        )
    return clip_scores.summarize(scores)


@pytest.mark.parametrize("control", [None, 2])
def test_figures_are_those_of_the_steps(program, run, data_dir, tmp_path, control):
    flags = [f"--run={run}", f"--data_dir={data_dir}", f"--output={tmp_path}", "--num_images=3"]
    flags += ["--control=restart", f"--num_iterations={control}"] if control else []
    outcome = program("evaluate", *flags, "--batch_size=2")
    assert outcome.code == 0, outcome.err
    [path] = tmp_path.glob("*.json")
    assert path.name.startswith("evaluation_restart") == bool(control)
    actual = json.loads(path.read_text())["clips"]
    expected = expected_scores(run, data_dir, 3, control)
    assert set(actual) == set(expected)
    for mean in ("clip_fg_ari", "frame_fg_ari", "next_frame_error", "copy_last_error"):
        assert actual[mean]["mean"] == pytest.approx(expected[mean]["mean"], rel=1e-3), mean
    assert actual["mot_foreground"]["object_frames"] == 3 * 3 * (FRAMES - 1)
    assert actual["mot"]["misses"] == pytest.approx(expected["mot"]["misses"], abs=1)
    printed = {line.split()[0]: line.split()[1:] for line in outcome.out.splitlines() if line}
    assert printed["error_ratio"] == [f"{actual['error_ratio']:.4f}"]
    assert len(printed["id_switches"]) == 4
    with np.load(path.with_suffix(".npz")) as arrays:
        errors = arrays["next_frame_error"]
        assert errors.shape == (1, 3)
        assert errors.mean() == pytest.approx(actual["next_frame_error"]["mean"])


def test_the_control_is_for_models_of_clips(program, tiny_run, tiny_data, tmp_path):
    flags = (f"--run={tiny_run}", f"--data_dir={tiny_data}", f"--output={tmp_path}")
    outcome = program("evaluate", *flags, "--control=restart")
    assert outcome.error() == "error: --control=restart is for models of clips; leave it out"


def test_clips_are_drawn(program, run, data_dir, tmp_path):
    flags = (f"--run={run}", f"--data_dir={data_dir}", f"--output={tmp_path}", "--num_images=2")
    outcome = program("decompose", *flags, "--num_slots=3", "--seed=4")
    assert outcome.code == 0, outcome.err
    assert "2 clips written" in outcome.out
    names = [f"test_000{i}{end}" for i in (0, 1) for end in (".npz", "_clip.gif", "_clip.png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    _, model = checkpoints.load_model(str(run))
    batches = pipelines.evaluation_batches(data_dir, DATASET, "test", 2, 2)
    [scenes] = batches.as_numpy_iterator()
    steps = inference.infer(model, tf.constant(scenes["image"]), 4, 3)
    for clip in (0, 1):
        with np.load(tmp_path / f"test_000{clip}.npz") as arrays:
            np.testing.assert_array_equal(arrays["image"], scenes["image"][clip])
            for frame, step in enumerate(steps):
                np.testing.assert_allclose(arrays["masks"][frame], step.masks[clip], atol=1e-5)
                expected = step.reconstruction[clip]
                np.testing.assert_allclose(arrays["reconstruction"][frame], expected, atol=1e-4)
        with Image.open(tmp_path / f"test_000{clip}_clip.gif") as animation:
            assert animation.n_frames == FRAMES - 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--first_frame=5"], "clip test_0000 has 5 frames, counted from 0, and no frame 5"),
        (["--html"], "--html is not for models of clips; leave it out"),
        (["--num_iterations=3"], "--num_iterations is not for models of clips; leave it out"),
    ],
)
def test_what_clips_do_not_have(program, run, data_dir, tmp_path, flags, message):
    places = (f"--run={run}", f"--data_dir={data_dir}", f"--output={tmp_path}", "--num_images=1")
    assert message in program("decompose", *places, *flags).error()
