"""Textured MNIST, from tiny files in the format of MNIST that are written here."""

import gzip
import pickle
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import stats

from iodine.datasets import mnist_files, preparation, textured_mnist, textures
from iodine.errors import UserError

NAME = "textured_mnist/generated"
SIZES = {"num_train": 14, "num_validation": 3, "num_test": 7, "seed": 3}


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def known_digits(number, seed):
    """Blocks of greys around the threshold, on black."""
    rng = np.random.default_rng(seed)
    images = np.zeros((number, 28, 28), np.uint8)
    images[:, 6:22, 8:20] = rng.choice([0, 60, 127, 128, 200, 255], (number, 16, 12))
    return mnist_files.Digits(images, (np.arange(number) * 3 % 10).astype(np.uint8))


def write(folder, train, test):
    folder.mkdir(exist_ok=True)
    for name, array in zip(mnist_files.FILES, (*train, *test), strict=True):
        (folder / name).write_bytes(gzip.compress(idx(array)))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "mnist", known_digits(12, 0), known_digits(5, 1))


def draw(index, num_digits=1, seed=0, split="train", digits=None):
    digits = digits or known_digits(12, 0)
    return textured_mnist.draw_scene(seed, split, index, digits, num_digits)


def test_a_texture_is_one_fourier_coefficient():
    """Against the inverse Fourier transform of a single one, scaled to [0, 1]."""
    size = textures.PERIOD_PIXELS
    for texture, (down, right) in enumerate(textures.FREQUENCIES):
        spectrum = np.zeros((size, size), complex)
        spectrum[down, right] = size**2 * np.exp(0.7j)
        expected = 0.5 + 0.5 * np.fft.ifft2(spectrum).real
        np.testing.assert_allclose(textures.grating(texture, 0.7, size), expected, atol=1e-12)


def test_textures_are_the_twenty_of_the_authors_script():
    """Their coefficients: five rows of a square of 38, four columns each, one more a row."""
    rows, columns = [4, 10, 21, 32, 37], [0, 4, 8, 12]
    expected = {(row, column + i) for i, row in enumerate(rows) for column in columns}
    assert {(down % 38, right % 38) for down, right in textures.FREQUENCIES} == expected
    assert len(textures.FREQUENCIES) == 20


@pytest.mark.parametrize("index", range(5))
def test_factors_agree_with_pixels(index):
    digits = known_digits(12, 0)
    scene, factors = draw(index), draw(index)["factors"]
    fills = [
        textures.grating(texture, phase, 28)
        for texture, phase in zip(factors["texture"], factors["phase"], strict=True)
    ]
    grey = digits.images[index] / 255
    expected = 255 * (grey * fills[1] + (1 - grey) * fills[0])
    for channel in np.moveaxis(scene["image"], -1, 0):
        np.testing.assert_allclose(channel, expected, atol=0.51)  # the stored phase is rounded
    np.testing.assert_array_equal(scene["label_map"], digits.images[index] >= 128)
    assert factors["label"].tolist() == [-1, digits.labels[index]]
    assert factors["texture"][0] != factors["texture"][1]
    np.testing.assert_array_equal(scene["visibility"], [1, 1])


def test_two_digits_lie_on_one_another():
    """Each image is rebuilt from the factors; both orders and all pairs of labels come up."""
    digits = known_digits(10, 0)  # the label tells the digit
    number_of = {label: number for number, label in enumerate(digits.labels)}
    orders, labels = [], []
    for index in range(200):
        scene = draw(index, 2, digits=digits)
        factors = scene["factors"]
        fills = [
            textures.grating(texture, phase, 28)
            for texture, phase in zip(factors["texture"], factors["phase"], strict=True)
        ]
        lower, upper = (digits.images[number_of[label]] for label in factors["label"][1:])
        matches = []
        for shift in (-2, 2):
            greys = np.roll(lower, (shift, shift), (0, 1)), np.roll(upper, (-shift, -shift), (0, 1))
            label_map = np.where(greys[1] >= 128, 2, np.where(greys[0] >= 128, 1, 0))
            expected = fills[0]
            for grey, fill in zip(greys, fills[1:], strict=True):
                expected = grey / 255 * fill + (1 - grey / 255) * expected
            same = np.abs(scene["image"][..., 0] - 255 * expected).max() <= 0.51
            matches.append(same and np.array_equal(scene["label_map"], label_map))
        orders.append(matches)
        labels.append(factors["label"][1:])
        assert len(set(factors["texture"].tolist())) == 3
        np.testing.assert_array_equal(scene["visibility"], [1, 1, 1])
    assert (np.sum(orders, axis=1) == 1).all()
    assert stats.binomtest(int(np.sum(orders, axis=0)[0]), 200).pvalue > 0.01
    for place in np.transpose(labels):
        assert stats.chisquare(np.bincount(place, minlength=10)).pvalue > 0.01


