"""`iodine-train` on Multi-dSprites made here: its two presets, with small networks."""

import json

import pytest

from iodine.datasets import preparation
from iodine.models.registry import preset

GENERATED = "multi_dsprites/colored_on_grayscale_generated"
SMALL = {
    "model.num_iterations": 2,
    "model.latent_size": 4,
    "model.decoder.channels": "(4,)",
    "model.refinement.channels": "(4, 4)",
    "model.refinement.mlp_sizes": "(8,)",
    "model.refinement.lstm_size": 8,
    "train.batch_size": 2,
    "train.validate_every": 1_000,
    "train.image_every": 1_000,
}


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("sprites"))
    sizes = {"num_train": 6, "num_validation": 2, "num_test": 2}
    preparation.prepare(GENERATED, folder, settings=sizes)
    return folder


def test_presets_name_generated_and_released_data():
    """The paper's preset can be trained without a download, the released one names the release."""
    assert preset("multi_dsprites").data.dataset == GENERATED
    released = GENERATED.replace("_generated", "_released")
    assert preset("multi_dsprites_released").data.dataset == released


@pytest.mark.parametrize(
    ("name", "dataset"),
    [("multi_dsprites", ()), ("multi_dsprites_released", (f"--config.data.dataset={GENERATED}",))],
)
def test_trains(program, sprites, tmp_path, name, dataset):
    """The released preset also regresses all factors: the data have each in the size it names."""
    run = tmp_path / "run"
    flags = [f"--config.{field}={value}" for field, value in SMALL.items()]
    outcome = program(
        "train", f"--preset={name}", f"--run={run}", f"--data_dir={sprites}", "--steps=2",
        *flags, *dataset,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert json.loads((run / "config.json").read_text())["data"]["dataset"] == GENERATED
    assert "training: 2 of 2 steps" in outcome.err
