"""Reading a user's own pictures."""

import contextlib
import pathlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from iodine.errors import UserError

# Of a picture: more are refused before any is decoded. So many take up to 1.3 GB meanwhile.
MAX_PIXELS = 8192 * 8192
FORMATS = ("PNG", "JPEG")  # Pillow knows dozens more; some have other programs run
# What Pillow raises for files that are damaged, of another kind, or monstrous.
UNREADABLE = (
    *(UnidentifiedImageError, Image.DecompressionBombError, zlib.error, struct.error),
    *(ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError),
)


class Picture(NamedTuple):
    """A picture as the model takes it, and what had to be done to it."""

    pixels: np.ndarray  # uint8 [side, side, 3]
    size: tuple[int, int]  # width and height, upright, before cropping
    note: str | None  # e.g. "cropped from 640x480 to its centre, resized to 35x35"


def read_picture(path: str | pathlib.Path, side: int, file: IO[bytes] | None = None) -> Picture:
    """Reads a PNG or JPEG of any size, crops its centre square, resizes it to `side` pixels.

    Turned upright where the file says how the camera was held. Transparent parts become black, as
    the background of the data sets is.

    Args:
        path: the file, or just its name for messages if `file` is given.
        side: of the result.
        file: the opened file, if it is open already.

    Raises:
        UserError: for a file that is missing or not a picture.
    """
    try:
        with opened(file or path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            rgb = _as_rgb(image)
    except FileNotFoundError:
        raise UserError(f"picture {path} does not exist") from None
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read as a PNG or JPEG picture: {error}") from None
    return _fitted(rgb, side)


def from_image(image: Image.Image, side: int) -> Picture:
    """The same of a picture that is in memory."""
    return _fitted(_as_rgb(ImageOps.exif_transpose(image)), side)


def from_pixels(pixels: np.ndarray, side: int) -> tuple[np.ndarray, str | None]:
    """The same of RGB pixels [H, W, 3], uint8 or float32, which keep their type; and the note."""
    height, width = pixels.shape[:2]
    note = _note(width, height, side)
    if note is None:
        return pixels, None
    if pixels.dtype == np.uint8:
        return _fitted(Image.fromarray(pixels), side).pixels, note
    resampling = _resampling(min(height, width), side)
    channels = [
        np.asarray(centre_square(Image.fromarray(np.ascontiguousarray(c)), side, resampling))
        for c in np.moveaxis(pixels, -1, 0)
    ]
    return np.stack(channels, axis=-1), note


def _fitted(rgb: Image.Image, side: int) -> Picture:
    resampling = _resampling(min(rgb.size), side)
    pixels = np.asarray(centre_square(rgb, side, resampling))
    return Picture(pixels, rgb.size, _note(rgb.width, rgb.height, side))


def _note(width: int, height: int, side: int) -> str | None:
    """What makes a square of `side` pixels of a picture; None if it is one."""
    square = min(width, height)
    steps = []
    if (width, height) != (square, square):
        steps.append(f"cropped from {width}x{height} to its centre {square}x{square}")
    if square != side:
        steps.append(f"resized to {side}x{side}")
    return ", ".join(steps) or None


def _resampling(square: int, side: int) -> Image.Resampling:
    return Image.Resampling.BOX if square > side else Image.Resampling.NEAREST


@contextlib.contextmanager
def opened(
    file: str | pathlib.Path | IO[bytes], formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """A picture of at most `MAX_PIXELS` in one of Pillow's formats, not yet decoded.

    Raises:
        ValueError: for more pixels.
        Exception: one of `UNREADABLE`, if it is of no such format.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        try:
            image = Image.open(file, formats=formats)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"more than {MAX_PIXELS:,} pixels; make it smaller") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        yield image


def centre_square(image: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    """The largest square in the middle of an image, resized to `side` pixels."""
    square = min(image.size)
    left, top = (image.width - square) // 2, (image.height - square) // 2
    cropped = image.crop((left, top, left + square, top + square))
    return cropped if square == side else cropped.resize((side, side), resampling)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow would cut them off at 255
        scaled = np.asarray(image).astype(np.int64) // 257
        image = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
    if image.mode == "CMYK":
        return image.convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, rgba).convert("RGB")
