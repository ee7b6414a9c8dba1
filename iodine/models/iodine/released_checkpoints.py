"""Reads checkpoints of the authors' released code (TensorFlow 1.14, Sonnet 1).

No TensorFlow 1 is needed: `tf.train.load_checkpoint` reads the files. Every variable is accounted
for; what does not fit is an error that lists all of it.
"""

import contextlib
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import sonnet as snt
import tensorflow as tf

from iodine import checkpoint_index
from iodine.errors import UserError
from iodine.models.iodine.model import Iodine
from iodine.models.parts.decoders import BroadcastDecoder
from iodine.models.parts.factor_regression import FactorRegressor

# Of the authors' file with all checkpoints.
URL = "https://storage.googleapis.com/deepmind-research-iodine/iodine_checkpoints.zip"
# Our refinement inputs by the names of the released layer norms.
LAYER_NORMS = {
    "likelihood": "log_prob",
    "mask_gradient": "dmask",
    "means_gradient": "dcomponents",
    "leave_one_out_likelihood": "counterfactual",
    "posterior_gradient": "dzp",
}
REGRESSOR = "factor_evaluator/repres_content"
# Running statistics of the numeric factors, to normalise R^2 with; nothing here needs them.
STATISTICS = ("total", "mean", "M2")
STEP = "global_step"
FIRST_MOMENT, SECOND_MOMENT = "/Adam", "/Adam_1"  # suffixes
BETA_POWERS = ("beta1_power", "beta2_power")  # follow from the step
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # only checkpoints of TensorFlow 2 have it
MAX_LISTED = 6  # names in a message; more are counted
# What TensorFlow's reader raises for a damaged checkpoint.
_UNREADABLE = (tf.errors.OpError, LookupError, OSError, RuntimeError, TypeError, ValueError)
# Sonnet 1 orders the gates of its LSTM i, j (candidate), f, o; Sonnet 2 i, f, g (candidate), o.
GATES = (0, 2, 1, 3)
FORGET_GATE = 1  # in Sonnet 2's order
FORGET_BIAS = 1.0  # Sonnet 1 adds it in every call, Sonnet 2 once, to the initial value


class Training(Protocol):
    """What is filled: the parts of `training.trainer.Trainer` that are needed here."""

    model: Any  # an `Iodine`; a trainer may hold any model
    regressor: FactorRegressor | None
    optimizer: tf.keras.optimizers.Optimizer

    @property
    def variables(self) -> list[tf.Variable]:
        """All that is trained."""

    def reset_averages(self) -> None:
        """Sets the averaged weights to the weights."""

    def optimizer_slots(self, kind: str) -> dict[Any, tf.Variable]:
        """Adam's "momentum" or "velocity" by `variable.ref()`."""


class ReleasedVariable(NamedTuple):
    """Where the numbers of one released variable go."""

    variables: tuple[tf.Variable, ...]  # ours, which hold its numbers side by side
    joined_axis: int = 0  # along which ours are concatenated
    is_lstm: bool = False  # the last axis holds the four gates
    offset: np.ndarray | float = 0.0  # added to the value (not to a moment), in our gate order

    @property
    def shape(self) -> tuple[int, ...]:
        """The released shape."""
        shape = list(self.variables[0].shape)
        shape[self.joined_axis] = sum(v.shape[self.joined_axis] for v in self.variables)
        return tuple(shape)

    def split(self, array: np.ndarray) -> list[np.ndarray]:
        """The released layout to one array for each of our variables; moves numbers only."""
        if self.is_lstm:
            array = np.concatenate([np.split(array, 4, axis=-1)[i] for i in GATES], axis=-1)
        ends = np.cumsum([v.shape[self.joined_axis] for v in self.variables])[:-1]
        return np.split(array, ends, axis=self.joined_axis)


