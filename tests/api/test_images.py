"""Every form of images becomes the batch that Pillow and NumPy say it should."""

import numpy as np
import pytest
from PIL import Image

from iodine.api.images import as_batch
from iodine.errors import UserError

SIDE = 8


@pytest.fixture
def bytes_():
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)


def test_all_forms_of_the_same_images_are_the_same_batch(bytes_, tmp_path):
    as_float = bytes_ / np.float32(255)
    paths = []
    for i, image in enumerate(bytes_):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    forms = [
        bytes_,
        as_float,
        as_float.astype(np.float64),
        list(bytes_),
        as_float.tolist(),
        paths,
        [str(path) for path in paths],
        [Image.fromarray(bytes_[0]), paths[1], as_float[2]],
    ]
    for form in forms:
        batch = as_batch(form, SIDE)
        assert batch.images.dtype == np.float32
        np.testing.assert_allclose(batch.images, as_float, atol=1e-7)
        assert batch.notes == (None,) * 3
    for one in (bytes_[0], as_float[0], paths[0], Image.fromarray(bytes_[0])):
        np.testing.assert_allclose(as_batch(one, SIDE).images, as_float[:1], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_larger_images_are_cropped_and_averaged(dtype):
    """Blocks of 3 x 3 pixels of the centre square, by NumPy."""
    image = np.random.default_rng(1).integers(0, 256, (30, 24, 3))
    given = image.astype(np.uint8) if dtype == np.uint8 else (image / 255).astype(np.float32)
    batch = as_batch(given, SIDE)
    blocks = image[3:27].reshape(SIDE, 3, SIDE, 3, 3).mean(axis=(1, 3)) / 255
    tolerance = 1.01 / 255 if dtype == np.uint8 else 1e-6  # rounded to 8 bits twice
    np.testing.assert_allclose(batch.images[0], blocks, atol=tolerance)
    assert batch.notes == ("cropped from 24x30 to its centre 24x24, resized to 8x8",)


def test_smaller_images_keep_their_colours():
    image = np.random.default_rng(2).uniform(size=(4, 4, 3)).astype(np.float32)
    expected = image.repeat(2, axis=0).repeat(2, axis=1)
    batch = as_batch(image, SIDE)
    np.testing.assert_array_equal(batch.images[0], expected)
    assert batch.notes == ("resized to 8x8",)


def test_sizes_may_differ_in_a_list(bytes_, tmp_path):
    Image.fromarray(bytes_[0]).resize((16, 8)).save(tmp_path / "wide.png")
    batch = as_batch([tmp_path / "wide.png", bytes_[1], np.zeros([4, 4, 3])], SIDE)
    assert batch.images.shape == (3, SIDE, SIDE, 3)
    assert batch.notes == ("cropped from 16x8 to its centre 8x8", None, "resized to 8x8")


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (np.zeros([8, 8]), r"images have the shape \(8, 8\), expected \[H, W, 3\]"),
        (np.zeros([3, 8, 8]), "the colours red, green, blue last"),
        (np.zeros([0, 8, 8, 3]), "no images; give at least one"),
        ([], r"images have the shape \(0,\)"),
        (np.zeros([8, 8, 3], int), "images are int64, expected uint8 0..255 or float in"),
        (np.full([8, 8, 3], 200.0), "go from 200 to 200, expected 0 to 1; divide by 255"),
        (np.full([8, 8, 3], np.nan), "go from nan to nan"),
        ("nowhere.png", "picture nowhere.png does not exist"),
    ],
)
def test_what_is_no_image_is_told(images, line):
    with pytest.raises(UserError, match=line):
        as_batch(images, SIDE)


def test_another_size_may_be_refused():
    images = [np.zeros([8, 8, 3]), np.zeros([8, 9, 3])]
    with pytest.raises(UserError, match=r"which image 1 is not: it would be cropped from 9x8 to"):
        as_batch(images, SIDE, fit="exact")
    assert as_batch(images[:1], SIDE, fit="exact").notes == (None,)
    with pytest.raises(UserError, match="unknown fit 'pad'; known: crop, exact"):
        as_batch(images, SIDE, fit="pad")
