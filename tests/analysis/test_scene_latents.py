"""The canonical order by hand, and probes of flat latents at the ceiling and at chance."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import r2_score
from small_models import build_model, small_config

from iodine.analysis import scene_latents
from iodine.analysis.factors import Factor
from iodine.analysis.scene_latents import SceneLatents, canonical_order, collect, probe
from iodine.errors import UserError
from iodine.models.parts.decoders import DecoderConfig
from iodine.models.vae.config import EncoderConfig, VaeConfig
from iodine.models.vae.model import Vae

SCENES, MOST = 400, 3
FACTORS = [Factor("x", "scalar"), Factor("size", "categorical"), Factor("shape", "categorical")]


def test_the_order_of_a_hand_made_scene():
    """Entity 0 is the background; 6 is absent, though its values would come first."""
    factors = {
        "size": [[0, 2, 1, 1, 1, 1, 0]],
        "material": [[0, 1, 2, 1, 1, 1, 0]],
        "shape": [[0, 1, 1, 3, 2, 2, 0]],
        "x": [[0, -5.0, 0.0, 0.0, 2.0, 1.0, -9.0]],
        "y": [[0, 0.0, 0.0, 0.0, -9.0, 9.0, -9.0]],
        "color": [[0, 1, 2, 3, 4, 5, 0]],  # no key
    }
    factors = {name: np.array(values) for name, values in factors.items()}
    is_object = np.array([[False, True, True, True, True, True, False]])
    # Small ones of material 1: shape 2 at x = 1 and at x = 2, shape 3; material 2; the large one.
    np.testing.assert_array_equal(canonical_order(factors, is_object)[0, :5], [5, 4, 3, 2, 1])


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"x": [3.0, 1.0, 1.0], "y": [0.0, 7.0, 5.0]}, [2, 1, 0]),  # no other keys; a tie in x
        ({"scale": [0.9, 0.5, 0.7], "shape": [1, 3, 2]}, [1, 2, 0]),  # a sprite's size
        ({"size": [1, 2, 1], "scale": [0.9, 0.1, 0.8], "x": [1.0, 0.0, 0.0]}, [2, 0, 1]),
        ({"position": [[1.0, 0, 5], [0, 9, 4], [0, 9, 3]]}, [2, 1, 0]),
        ({"shape": [2, 2, 2], "color": [3, 2, 1]}, [0, 1, 2]),  # equal ones by their ids
    ],
)
def test_keys_that_are_lacking_are_skipped(factors, expected):
    factors = {name: np.array(values)[np.newaxis] for name, values in factors.items()}
    order = canonical_order(factors, np.ones([1, 3], bool))
    np.testing.assert_array_equal(order[0], expected)


def ordered_scenes(generator, least=1):
    """Scenes of up to three objects in order of their sizes: counts [S], factors [S, MOST]."""
    counts = generator.integers(least, MOST + 1, SCENES)
    factors = {
        "x": generator.normal(size=(SCENES, MOST)),
        "size": np.sort(generator.integers(1, 4, (SCENES, MOST)), axis=1),
        "shape": generator.integers(1, 4, (SCENES, MOST)),
    }
    return counts, factors


def as_rows(latents, counts, factors):
    image, place = np.nonzero(np.arange(MOST) < counts[:, np.newaxis])
    values = {name: value[image, place] for name, value in factors.items()}
    return SceneLatents(latents[image].astype(np.float32), values, image, place)


def test_a_latent_that_holds_the_ordered_factors_linearly_is_at_the_ceiling():
    generator = np.random.default_rng(0)
    counts, factors = ordered_scenes(generator)
    one_hot = [np.eye(4)[factors[name]].reshape(SCENES, -1) for name in ("size", "shape")]
    code = np.concatenate([factors["x"], *one_hot], axis=1)
    latents = code @ generator.normal(size=(code.shape[1], code.shape[1]))
    scores = probe(as_rows(latents, counts, factors), FACTORS)
    assert [score.name for score in scores] == ["x", "size", "shape"]
    for score in scores:
        assert score.score > 0.97
    # The same values in no order: what stands at a place is now another object's.
    shuffled = generator.permuted(np.tile(np.arange(MOST), (SCENES, 1)), axis=1)
    factors = {name: np.take_along_axis(v, shuffled, 1) for name, v in factors.items()}
    for score in probe(as_rows(latents, np.full(SCENES, MOST), factors), FACTORS):
        assert score.score < 0.75


def test_noise_is_at_the_chance_of_the_best_constant_at_each_place():
    generator = np.random.default_rng(1)
    counts, factors = ordered_scenes(generator)
    rows = as_rows(generator.normal(size=(SCENES, 4)), counts, factors)
    scores = {score.name: score for score in probe(rows, FACTORS, seed=3)}
    order = np.random.default_rng(3).permutation(SCENES)
    train = np.isin(rows.image, order[: round(0.8 * SCENES)])
    guesses = np.zeros(len(rows.image), int)
    means = np.zeros(len(rows.image))
    for place in range(MOST):
        at = rows.place == place
        sizes, number = np.unique(rows.factors["size"][train & at], return_counts=True)
        guesses[at] = sizes[number.argmax()]
        means[at] = rows.factors["x"][train & at].mean()
    chance = np.mean(guesses[~train] == rows.factors["size"][~train])
    assert scores["size"].chance == pytest.approx(chance)
    assert chance > 0.5  # the order tells it
    expected = r2_score(rows.factors["x"][~train], means[~train])
    assert scores["x"].chance == pytest.approx(expected)
    assert scores["shape"].chance == pytest.approx(1 / 3, abs=0.1)
    for score in scores.values():
        assert score.score == pytest.approx(score.chance, abs=3 * score.std)
        assert score.num_train == train.sum()
        assert score.num_test == (~train).sum()


def test_absent_objects_count_nowhere():
    """A probe that sees the present objects is not changed by what stands at empty places."""
    generator = np.random.default_rng(2)
    counts, factors = ordered_scenes(generator)
    latents = generator.normal(size=(SCENES, 5))
    expected = probe(as_rows(latents, counts, factors), FACTORS)
    absent = np.arange(MOST) >= counts[:, np.newaxis]
    changed = {name: np.where(absent, 77, value) for name, value in factors.items()}
    assert probe(as_rows(latents, counts, changed), FACTORS) == expected
    assert expected[0].num_train + expected[0].num_test == counts.sum()


def test_a_place_where_all_objects_are_alike_is_predicted_and_one_hardly_ever_taken_is_refused():
    generator = np.random.default_rng(3)
    _, factors = ordered_scenes(generator)
    factors["size"][:, 0] = 1
    latents = generator.normal(size=(SCENES, 3))
    everywhere = np.full(SCENES, MOST)
    [score] = probe(as_rows(latents, everywhere, factors), [Factor("size", "categorical")])
    assert score.score >= 1 / 3
    few = np.where(np.arange(SCENES) < 9, MOST, 2)
    with pytest.raises(UserError, match=r"\d training images have an object at place 3; at least"):
        probe(as_rows(latents, few, factors), FACTORS)


def small_vae():
    config = VaeConfig(
        latent_size=3,
        encoder=EncoderConfig(channels=(4,), mlp_sizes=(5,)),
        decoder=DecoderConfig(channels=(3,), kernel_size=3),
    )
    model = Vae(config, (8, 8, 3))
    model.infer(tf.zeros([1, 8, 8, 3]), {"z": tf.zeros([1, 1, 1, 3])})
    return model


def batches():
    """Six scenes of two objects in two batches; one object is hidden, one is absent."""
    generator = np.random.default_rng(4)
    labels = np.zeros([6, 8, 8], int)
    labels[:, 1:3, 1:3], labels[:, 5:7, 5:7] = 1, 2
    labels[1] = np.where(labels[1] == 1, 0, labels[1])
    visibility = np.ones([6, 3], np.float32)
    visibility[2, 2], labels[2] = 0, np.where(labels[2] == 2, 0, labels[2])
    scenes = {
        "image": generator.uniform(size=(6, 8, 8, 3)).astype(np.float32),
        "mask": (labels[:, np.newaxis] == np.arange(3)[:, np.newaxis, np.newaxis]).astype(float),
        "visibility": visibility,
    }
    x = np.tile([0.0, 5.0, 4.0], (6, 1)) + np.arange(6)[:, np.newaxis] / 10
    for rows in (slice(0, 4), slice(4, 6)):
        batch = {name: value[rows] for name, value in scenes.items()}
        yield {**batch, "factors": {"x": x[rows]}}


def test_collected_latents_are_those_of_the_scene_for_each_of_its_objects_in_order():
    model = small_vae()
    found = collect(model, batches())
    images = np.concatenate([batch["image"] for batch in batches()])
    means = model.infer(tf.constant(images), {"z": tf.zeros([1, 6, 1, 3])})[0].latents[:, 0]
    np.testing.assert_array_equal(found.image, [0, 0, 1, 2, 3, 3, 4, 4, 5, 5])
    np.testing.assert_array_equal(found.place, [0, 1, 0, 0, 0, 1, 0, 1, 0, 1])
    # Entity 2 lies further to the left, so it is first where it is there.
    expected = [4.0, 5.0, 4.1, 5.2, 4.3, 5.3, 4.4, 5.4, 4.5, 5.5]
    np.testing.assert_allclose(found.factors["x"], expected)
    np.testing.assert_allclose(found.latents, means.numpy()[found.image], atol=1e-6)


def test_what_has_no_scene_latents_is_refused():
    with pytest.raises(UserError, match="the model has 3 slots, not one latent for the scene"):
        collect(build_model(small_config()), batches())
    [batch, _] = batches()
    with pytest.raises(UserError, match="the data have no mask, which putting objects in order"):
        collect(small_vae(), [{name: v for name, v in batch.items() if name != "mask"}])
    batch["visibility"][:, 1:] = 0
    with pytest.raises(UserError, match="none of the 4 images has a visible object"):
        collect(small_vae(), [batch])


def test_positions_of_two_numbers_are_probed_together():
    """The score of several dimensions is the mean of theirs, as of `probes.probe`."""
    generator = np.random.default_rng(5)
    counts, factors = ordered_scenes(generator, least=MOST)
    factors["position"] = generator.normal(size=(SCENES, MOST, 2))
    latents = factors["position"][..., 0]  # the second number is nowhere
    rows = as_rows(latents, counts, factors)
    [score] = scene_latents.probe(rows, [Factor("position", "scalar")])
    assert score.score == pytest.approx(0.5, abs=0.05)
