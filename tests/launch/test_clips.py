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


@pytest.fixture(scope="module")
def frames(data_dir):
    """Of the first test clip, uint8."""
    [scenes] = pipelines.evaluation_batches(data_dir, DATASET, "test", 1, 1).as_numpy_iterator()
    return np.uint8(scenes["image"][0] * 255 + 0.5)


def write_frames(folder, frames):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame{number}.png")


def test_own_clips_are_decomposed(program, run, frames, tmp_path):
    """Folders of frames and a GIF; of the same name, and of different lengths."""
    write_frames(tmp_path / "a/clip", frames)
    write_frames(tmp_path / "b/clip", frames[:3])
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / "c.gif", save_all=True, append_images=others)
    places = [f"--clip={tmp_path / name}" for name in ("a/clip", "b/clip", "c.gif")]
    output = tmp_path / "output"
    outcome = program("decompose", f"--run={run}", *places, f"--output={output}", "--num_frames=4")
    assert outcome.code == 0, outcome.err
    _, model = checkpoints.load_model(str(run))
    for name, count, tolerance in (("clip", 4, 1e-6), ("clip_2", 3, 1e-6), ("c", 4, 0.1)):
        with np.load(output / f"{name}.npz") as arrays:
            seen = arrays["image"]
            np.testing.assert_allclose(seen, frames[:count] / 255, atol=tolerance)
            steps = inference.infer(model, tf.constant(seen[np.newaxis]))
            for frame, step in enumerate(steps):
                np.testing.assert_allclose(arrays["masks"][frame], step.masks[0], atol=1e-5)
        with Image.open(output / f"{name}_clip.gif") as animation:
            assert animation.n_frames == count - 1


def test_what_is_no_clip_is_said(program, run, frames, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "one", frames[:1])
    write_frames(tmp_path / "sizes", [frames[0], frames[1][:30, :20]])
    (tmp_path / "nothing").mkdir()
    (tmp_path / "text.gif").write_text("no pictures")
    Image.fromarray(frames[0]).save(tmp_path / "still.gif")
    for name, message in {
        "absent.gif": "clip absent.gif does not exist",
        "one": "one has 1 frame; a clip needs at least two: leave it out",
        "still.gif": "still.gif has 1 frame; a clip needs at least two: leave it out",
        "sizes": "sizes/frame1.png is 20 x 30 pixels, but the frames before it are 35 x 35",
        "nothing": "nothing holds no frames; put PNG or JPEG pictures into it",
        "text.gif": "text.gif cannot be read as a GIF",
    }.items():
        outcome = program("decompose", f"--run={run}", f"--clip={name}", "--output=out")
        assert message in outcome.error(), name
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_read_is_overwritten(program, run, frames, tmp_path):
    paths = [tmp_path / name for name in ("a.gif", "a_clip.gif")]
    for path in paths:
        first, second = (Image.fromarray(frame) for frame in frames[:2])
        first.save(path, save_all=True, append_images=[second])
    flags = (f"--run={run}", *(f"--clip={path}" for path in paths), f"--output={tmp_path}")
    message = f"error: {paths[1]} would be overwritten; give another --output"
    assert program("decompose", *flags).error() == message


def test_images_and_clips_are_told_apart(program, run, tiny_run, tmp_path):
    picture = tmp_path / "a.png"
    Image.new("RGB", (35, 35)).save(picture)
    outcome = program("decompose", f"--run={run}", f"--image={picture}", f"--output={tmp_path}")
    assert outcome.error().endswith("is a model of clips; give --clip instead of --image")
    flags = (f"--run={tiny_run}", f"--clip={tmp_path}", f"--output={tmp_path}")
    message = "is a model of single images; give --image instead of --clip"
    assert program("decompose", *flags).error().endswith(message)
    outcome = program("decompose", f"--run={run}", f"--output={tmp_path}")
    assert "give either --image=FILE or --clip=FILE" in outcome.error()
