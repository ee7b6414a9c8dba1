"""What is said of a validation, and which model it keeps."""

import numpy as np
import pytest

from iodine.config import override
from iodine.evaluation.evaluator import Evaluator
from iodine.models import registry
from iodine.training import checkpoints, reports
from iodine.training.devices.strategy import choose_strategy
from iodine.training.trainer import Trainer

SIDE = 6
CONFIG = override(
    registry.preset("tetrominoes"),
    {
        "data.image_size": SIDE,
        "model.num_slots": 3,
        "model.num_iterations": 1,
        "model.latent_size": 4,
        "model.decoder.channels": (4,),
        "model.refinement.channels": (4,),
        "model.refinement.mlp_sizes": (4,),
        "model.refinement.lstm_size": 0,
    },
)


def scenes(without_foreground):
    """Four scenes in two batches; those of these numbers have no foreground."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, [4, SIDE, SIDE])
    labels[list(without_foreground)] = 0
    masks = labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]
    images = rng.uniform(size=[4, SIDE, SIDE, 3]).astype(np.float32)
    return [{"image": images[i : i + 2], "mask": masks[i : i + 2]} for i in (0, 2)]


@pytest.fixture
def trainer():
    return Trainer(CONFIG, choose_strategy("none"))


def validate(trainer, folder, batches, capsys):
    """The line of a validation at step 5."""
    saver = checkpoints.TrainingCheckpoints(folder, trainer)
    report = reports.Reports(folder, trainer, saver, lambda: batches, batches[0]["image"])
    report.count(1)
    report.validate(5)
    report.close()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("validation at step 5: loss ")
    return line


def test_images_without_foreground_are_left_out_and_counted(trainer, tmp_path, capsys):
    line = validate(trainer, tmp_path, scenes(without_foreground=[1]), capsys)
    assert line.endswith(
        " (best); 1 image without foreground left out of fg_ari, miou, mbo, covering"
    )
    values = Evaluator(trainer.averaged_model)(scenes(without_foreground=[]))
    expected = values["fg_ari"][-1, [0, 2, 3]].mean()
    assert f", fg_ari {expected:.4g}, " in line
    loss = values["selection"].mean()
    assert f": loss {loss:.4g}, " in line


def test_nothing_is_said_where_all_images_count(trainer, tmp_path, capsys):
    line = validate(trainer, tmp_path, scenes(without_foreground=[]), capsys)
    assert line.endswith(" (best)")


def test_model_that_diverges_on_one_image_is_not_kept(trainer, tmp_path, capsys, monkeypatch):
    """Such an image is not left out of the loss that the best model goes by."""
    batches = scenes(without_foreground=[])
    values = Evaluator(trainer.averaged_model)(batches)
    for name in ("selection", "mse", "neg_elbo"):
        values[name][:, 2] = np.nan
    monkeypatch.setattr(reports.Evaluator, "__call__", lambda *_: values)
    line = validate(trainer, tmp_path, batches, capsys)
    assert "loss nan, " in line
    assert "never kept as the best" in line
    assert "left out" not in line
    assert not (tmp_path / "best").exists()
