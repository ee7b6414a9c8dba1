"""Runs that older versions wrote are read by this one and give the outputs that they gave.

`golden/write.py` says what is stored.
"""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from iodine.models import registry
from iodine.models.interface import Step
from iodine.training import checkpoints

FOLDER = pathlib.Path(__file__).parent / "golden"
RUNS = sorted(path.parent.name for path in FOLDER.glob("*/config.json"))
TOLERANCE = 1e-5  # of the largest magnitude of an output, where that is more than 1


def stored(path):
    """The image, the noise by name and the outputs by field."""
    noise, outputs = {}, {}
    with np.load(path) as arrays:
        for key in arrays.files:
            kind, _, name = key.partition("/")
            if kind == "noise":
                noise[name] = tf.constant(arrays[key])
            elif kind == "outputs":
                outputs[name] = arrays[key]
        return tf.constant(arrays["image"]), noise, outputs


def assert_as_stored(steps, outputs):
    for field, expected in outputs.items():
        actual = np.stack([getattr(step, field) for step in steps[-len(expected) :]])
        assert actual.shape == expected.shape, field
        atol = TOLERANCE * max(1, np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol, err_msg=field)


def test_every_preset_has_a_golden_run():
    """Written by `python tests/models/golden/write.py` once for a new preset."""
    assert set(registry.preset_names()) <= set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_run_gives_the_stored_outputs(name):
    config, model = checkpoints.load_model(str(FOLDER / name))
    image, noise, outputs = stored(FOLDER / name / "example.npz")
    steps = model.infer(image, noise)
    assert len(outputs["log_likelihood"]) == len(steps)
    assert {"masks", "components", "reconstruction", "latents"} <= outputs.keys() <= {*Step._fields}
    assert_as_stored(steps, outputs)
    assert config.preset == name


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_configuration_is_complete(name):
    """All fields are written, so that a later change of a default changes no older run."""
    values = json.loads((FOLDER / name / "config.json").read_text())
    assert values["model"]["kind"] in registry.kinds()
    registry.read_config(values)


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_run_is_small(name):
    sizes = [path.stat().st_size for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert sum(sizes) < 300_000


def test_shipped_weights_give_what_version_0_3_made_of_them():
    """The weights are of version 0.1; noise of seed 0, as every program has it by default."""
    _, model = checkpoints.load_model("pretrained:tetrominoes_small")
    image, _, outputs = stored(FOLDER / "shipped.npz")
    steps = [iteration.step() for iteration in model(image)]
    assert len(steps) == len(outputs["log_likelihood"]) == 16
    assert_as_stored(steps, outputs)
    assert float(steps[-1].log_likelihood[0]) == pytest.approx(54.534, abs=0.05)
    assert outputs["masks"][0, 0].max(axis=0).min() > 0.9  # it is taken apart
    background = outputs["masks"][0, 0].sum(axis=(1, 2))
    assert sorted(np.round(background)) == [4, 4, 4, 52]  # three pieces of four pixels
