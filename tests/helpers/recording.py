"""What the refinement network is fed while a model runs, by the names of the inputs."""

import contextlib

import pytest

from iodine.models.iodine.inputs import IMAGE_INPUTS, RefinementInputBuilder


@contextlib.contextmanager
def recorded_inputs():
    """Collects the `RefinementInputs` of every iteration inside the block."""
    built, build = [], RefinementInputBuilder.__call__

    def recording(self, *args):
        built.append(build(self, *args))
        return built[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RefinementInputBuilder, "__call__", recording)
        yield built


def by_name(built, config, num_slots):
    """The inputs of one iteration as [B, K or 1, ...], taken apart.

    Args:
        built: the `RefinementInputs`.
        config: the `IodineConfig` of the model that built them.
        num_slots: K.
    """
    found, offsets = {}, {"slot": 0, "image": 0, "fixed": 0}
    refinement = config.refinement
    coordinates = 2
    if refinement.coordinates == "cosine":
        coordinates = refinement.cosine_frequencies**2 - 1
    for name in refinement.image_inputs:
        scope, channels = IMAGE_INPUTS[name]
        channels = channels or coordinates
        value = built.image[scope][..., offsets[scope] : offsets[scope] + channels].numpy()
        offsets[scope] += channels
        slots = num_slots if scope == "slot" else 1
        found[name] = value.reshape(-1, slots, *value.shape[1:])
    for scope, channels in offsets.items():
        assert channels == (built.image[scope].shape[-1] if scope in built.image else 0)
    offset = 0
    for name in refinement.flat_inputs:
        width = 1 if name == "flat_constant" else 2 * config.latent_size
        value = built.flat.numpy()[:, offset : offset + width]
        offset += width
        found[name] = value.reshape(-1, num_slots, width)
    assert offset == (0 if built.flat is None else built.flat.shape[-1])
    return found
