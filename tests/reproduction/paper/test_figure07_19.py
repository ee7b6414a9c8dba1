"""The shown scene, slots and iterations, and the numbers of Figure 7."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iodine.evaluation.inference import Decomposition
from iodine.reproduction.framework.budgets import Budget
from iodine.reproduction.framework.context import Context
from iodine.reproduction.paper import figure07_19 as generalisation
from iodine.reproduction.paper.crowded_scene import (
    CrowdedScene,
    num_visible,
    shown_iterations,
    shown_slots,
    unseen_objects,
)


def one_hot(labels, count):
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


# A column each of entities 0 to 4; the six slots hold them in the end as listed.
TRUE = np.tile(np.arange(5), (5, 1))
HELD_BY = np.array([2, 5, 0, 3, 1])  # slot of entity; slot 4 holds nothing


def scene(unseen=()):
    uniform = np.full((1, 6, 5, 5), 1 / 6, np.float32)
    uniform[0, 0] += 0.01  # before any refinement everything is in slot 0
    last = one_hot(HELD_BY[TRUE], 6)[np.newaxis]
    pictures = np.random.default_rng(0).uniform(size=(1, 6, 5, 5, 3))
    results = [
        Decomposition(m, pictures, pictures[:, 0], None, None, None) for m in (uniform, last)
    ]
    return CrowdedScene(7, pictures[0, 0], one_hot(TRUE, 5), list(unseen), results)


def test_visible_objects_are_counted_without_the_background():
    labels = np.array([[[0, 1], [3, 3]], [[0, 0], [0, 0]], [[2, 2], [1, 3]]])
    assert num_visible(one_hot(labels, 4)).tolist() == [2, 0, 3]


def test_shown_iterations():
    assert shown_iterations(5) == [0, 1, 2, 3, 5]
    assert shown_iterations(15) == [0, 1, 2, 4, 8, 15]
    assert shown_iterations(4) == [0, 1, 2, 3, 4]
    assert shown_iterations(1) == [0, 1]


def test_shown_slots_hold_objects_and_the_unseen_come_last():
    masks = np.concatenate([r.masks for r in scene().results])
    assert shown_slots(scene().masks, masks, []) == [0, 1, 3, 5]
    assert shown_slots(scene().masks, masks, [2]) == [1, 3, 5, 0]
    assert shown_slots(scene().masks, masks, [4, 1]) == [0, 3, 1, 5]


def test_slots_that_change_most_are_preferred():
    """Of five slots with objects those of entities 1 to 4 change; that of 5 is as in the end."""
    true = np.tile(np.arange(6), (6, 1))
    last = one_hot(true, 6)
    first = last.copy()
    first[[1, 2, 3, 4]] = 0.25
    assert shown_slots(last, np.stack([first, last]), []) == [1, 2, 3, 4]
    first = last.copy()
    first[[0, 2, 3, 4, 5]] = 0.25
    assert shown_slots(last, np.stack([first, last]), []) == [2, 3, 4, 5]


def test_unseen_objects_have_pairs_that_never_occur():
    factors = {"color": np.array([0, 1, 2, 1]), "shape": np.array([0, 1, 2, 2])}
    seen = [
        {"color": np.array([[0, 1], [2, 1]]), "shape": np.array([[0, 1], [1, 1]])},
        {"color": np.array([[1, 0]]), "shape": np.array([[2, 0]])},
    ]
    is_object = np.array([False, True, True, True])
    assert unseen_objects(factors, seen, is_object) == [2]  # (2, 2); (1, 2) is in the second
    assert unseen_objects(factors, seen, is_object & (np.arange(4) != 2)) == []


def test_colours_may_be_rgb():
    green, red = [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    factors = {"color": np.array([green, green, red]), "shape": np.array([1, 2, 2])}
    seen = [{"color": np.array([[green, red, green]]), "shape": np.array([[1, 2, 3]])}]
    assert unseen_objects(factors, seen, np.ones(3, bool)) == [1]


def test_scores_of_the_scene():
    first, last = scene().fg_ari()
    assert last == 1
    is_object = TRUE > 0
    expected = adjusted_rand_score(TRUE[is_object], np.zeros(is_object.sum()))
    assert first == pytest.approx(expected)
    numbers = generalisation._scene_numbers(scene(unseen=[3]))
    assert {k: numbers[k] for k in ("objects", "found", "unseen", "unseen found")} == {
        "objects": 4,
        "found": 4,
        "unseen": 1,
        "unseen found": 1,
    }


def test_rows_are_iterations_and_columns_the_chosen_slots():
    shown = scene()
    block = generalisation.iterations_block(shown, [0, 1], [5, 0], "")
    assert block.labels == ["t = 0", "t = 1"]
    assert block.titles[3:] == ["slot 6", "slot 1"]
    np.testing.assert_array_equal(block.rows[0][0], shown.image)
    assert block.rows[1][0] is None
    last = shown.results[1]
    for column, slot in ((3, 5), (4, 0)):
        expected = last.masks[0, slot][..., np.newaxis] * last.components[0, slot]
        np.testing.assert_allclose(block.rows[1][column], expected)


def test_numbers_of_every_decoding_and_what_is_left_out():
    values = np.array([[0.0, np.nan, 0.5], [1.0, np.nan, 0.5]])
    part = generalisation._mean_ari(values)
    assert part == {"fg_ari": [0.25, 0.75], "images without foreground": 1}
    text = generalisation._over({**part, "num_images": 3, "objects": [3, 5], "num_slots": 6})
    assert text == "0.750 over 3 of 3-5 with K = 6 (1 image without foreground left out)"
    assert generalisation._mean_ari(values[:, 1:2])["fg_ari"] == [None, None]
    words = generalisation._scene_in_words
    workload = SimpleNamespace(held_out="green squares")
    run = SimpleNamespace(
        training=SimpleNamespace(workload=workload),
        config=SimpleNamespace(data=SimpleNamespace(dataset="some/data")),
    )
    assert "before any refinement, 1.000 after 1; no combination of" in words(run, scene())
    told = words(run, scene(unseen=[3]))
    assert told.endswith("1 of 1 green squares, of which some/data has none, found")


def test_without_model_or_data_there_is_a_place():
    for make in (generalisation._make_figure7, generalisation._make_figure19):
        findings = make(Context(Budget("paper"), "", {}, {"some data": "no file"}))
        assert findings.comparison == "not run: no file"
        (figure,) = findings.figures.values()
        assert "not run: no file" in [text.get_text() for text in figure.axes[0].texts]
