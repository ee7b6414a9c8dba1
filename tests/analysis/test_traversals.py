"""Traversals against decoding by hand, their ranking against the closed form of the KL."""

import numpy as np
import numpy_reference as reference
import pytest
import small_models
import tensorflow as tf
from linear_slots import LinearSlots, LinearSlotsConfig

from iodine.analysis import traversals
from iodine.errors import UserError
from iodine.evaluation import inference
from iodine.evaluation.inference import Decomposition
from iodine.figures import decompositions as plots
from iodine.figures.traversals import traversal_figure

MEAN = np.random.default_rng(5).normal(size=(small_models.SLOTS, small_models.LATENT))
VALUES = (-2.0, 0.0, 1.5)


def model_of(changes=None):
    return small_models.build_model(small_models.small_config(changes))


@pytest.fixture(scope="module")
def model():
    return model_of()


def decode_by_hand(model, z):
    """All slots [K, Z] at once: masks [K, H, W], masked components [K, H, W, 3]."""
    output = model.decoder(tf.constant(z, tf.float32)).numpy().astype(np.float64)
    channels = np.split(output, [1] if model.config.decoder.mask_first else [3], axis=-1)
    means, logits = sorted(channels, key=lambda part: -part.shape[-1])
    masks = reference.softmax(logits[np.newaxis])[0]
    return masks[..., 0], masks * means


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"decoder.mask_first": True},
        {"prior": "posterior_at_zero", "scale_map": "sqrt_softplus"},
    ],
)
def test_every_value_is_what_decoding_all_slots_gives(changes):
    model = model_of(changes)
    scale = np.sqrt(np.log(2)) if "prior" in changes else 1.0  # sqrt(softplus(0))
    slot, latents = np.flatnonzero([0, 1, 0])[0], (3, 0)  # an integer of NumPy's
    actual = traversals.traverse(model, MEAN, slot, latents, VALUES)
    for i, latent in enumerate(latents):
        for j, value in enumerate(VALUES):
            z = MEAN.copy()
            z[slot, latent] = scale * value
            masks, components = decode_by_hand(model, z)
            close = {"rtol": 1e-4, "atol": 1e-5}
            np.testing.assert_allclose(actual.masks[i, j], masks, **close)
            np.testing.assert_allclose(actual.components[i, j], components[slot], **close)
            np.testing.assert_allclose(actual.reconstructions[i, j], components.sum(0), **close)
    np.testing.assert_allclose(actual.found, MEAN[slot, list(latents)] / scale, rtol=1e-5)


def test_other_slots_keep_their_shares_of_what_the_slot_leaves(model):
    """Their logits are fixed, so the ratios of their masks never change."""
    masks = traversals.traverse(model, MEAN, 1, range(small_models.LATENT)).masks
    ratio = masks[:, :, 0] / masks[:, :, 2]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1, :1], ratio.shape), rtol=1e-3)
    assert np.ptp(masks[:, :, 1], axis=1).max() > 0.01


def test_only_the_changing_slot_is_decoded_again(model, monkeypatch):
    decoded = []
    decoder = model.decoder
    monkeypatch.setattr(model, "decoder", lambda z: decoded.append(z.shape[0]) or decoder(z))
    tf.config.run_functions_eagerly(True)
    try:
        traversals.traverse(model, MEAN, 0, (0, 2), VALUES)
    finally:
        tf.config.run_functions_eagerly(False)
    assert decoded == [small_models.SLOTS, len(VALUES), len(VALUES)]


def test_kl_of_each_latent_is_the_closed_form():
    model = model_of({"prior": "posterior_at_zero"})
    generator = np.random.default_rng(0)
    mean = generator.normal(size=(2, 3, 4)).astype(np.float32)
    scale = generator.uniform(0.1, 1.5, size=(2, 3, 4)).astype(np.float32)
    actual = traversals.latent_kl(model, Decomposition(None, None, None, mean, scale, None))
    expected = reference.normal_kl(mean.astype(float), scale.astype(float), np.log(2))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_latents_are_ranked_by_their_mean_over_slots():
    kl = np.array([[[9.0, 1, 2], [0, 1, 2]], [[0, 1, 2], [0, 1, 2]]])  # means 2.25, 1, 2
    np.testing.assert_array_equal(traversals.rank_latents(kl), [0, 2, 1])
    is_object = np.array([[False, True], [True, True]])
    np.testing.assert_array_equal(traversals.rank_latents(kl[is_object]), [2, 1, 0])


