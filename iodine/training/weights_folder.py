"""A folder that holds a model for others: weights as safetensors, configuration, card."""

import importlib.metadata
import json
import math
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from iodine.config import Config
from iodine.errors import UserError
from iodine.models.interface import SceneModel
from iodine.serving import safetensors_file
from iodine.training import provenance
from iodine.training import run_folder as runs

CARD = "README.md"
_TABLE1 = ("fg_ari", "mse", "kl")


def write(
    model: SceneModel,
    config: Config,
    source: pathlib.Path,
    folder: pathlib.Path,
    weights: Mapping[str, Any] | None = None,
) -> None:
    """Writes `model.safetensors`, `config.json` and the card; the folder serves as a run's too.

    Args:
        model: trained.
        config: of its run.
        source: the run's folder; its own card is taken over if it has one.
        folder: to write to.
        weights: what they are, of `provenance.of_weights`, for the card.

    Raises:
        UserError: if there is a run in the folder already.
    """
    if (folder / "config.json").exists():
        raise UserError(f"{folder} already holds a run; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "numpy", "preset": config.preset, "written_by": _version()}
    safetensors_file.write(folder / safetensors_file.NAME, model, metadata)
    if (source / CARD).exists():
        shutil.copyfile(source / CARD, folder / CARD)
    else:
        (folder / CARD).write_text(_card(model, config, source, weights or {}), encoding="utf-8")
    runs.start_or_resume(folder, config)  # last: what has a configuration is whole


def _card(
    model: SceneModel, config: Config, source: pathlib.Path, weights: Mapping[str, Any]
) -> str:
    spec, train = model.spec, config.train
    count = sum(math.prod(variable.shape) for variable in model.variables)
    height, width = spec.image_shape[:2]
    rows = {
        "model": f"{config.model.kind}, {count:,} weights",
        "images": f"{height} x {width} RGB, values in [0, 1]",
        "slots, latents, iterations": f"{spec.num_slots}, {spec.latent_size}, "
        f"{spec.num_iterations}",
        "data": _data(config, weights.get("trained_on")),
        "training": f"preset `{config.preset}`, {train.steps:,} steps of {train.batch_size} images "
        f"if it was not stopped before, seed {train.seed}",
        "scores": _scores(source, weights.get("digest")),
        "written by": f"{_version()}, TensorFlow {tf.__version__}",
    }
    if weights:
        rows["weights"] = (
            f"`{weights['checkpoint']}` of `{weights['run']}`, step {weights['step']}, SHA-256 "
            f"`{weights['digest']}`; more in `{provenance.FILE}`"
        )
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([f"# {config.preset}", "", "| | |", "|---|---|", *lines, "", _READING])


def _data(config: Config, identity: Mapping[str, Any] | None) -> str:
    if identity is None:
        return f"`{config.data.dataset}`"
    settings = " ".join(f"--{name}={value}" for name, value in identity["settings"].items())
    name, version, digest = (identity[key] for key in ("dataset", "version", "digest"))
    return f"`{name}` {version}, `{settings}`, digest `{digest}`"


def _scores(source: pathlib.Path, digest: str | None) -> str:
    """What `iodine-evaluate` left in the run's folder, if anything, and of these weights."""
    try:
        summary = json.loads((source / "evaluation.json").read_text())
        if digest and summary["provenance"]["weights"]["digest"] != digest:
            return "not evaluated; what is in the run's folder is of other weights"
        parts = [
            f"{name} {summary[name]['mean']:.4g} over {summary[name]['num_images']} images"
            for name in _TABLE1
            if name in summary
        ]
    except (OSError, ValueError, KeyError, TypeError):
        parts = []
    return ", ".join(parts) or "not evaluated"


def _version() -> str:
    return f"iodine-tf2 {importlib.metadata.version('iodine-tf2')}"


_READING = """`model.safetensors` holds all weights as float32 by their place in the model, as in
"decoder/first/w"; kernels of convolutions are [height, width, in, out], of linear layers [in, out].
`safetensors.numpy.load_file` reads it without TensorFlow; `config.json` holds all sizes.
"""
