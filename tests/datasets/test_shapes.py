"""Shapes against appendix B.4, Reichert & Serre (2013), and what the scenes say of themselves."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage, stats
from sklearn.metrics import adjusted_rand_score

from iodine.datasets import pipelines, preparation, shapes_generator
from iodine.evaluation import ari as metrics

SETTINGS = {"num_train": 4, "num_validation": 2, "num_test": 12, "seed": 3}


@pytest.fixture(scope="module")
def scenes():
    return [shapes_generator.generate_scene(3, "train", i) for i in range(2000)]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("shapes"))
    preparation.prepare("shapes/generated", folder, settings=SETTINGS)
    return folder


def drawn_alone(scene, entity):
    """The pixels that the entity would have without the others, from its factors."""
    pixels = shapes_generator.PIXELS[int(scene["factors"]["shape"][entity])]
    alone = np.zeros((28, 28), bool)
    top, left = int(scene["factors"]["y"][entity]), int(scene["factors"]["x"][entity])
    alone[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    assert alone.sum() == pixels.sum()  # wholly inside the image
    return alone


def test_outlines():
    up, down, square = (shapes_generator.PIXELS[i] for i in (1, 2, 3))
    np.testing.assert_array_equal(up[::-1], down)
    assert square.shape == (7, 7)
    assert up.shape == (7, 12)
    for pixels in (up, down, square):
        np.testing.assert_array_equal(pixels, pixels[:, ::-1])
        assert ndimage.label(pixels)[1] == 1
        assert ndimage.binary_fill_holes(pixels).sum() > pixels.sum()  # hollow
    widths = ndimage.binary_fill_holes(up).sum(axis=1)
    assert widths.tolist() == [2, 4, 6, 8, 10, 12, 12]
    assert ndimage.binary_fill_holes(square).all()


def test_scene_is_the_union_of_its_shapes_and_overlap_is_ignored(scenes):
    overlapping = 0
    for scene in scenes:
        alone = np.array([drawn_alone(scene, entity) for entity in (1, 2, 3)])
        number = alone.sum(axis=0)
        np.testing.assert_array_equal(scene["image"], 255 * np.stack([number > 0] * 3, -1))
        label_map = scene["label_map"]
        np.testing.assert_array_equal(label_map == 255, number > 1)
        np.testing.assert_array_equal(label_map == 0, number == 0)
        for entity in (1, 2, 3):
            expected = alone[entity - 1] & (number == 1)
            np.testing.assert_array_equal(label_map == entity, expected)
            assert scene["visibility"][entity] == expected.any()
        assert scene["visibility"][0] == 1
        overlapping += (number > 1).any()
    assert 0.3 < overlapping / len(scenes) < 0.9


def test_shapes_and_places_are_uniform(scenes):
    factors = {
        name: np.stack([scene["factors"][name] for scene in scenes]) for name in ("shape", "x", "y")
    }
    assert not any(values[:, 0].any() for values in factors.values())
    shape, x, y = (factors[name][:, 1:].ravel().astype(int) for name in ("shape", "x", "y"))
    assert stats.chisquare(np.bincount(shape, minlength=4)[1:]).pvalue > 0.01
    assert stats.chisquare(np.bincount(y, minlength=22)).pvalue > 0.01
    assert len(np.bincount(y)) == 22
    for is_square, places in ((True, 22), (False, 17)):
        counts = np.bincount(x[(shape == 3) == is_square], minlength=places)
        assert len(counts) == places
        assert stats.chisquare(counts).pvalue > 0.01


def test_stream_of_numbers_does_not_change(scenes):
    assert scenes[0]["image"].dtype == scenes[0]["label_map"].dtype == np.uint8
    factors = shapes_generator.generate_scene(0, "train", 0)["factors"]
    assert {name: value.tolist() for name, value in factors.items()} == {
        "shape": [0, 1, 2, 3],
        "x": [0.0, 4.0, 8.0, 21.0],
        "y": [0.0, 2.0, 6.0, 5.0],
    }
    assert len({scene["image"].tobytes() for scene in scenes[:200]}) == 200


def test_stored_scenes_are_the_generated_ones(data_dir):
    examples = tfds.load("shapes/generated", split="test", data_dir=data_dir)
    for index, example in enumerate(tfds.as_numpy(examples)):
        expected = shapes_generator.generate_scene(3, "test", index)
        np.testing.assert_array_equal(example["image"], expected["image"])
        np.testing.assert_array_equal(example["label_map"][..., 0], expected["label_map"])
        np.testing.assert_array_equal(example["visibility"], expected["visibility"])
        for name, value in expected["factors"].items():
            np.testing.assert_array_equal(example["factors"][name], value)


@pytest.mark.parametrize("foreground_only", [True, False])
def test_ari_does_not_count_pixels_where_shapes_overlap(data_dir, foreground_only):
    """From the files to the figure, against scikit-learn on the pixels that are left."""
    (batch,) = pipelines.evaluation_batches(data_dir, "shapes/generated", "test", 12)
    masks = batch["mask"].numpy()
    true = np.stack([shapes_generator.generate_scene(3, "test", i)["label_map"] for i in range(12)])
    overlap = true == 255
    assert overlap.any()
    np.testing.assert_array_equal(masks.sum(axis=1) == 0, overlap)
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(true.shape) < 0.3, rng.integers(0, 5, true.shape), true % 5)
    scores = metrics.adjusted_rand_index(masks, predicted, 5, foreground_only)
    kept = ~overlap & ((true > 0) | (not foreground_only))
    expected = [
        adjusted_rand_score(t[k], p[k]) for t, p, k in zip(true, predicted, kept, strict=True)
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    changed = np.where(overlap, rng.integers(0, 5, true.shape), predicted)
    again = metrics.adjusted_rand_index(masks, changed, 5, foreground_only)
    np.testing.assert_array_equal(again, scores)
