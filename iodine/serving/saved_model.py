"""SavedModel export: one call, images in, everything about their decomposition out."""

import pathlib

import tensorflow as tf

from iodine.evaluation import inference
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
        images = inference.as_float_images(image)
        results = inference.decompose_iterations(self._model, images, *self._arguments)
        return {name: x for name, x in results[-1]._asdict().items() if x is not None}


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
    """
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
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
