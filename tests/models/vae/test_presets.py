"""The presets of the VAE: numbers of parameters by hand from the tables, and what they are for."""

import dataclasses

import numpy as np
import pytest

from iodine.config import override
from iodine.datasets import catalogue
from iodine.models import registry

# The encoder of Watters et al. (2019) as others repeat it: 4 x 4 kernels, 64 channels.
FIRST_CONV = 4 * 4 * 3 * 64 + 64
CONV = 4 * 4 * 64 * 64 + 64
# The decoder, 3 x 3 kernels: a hidden layer, and the linear one to RGB without a mask.
HIDDEN = 3 * 3 * 64 * 64 + 64
RGB = 3 * 3 * 64 * 3 + 3


def encoder(convolutions, cells, latent):
    """Parameters for that many convolutions that end at `cells` x `cells`."""
    return (
        FIRST_CONV
        + (convolutions - 1) * CONV
        + (cells * cells * 64 * 256 + 256)
        + (256 * 2 * latent + 2 * latent)
    )


def decoder(latent):
    """Of the table in C.1 of the IODINE paper, with three channels out."""
    return (3 * 3 * (latent + 2) * 64 + 64) + 3 * HIDDEN + RGB


def coarse_decoder(latent):
    """5^2 - 1 cosine coordinates; a 1 x 1 layer to the 4 x 4 pixels of a cell."""
    return (3 * 3 * (latent + 24) * 64 + 64) + HIDDEN + (64 * 3 * 16 + 3 * 16)


PARAMETERS = {
    "vae_clevr6": encoder(5, 4, 64) + decoder(64),
    "vae_clevr_single": encoder(5, 4, 10) + decoder(10),
    "vae_multi_dsprites": encoder(4, 4, 64) + decoder(64),
    "vae_multi_dsprites_single": encoder(4, 4, 10) + decoder(10),
    "vae_tetrominoes": encoder(4, 3, 64) + coarse_decoder(64),
    "vae_tetrominoes_single": encoder(4, 3, 10) + coarse_decoder(10),
}
NAMES = list(PARAMETERS)


def size(module):
    return sum(int(np.prod(v.shape)) for v in module.trainable_variables)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_tables(name):
    model = registry.build(registry.preset(name))
    latent = model.spec.latent_size
    assert model.encoder.last.w.shape == (256, 2 * latent)
    assert size(model) == size(model.encoder) + size(model.decoder) == PARAMETERS[name]


def test_the_tables_add_up():
    """Worked out once more, by a pocket calculator."""
    assert PARAMETERS["vae_multi_dsprites"] == 3_136 + 196_800 + 262_400 + 32_896 + 150_595
    assert PARAMETERS["vae_clevr6"] == PARAMETERS["vae_multi_dsprites"] + 65_600


def test_all_vae_presets_are_counted():
    kinds = {name: registry.preset(name).model.kind for name in registry.preset_names()}
    assert {name for name, kind in kinds.items() if kind == "vae"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_data_are_known_and_of_the_models_size(name):
    config = registry.preset(name)
    data = catalogue.entries()[config.data.dataset][1]
    assert data.image_size == (config.data.image_size,) * 2
    is_single = data.num_entities == 2  # the ground and one object
    assert is_single == name.endswith("_single")
    assert config.model.latent_size == (10 if is_single else 64)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_single")])
def test_scenes_of_one_object_have_the_same_model_with_fewer_latents(name):
    several = {"vae_clevr_single": "vae_clevr6"}.get(name, name.removesuffix("_single"))
    single, whole = registry.preset(name), registry.preset(several)
    same = override(
        single,
        {"preset": whole.preset, "data.dataset": whole.data.dataset, "model.latent_size": 64},
    )
    assert dataclasses.asdict(same) == dataclasses.asdict(whole)


@pytest.mark.parametrize("name", ["vae_clevr6", "vae_multi_dsprites"])
def test_those_for_the_papers_budget_train_as_watters_et_al_are_said_to(name):
    train = registry.preset(name).train
    assert (train.learning_rate, train.batch_size, train.adam_beta1) == (3e-4, 16, 0.9)
    assert registry.preset(name).model.likelihood_scale == 0.1
    assert registry.preset(name).model.beta == 1