def released_variables(
    model: Iodine, regressor: FactorRegressor | None = None
) -> dict[str, ReleasedVariable]:
    """Every released name of a model, and of a regressor, whose variables exist.

    Variables that the released code does not have are left out.
    """
    found = {
        "model/iodine/initial_sample_distribution": ReleasedVariable((model.initial_posterior,))
    }

    def add(scope: str, module: snt.Module) -> None:
        found[f"{scope}/w"] = ReleasedVariable((module.w,))
        found[f"{scope}/b"] = ReleasedVariable((module.b,))

    decoder, refinement = model.decoder, model.refinement
    convs = []
    if isinstance(decoder, BroadcastDecoder):  # the only one that was released
        convs = [decoder.first, *decoder.hidden, decoder.last]
    for i, conv in enumerate(convs):
        add(f"pixel_decoder/broadcast_conv/conv_net_2d/conv_2d_{i}", conv)
    for i, conv in enumerate([refinement.first, *refinement.hidden]):
        add(f"encoder_net/cnn/conv_net_2d/conv_2d_{i}", conv)
    for i, linear in enumerate(_linear_layers(refinement.mlp)):
        add(f"encoder_net/cnn/mlp/linear_{i}", linear)
    add("refinement_head/residual_head/linear", refinement.update)
    for name, released_name in LAYER_NORMS.items():
        if name not in model.inputs.layer_norms:
            continue
        layer_norm = model.inputs.layer_norms[name]
        scope = f"model/iodine/preprocess/layer_norm_{released_name}"
        found[f"{scope}/gamma"] = ReleasedVariable((layer_norm.scale,))
        found[f"{scope}/beta"] = ReleasedVariable((layer_norm.offset,))
    if refinement.lstm:
        found.update(_lstm_variables(refinement.lstm))
    if regressor:
        add(f"{REGRESSOR}/predict_latents", regressor.predict_factors)
    return found


def assign(trainer: Training, arrays: Mapping[str, np.ndarray]) -> str:
    """Gives a trainer the weights, and where present the optimizer's state, of the arrays.

    Args:
        trainer: its training, with a released preset.
        arrays: by released name, e.g. "encoder_net/cnn/conv_net_2d/conv_2d_0/w".

    Returns:
        A phrase that says what was imported.

    Raises:
        UserError: where a variable is missing, surplus or of another shape. It lists them, and
            nothing has been assigned.
    """
    entries = released_variables(trainer.model, trainer.regressor)
    _check_covered(trainer, entries)
    expected = {name: entry.shape for name, entry in entries.items()}
    moments = {
        name + suffix: shape
        for suffix in (FIRST_MOMENT, SECOND_MOMENT)
        for name, shape in expected.items()
    }
    counters = dict.fromkeys((STEP, *BETA_POWERS), ())
    has_moments = any(name in arrays for name in moments)
    optional = {}
    if has_moments:
        expected.update(moments | counters)
    else:
        optional.update(counters)
    statistics = _statistics(trainer.regressor)
    if any(name in arrays for name in statistics):
        expected.update(statistics)
    _check(expected, optional, arrays)
    for name, entry in entries.items():
        for variable, value in zip(entry.variables, entry.split(arrays[name]), strict=True):
            variable.assign(value + entry.offset)
    trainer.reset_averages()
    if not has_moments:
        return f"{len(entries)} variables; no optimizer state, which starts anew"
    for suffix, kind in ((FIRST_MOMENT, "momentum"), (SECOND_MOMENT, "velocity")):
        slots = trainer.optimizer_slots(kind)
        for name, entry in entries.items():
            values = entry.split(arrays[name + suffix])
            for variable, value in zip(entry.variables, values, strict=True):
                slots[variable.ref()].assign(value)
    trainer.optimizer.iterations.assign(int(arrays[STEP]))
    return f"{len(entries)} variables and Adam's moments"


def read_arrays(prefix: str) -> dict[str, np.ndarray]:
    """All variables of a checkpoint. Raises UserError if it cannot be read."""
    try:
        checkpoint_index.check(prefix)
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        if OBJECT_GRAPH in names:
            raise UserError(f"{prefix} is a checkpoint of TensorFlow 2, not of the released code")
        return {name: reader.get_tensor(name) for name in names}
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"checkpoint {prefix} cannot be read: {reason}; its index and all of its data files "
            "must be there and complete"
        ) from None


