"""A model's weights as a `safetensors` file, which is read without TensorFlow.

Names are the places of the variables in the model, as in "decoder/coarse/first/w"; kernels of
convolutions are [height, width, in, out], of linear layers [in, out].
"""

import pathlib
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.interface import SceneModel

NAME = "model.safetensors"


def named_variables(model: SceneModel) -> dict[str, tf.Variable]:
    """All variables of a model by their place in it, each once."""
    found: dict[str, tf.Variable] = {}
    seen: set[int] = set()
    view = tf.train.TrackableView(model)
    waiting = [("", model)]
    while waiting:  # breadth first: of several places the shortest
        place, item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, tf.Variable):
            found[place] = item
            continue
        for name, child in sorted(view.children(item).items()):
            waiting.append((f"{place}/{name}" if place else name, child))
    return dict(sorted(found.items()))


def write(path: pathlib.Path, model: SceneModel, metadata: Mapping[str, str]) -> None:
    """Writes all variables as float32; `metadata` stands in the file's header."""
    arrays = {name: variable.numpy() for name, variable in named_variables(model).items()}
    path.write_bytes(safetensors.numpy.save(arrays, dict(metadata)))


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of a file by name. Raises UserError for one that is damaged."""
    try:
        return safetensors.numpy.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}") from None


def restore(model: SceneModel, path: pathlib.Path) -> None:
    """Sets all variables of a model that has them already.

    Raises:
        UserError: for a file that is damaged, or that is not of this model.
    """
    arrays, variables = read(path), named_variables(model)
    for name in sorted({*arrays, *variables}):
        there, expected = arrays.get(name), variables.get(name)
        if there is None or expected is None or there.shape != tuple(expected.shape):
            shapes = [None if x is None else list(x.shape) for x in (there, expected)]
            raise UserError(
                f"{path} is not of the model of config.json beside it: {name} has the shape "
                f"{shapes[0]} there, {shapes[1]} in the model"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
