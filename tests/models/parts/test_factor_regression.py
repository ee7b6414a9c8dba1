"""The linear regression of factors, against NumPy and against wrong input."""

import numpy as np
import pytest
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.parts.factor_regression import FactorRegressor, parse_factors

B, K, L, SIDE, Z = 3, 4, 5, 6, 7
ENTRIES = ("color:3:scalar", "shape:6:categorical", "turn:2:angle", "position:2:scalar")
SIZES = (3, 6, 2, 2)


@pytest.fixture
def scene():
    """Arguments of a regressor; in the second image only the background is there."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, L, [B, SIDE, SIDE])
    visibility = np.ones([B, L], np.float32)
    visibility[0, 3:] = visibility[1, 1:] = 0
    return {
        "z": rng.normal(size=[B, K, Z]).astype(np.float32),
        "masks": rng.dirichlet(np.ones(K), [B, SIDE, SIDE])
        .astype(np.float32)
        .transpose(0, 3, 1, 2),
        "true_masks": np.eye(L, dtype=np.float32)[labels].transpose(0, 3, 1, 2),
        "visibility": visibility,
        "factors": {
            "color": rng.normal(size=[B, L, 3]).astype(np.float32),
            "shape": rng.integers(0, 6, [B, L]).astype(np.uint8),
            "turn": rng.uniform(0, 6, [B, L, 1]).astype(np.float32),
            "x": rng.normal(size=[B, L]).astype(np.float32),
            "y": rng.normal(size=[B, L]).astype(np.float32),
        },
    }


@pytest.fixture
def regressor():
    made = FactorRegressor(parse_factors(ENTRIES))
    made.predict_factors(tf.zeros([1, Z]))
    made.predict_factors.b.assign(np.linspace(-1, 1, sum(SIZES)))
    return made


def as_tensors(scene):
    return tf.nest.map_structure(tf.constant, scene)


def reference(regressor, scene):
    """Loss and predictions by loops over entities, float64."""
    w, b = (
        np.asarray(v, np.float64)
        for v in (regressor.predict_factors.w, regressor.predict_factors.b)
    )
    factors, loss, count = scene["factors"], 0.0, 0
    predictions = np.zeros([B, L, sum(SIZES)])
    assignment = np.zeros([B, L, K])
    for i in range(B):
        for j in range(L):
            if not scene["visibility"][i, j]:
                continue
            overlap = [np.sum(scene["true_masks"][i, j] * scene["masks"][i, k]) for k in range(K)]
            k = int(np.argmax(overlap))
            assignment[i, j, k] = 1
            output = predictions[i, j] = scene["z"][i, k].astype(np.float64) @ w + b
            color, shape, turn, position = np.split(output, np.cumsum(SIZES)[:-1])
            angle = factors["turn"][i, j, 0]
            place = [factors["x"][i, j], factors["y"][i, j]]
            loss += np.sum((color - factors["color"][i, j]) ** 2)
            loss += np.log(np.sum(np.exp(shape))) - shape[factors["shape"][i, j]]
            loss += np.sum((turn - [np.cos(angle), np.sin(angle)]) ** 2)
            loss += np.sum((position - place) ** 2)
            count += 1
    return loss / count, np.split(predictions, np.cumsum(SIZES)[:-1], axis=-1), assignment


def test_loss_predictions_and_assignment(regressor, scene):
    regression = regressor(**as_tensors(scene))
    loss, predictions, assignment = reference(regressor, scene)
    assert float(regression.loss) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_array_equal(regression.assignment, assignment)
    assert list(regression.predictions) == ["color", "shape", "turn", "position"]
    for actual, expected in zip(regression.predictions.values(), predictions, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_absent_entities_do_not_count(regressor, scene):
    before = float(regressor(**as_tensors(scene)).loss)
    absent = scene["visibility"] == 0
    for name in ("color", "turn", "x", "y"):
        scene["factors"][name][absent] = 1e3
    scene["factors"]["shape"][absent] = 5
    assert float(regressor(**as_tensors(scene)).loss) == before


def test_no_visible_entity_at_all(regressor, scene):
    scene["visibility"][:] = 0
    assert float(regressor(**as_tensors(scene)).loss) == 0


def test_no_gradient_reaches_the_model(regressor, scene):
    arguments = as_tensors(scene)
    with tf.GradientTape() as tape:
        watched = [arguments["z"], arguments["masks"]]
        tape.watch(watched)
        loss = regressor(**arguments).loss
    variables = list(regressor.trainable_variables)
    of_model, of_regressor = tape.gradient(loss, [watched, variables])
    assert of_model == [None, None]
    assert len(of_regressor) == 2
    assert all(np.abs(gradient).max() > 0.01 for gradient in of_regressor)


def test_pixel_coordinates_are_the_position(scene):
    regressor = FactorRegressor(parse_factors(["position:3:scalar"]))
    coordinates = np.random.default_rng(1).normal(size=[B, L, 3]).astype(np.float32)
    scene["factors"] = {"position": coordinates}
    expected = float(regressor(**as_tensors(scene)).loss)
    scene["factors"] = {"pixel_coords": coordinates, "x": coordinates[..., 0]}
    assert float(regressor(**as_tensors(scene)).loss) == expected


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["color"], "'color' is not NAME:SIZE:KIND"),
        (["color:3"], "'color:3' is not NAME:SIZE:KIND"),
        (["color:three:scalar"], "KIND one of scalar, categorical, angle"),
        (["color:²:scalar"], "is not NAME:SIZE:KIND"),
        (["color:0:scalar"], "SIZE 1 or more"),
        (["color:-1:scalar"], "SIZE 1 or more"),
        (["color:3:vector"], "KIND one of"),
        ([":3:scalar"], "is not NAME"),
        (["color:3:scalar:"], "is not NAME"),
        ([""], "'' is not NAME"),
        (["turn:1:angle"], "must have SIZE 2"),
        (["x:1:scalar", "x:1:scalar"], "'x' is given twice"),
    ],
)
def test_malformed_entries(entries, message):
    with pytest.raises(UserError, match=r"config\.train\.factor_regression: ") as caught:
        parse_factors(entries)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("size:1:scalar", "names 'size', which the data set does not have; it has color, shape,"),
        ("pixel:1:scalar", "names 'pixel'"),
        ("color:1:scalar", "'color' has 3 dimensions in the data set, but 1 as scalar"),
        ("color:3:categorical", "'color' has 3 dimensions in the data set, but 1 as categorical"),
        ("position:3:scalar", "'position' has 2 dimensions"),
    ],
)
def test_factors_that_the_data_do_not_have(scene, entry, message):
    regressor = FactorRegressor(parse_factors([entry]))
    in_graph = tf.function(lambda scene: regressor(**scene).loss, autograph=False)
    with pytest.raises(UserError) as caught:
        in_graph(as_tensors(scene))
    assert message in str(caught.value)