def test_textures_and_phases_are_uniform():
    scenes = [draw(index, seed=1)["factors"] for index in range(1_000)]
    for place in np.transpose([factors["texture"] for factors in scenes]):
        assert stats.chisquare(np.bincount(place, minlength=20)).pvalue > 0.01
    phases = np.ravel([factors["phase"] for factors in scenes])
    assert stats.kstest(phases / (2 * np.pi), "uniform").pvalue > 0.01


def test_scene_depends_only_on_seed_split_and_index():
    forward = [draw(index)["image"] for index in range(4)]
    backward = [draw(index)["image"] for index in reversed(range(4))][::-1]
    np.testing.assert_array_equal(forward, backward)
    assert len({image.tobytes() for image in forward}) == 4
    for other in (draw(0, seed=1), draw(0, split="test")):
        assert not np.array_equal(other["image"], forward[0])


def test_a_digit_comes_again_with_other_textures():
    a, b = draw(1), draw(13)
    np.testing.assert_array_equal(a["label_map"], b["label_map"])
    assert not np.array_equal(a["image"], b["image"])


def test_splits_show_digits_of_their_own(folder, tmp_path):
    """Train shows ten of the twelve, validation the others; scenes can be had in any order."""
    builder, _ = preparation.prepare(
        NAME, str(tmp_path), settings=SIZES, source=str(folder), num_workers=1
    )
    worker = pickle.loads(pickle.dumps(builder))  # as a process of the pool gets it
    paths = tuple(str(folder / name) for name in mnist_files.FILES)
    train, test = known_digits(12, 0), known_digits(5, 1)
    pools = {"train": train.images[:10], "validation": train.images[10:], "test": test.images}
    for split, pool in pools.items():
        made = list(tfds.as_numpy(tfds.load(NAME, split=split, data_dir=str(tmp_path))))
        assert len(made) == SIZES[f"num_{split}"]
        for index in reversed(range(len(made))):
            expected = pool[index % len(pool)] >= 128
            np.testing.assert_array_equal(made[index]["label_map"][..., 0], expected)
            (alone,) = worker.scenes(split, index, index + 1, paths)
            np.testing.assert_array_equal(made[index]["image"], alone["image"])


def test_downloads_the_four_files(folder, tmp_path, monkeypatch):
    urls = []

    def fetch(dl_manager, url, source):
        urls.append(url)
        return str(folder / url.rsplit("/", 1)[1])

    monkeypatch.setattr(textured_mnist, "download", fetch)
    preparation.prepare(NAME, str(tmp_path / "data"), settings=SIZES)
    base = "https://storage.googleapis.com/cvdf-datasets/mnist/"
    assert urls == [base + name for name in mnist_files.FILES]


def bad_idx(content):
    return gzip.compress(content)


@pytest.mark.parametrize(
    ("number", "content", "message"),
    [
        (0, None, "no such file"),
        (0, bad_idx(idx(known_digits(12, 0).images))[:-50], "is truncated, damaged"),
        (1, b"hello", "no GZIP file"),
        (2, bad_idx(idx(known_digits(5, 1).labels)), "no idx file of images"),
        (3, bad_idx(idx(known_digits(5, 1).images)), "no idx file of labels"),
        (0, bad_idx(idx(known_digits(12, 0).images)[:-1]), "not the header of 16 and 12 x 28 x 28"),
        (2, bad_idx(idx(np.zeros((5, 20, 28), np.uint8))), "holds images of 20 x 28 pixels"),
        (3, bad_idx(idx(np.zeros(6, np.uint8))), "5 images but"),
        (2, bad_idx(bytes([0, 0, 8, 3, 0, 0])), "has 6 bytes"),
    ],
    # Not by the compressed bytes: they hold the time, and all processes must name tests alike.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_files_are_named(folder, tmp_path, number, content, message):
    path = folder / mnist_files.FILES[number]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        preparation.prepare(NAME, str(tmp_path / "data"), settings=SIZES, source=str(folder))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not [file for file in (tmp_path / "data").rglob("*tfrecord*") if file.is_file()]
