"""SavedModel export: one call, images in, everything about their decomposition out.

Models of clips take a frame a call and give back their state: the memory does not grow.
"""

import pathlib

import tensorflow as tf

from iodine.errors import UserError
from iodine.evaluation import inference, streaming
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel


class ServingModule(tf.Module):
    """What is saved: the model's variables and one traced function an input type."""

    def __init__(self, model: SceneModel, seed: int, num_slots: int, num_iterations: int):
        """K, T and the seed of the latent samples are fixed at export."""
        super().__init__()
        self._model = model
        self._arguments = (seed, num_slots, num_iterations)

    @tf.function(autograph=False)
    def decompose(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Maps image [B, H, W, 3], uint8 or float32 in [0, 1], to the fields of `Decomposition`."""
        return self._decompose_floats(inference.as_float_images(image))

    @tf.function(autograph=False)
    def _decompose_floats(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """A function of its own, so that the model is traced once for both types of image."""
        results = inference.decompose_iterations(self._model, images, *self._arguments)
        return _outputs(results[-1])


class StreamingModule(tf.Module):
    """What is saved of a model of clips: two traced functions, for the first frame and others."""

    def __init__(self, model: SceneModel, seed: int, num_slots: int):
        """K and the seed of the latent samples are fixed at export."""
        super().__init__()
        self._model = model
        self._arguments = (seed, num_slots)
        self._state_structure = None  # of the nested tuples that `start` gives

    @tf.function(autograph=False)
    def start(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Frame 0 [B, H, W, 3], float32 in [0, 1], to the fields of `Decomposition` and the state.

        The state is `state_0`, `state_1` ...; it goes into `step` as it is.
        """
        result, state = streaming.start(self._model, image, *self._arguments)
        self._state_structure = state
        return {**_outputs(result), **_flat(state)}

    @tf.function(autograph=False)
    def step(self, image: tf.Tensor, **state: tf.Tensor) -> dict[str, tf.Tensor]:
        """The next frame and the state before it; gives what `start` gives."""
        flat = [state[f"state_{i}"] for i in range(len(state))]
        packed = tf.nest.pack_sequence_as(self._state_structure, flat)
        result, packed = streaming.advance(self._model, image, packed, *self._arguments)
        return {**_outputs(result), **_flat(packed)}


def _outputs(result: Decomposition) -> dict[str, tf.Tensor]:
    return {name: x for name, x in result._asdict().items() if x is not None}


def _flat(state) -> dict[str, tf.Tensor]:
    return {f"state_{i}": x for i, x in enumerate(tf.nest.flatten(state))}


def export(
    model: SceneModel,
    folder: str,
    seed: int = 0,
    num_slots: int | None = None,
    num_iterations: int | None = None,
) -> None:
    """Writes a SavedModel that plain TensorFlow loads and runs.

    Signatures: `serving_default` takes `image` float32 [B, H, W, 3] in [0, 1], `serving_uint8` the
    same as uint8 0..255; the loaded object's `decompose` takes either. Each returns `masks`
    [B, K, H, W], `components` [B, K, H, W, 3], `reconstruction` [B, H, W, 3], `latent_mean` and,
    if the model has a posterior, `latent_scale` [B, K, Z], `elbo` [B].

    Of a model of clips the signatures are `start`, of the first frame `image` float32
    [B, H, W, 3], and `step`, of every later one with the tensors `state_0`, `state_1` ... that the
    call before returned. Both return the same fields and the state; they tell of a frame what was
    predicted before it was seen.
    """
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    if model.spec.num_frames is not None:
        if num_iterations is not None:
            raise UserError("num_iterations follows from the frames of a clip; leave it out")
        _export_streaming(model, folder, seed, num_slots or model.spec.num_slots)
        return
    module = ServingModule(
        model,
        seed,
        num_slots or model.spec.num_slots,
        num_iterations or model.spec.num_iterations,
    )
    shape = [None, *model.spec.image_shape]
    signatures = {
        name: module.decompose.get_concrete_function(tf.TensorSpec(shape, dtype, name="image"))
        for name, dtype in (("serving_default", tf.float32), ("serving_uint8", tf.uint8))
    }
    tf.saved_model.save(module, folder, signatures)


def _export_streaming(model: SceneModel, folder: str, seed: int, num_slots: int) -> None:
    module = StreamingModule(model, seed, num_slots)
    image = tf.TensorSpec([None, *model.spec.image_shape], tf.float32, name="image")
    start = module.start.get_concrete_function(image)
    state = {
        name: tf.TensorSpec(output.shape, output.dtype, name=name)
        for name, output in start.structured_outputs.items()
        if name.startswith("state_")
    }
    step = module.step.get_concrete_function(image, **state)
    tf.saved_model.save(module, folder, {"start": start, "step": step})