def resolve_prefix(path: str) -> str:
    """The prefix that a path means: a prefix, one of its files, or the folder that holds it.

    Raises:
        UserError: if there is no checkpoint, or a folder does not say which one it means.
    """
    if pathlib.Path(path).is_dir():
        return _prefix_in(pathlib.Path(path))
    prefix = re.sub(r"\.(index|data-\d+-of-\d+|meta)$", "", path)
    if not pathlib.Path(prefix + ".index").is_file():
        raise UserError(
            f"{path} is not a TensorFlow checkpoint: there is no {prefix}.index; give the path "
            "without .index, as in model.ckpt-1000"
        )
    return prefix


def find_prefix(folder: pathlib.Path, preset: str) -> str:
    """The checkpoint of a released preset among the authors' unpacked files.

    Raises:
        UserError: if there is none, or more than one.
    """
    dataset = preset.removesuffix("_released")
    indices = [p.relative_to(folder) for p in folder.rglob("*.index")]
    found = sorted({str(p.parent) for p in indices if dataset in p.parent.parts})
    if len(found) != 1:
        raise UserError(
            f"{len(found)} folders of checkpoints for {preset} in {folder}, expected one named "
            f"{dataset}; give --checkpoint=PREFIX"
        )
    return _prefix_in(folder / found[0])


def _prefix_in(folder: pathlib.Path) -> str:
    """The newest checkpoint by the file `checkpoint`; without a usable one, the only one."""
    with contextlib.suppress(ValueError, OSError, tf.errors.OpError):  # a damaged `checkpoint`
        if prefix := tf.train.latest_checkpoint(str(folder)):
            return prefix
    found = sorted(str(path.with_suffix("")) for path in folder.glob("*.index"))
    if not found:
        raise UserError(f"folder {folder} holds no TensorFlow checkpoint (no .index file)")
    if len(found) > 1:
        raise UserError(
            f"folder {folder} holds {len(found)} checkpoints; give one as --checkpoint=PREFIX: "
            + _listed(found)
        )
    return found[0]


def _lstm_variables(lstm: snt.LSTM) -> dict[str, ReleasedVariable]:
    offset = np.zeros([4, lstm.b.shape[0] // 4], np.float32)
    offset[FORGET_GATE] = FORGET_BIAS
    gates = (lstm.input_to_hidden, lstm.hidden_to_hidden)
    return {
        "recurrent_net/lstm/lstm/w_gates": ReleasedVariable(gates, is_lstm=True),
        "recurrent_net/lstm/lstm/b_gates": ReleasedVariable(
            (lstm.b,), is_lstm=True, offset=offset.reshape(-1)
        ),
    }


def _linear_layers(mlp: snt.nets.MLP) -> list[snt.Linear]:
    layers = [module for module in mlp.submodules if isinstance(module, snt.Linear)]
    return sorted(layers, key=lambda layer: int(layer.name.rsplit("_", 1)[-1]))


def _statistics(regressor: FactorRegressor | None) -> dict[str, tuple[int, ...]]:
    return {
        f"{REGRESSOR}/{factor.name}_mean_var/{part}": (factor.size,)
        for factor in (regressor.factors if regressor else ())
        if factor.kind != "categorical"
        for part in STATISTICS
    }


def _check_covered(trainer: Training, entries: Mapping[str, ReleasedVariable]) -> None:
    """Raises UserError if a variable of ours has no released counterpart."""
    covered = {variable.ref() for entry in entries.values() for variable in entry.variables}
    uncovered = [v.name for v in trainer.variables if v.ref() not in covered]
    if uncovered:
        raise UserError(
            "the released code has no such variables as this configuration's "
            f"{_listed(uncovered)}; start from a released --preset"
        )


def _check(
    expected: Mapping[str, tuple[int, ...]],
    optional: Mapping[str, tuple[int, ...]],
    arrays: Mapping[str, np.ndarray],
) -> None:
    known = {**expected, **optional}
    problems = {
        "missing": [name for name in expected if name not in arrays],
        "surplus": sorted(set(arrays) - set(known)),
        "misshapen": [
            f"{name} {np.shape(arrays[name])} instead of {shape}"
            for name, shape in known.items()
            if name in arrays and np.shape(arrays[name]) != shape
        ],
    }
    found = [f"{kind}: {_listed(names)}" for kind, names in problems.items() if names]
    if found:
        raise UserError(
            "the checkpoint does not fit the configuration (another --preset?); " + "; ".join(found)
        )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")
