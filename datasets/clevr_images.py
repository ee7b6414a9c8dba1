"""From a CLEVR picture of 240 x 320 to the 128 x 128 that models see: appendix B.1 of the paper."""

import numpy as np

CROP_SIZE = 192
IMAGE_SIZE = (128, 128)
LEFT = 64
CENTRE_TOP = 24  # the centre of 240 rows
LOW_TOP = 29  # that of the authors' released code

_SCALE = CROP_SIZE / IMAGE_SIZE[0]
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def resize_image(image: np.ndarray, top: int) -> np.ndarray:
    """Crops rows `top` to `top + 191`, columns 64 to 255, and scales by 2/3, bilinearly.

    As `tf.image.resize(crop, (128, 128), "bilinear", antialias=False)` does: output pixel i, whose
    centre is i + 0.5, lies at (i + 0.5) * 1.5 - 0.5 between the centres of input pixels. Rounded to
    the nearest integer, halves to the even one.

    Args:
      image: uint8 `[240, 320, C]`.
      top: first row of the crop.

    Returns:
      uint8 `[128, 128, C]`.
    """
    crop = _crop(image, top).astype(np.float32)
    rows = np.einsum("ir,rwc->iwc", _WEIGHTS, crop, optimize=True)
    return np.rint(np.einsum("jw,iwc->ijc", _WEIGHTS, rows, optimize=True)).astype(np.uint8)


def resize_labels(labels: np.ndarray, top: int) -> np.ndarray:
    """The same for entity ids, uint8 `[240, 320]` to `[128, 128]`, each from the nearest pixel.

    As `tf.image.resize(..., "nearest")`: output pixel i takes input pixel floor((i + 0.5) * 1.5).
    """
    nearest = np.floor((np.arange(IMAGE_SIZE[0]) + 0.5) * _SCALE).astype(int)
    return _crop(labels, top)[np.ix_(nearest, nearest)]


def resize_coordinates(coordinates: np.ndarray, top: int) -> np.ndarray:
    """Pixel coordinates `[N, 3]` (column, row, depth) of the same points in the resized crop.

    Pixel (i, j) covers [j, j + 1] x [i, i + 1] before and after. Points outside of the crop get
    coordinates below 0 or above 128. Depth stays.
    """
    offset, scale = np.array([LEFT, top, 0.0]), np.array([_SCALE, _SCALE, 1.0])
    return ((coordinates - offset) / scale).astype(np.float32)


def to_gray(image: np.ndarray) -> np.ndarray:
    """uint8 `[H, W, 3]` with all channels the luma 0.299 R + 0.587 G + 0.114 B, rounded."""
    luma = np.rint(image.astype(np.float32) @ _LUMA).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=-1)


def view(top: int) -> tuple[slice, slice]:
    """The rows and columns that a crop keeps."""
    return slice(top, top + CROP_SIZE), slice(LEFT, LEFT + CROP_SIZE)


def _crop(pixels: np.ndarray, top: int) -> np.ndarray:
    return pixels[view(top)]


def _bilinear_weights() -> np.ndarray:
    """`[128, 192]`: how much of each input row an output row takes."""
    places = (np.arange(IMAGE_SIZE[0]) + 0.5) * _SCALE - 0.5
    distances = np.abs(places[:, None] - np.arange(CROP_SIZE))
    return np.maximum(1.0 - distances, 0.0).astype(np.float32)


_WEIGHTS = _bilinear_weights()
