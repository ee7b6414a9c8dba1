"""A run's folder: its configuration and where everything lies."""

import json
import pathlib
from typing import Any

from iodine.config import Config
from iodine.config import schema as config_lib
from iodine.errors import UserError
from iodine.models import registry

PRETRAINED_PREFIX = "pretrained:"
DIVERGED = "diverged.json"  # in the folder of a run that ended with a loss that was not finite
_PRETRAINED_FOLDER = pathlib.Path(__file__).parents[1] / "pretrained"

# What may differ when a run goes on: how often it reports and saves, when it gives up, how fast it
# computes and in how much memory.
FREE_TO_CHANGE = (
    "model.recompute",
    "train.xla",
    "train.deterministic",
    "train.log_every",
    "train.validate_every",
    "train.checkpoint_every",
    "train.image_every",
    "train.keep_checkpoints",
    "train.max_rollbacks",
)


def resolve(run: str) -> pathlib.Path:
    """The folder of a run; "pretrained:NAME" names weights that come with the package.

    Raises:
        UserError: if there is no such folder.
    """
    if run.startswith(PRETRAINED_PREFIX):
        folder = _PRETRAINED_FOLDER / run.removeprefix(PRETRAINED_PREFIX)
        if not folder.is_dir():
            known = sorted(p.name for p in _PRETRAINED_FOLDER.glob("*") if p.is_dir())
            raise UserError(
                f"no pretrained weights {run!r}; there are: {', '.join(known) or 'none'}"
            )
        return folder
    folder = pathlib.Path(run)
    if not folder.is_dir():
        raise UserError(f"run folder {run} does not exist; train one with iodine-train --run={run}")
    return folder


def read_config(folder: pathlib.Path) -> Config:
    """The configuration of a run. Raises UserError if it is missing or unreadable."""
    return _read_config(folder)[0]


def _read_config(folder: pathlib.Path) -> tuple[Config, dict[str, Any]]:
    """The configuration of a run, and as it is written there, maybe by an older version."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text())
        return registry.read_config(values), values
    except RecursionError:
        raise UserError(f"{path} cannot be read as a configuration: nested too deeply") from None
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {folder} is not the folder of a run") from None
    except (ValueError, TypeError, AttributeError, OverflowError, UserError) as error:
        raise UserError(f"{path} cannot be read as a configuration: {error}") from None


def start_or_resume(folder: pathlib.Path, config: Config) -> None:
    """Makes the folder with its `config.json`, or checks that it belongs to this configuration.

    Fields that do not decide what is learned may change (`FREE_TO_CHANGE`), and so may
    `train.steps`, unless the learning rate depends on it; the new ones are written.

    Raises:
        UserError: as `check_same`.
    """
    check_same(folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_lib.to_dict(config))


def check_same(folder: pathlib.Path, config: Config) -> None:
    """Raises UserError if the folder holds a run that this configuration cannot go on with.

    It names the fields that differ, or says that the run was trained by another loss than today's.
    """
    path = folder / "config.json"
    if not path.exists():
        if (folder / "checkpoints").exists():
            raise UserError(f"{folder} holds checkpoints but no config.json; give another --run")
        return
    old_config, as_written = _read_config(folder)
    if registry.had_another_loss(as_written):
        raise UserError(
            f"run {folder} was started by a version before 0.4, which trained the unrefined "
            "decoding too, so it cannot go on; evaluate, decompose or export it, or train another "
            "--run"
        )
    differing = _differing(old_config, config)
    if differing:
        changes = "; ".join(
            f"config.{name}: {old!r} there, {new!r} now" for name, (old, new) in differing.items()
        )
        raise UserError(
            f"run {folder} was started with another configuration: {changes}; "
            "use the old values or another --run"
        )


def _differing(old_config: Config, new_config: Config) -> dict[str, tuple[Any, Any]]:
    """Old and new values of the fields that differ but must not; of another model only its kind."""
    if old_config.model.kind != new_config.model.kind:
        return {"model.kind": (old_config.model.kind, new_config.model.kind)}
    old, new = config_lib.flatten(old_config), config_lib.flatten(new_config)
    free = FREE_TO_CHANGE + (() if new_config.train.decay == "cosine" else ("train.steps",))
    return {n: (old[n], new[n]) for n in new if old[n] != new[n] and n not in free}


def write_json(path: pathlib.Path, values: Any) -> None:
    """Writes a JSON file at once, so that a full disk or a kill leaves the old one."""
    new_file = path.with_name(path.name + ".new")
    try:
        new_file.write_text(json.dumps(values, indent=2) + "\n")
        new_file.replace(path)
    except OSError:
        new_file.unlink(missing_ok=True)
        raise