def test_ranking_without_slots_or_numbers_is_refused():
    with pytest.raises(UserError, match="no slot holds an object"):
        traversals.rank_latents(np.zeros([0, 4]))
    with pytest.raises(UserError, match="not finite"):
        traversals.rank_latents(np.array([[1.0, np.nan]]))


def masks_of(labels, num_slots=4):
    return (np.asarray(labels) == np.arange(num_slots)[:, np.newaxis, np.newaxis]).astype(float)


def test_objects_are_neither_the_largest_slot_nor_next_to_nothing():
    labels = np.zeros((20, 20), int)
    labels[:4, :1] = 1  # 1 % of the pixels
    labels[5:6, :3] = 2
    labels[9:14, :9] = 3
    masks = masks_of(labels)
    np.testing.assert_array_equal(traversals.object_slots(masks), [False, True, False, True])
    stacked = np.stack([masks, masks[::-1]])
    np.testing.assert_array_equal(traversals.object_slots(stacked)[1], [True, False, True, False])
    picked = {traversals.pick_slot(masks, seed) for seed in range(20)}
    assert picked == {1, 3}
    assert traversals.pick_slot(masks, 7) == traversals.pick_slot(masks, 7)


def test_the_only_slot_of_a_model_without_slots_holds_all_objects():
    masks = np.ones([3, 1, 5, 5])
    np.testing.assert_array_equal(traversals.object_slots(masks), np.ones([3, 1], bool))
    assert traversals.pick_slot(masks[0]) == 0


def test_no_object_to_pick_is_refused():
    with pytest.raises(UserError, match="no slot holds an object"):
        traversals.pick_slot(masks_of(np.zeros((8, 8), int)))


@pytest.mark.parametrize(
    ("slot", "latents", "values", "message"),
    [
        (3, [0], VALUES, "slot 3 does not exist; they are 0 to 2"),
        (-1, [0], VALUES, "slot -1 does not exist"),
        (0, [1, 4], VALUES, "latent 4 does not exist; they are 0 to 3"),
        (0, [], VALUES, "no latent to traverse"),
        (0, [0], [], "no values to traverse"),
    ],
)
def test_what_does_not_exist_is_refused(model, slot, latents, values, message):
    with pytest.raises(UserError, match=message):
        traversals.traverse(model, MEAN, slot, latents, values)


def test_models_without_prior_or_posterior_are_refused(model):
    linear = LinearSlots(LinearSlotsConfig(), (8, 8, 3), 1)
    images = small_models.random_images(1)
    [result] = inference.decompose_iterations(linear, images)
    for ask in (
        lambda: traversals.traverse(linear, result.latent_mean[0], 0, [0], VALUES),
        lambda: traversals.latent_kl(linear, result),
    ):
        with pytest.raises(UserError, match="the model has no prior"):
            ask()
    with pytest.raises(UserError, match="the model has no posterior"):
        traversals.latent_kl(model, result)


def test_figure_has_values_across_and_latents_down(model):
    traversal = traversals.traverse(model, MEAN, 2, (3, 1), VALUES)
    image = np.random.default_rng(0).uniform(size=(8, 8, 3))
    kl = np.array([0.1, 1.26, 0.3, 3.24])
    axis = traversal_figure(traversal, image, kl, "components").axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["z3\nKL 3.2", "z1\nKL 1.3", "image", "-2 SD", "0 SD", "+1.5 SD"]
    drawn = [np.asarray(picture.get_array()) for picture in axis.images]
    expected = [image, *traversal.components[0], *traversal.components[1]]
    for actual, picture in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(actual, np.clip(picture, 0, 1))
    for frame in axis.patches:
        np.testing.assert_allclose(frame.get_edgecolor()[:3], plots.slot_color(2))
    assert len(axis.patches) == 6
    with pytest.raises(UserError, match="cannot show 'masks'"):
        traversal_figure(traversal, image, kl, "masks")
