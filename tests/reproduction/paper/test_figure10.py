"""Figure 10 on masks whose groupings are known."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from iodine.analysis import multistability
from iodine.analysis.multistability import Stimulus, Variant
from iodine.config import override
from iodine.datasets import ambiguous_tetrominoes
from iodine.evaluation.evaluator import Evaluator
from iodine.evaluation.inference import Decomposition
from iodine.figures.multistability import Example, multistability_figure
from iodine.models import registry
from iodine.reproduction.paper import figure10
from iodine.studies import ambiguous


def _stimulus(image_size, block_size):
    """The canonical stimulus with its three readings."""
    scene = ambiguous_tetrominoes.generate_scene(0, "test", 0, image_size, block_size)
    readings = scene["factors"]["readings"]
    label_maps = ambiguous_tetrominoes.reading_label_maps(readings, image_size, block_size)
    return Stimulus(np.float32(scene["image"] / 255), label_maps, block_size)


@pytest.fixture(params=[(8, 1), (35, 5)], ids=["a pixel a block", "5 x 5 pixels a block"])
def stimulus(request):
    return _stimulus(*request.param)


def _masks(label_map, slots, num_slots=4):
    """Masks [1, K, H, W] that give entity i to slot slots[i]."""
    labels = np.array(slots)[label_map]
    one_hot = labels == np.arange(num_slots)[:, np.newaxis, np.newaxis]
    return np.where(one_hot, 0.7, 0.1)[np.newaxis]


def _runs(stimulus):
    """Eight runs: reading 2 in two slot orders, reading 0 once, all pieces in one slot thrice."""
    maps = stimulus.label_maps
    together = np.minimum(maps[2], 1)
    return np.concatenate(
        [
            _masks(maps[2], (3, 0, 1, 2)),
            _masks(maps[0], (3, 0, 1, 2)),
            _masks(maps[2], (0, 3, 1, 2)),
            _masks(maps[2], (3, 0, 1, 2)),
            _masks(together, (1, 2)),
            _masks(together, (1, 0)),
            _masks(together, (0, 2)),
            _masks(maps[2], (3, 0, 1, 2)),
        ]
    )


def test_blocks_are_the_foreground_once_each(stimulus):
    assert len(stimulus.corners) == 12
    covered = np.zeros(stimulus.label_maps[0].shape, int)
    for row, column in stimulus.corners:
        covered[row : row + stimulus.block_size, column : column + stimulus.block_size] += 1
    np.testing.assert_array_equal(covered, stimulus.label_maps[0] > 0)


def test_grouping_forgets_the_names_of_the_groups():
    assert multistability.grouping(np.array([7, 7, 2, 7, 0])) == (0, 0, 1, 0, 2)
    assert multistability.grouping(np.array([1, 1, 5, 1, 3])) == (0, 0, 1, 0, 2)


def test_counts_distinct_decompositions_and_their_slot_orders(stimulus):
    first, second, third = multistability.variants(_runs(stimulus), stimulus)
    assert (first.reading, second.reading, third.reading) == (2, None, 0)
    assert (first.runs, second.runs, third.runs) == ([0, 2, 3, 7], [4, 5, 6], [1])
    assert second.orders == {(2,): [4, 6], (0,): [5]}
    entities = dict.fromkeys(stimulus.label_maps[2][tuple(stimulus.corners.T)].tolist())
    slots_and_runs = [((3, 0, 1, 2), [0, 3, 7]), ((0, 3, 1, 2), [2])]
    assert first.orders == {tuple(s[e] for e in entities): runs for s, runs in slots_and_runs}


def test_every_reading_is_valid_and_others_are_not(stimulus):
    runs = _runs(stimulus)
    np.testing.assert_array_equal(
        multistability.is_valid(runs, stimulus), [True] * 4 + [False] * 3 + [True]
    )
    wrong = stimulus.label_maps[0].copy()
    row, column = stimulus.corners[0]
    block = np.s_[row : row + stimulus.block_size, column : column + stimulus.block_size]
    wrong[block] = wrong[block] % 3 + 1
    assert not multistability.is_valid(_masks(wrong, (3, 0, 1, 2)), stimulus).any()


def test_single_pixels_at_edges_do_not_change_the_decomposition():
    stimulus = _stimulus(35, 5)
    masks = _masks(stimulus.label_maps[1], (3, 0, 1, 2))
    row, column = stimulus.corners[5]
    masks[:, :, row, column] = np.array([0, 0, 0, 1])  # a corner of a block goes to the background
    (variant,) = multistability.variants(masks, stimulus)
    assert variant.reading == 1


def test_scores_against_every_reading_are_those_of_scikit_learn(stimulus):
    runs = _runs(stimulus)
    runs = np.concatenate([runs, np.random.default_rng(0).random(runs.shape)])
    foreground = stimulus.label_maps[0] > 0
    expected = [
        [
            adjusted_rand_score(label_map[foreground], labels[foreground])
            for label_map in stimulus.label_maps
        ]
        for labels in np.argmax(runs, axis=1)
    ]
    scores = multistability.reading_scores(runs, stimulus)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    assert scores[0, 2] == 1
    assert scores[1, 0] == 1


def test_background_slot_and_its_share():
    stimulus = _stimulus(8, 1)
    masks = _masks(stimulus.label_maps[0], (2, 0, 1, 3))
    masks[:, 2] = np.where(stimulus.label_maps[0] == 0, 0.4, 1.0)  # the foreground does not count
    slots, shares = multistability.background_slots(masks, stimulus)
    np.testing.assert_array_equal(slots, [2])
    np.testing.assert_allclose(shares, [0.4])


def test_plane_is_that_of_principal_components():
    latents = np.random.default_rng(1).normal(size=(30, 8)) @ np.diag([5, 3, *[0.5] * 6]) + 2
    plane = multistability.principal_plane(latents)
    variances, axes = np.linalg.eigh(np.cov(latents.T))
    expected = (latents - latents.mean(axis=0)) @ axes[:, :-3:-1]
    np.testing.assert_allclose(np.abs(plane(latents)), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(plane.variance_shares, variances[:-3:-1] / variances.sum())
    np.testing.assert_allclose(plane(plane.mean + 2 * plane.axes[1]), [0, 2], atol=1e-12)


def test_plane_leaves_out_runs_that_diverged_and_takes_equal_ones():
    latents = np.random.default_rng(2).normal(size=(9, 6))
    with_bad = np.insert(latents, 4, np.nan, axis=0)
    expected = multistability.principal_plane(latents)
    np.testing.assert_array_equal(multistability.principal_plane(with_bad).axes, expected.axes)
    same = multistability.principal_plane(np.ones((5, 6)))
    np.testing.assert_allclose(same(np.ones((5, 6))), 0)
    np.testing.assert_array_equal(same.variance_shares, 0)
    none = multistability.principal_plane(np.full((5, 6), np.inf))
    np.testing.assert_array_equal(none.variance_shares, 0)


def _variant(reading, orders):
    return Variant((0,) if reading is None else (0, 1), reading, orders)


def test_shows_what_the_paper_shows_as_far_as_it_occurred():
    main = _variant(1, {(0, 1): [4, 5, 9], (1, 0): [2], (2, 1): [6, 7]})
    other, invalid = _variant(0, {(0, 1): [3]}), _variant(None, {(1,): [0, 8]})
    worse = _variant(None, {(2,): [1]})
    runs = [run for run, _ in multistability.choose_examples([main, invalid, other, worse])]
    assert runs == [3, 4, 6, 0]  # another reading, one in two orders, an invalid one
    assert [run for run, _ in multistability.choose_examples([invalid, worse])] == [0, 1]
    assert [run for run, _ in multistability.choose_examples([main])] == [4, 6]


@pytest.fixture(scope="module")
def model():
    changes = {"model.decoder.channels": (4,), "model.refinement.channels": (4,)}
    return registry.build(override(registry.preset("tetrominoes_small"), changes))


def test_each_run_has_its_own_noise_whatever_the_batch(model, monkeypatch):
    stimulus = _stimulus(8, 1)
    images = np.repeat(stimulus.image[np.newaxis], 5, axis=0)
    monkeypatch.setattr(multistability, "_BATCH", 3)
    infer = multistability.NoisyInference(model, num_iterations=3, seed=4)
    results = infer(images)
    later = infer(images[:2], first=3)
    np.testing.assert_allclose(later[-1].elbo, results[-1].elbo[3:], rtol=1e-5)
    assert len(results) == 4  # t = 0 to 3
    assert len(np.unique(results[-1].elbo)) == 5
    # The evaluator's noise of image i is that of (seed, i) too.
    values = Evaluator(model, num_iterations=2, seed=4)([{"image": images}])
    np.testing.assert_allclose(
        np.stack([-r.elbo for r in results[:3]]), values["neg_elbo"], rtol=1e-5
    )


def test_figure_shows_counts_of_all_readings():
    stimulus = _stimulus(8, 1)
    masks = _runs(stimulus)
    num_runs = len(masks)
    found = multistability.variants(masks, stimulus)
    components = np.ones((*masks.shape, 3))
    result = Decomposition(masks, components, components[:, 0], None, None, None)
    latents = np.random.default_rng(3).normal(size=(2, num_runs, 8))
    latents[:, 1] = np.nan  # a run that is shown
    figure = multistability_figure(
        "scene 0",
        stimulus,
        result,
        [Example(run, "a row") for run, _ in multistability.choose_examples(found)],
        found,
        multistability.principal_plane(latents[-1]),
        latents,
        multistability.background_slots(masks, stimulus),
    )
    figure.draw_without_rendering()
    bars = next(axis for axis in figure.axes if axis.get_ylabel() == "runs")
    assert [bar.get_height() for bar in bars.patches] == [1, 0, 4, 3]


def test_table_row_and_run_records():
    stimulus = _stimulus(8, 1)
    masks = _runs(stimulus)
    found = multistability.variants(masks, stimulus)
    row = ambiguous.row(7, 1, found[0], len(masks))
    assert (row["scene"], row["runs"], row["share"]) == (7, 4, 0.5)
    assert (row["valid"], row["reading"], row["groups"]) == (True, 3, 3)
    assert row["slot orders"] == 2
    elbo = np.array([np.nan, *range(1, len(masks))])
    result = Decomposition(masks, None, None, None, None, elbo)
    records = ambiguous.run_records(result, stimulus, found, seed=5)
    assert [r["decomposition"] for r in records] == [1, 3, 1, 1, 2, 2, 2, 1]
    assert (records[0]["elbo"], records[1]["elbo"]) == (None, 1.0)
    assert (records[2]["seed"], records[2]["background slot"]) == ([5, 2], 1)
    assert (records[1]["best reading"], records[1]["fg_ari"]) == (1, 1.0)


def test_chooses_the_scene_with_most_readings():
    many = {"readings found of each": [1, 2, 2, 2], "valid share of each": [1.0, 0.3, 0.6, 0.6]}
    assert figure10._richest(many) == 2
