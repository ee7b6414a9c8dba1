"""Linear probes against closed forms, and at the ceiling and at chance where these are known."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score

from iodine.analysis.factors import Factor, factors_of
from iodine.analysis.object_latents import ObjectLatents
from iodine.analysis.probes import probe
from iodine.errors import UserError

IMAGES, OBJECTS = 300, 3
N = IMAGES * OBJECTS
PRIMARY = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)], np.float32)


def make(latents, factors, image=None):
    """Of `OBJECTS` objects an image, in a mixed order, whose indices are not contiguous."""
    if image is None:
        image = np.random.default_rng(9).permutation(np.repeat(5 * np.arange(IMAGES) + 2, OBJECTS))
    count = len(latents)
    return ObjectLatents(latents, factors, image, np.zeros(count, int), np.ones(count))


@pytest.fixture
def factors():
    rng = np.random.default_rng(0)
    return {
        "x": rng.uniform(0, 60, N).astype(np.float32),
        "position": rng.normal(size=[N, 2]).astype(np.float32),
        "orientation": rng.uniform(0, 2 * np.pi, N).astype(np.float32),
        "shape": rng.integers(1, 5, N).astype(np.int32),
        "color": PRIMARY[rng.integers(0, 6, N)],
    }


ALL = [
    Factor("x", "scalar"),
    Factor("position", "scalar"),
    Factor("orientation", "angle"),
    Factor("shape", "categorical"),
    Factor("color", "categorical"),
]


def linear(factors):
    """Latents that hold all factors linearly, on very different scales, with a constant one."""
    angle = factors["orientation"]
    columns = [factors["x"][:, np.newaxis], factors["position"], np.eye(5)[factors["shape"]]]
    columns += [np.stack([np.cos(angle), np.sin(angle)], axis=1), factors["color"]]
    code = np.concatenate(columns, axis=1)
    mixed = code @ np.random.default_rng(1).normal(size=[code.shape[1], code.shape[1] + 2])
    return np.concatenate([mixed, np.full([N, 1], 3.0)], axis=1).astype(np.float32)


def noise():
    return np.random.default_rng(2).normal(size=[N, 8]).astype(np.float32)


def parts(image, train_fraction, seed):
    """Which rows are of training images, as `probe` chooses them."""
    images = np.unique(image)
    order = np.random.default_rng(seed).permutation(images)
    return np.isin(image, order[: round(train_fraction * len(images))])


def test_ceiling_where_latents_hold_the_factors(factors):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = probe(make(linear(factors), factors), ALL)
    assert [score[:2] for score in scores] == [tuple(factor) for factor in ALL]
    for score in scores:
        assert 0.99 < score.score <= 1
        assert score.std < 0.01
        assert (score.num_train, score.num_test) == (720, 180)


def test_chance_where_latents_are_noise(factors):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = probe(make(noise(), factors), ALL)
    for score in scores:
        if score.kind == "categorical":
            classes = {"shape": 4, "color": 6}[score.name]
            error = np.sqrt((1 - 1 / classes) / classes / score.num_test)
            assert abs(score.score - 1 / classes) < 3 * error
            assert score.std == pytest.approx(error, rel=0.25)
        else:
            assert score.score <= 0.05
            assert score.chance == 0


def test_chance_is_the_accuracy_of_the_most_frequent_category_of_training(factors):
    shape = np.random.default_rng(3).choice([1, 2, 9], N, p=[0.2, 0.7, 0.1])
    latents = make(noise(), {"shape": shape})
    [score] = probe(latents, [Factor("shape", "categorical")], seed=4)
    train = parts(latents.image, 0.8, 4)
    assert np.bincount(shape[train]).argmax() == 2
    assert score.chance == pytest.approx(np.mean(shape[~train] == 2))


@pytest.mark.parametrize(("train_fraction", "seed"), [(0.8, 0), (0.5, 3)])
def test_scalar_equals_the_normal_equations(factors, train_fraction, seed):
    latents = make(noise(), factors)
    latents.factors["x"] += 9 * latents.latents @ np.arange(8)  # some of it is there
    z, y = latents.latents.astype(np.float64), latents.factors["x"].astype(np.float64)
    train = parts(latents.image, train_fraction, seed)
    z = (z - z[train].mean(axis=0)) / z[train].std(axis=0)
    offset = y[train].mean()
    weights = np.linalg.solve(z[train].T @ z[train], z[train].T @ (y[train] - offset))
    expected = r2_score(y[~train], z[~train] @ weights + offset)
    [score] = probe(latents, [Factor("x", "scalar")], train_fraction, seed)
    assert 0.3 < expected < 0.999
    assert score.score == pytest.approx(expected, rel=1e-9)


def test_dimensions_and_angles_are_averaged(factors):
    rng = np.random.default_rng(5)
    latents = make((linear(factors) + 3 * rng.normal(size=[N, 16])).astype(np.float32), factors)
    train = parts(latents.image, 0.8, 0)
    inputs = np.column_stack([latents.latents, np.ones(N)]).astype(np.float64)
    angle = factors["orientation"]
    targets = {
        "position": factors["position"],
        "orientation": np.stack([np.cos(angle), np.sin(angle)], axis=1),
    }
    for score in probe(latents, [ALL[1], ALL[2]]):
        target = targets[score.name]
        weights = np.linalg.lstsq(inputs[train], target[train], rcond=None)[0]
        expected = r2_score(target[~train], inputs[~train] @ weights, multioutput="uniform_average")
        assert 0.02 < expected < 0.95
        assert score.score == pytest.approx(expected, rel=1e-6)


def test_category_equals_logistic_regression(factors):
    latents = make((linear(factors) + 2).astype(np.float32)[:, :3], factors)
    train = parts(latents.image, 0.8, 0)
    z = latents.latents.astype(np.float64)
    z = (z - z[train].mean(axis=0)) / z[train].std(axis=0)
    model = LogisticRegression(C=100, max_iter=5_000).fit(z[train], factors["shape"][train])
    [score] = probe(latents, [Factor("shape", "categorical")])
    assert score.score == pytest.approx(model.score(z[~train], factors["shape"][~train]))


def test_objects_of_one_image_are_never_in_both_parts():
    """Where images can be recognised, but say nothing of another one, there is nothing to gain."""
    rng = np.random.default_rng(6)
    image = np.repeat(np.arange(40), 25)
    by_image = rng.integers(0, 2, 40)
    latents = make(np.eye(40, dtype=np.float32)[image], {"shape": by_image[image]}, image)
    [score] = probe(latents, [Factor("shape", "categorical")], 0.5)
    assert score.score == score.chance  # a split by objects would reach 1
    assert (score.num_train, score.num_test) == (500, 500)


def test_spread_is_that_of_images_not_of_objects():
    """Twenty copies of each object do not narrow the spread."""
    rng = np.random.default_rng(7)
    z, shape = rng.normal(size=[200, 4]).astype(np.float32), rng.integers(0, 2, 200)
    image = np.arange(200)
    once = make(z, {"shape": shape}, image)
    often = make(np.repeat(z, 20, axis=0), {"shape": np.repeat(shape, 20)}, np.repeat(image, 20))
    [one], [many] = (probe(x, [Factor("shape", "categorical")]) for x in (once, often))
    assert many.std == pytest.approx(one.std, rel=0.1)
    assert one.std == pytest.approx(np.sqrt(one.score * (1 - one.score) / 40), rel=0.1)


def test_factors_of_our_data_sets():
    rng = np.random.default_rng(8)
    numbers, rgb = rng.normal(size=N).astype(np.float32), rng.random([N, 3]).astype(np.float32)
    ids, zeros = rng.integers(1, 4, N).astype(np.int32), np.zeros(N, np.float32)
    tetrominoes = {"x": numbers, "y": numbers, "shape": ids, "color": PRIMARY[ids]}
    readings = {"readings": rng.integers(0, 5, [N, 4, 3])}
    sprites = {"x": numbers, "y": numbers, "shape": ids, "scale": numbers, "color": rgb}
    sprites["orientation"] = numbers
    clevr = dict.fromkeys(("shape", "size", "material", "color"), ids)
    clevr |= {"x": numbers, "y": numbers, "z": numbers, "rotation": numbers, "pixel_coords": rgb}
    white = {**sprites, "color": np.ones([N, 3], np.float32), "scale": zeros}

    def kinds(factors):
        return dict(factors_of(make(noise(), factors)))

    place = {"x": "scalar", "y": "scalar"}
    category = "categorical"
    of_tetrominoes = {**place, "shape": category, "color": category}
    assert kinds({**tetrominoes, **readings}) == of_tetrominoes
    of_sprites = {**place, "orientation": "angle", "shape": category}
    assert kinds(sprites) == {**of_sprites, "scale": "scalar", "color": "scalar"}
    assert kinds(white) == of_sprites
    ids_of_clevr = dict.fromkeys(("shape", "size", "material", "color"), category)
    assert kinds(clevr) == {**place, "pixel_coords": "scalar", **ids_of_clevr}
    assert kinds({"label": ids, "phase": numbers}) == {"phase": "angle", "label": category}


def rare_category(factors):
    factors["shape"][17] = 99


def one_category(factors):
    factors["shape"][:] = 2


def constant(factors):
    factors["x"][:] = 2


@pytest.mark.parametrize(
    ("factor", "change", "message"),
    [
        (("size", "scalar"), None, "no factor 'size'; they have x, position, orientation, shape"),
        (("x", "vector"), None, "'x': kind 'vector' is none of"),
        (("shape", "categorical"), rare_category, "'shape': 1 objects, . of them in training"),
        (("shape", "categorical"), one_category, "'shape' is the same for all objects"),
        (("x", "scalar"), constant, "'x' is the same for all objects of the test images"),
    ],
)
def test_factors_that_cannot_be_probed(factors, factor, change, message):
    if change:
        change(factors)
    with pytest.raises(UserError, match=message):
        probe(make(noise(), factors), [Factor(*factor)])


@pytest.mark.parametrize("train_fraction", [0.0, 1.0, -0.5, 1.5, 0.99])
def test_parts_that_are_too_small(factors, train_fraction):
    with pytest.raises(UserError, match=r"at least 10 of each are needed"):
        probe(make(noise(), factors), ALL, train_fraction)


def test_too_few_images(factors):
    with pytest.raises(UserError, match="20 images with objects leave 16 to fit"):
        probe(make(noise(), factors, np.arange(N) % 20), ALL)


def test_latents_that_diverged(factors):
    latents = noise()
    latents[3, 1] = np.nan
    with pytest.raises(UserError, match=f"latents of 1 of {N} objects are not finite"):
        probe(make(latents, factors), ALL)
