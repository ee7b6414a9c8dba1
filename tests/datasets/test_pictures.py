"""A user's own pictures, of all kinds."""

import struct
import zlib

import numpy as np
import pytest
from hostile_mutations import png_chunk
from PIL import Image

from iodine.datasets import pictures
from iodine.errors import UserError


def gradient(height, width):
    """An image in which every pixel tells its place: red the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, np.newaxis]
    image[..., 2] = 100
    return image


def save(tmp_path, pixels, name="x.png", **options):
    path = tmp_path / name
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def test_right_size_is_left_alone(tmp_path):
    pixels = gradient(35, 35)
    picture = pictures.read_picture(save(tmp_path, pixels), 35)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.uint8
    assert picture.note is None


@pytest.mark.parametrize(("height", "width"), [(20, 50), (50, 20)])
def test_centre_square(tmp_path, height, width):
    pixels = gradient(height, width)
    picture = pictures.read_picture(save(tmp_path, pixels), 20)
    np.testing.assert_array_equal(
        picture.pixels, pixels[15:35] if height > width else pixels[:, 15:35]
    )
    assert picture.note == f"cropped from {width}x{height} to its centre 20x20"


def test_shrinking_averages_and_says_so(tmp_path):
    pixels = gradient(40, 60)
    picture = pictures.read_picture(save(tmp_path, pixels), 10)
    expected = pixels[:, 10:50].reshape(10, 4, 10, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(picture.pixels, expected, atol=0.51)
    assert picture.note == "cropped from 60x40 to its centre 40x40, resized to 10x10"


def test_growing_repeats_pixels(tmp_path):
    pixels = gradient(5, 5)
    picture = pictures.read_picture(save(tmp_path, pixels), 10)
    np.testing.assert_array_equal(picture.pixels, pixels.repeat(2, 0).repeat(2, 1))
    assert picture.note == "resized to 10x10"


def test_transparency_becomes_black(tmp_path):
    pixels = np.dstack([gradient(8, 8), np.full((8, 8), 255, np.uint8)])
    pixels[:4, :, 3] = 0
    pixels[4, :, 3] = 51  # a fifth
    picture = pictures.read_picture(save(tmp_path, pixels), 8).pixels
    assert not picture[:4].any()
    np.testing.assert_array_equal(picture[4, :, 2], 20)
    np.testing.assert_array_equal(picture[5:], pixels[5:, :, :3])


def test_gray_jpeg(tmp_path):
    path = save(tmp_path, np.full((8, 8), 130, np.uint8), "x.jpg", quality=95)
    np.testing.assert_allclose(pictures.read_picture(path, 8).pixels, 130, atol=1)


def test_sixteen_bits(tmp_path):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    picture = pictures.read_picture(save(tmp_path, values), 8).pixels
    np.testing.assert_allclose(picture[..., 0], values / 257, atol=1)
    assert picture.max() == 255
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


def test_cmyk_jpeg(tmp_path):
    image = Image.new("RGB", (8, 8), (255, 0, 0)).convert("CMYK")
    picture = pictures.read_picture(save(tmp_path, image, "x.jpg", quality=95), 8).pixels
    np.testing.assert_allclose(picture, np.broadcast_to([255, 0, 0], (8, 8, 3)), atol=8)


@pytest.mark.parametrize("mode", ["P", "1", "LA"])
def test_other_modes(tmp_path, mode):
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert("L").convert(mode)
    assert (pictures.read_picture(save(tmp_path, image), 8).pixels == 255).all()


def test_photo_of_a_turned_camera(tmp_path):
    pixels = gradient(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    path = save(tmp_path, pixels, exif=exif)
    picture = pictures.read_picture(path, 8).pixels
    np.testing.assert_array_equal(picture, np.rot90(pixels, k=-1))


@pytest.mark.parametrize(("width", "height"), [(1_000_000_000, 1), (31_623, 31_623), (8193, 8192)])
def test_a_picture_of_monstrous_size_is_not_decoded(tmp_path, monkeypatch, width, height):
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10))), (b"IEND", b"")]
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(UserError, match="picture: more than 67,108,864 pixels; make it smaller"):
        pictures.read_picture(path, 8)
    assert limit == Image.MAX_IMAGE_PIXELS  # which is other libraries' too


def test_other_formats_than_those_that_are_promised(tmp_path):
    """Pillow would read them too, some with other programs' help."""
    path = tmp_path / "x.png"
    Image.fromarray(gradient(8, 8)).save(path, "TIFF")
    with pytest.raises(UserError, match="cannot be read as a PNG or JPEG picture"):
        pictures.read_picture(path, 8)
