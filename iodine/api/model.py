"""A trained model of any kind, with NumPy in and out.

```python
model = iodine.load("pretrained:tetrominoes_fast")
result = model.decompose("picture.png")
result.save("decomposition.png")
```
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from iodine.analysis import traversals
from iodine.analysis.traversals import DEFAULT_VALUES, Traversal
from iodine.api import clips
from iodine.api.images import Images, as_batch
from iodine.api.result import Latents, Result, Scenes
from iodine.config import Config
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.models.interface import SceneModel, Spec, mixed
from iodine.training import checkpoints

_TRAVERSED = 6  # latents, as in Figure 6
_COMPILED_FROM = 8  # batches: building a graph takes as long as running some ten without one


def load(run: str | os.PathLike, checkpoint: str = "latest") -> "Model":
    """Loads a trained model.

    Args:
        run: a run's folder, or "pretrained:NAME" for weights that come with the package.
        checkpoint: "latest" weights or the "best" by validation loss.

    Raises:
        UserError: if there is no such run, or it holds no readable weights.
    """
    name = os.fspath(run)
    return Model(*checkpoints.load_model(name, checkpoint), name)


class Model:
    """A trained model: IODINE, MONet, NEM, VAE or whatever else is registered.

    Shape letters: B images, K slots, H W pixels, Z latents of a slot.

    Attributes:
        config: the whole configuration of its run.
        scene_model: the model itself, for TensorFlow: see `models/interface.py`.
        name: of its run.
    """

    def __init__(self, config: Config, scene_model: SceneModel, name: str = "model"):
        """See `load`."""
        self.config = config
        self.scene_model = scene_model
        self.name = name
        self._graphs: dict[tuple[int, int, bool], Callable[..., list[Decomposition]]] = {}

    def __repr__(self) -> str:
        """Name and sizes."""
        spec = self.spec
        height, width = spec.image_shape[:2]
        return (
            f"<Model {self.name}: {self.config.model.kind}, images of {height} x {width}, "
            f"{spec.num_slots} slots of {spec.latent_size} latents, {spec.num_iterations} "
            f"iteration{'s' * (spec.num_iterations != 1)}>"
        )

    @property
    def spec(self) -> Spec:
        """Image shape, K, T and Z by default, and which of K and T are free at a call."""
        return self.scene_model.spec

    @property
    def image_size(self) -> int:
        """H = W of the images that it sees."""
        return self.spec.image_shape[0]

    def decompose(
        self,
        images: Images,
        num_slots: int | None = None,
        num_iterations: int | None = None,
        seed: int = 0,
        all_iterations: bool = False,
        *,
        fit: str = "crop",
        batch_size: int = 64,
        compiled: bool | None = None,
    ) -> Result:
        """Takes images apart into slots.

        Args:
            images: one [H, W, 3] or several [B, H, W, 3], uint8 0..255 or float in [0, 1]; or the
                path of a PNG or JPEG; or a Pillow image; or a list of these.
            num_slots: K; as trained by default. IODINE takes any from 2 on.
            num_iterations: T; by default the configuration's `model.num_iterations`.
            seed: of the samples. Every image gets the same noise, so its result does not depend on
                what else is in the batch.
            all_iterations: keep what is known after every iteration in `Result.iterations`.
            fit: "crop" takes the centre square of images of another size and resizes it, and says
                so in `Result.notes`; "exact" refuses them.
            batch_size: images at a time; changes memory and speed only.
            compiled: whether to build a graph first, which takes seconds, and is kept for later
                calls with the same K and T; for many calls. By default for more than a few batches.

        Raises:
            UserError: for images that cannot be used, or numbers that the model does not take.
        """
        if self.spec.num_frames is not None:
            raise UserError(f"{self.name} takes clips; use follow(frames) or stream()")
        batch = as_batch(images, self.image_size, fit)
        sizes = self.scene_model.call_sizes(num_slots, num_iterations)
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; at least 1 is needed")
        if compiled is None:
            compiled = len(batch.images) > _COMPILED_FROM * batch_size
        infer = self._inference(*sizes, all_iterations, compiled)
        parts = []
        for start in range(0, len(batch.images), batch_size):
            found = infer(tf.constant(batch.images[start : start + batch_size]), tf.constant(seed))
            parts.append([record.each(np.asarray) for record in found])
        records = [_joined(of_step) for of_step in zip(*parts, strict=True)]
        return Result(
            images=batch.images,
            notes=batch.notes,
            **records[-1]._asdict(),
            iterations=tuple(records) if all_iterations else (),
        )

    def follow(
        self, frames: Images, num_slots: int | None = None, seed: int = 0, fit: str = "crop"
    ) -> Result:
        """Takes a clip apart: every frame as it was predicted from the frames before it.

        Args:
            frames: of one clip, in their order, as images for `decompose`; at least two. Their
                number need not be that of the training.
            num_slots: K; as trained by default.
            seed: of the samples.
            fit: as for `decompose`.

        Returns:
            The frames stand where `decompose` has several images. A slot stays with its object from
            frame to frame as far as the model follows it.

        Raises:
            UserError: for frames that cannot be used, or a model of single images.
        """
        return clips.follow(self.scene_model, frames, num_slots, seed, fit)

    def stream(
        self, num_slots: int | None = None, seed: int = 0, fit: str = "crop"
    ) -> clips.Stream:
        """Takes a clip apart as its frames come: the numbers of `follow`, without its end.

        Arguments and errors are those of `follow`.

        ```python
        stream = model.stream()
        for frame in camera:
            result = stream(frame)
        ```
        """
        return clips.Stream(self.scene_model, num_slots, seed, fit)

    def encode(self, images: Images, **arguments: Any) -> Latents:
        """The latents of the slots of images; arguments as for `decompose`."""
        result = self.decompose(images, **arguments)
        return Latents(result.latent_mean, result.latent_scale)

    def decode(self, latents: np.ndarray) -> Scenes:
        """Draws scenes from latents [B, K, Z], for any K.

        The masks are those that the decoder predicts.

        Raises:
            UserError: for latents of another shape.
        """
        z = np.asarray(latents, np.float32)
        size = self.spec.latent_size
        if z.ndim != 3 or z.shape[-1] != size or 0 in z.shape:
            raise UserError(f"latents have the shape {z.shape}, expected [B, K, Z] with Z = {size}")
        components, mask_logits = self.scene_model.decode(tf.constant(z))
        masks = tf.nn.softmax(mask_logits, axis=1)
        scenes = Scenes(z, masks, components, mixed(components, masks))
        return Scenes(*map(np.asarray, scenes))

    def sample(self, n: int = 1, seed: int = 0, num_slots: int | None = None) -> Scenes:
        """Draws scenes whose slots are independent samples of the prior.

        Args:
            n: how many.
            seed: decides which.
            num_slots: K; as trained by default.

        Raises:
            UserError: for a model without a prior, or a number of slots that it does not take.
        """
        slots, _ = self.scene_model.call_sizes(num_slots, None)
        prior = self.scene_model.prior_of_slots(slots)
        if prior is None:
            raise UserError(f"{self.name} has no prior to sample from")
        if n < 1:
            raise UserError(f"n is {n}; at least 1 is needed")
        noise = tf.random.stateless_normal([n, slots, self.spec.latent_size], seed=(seed, 0))
        return self.decode((prior.mean() + prior.stddev() * noise).numpy())

    def traverse(
        self,
        image: Images,
        slot: int | None = None,
        latents: Sequence[int] | None = None,
        values: Sequence[float] = DEFAULT_VALUES,
        seed: int = 0,
    ) -> Traversal:
        """Changes latents of one slot of one image, one at a time, and decodes (Figure 6).

        Args:
            image: one, as for `decompose`.
            slot: 0 to K - 1; by default one that holds an object, by the seed.
            latents: 0 to Z - 1 each; by default the six of largest KL over the image's objects.
            values: what each is set to, in the prior's standard deviations from its mean.
            seed: of the samples of inference and of the choice of the slot.

        Raises:
            UserError: for several images, a slot or latent that does not exist, or a model without
                a prior; without a posterior `latents` have to be given.
        """
        result = self.decompose(image, seed=seed)
        if len(result) != 1:
            raise UserError(f"{len(result)} images to traverse; give one")
        if slot is None:
            slot = traversals.any_slot(result.masks[0], seed)
        if latents is None:
            kl = traversals.kl_of_objects(self.scene_model, result.decomposition)
            latents = traversals.rank_latents(kl)[:_TRAVERSED]
        return traversals.traverse(self.scene_model, result.latent_mean[0], slot, latents, values)

    def _inference(self, num_slots: int, num_iterations: int, all_iterations: bool, compiled: bool):
        """(images, seed) to the records of all iterations, or of the last."""

        def infer(images: tf.Tensor, seed: tf.Tensor) -> list[Decomposition]:
            steps = inference.decompose_iterations(
                self.scene_model, images, seed, num_slots, num_iterations
            )
            return steps if all_iterations else steps[-1:]

        if not compiled:
            return infer
        key = (num_slots, num_iterations, all_iterations)
        if key not in self._graphs:
            signature = (
                tf.TensorSpec([None, *self.spec.image_shape], tf.float32),
                tf.TensorSpec([], tf.int32),
            )
            self._graphs[key] = tf.function(infer, input_signature=signature, autograph=False)
        return self._graphs[key]


def _joined(records: Sequence[Decomposition]) -> Decomposition:
    """Batches one after another."""
    return Decomposition(
        *(
            None if fields[0] is None else np.concatenate(fields)
            for fields in zip(*records, strict=True)
        )
    )
