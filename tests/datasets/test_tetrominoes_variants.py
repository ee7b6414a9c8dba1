"""The variants of Tetrominoes as data on disk: what is in them, and at which version."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from iodine.datasets import catalogue, pipelines, preparation
from iodine.datasets.tetromino_generator import generate_scene
from iodine.datasets.tetrominoes import Tetrominoes
from iodine.errors import UserError

FEW = {"num_train": 2, "num_validation": 1, "num_test": 12}
SIZES = {
    "generated": [60_000, 320, 5_000],
    "generated_no_green_squares": [60_000, 320, 5_000],
    "more_green_squares": [1_000, 320, 1_000],
    "single": [60_000, 320, 5_000],
    "aligned": [60_000, 320, 5_000],
    "more": [1_000, 320, 1_000],
    "more_small": [1_000, 320, 1_000],
    "touching_small": [60_000, 320, 5_000],
}
VERSIONS = {
    "generated": "2.0.0",
    "generated_no_green_squares": "2.0.0",
    "more_green_squares": "2.0.0",
    "more": "2.0.0",
    "single": "2.0.0",
    "aligned": "2.0.0",
    "ambiguous": "2.0.0",
    "moving_generated": "2.0.0",
    "moving_entering_generated": "2.0.0",
    "moving_occluded_generated": "2.0.0",
    # Their scenes are what they were, so data that exist stay good.
    "generated_small": "1.0.0",
    "more_small": "1.0.0",
    "touching_small": "1.0.0",
    "ambiguous_small": "1.0.0",
    "released": "1.0.0",
}


@pytest.mark.parametrize("variant", SIZES)
def test_default_sizes(variant):
    _, config = catalogue.find(f"tetrominoes/{variant}")
    assert [config.num_train, config.num_validation, config.num_test] == SIZES[variant]


@pytest.mark.parametrize(
    ("variant", "num_pieces", "green_squares", "counts"),
    [
        ("generated", (3, 3), None, {3}),
        ("generated_no_green_squares", (3, 3), False, {3}),
        ("more", (3, 5), None, {3, 4, 5}),
        ("more_green_squares", (3, 5), True, {3, 4, 5}),
        ("single", (1, 1), None, {1}),
        ("aligned", (3, 3), None, {3}),
    ],
)
def test_data_on_disk_are_the_drawn_scenes(tmp_path, variant, num_pieces, green_squares, counts):
    name = f"tetrominoes/{variant}"
    preparation.prepare(name, str(tmp_path), settings=FEW)
    examples = list(tfds.as_numpy(tfds.load(name, split="test", data_dir=str(tmp_path))))
    assert len(examples) == 12
    for index, example in enumerate(examples):
        asked = num_pieces, green_squares, variant == "aligned"
        expected = generate_scene(0, "test", index, 35, 5, True, *asked)
        np.testing.assert_array_equal(example["image"], expected["image"])
        np.testing.assert_array_equal(example["label_map"][..., 0], expected["label_map"])
        np.testing.assert_array_equal(example["visibility"], expected["visibility"])
        assert example["visibility"].shape == (1 + num_pieces[1],)
        for factor, value in expected["factors"].items():
            np.testing.assert_array_equal(example["factors"][factor], value)
    assert {int(example["label_map"].max()) for example in examples} == counts


def test_versions(tmp_path):
    found = {
        config.name: str(Tetrominoes(config=config.name, data_dir=str(tmp_path)).version)
        for config in Tetrominoes.BUILDER_CONFIGS
    }
    assert found == VERSIONS
    assert set(VERSIONS.values()) == set(Tetrominoes.RELEASE_NOTES)


def test_data_of_the_version_before_are_not_read(tmp_path, monkeypatch):
    """They are missing, and made anew beside the old ones."""
    name, folder = "tetrominoes/generated", str(tmp_path)
    with monkeypatch.context() as before:
        before.setattr(Tetrominoes, "VERSION", tfds.core.Version("1.0.0"))
        builder, made = preparation.prepare(name, folder, settings=FEW)
        assert made
        assert str(builder.version) == "1.0.0"
    with pytest.raises(UserError, match=r"no data of tetrominoes/generated in .*; make them with"):
        pipelines.open_dataset(folder, name)
    assert preparation.prepare(name, folder, settings=FEW)[1]
    assert str(pipelines.open_dataset(folder, name).version) == "2.0.0"
    versions = {path.name for path in (tmp_path / name).iterdir()}
    assert versions - {".lock"} == {"1.0.0", "2.0.0"}


def test_scenes_of_the_small_variant_stay_what_they_were(tmp_path):
    """The shipped weights were trained on them."""
    builder = Tetrominoes(config="generated_small", data_dir=str(tmp_path))
    scene = builder.generate("test", 0)
    drawing = [
        ".ccc....",
        "...c....",
        "........",
        "........",
        "........",
        ".mm.....",
        ".m..ccc.",
        ".m...c..",
    ]
    palette = {".": [0, 0, 0], "c": [0, 255, 255], "m": [255, 0, 255]}
    assert scene["image"].tolist() == [[palette[char] for char in row] for row in drawing]
    assert scene["factors"]["shape"].tolist() == [0, 16, 9, 6]
