"""`iodine-train`: trains a model; run again with the same folder, it goes on."""

from absl import flags

from iodine.config import override
from iodine.launch import app, configuration
from iodine.launch.training_run import train
from iodine.training.devices.strategy import NAMES

_RUN = flags.DEFINE_string(
    "run", None, "Folder of the run; training goes on from its checkpoints.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data sets, as given to iodine-data.", required=True
)
_STEPS = flags.DEFINE_integer(
    "steps", None, "Number of updates in all; short for --config.train.steps.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed", None, "Seed of weights, noise and order of the data; short for --config.train.seed."
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    NAMES,
    "Devices: none (one), mirrored (all GPUs of this machine), multi_worker (several machines, "
    "named by the environment variable TF_CONFIG), auto (what TF_CONFIG and the GPUs suggest).",
)
_WAIT = flags.DEFINE_float(
    "wait", 300, "Seconds to wait for the other machines to appear.", lower_bound=1
)
configuration.define()


def main() -> None:
    """Reads the flags and trains."""
    config = configuration.from_flags()
    given = {"train.steps": _STEPS.value, "train.seed": _SEED.value}
    config = override(config, {name: v for name, v in given.items() if v is not None})
    train(config, _RUN.value, _DATA_DIR.value, _STRATEGY.value, _WAIT.value)


def run() -> None:
    """Entry point of `iodine-train`."""
    app.run(main, define_flags=configuration.define_overrides)


if __name__ == "__main__":
    run()
