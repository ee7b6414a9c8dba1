"""TensorBoard's file, read back."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.util import img_mime_type_detector

from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.training import summaries
from iodine.training.learning_rate import LearningRate
from iodine.training.trainer import StepMetrics

CONFIG = override(
    registry.preset("tetrominoes"),
    {
        "data.image_size": 6,
        "model.num_slots": 3,
        "model.num_iterations": 2,
        "model.decoder.channels": (4,),
        "model.refinement.channels": (4,),
        "train.decay": "cosine",
        "train.steps": 100,
        "model.objective.kl_weight_start": 0.1,
        "model.objective.anneal_steps": 50,
    },
)


def events(folder):
    """(tag, step) to value."""
    found = {}
    for path in folder.glob("tensorboard/events.*"):
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                found[value.tag, event.step] = array if array.ndim else float(array)
    return found


def writer_of(folder, images=None):
    images = np.zeros([2, 6, 6, 3], np.float32) if images is None else images
    return summaries.Summaries(folder, CONFIG, registry.schedules(CONFIG), images)


def test_values(tmp_path):
    writer = writer_of(tmp_path)
    curve = tf.constant([3.0, 2.0])
    fields = dict.fromkeys(StepMetrics._fields, tf.constant(0.5))
    fields |= {"loss": 7.0, "mse": 0.25, "gradient_norm": 11.0, "factor_loss": 0.75}
    terms = {"neg_elbo": curve, "neg_log_likelihood": curve + 1, "kl": curve / 2}
    writer.write_training(25, StepMetrics(**fields | {"terms": terms}), 123.0, 2e-4)
    writer.write_rollback(27, 2)
    writer.write_validation(30, {"fg_ari": np.array([0.1, 0.6]), "mse": np.array([0.3, 0.2])})
    found = events(tmp_path)
    expected = {
        ("train/loss", 25): 7.0,
        ("train/mse", 25): 0.25,
        ("train/gradient_norm", 25): 11.0,
        ("train/factor_loss", 25): 0.75,
        ("train/images_per_second", 25): 123.0,
        ("train_neg_elbo/iteration_0", 25): 3.0,
        ("train_neg_elbo/iteration_1", 25): 2.0,
        ("train_neg_log_likelihood/iteration_1", 25): 3.0,
        ("train_kl/iteration_0", 25): 1.5,
        ("schedule/learning_rate", 25): 2e-4,
        ("train/rollbacks", 27): 2.0,
        ("schedule/likelihood_scale", 25): 0.1,
        ("schedule/kl_weight", 25): 0.1**0.5,
        ("validation/fg_ari", 30): 0.6,
        ("validation_fg_ari/iteration_0", 30): 0.1,
        ("validation_mse/iteration_1", 30): 0.2,
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-5), key


def test_pictures(tmp_path):
    images = np.random.default_rng(0).uniform(size=[2, 6, 6, 3]).astype(np.float32)
    tf.keras.utils.set_random_seed(0)
    writer_of(tmp_path, images).write_images(5, registry.build(CONFIG))
    found = events(tmp_path)
    assert set(found) == {("decomposition", 5), ("masks", 5), ("iterations", 5)}
    for values in found.values():
        width, height, png = values
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (int(height), int(width), 3)
        assert picture.std() > 20


def test_pictures_of_clips(tmp_path):
    """As a figure and as an animation that TensorBoard's server tells from its bytes."""
    changes = {"model.sequence.enabled": True, "model.num_iterations": 3}
    config = override(CONFIG, changes)
    frames = np.random.default_rng(0).uniform(size=[3, 4, 6, 6, 3]).astype(np.float32)
    tf.keras.utils.set_random_seed(0)
    writer_of(tmp_path, frames).write_images(5, registry.build(config))
    found = events(tmp_path)
    assert set(found) == {("clip", 5), ("clip_animation", 5)}
    width, height, *pngs = found["clip", 5]
    assert len(pngs) == 2
    for png in pngs:
        picture = tf.io.decode_png(png).numpy()
        assert picture.shape == (int(height), int(width), 3)
        assert picture.std() > 20
    width, height, *animations = found["clip_animation", 5]
    for clip, animation in zip(frames, animations, strict=False):
        assert img_mime_type_detector.from_bytes(animation) == "image/gif"
        pictures = tf.io.decode_gif(animation).numpy()
        assert pictures.shape == (3, int(height), int(width), 3)
        scale = int(height) // 6
        corners = pictures[:, scale // 2 : int(height) : scale, scale // 2 : int(height) : scale]
        np.testing.assert_allclose(corners / 255, clip[1:], atol=0.1)  # a GIF has 256 colours


def test_a_training_writes_all(tiny_run):
    found = events(tiny_run)
    for step in (5, 10, 15, 20):
        assert found["train/images_per_second", step] > 0
        weighted = sum(
            t / 2 * found[f"train_neg_elbo/iteration_{t}", step] for t in (0, 1, 2)
        )  # Eq. 4
        assert found["train/loss", step] == pytest.approx(weighted, rel=1e-4)
        for t in (0, 1, 2):
            parts = [found[f"train_{n}/iteration_{t}", step] for n in ("neg_log_likelihood", "kl")]
            weight = found["schedule/kl_weight", step]
            total = parts[0] + weight * parts[1]
            assert found[f"train_neg_elbo/iteration_{t}", step] == pytest.approx(total, rel=1e-4)
    for name in ("fg_ari", "ari", "mse", "kl", "neg_log_likelihood", "neg_elbo"):
        assert np.isfinite(found[f"validation/{name}", 20])
        assert [(f"validation_{name}/iteration_{t}", 20) in found for t in range(4)] == (
            [True, True, True, False]
        )
    assert len(found["decomposition", 20]) == 3
    assert len(found["iterations", 20]) == 3
    assert len(found["masks", 20]) == 3


def test_learning_rate_is_the_one_of_the_update():
    rate = LearningRate(CONFIG.train)
    assert float(rate(25)) == pytest.approx(3e-4 * 0.5 * (1 + np.cos(np.pi / 4)), rel=1e-5)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write to .*tensorboard: Not a directory; the"):
        writer_of(tmp_path)
