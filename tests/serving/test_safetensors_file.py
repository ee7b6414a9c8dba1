"""Weights as safetensors: all of them, back bit for bit, decoded without TensorFlow."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from small_models import LATENT, SIDE, build_model, random_images, small_config, whole_config

import iodine
from iodine.config import to_dict
from iodine.errors import UserError
from iodine.models import registry
from iodine.models.parts.decoders import DecoderConfig
from iodine.serving import safetensors_file
from iodine.training import weights_folder

SCRIPT = pathlib.Path(__file__).parents[2] / "docs" / "numpy_decoder.py"

# Runs a script in a process that refuses TensorFlow and this package.
_WITHOUT_TENSORFLOW = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "iodine", "sonnet", "keras"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def numpy_decoder():
    spec = importlib.util.spec_from_file_location("numpy_decoder", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", registry.kinds())
def test_every_variable_has_a_name_of_its_own(kind, tmp_path):
    configs = [registry.preset(name) for name in registry.preset_names()]
    config = min(
        (c for c in configs if c.model.kind == kind),
        key=lambda c: (c.data.image_size, c.model.latent_size),
    )
    model = registry.build(config)
    named = safetensors_file.named_variables(model)
    assert {id(v) for v in named.values()} == {id(v) for v in model.variables}
    assert len(named) == len(model.variables)
    safetensors_file.write(tmp_path / "w", model, {})
    other = registry.build(config)
    for variable in other.variables:
        variable.assign(tf.ones_like(variable) * 7)
    safetensors_file.restore(other, tmp_path / "w")
    for name, variable in safetensors_file.named_variables(other).items():
        np.testing.assert_array_equal(variable, named[name], err_msg=name)


@pytest.fixture(scope="module")
def exported(program, tmp_path_factory):
    """The folder that `iodine-export` makes of the shipped weights."""
    folder = tmp_path_factory.mktemp("exported") / "weights"
    outcome = program(
        "export", "--run=pretrained:tetrominoes_fast", "--format=safetensors", f"--output={folder}"
    )
    assert outcome.code == 0, outcome.err
    assert f"weights written to {folder / 'model.safetensors'}; or use --run={folder}" in (
        outcome.out
    )
    return folder


def test_the_folder_is_whole_and_a_run_too(exported):
    names = {"model.safetensors", "config.json", "README.md", "provenance.json"}
    assert {p.name for p in exported.iterdir()} == names
    shipped, read = iodine.load("pretrained:tetrominoes_fast"), iodine.load(exported)
    assert read.config == shipped.config
    images = random_images(2, 35).numpy()
    one, other = (model.decompose(images, num_iterations=2) for model in (shipped, read))
    np.testing.assert_array_equal(one.masks, other.masks)
    assert "pretrained:tetrominoes_fast" in (exported / "README.md").read_text()


def test_the_numpy_decoder_is_that_of_the_model_without_tensorflow(exported, tmp_path):
    assert len(SCRIPT.read_text().splitlines()) <= 60
    latents = np.random.default_rng(0).normal(size=(3, 4, 32)).astype(np.float32)
    np.save(tmp_path / "latents.npy", latents)
    arguments = (SCRIPT, exported, tmp_path / "latents.npy", tmp_path / "scenes.npz")
    subprocess.run([sys.executable, "-c", _WITHOUT_TENSORFLOW, *map(str, arguments)], check=True)
    found = np.load(tmp_path / "scenes.npz")
    expected = iodine.load("pretrained:tetrominoes_fast").decode(latents)
    np.testing.assert_allclose(found["components"], expected.components, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["masks"], expected.masks, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "decoder",
    [
        {"kind": "broadcast", "coordinates": "linear"},
        {"kind": "broadcast", "coordinates": "linear_yx", "mask_first": True, "kernel_size": 5},
        {"kind": "coarse", "coordinates": "cosine", "constant_input": 5.0},
        {"kind": "coarse", "coordinates": "linear", "last_kernel_size": 1, "upsampling": 2},
    ],
)
def test_the_numpy_decoder_of_the_other_presets(decoder):
    config = DecoderConfig(**{"channels": (6, 5), **decoder})
    model = build_model(small_config({f"decoder.{n}": v for n, v in vars(config).items()}))
    whole = to_dict(whole_config(model.config))
    arrays = {n: v.numpy() for n, v in safetensors_file.named_variables(model).items()}
    latents = np.random.default_rng(1).normal(size=(2, 3, LATENT)).astype(np.float32)
    components, masks = numpy_decoder().decode(latents, arrays, json.loads(json.dumps(whole)))
    expected, logits = model.decode(tf.constant(latents))
    assert components.shape == (2, 3, SIDE, SIDE, 3)
    np.testing.assert_allclose(components, expected, atol=1e-5)
    np.testing.assert_allclose(masks, tf.nn.softmax(logits, axis=1), atol=1e-5)


def test_a_run_without_a_card_gets_one(tiny_run, program, tmp_path):
    folder = tmp_path / "weights"
    flags = (f"--run={tiny_run}", "--format=safetensors", f"--output={folder}")
    assert program("export", *flags).code == 0
    card = (folder / "README.md").read_text()
    arrays = load_file(folder / "model.safetensors")
    assert f"iodine, {sum(a.size for a in arrays.values()):,} weights" in card
    assert "20 steps of 4 images" in card
    assert "| scores | not evaluated |" in card
    outcome = program("export", *flags)
    assert outcome.code == 1
    assert f"{folder} already holds a run; give another folder" in outcome.error()


def test_scores_of_the_run_stand_on_the_card(tmp_path):
    model = build_model(small_config())
    scores = {"fg_ari": {"mean": 0.93456, "num_images": 320}, "mse": {"mean": 0.5, "num_images": 9}}
    (tmp_path / "evaluation.json").write_text(json.dumps(scores))
    weights_folder.write(model, whole_config(model.config), tmp_path, tmp_path / "new")
    card = (tmp_path / "new" / "README.md").read_text()
    assert "| scores | fg_ari 0.9346 over 320 images, mse 0.5 over 9 images |" in card


def test_files_that_are_not_of_the_model(tmp_path):
    model, path = build_model(small_config()), tmp_path / "model.safetensors"
    safetensors_file.write(path, model, {})
    other = build_model(small_config({"latent_size": 5}))
    with pytest.raises(
        UserError, match=r"is not of the model of config.json.*: decoder/first/w ha"
    ):
        safetensors_file.restore(other, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read as safetensors: "):
        safetensors_file.restore(model, path)
