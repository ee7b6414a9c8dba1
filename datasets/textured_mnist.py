"""Textured MNIST (Greff et al. 2016, "Tagger"), on which IODINE fails: section 5, Figure 11.

From the script that the authors of Tagger published with their code (`FreqMNIST28.ipynb`): images
of 28 x 28 with one digit, or with two of which one is moved by two pixels up and left and the other
as far down and right, either on top; every digit and the ground filled with another of the same
twenty gratings (`textures.py`), the digit's grey value mixing the two; training on the first 50,000
digits of the training file, validation on its other 10,000, test on the test file.

Choices made here: a pixel belongs to a digit whose grey value is 128 or more; with one digit, scene
i shows digit i, and goes round again with other textures where more scenes are asked for than there
are digits; with two, both are drawn uniformly; the image is stored as three equal channels. The
paper at hand does not say whether it used one digit or two.
"""

import dataclasses
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iodine.datasets import mnist_files, textures
from iodine.datasets.fetching import download
from iodine.datasets.mnist_files import IMAGE_SIZE, Digits
from iodine.datasets.random_streams import below, raw_numbers, shuffled, uniform
from iodine.datasets.scene_builder import Scene, SceneBuilder, SceneConfig

THRESHOLD = 128  # grey value from which on a pixel is the digit's
SHIFT = 2  # pixels, of each of two digits, along both axes

_SECONDS_A_SCENE = 0.0005


@dataclasses.dataclass(eq=False)
class TexturedMnistConfig(SceneConfig):
    """A variant of Textured MNIST; `num_digits` in an image is 1 or 2."""

    num_digits: int = 1


def _config(name: str, num_digits: int, description: str) -> TexturedMnistConfig:
    return TexturedMnistConfig(
        name=name,
        description=description,
        image_size=(IMAGE_SIZE, IMAGE_SIZE),
        num_entities=1 + num_digits,
        num_digits=num_digits,
        seed=0,
        source_url=mnist_files.URL,
        seconds_a_scene=_SECONDS_A_SCENE,
        licence="CC BY-SA 3.0 (the digits: MNIST, LeCun and Cortes)",
        num_train=50_000,
        num_validation=320,
        num_test=5_000,
    )


class TexturedMnist(SceneBuilder):
    """Digits of one grating on a ground of another; see this file's beginning.

    `source` is a folder that holds the four files of MNIST (`mnist_files.FILES`).
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (
        _config("generated", 1, "MNIST digits filled and backed with gratings."),
        _config("two_digits_generated", 2, "The same with two digits, one partly on the other."),
    )

    @property
    def is_stream(self) -> bool:
        """False: any digit can be had at once."""
        return False

    def factor_features(self) -> dict[str, tfds.features.Tensor]:
        """Those of `draw_scene`."""
        entities = (self.builder_config.num_entities,)
        return {
            "label": tfds.features.Tensor(shape=entities, dtype=np.int32),
            "texture": tfds.features.Tensor(shape=entities, dtype=np.int32),
            "phase": tfds.features.Tensor(shape=entities, dtype=np.float32),
        }

    def scenes(self, split: str, start: int, stop: int, path: Any) -> Iterator[Scene]:
        """Yields scenes `start` to `stop - 1`; `path` are the four files of MNIST."""
        digits = digits_of(split, *mnist_files.read_all(path))
        num_digits, seed = self.builder_config.num_digits, self.settings["seed"]
        return (draw_scene(seed, split, index, digits, num_digits) for index in range(start, stop))

    def _source_path(self, dl_manager: tfds.download.DownloadManager) -> tuple[str, ...]:
        if self.source is not None:
            return tuple(os.path.join(self.source, name) for name in mnist_files.FILES)
        urls = [mnist_files.URL + name for name in mnist_files.FILES]
        return tuple(download(dl_manager, url, "FOLDER") for url in urls)


def digits_of(split: str, train: Digits, test: Digits) -> Digits:
    """The digits that a split shows: of the training file the first five sixths, or the rest."""
    if split == "test":
        return test
    border = len(train.labels) * 5 // 6
    part = slice(border) if split == "train" else slice(border, None)
    return Digits(train.images[part], train.labels[part])


def draw_scene(seed: int, split: str, index: int, digits: Digits, num_digits: int) -> Scene:
    """Draws one scene, a pure function of its arguments.

    Args:
      seed: 0 to 2^64 - 1.
      split: train, validation or test; equal indices of different splits are unrelated.
      index: the scene's number within its split, from 0.
      digits: those of the split, at least one.
      num_digits: 1 or 2.

    Returns:
      `image` uint8 `[28, 28, 3]`, grey; `label_map` uint8 `[28, 28]`, 0 the ground, then the
      digits, of two the lower first; `visibility` float32 `[1 + num_digits]`, 1 for what has a
      pixel; `factors` of `[1 + num_digits]`: `label` int32, 0 to 9, -1 for the ground; `texture`
      int32, 0 to 19, all different; `phase` float32, radians in [0, 2 pi).
    """
    numbers = raw_numbers(seed, split, index)
    if num_digits == 1:
        chosen, shifts = [index % len(digits.labels)], [0]
    else:
        chosen = [below(len(digits.labels), numbers) for _ in range(num_digits)]
        shifts = [-SHIFT, SHIFT] if below(2, numbers) else [SHIFT, -SHIFT]
    texture_ids = shuffled(range(len(textures.FREQUENCIES)), numbers)[: 1 + num_digits]
    phases = [uniform(0.0, 2 * math.pi, numbers) for _ in texture_ids]
    fillings = [
        textures.grating(texture, phase, IMAGE_SIZE)
        for texture, phase in zip(texture_ids, phases, strict=True)
    ]
    image, label_map = fillings[0], np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for entity, (number, shift) in enumerate(zip(chosen, shifts, strict=True), 1):
        grey = _shifted(digits.images[number], shift)
        share = grey / 255.0
        image = share * fillings[entity] + (1 - share) * image
        label_map[grey >= THRESHOLD] = entity
    pixels = np.round(255 * image).astype(np.uint8)
    return {
        "image": np.repeat(pixels[..., None], 3, axis=-1),
        "label_map": label_map,
        "visibility": np.isin(np.arange(1 + num_digits), label_map).astype(np.float32),
        "factors": {
            "label": np.array([-1, *(digits.labels[number] for number in chosen)], np.int32),
            "texture": np.array(texture_ids, np.int32),
            "phase": np.array(phases, np.float32),
        },
    }


def _shifted(image: np.ndarray, shift: int) -> np.ndarray:
    """The image moved down and right by so many pixels, at most `SHIFT`; black comes in."""
    start = SHIFT - shift
    return np.pad(image, SHIFT)[start : start + len(image), start : start + len(image)]
