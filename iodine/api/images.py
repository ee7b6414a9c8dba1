"""Images in whatever form they come, as the batch that a model takes."""

import os
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from iodine.datasets import pictures
from iodine.errors import UserError

# An array of one image [H, W, 3] or of several [B, H, W, 3], a picture's path, a Pillow image, or a
# sequence of these.
Images: TypeAlias = np.ndarray | str | os.PathLike | Image.Image | Sequence

FITS = ("crop", "exact")
_ROUNDING = 1e-5  # by which float images may leave [0, 1]


class ImageBatch(NamedTuple):
    """Images as a model takes them."""

    images: np.ndarray  # float32 [B, side, side, 3] in [0, 1]
    notes: tuple[str | None, ...]  # of each image what was done to it; None for nothing


def as_batch(images: Images, side: int, fit: str = "crop") -> ImageBatch:
    """Makes a batch of images.

    Args:
        images: uint8 0..255 or float in [0, 1], [H, W, 3] or [B, H, W, 3]; or the path of a PNG or
            JPEG; or a Pillow image; or a sequence of these, whose sizes may differ.
        side: H = W of the model's images.
        fit: "crop" takes the centre square of images of another size and resizes it to `side`:
            averaged when it shrinks, pixels repeated when it grows. "exact" refuses such images.

    Raises:
        UserError: for images of another shape or type, or out of range; pictures that cannot be
            read; another size where `fit` is "exact"; an unknown `fit`; no images at all.
    """
    if fit not in FITS:
        raise UserError(f"unknown fit {fit!r}; known: {', '.join(FITS)}")
    if isinstance(images, str | os.PathLike | Image.Image):
        images = [images]
    is_list = isinstance(images, list | tuple) and any(map(_is_an_image, images))
    fitted: list[tuple[np.ndarray, str | None]] = []
    for image in images if is_list else _arrays(images):
        pixels, note = _fitted(image, side)
        if note and fit == "exact":
            raise UserError(
                f"the model takes images of {side} x {side} pixels, which image {len(fitted)} is "
                f'not: it would be {note}; do so, or give fit="crop"'
            )
        fitted.append((_as_float(pixels), note))
    if not fitted:
        raise UserError("no images; give at least one")
    pixels, notes = zip(*fitted, strict=True)
    return ImageBatch(np.stack(pixels), notes)


def _is_an_image(value: object) -> bool:
    return isinstance(value, str | os.PathLike | Image.Image) or np.ndim(value) == 3


def _fitted(image: np.ndarray | str | os.PathLike | Image.Image, side: int):
    """Pixels [side, side, 3], uint8 or float32, and what was done to them."""
    if isinstance(image, str | os.PathLike):
        picture = pictures.read_picture(os.fspath(image), side)
        return picture.pixels, picture.note
    if isinstance(image, Image.Image):
        picture = pictures.from_image(image, side)
        return picture.pixels, picture.note
    [pixels] = _arrays(image)
    return pictures.from_pixels(pixels, side)


def _arrays(images: np.ndarray) -> np.ndarray:
    """[B, H, W, 3], uint8 or float32, of an array of one or several images."""
    array = np.asarray(images)
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape[-3:]:
        raise UserError(
            f"images have the shape {array.shape}, expected [H, W, 3] or [B, H, W, 3], the colours "
            "red, green, blue last"
        )
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"images are {array.dtype}, expected uint8 0..255 or float in [0, 1]")
    array = array.astype(np.float32)
    if array.size and not (array.min() >= -_ROUNDING and array.max() <= 1 + _ROUNDING):
        raise UserError(
            f"images of type float go from {array.min():.4g} to {array.max():.4g}, expected 0 to "
            "1; divide by 255, or give uint8"
        )
    return np.clip(array, 0, 1)


def _as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
