"""`iodine-export`: writes a trained model as a SavedModel, or its bare weights in two formats.

Beside them provenance.json says where they come from.
"""

import pathlib

from absl import flags

from iodine.launch import app
from iodine.serving import safetensors_file
from iodine.serving import saved_model as export_lib
from iodine.training import checkpoints, provenance, weights_folder
from iodine.training import run_folder as runs

_RUN = flags.DEFINE_string(
    "run", None, "Folder of a run, or pretrained:NAME for weights of the package.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_FORMAT = flags.DEFINE_enum(
    "format",
    "saved_model",
    ("saved_model", "weights", "safetensors"),
    "A SavedModel for plain TensorFlow; a run's folder with the weights alone, for --run; or "
    "model.safetensors with config.json and a card, for any program, and for --run too.",
)
_NUM_SLOTS = flags.DEFINE_integer(
    "num_slots", None, "Number of slots K; by default as trained.", lower_bound=1
)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations",
    None,
    "Number of iterations T; by default the configuration's model.num_iterations.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the latent samples, fixed in a SavedModel.",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
_CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "latest", ("latest", "best"), "Newest weights, or best by validation loss."
)


def main() -> None:
    """Reads the flags and exports."""
    config, model, path = checkpoints.load(_RUN.value, _CHECKPOINT.value)
    folder = pathlib.Path(_OUTPUT.value)
    weights = provenance.of_weights(_RUN.value, config, path)
    record = {"weights": weights, **provenance.of_process()}
    if _FORMAT.value == "safetensors":
        weights_folder.write(model, config, runs.resolve(_RUN.value), folder, weights)
        runs.write_json(folder / provenance.FILE, record)
        print(f"weights written to {folder / safetensors_file.NAME}; or use --run={folder}")
        return
    if _FORMAT.value == "weights":
        checkpoints.save_weights(model, config, folder)
        runs.write_json(folder / provenance.FILE, record)
        print(f"weights written; use them with --run={_OUTPUT.value}")
        return
    export_lib.export(model, _OUTPUT.value, _SEED.value, _NUM_SLOTS.value, _NUM_ITERATIONS.value)
    settings = {
        "num_slots": _NUM_SLOTS.value or model.spec.num_slots,
        "num_iterations": _NUM_ITERATIONS.value or model.spec.num_iterations,
        "seed": _SEED.value,
    }
    runs.write_json(folder / provenance.FILE, {**record, "settings": settings})
    side = model.spec.image_shape[0]
    if model.spec.num_frames is not None:
        print(
            f"written to {_OUTPUT.value}; tf.saved_model.load of it has the signatures start("
            f"image=...) for the first frame, float32 [B, {side}, {side}, 3] in [0, 1], and step("
            "image=..., state_0=..., ...) for each later one, with the state of the one before"
        )
        return
    print(
        f"written to {_OUTPUT.value}; use it with "
        f'tf.saved_model.load("{_OUTPUT.value}").signatures["serving_default"](image=...), '
        f"image float32 [B, {side}, {side}, 3] in [0, 1]"
    )


def run() -> None:
    """Entry point of `iodine-export`."""
    app.run(main)


if __name__ == "__main__":
    run()
