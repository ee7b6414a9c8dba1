"""Figures 13 to 15: which masks are shown, and the counts beside the paper's."""

import numpy as np
import pytest

from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context
from iodine.reproduction.paper import figure13_to_15 as samples


def one_hot(labels, count):
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


LABELS = np.array([[[0, 1], [3, 3]], [[0, 0], [0, 2]]])


def test_rows_show_image_background_and_the_objects_that_have_pixels():
    images = np.random.default_rng(0).uniform(size=(2, 2, 2, 3))
    rows = samples.sample_rows(images, one_hot(LABELS, 4))
    assert [len(row) for row in rows] == [4, 4]
    np.testing.assert_array_equal(rows[0][0], images[0])
    for column, entity in ((1, 0), (2, 1), (3, 3)):
        np.testing.assert_array_equal(rows[0][column], LABELS[0] == entity)
    np.testing.assert_array_equal(rows[1][2], LABELS[1] == 2)
    assert rows[1][3] is None


def test_statistics_count_objects_outside_of_the_image_apart():
    visibility = np.array([[1, 1, 0.0, 1], [1, 0.2, 1, 1]])
    batch = {"mask": one_hot(LABELS, 4), "visibility": visibility}
    values = samples.scene_statistics([batch, batch])
    assert values["num_images"] == 4
    assert values["objects"] == {"2": 2, "3": 2}
    assert values["visible objects"] == {"1": 2, "2": 2}
    assert values["foreground"] == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_comparison_says_whether_counts_are_the_papers():
    row = samples._row(
        "T", "d/s", {"objects": {"3": 1, "7": 2}, "num_images": 3, "foreground": 0.25}, (3, 6)
    )
    assert samples._comparison(row) == (
        "d/s: 3-7 objects in 3 scenes, not within the paper's 3-6; 25.0% foreground pixels"
    )


def test_parts_without_data_are_not_run():
    budget = Budget("smoke")
    missing = dict.fromkeys(samples.FIGURE13_15.datasets(budget), "no file")
    findings = samples.FIGURE13_15.make(Context(budget, "nowhere", {}, missing))
    assert findings.comparison.count("not run, no file") == 3
    assert sorted(findings.figures) == ["figure13", "figure14", "figure15"]
