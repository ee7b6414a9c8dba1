"""Stateless noise: a function of (seed, step or example, draw), never of a hidden state."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from iodine.models.interface import NoiseSpec

_ALGORITHM = "philox"  # named because the default one depends on the device


def draw_noise(
    seed: Sequence[int] | tf.Tensor, specs: Mapping[str, NoiseSpec], batch_size: int
) -> dict[str, tf.Tensor]:
    """The noise that a model asks for, float32 [N, B, *shape] by name.

    Args:
        seed: two integers, e.g. (seed of the run, step). Draw t uses `seed` with t folded in, so
            the first draws do not change when there are more of them.
        specs: of `SceneModel.noise`.
        batch_size: B, the global batch; a replica takes its own rows.
    """
    seed = tf.convert_to_tensor(seed, tf.int32)
    noise = {}
    for place, (name, spec) in enumerate(specs.items()):
        own = _seed_of(seed, place)
        draws = [_draw(own, t, [batch_size, *spec.shape], spec.kind) for t in range(spec.num_draws)]
        noise[name] = tf.stack(draws)
    return noise


def draw_same_noise(
    seed: int, specs: Mapping[str, NoiseSpec], batch_size: tf.Tensor | int
) -> dict[str, tf.Tensor]:
    """The same noise for every image, so that no result depends on what else is in the batch."""
    noise = draw_noise((seed, 0), specs, 1)
    return {name: tf.repeat(value, batch_size, axis=1) for name, value in noise.items()}


def draw_same_noise_at(
    seed: int, specs: Mapping[str, NoiseSpec], batch_size: tf.Tensor | int, draw: tf.Tensor | int
) -> dict[str, tf.Tensor]:
    """One draw of `draw_same_noise`, float32 [B, *shape] by name, by its number, maybe a tensor."""
    noise = {}
    for place, (name, spec) in enumerate(specs.items()):
        own = _seed_of(tf.constant((seed, 0), tf.int32), place)
        value = _draw(own, draw, [1, *spec.shape], spec.kind)
        noise[name] = tf.repeat(value, batch_size, axis=0)
    return noise


def draw_noise_by_example(
    seed: int, specs: Mapping[str, NoiseSpec], examples: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Noise that each of the B examples keeps in whatever batch it is.

    Args:
        seed: of the evaluation.
        specs: of `SceneModel.noise`.
        examples: int32 [B], number of each image in its split.
    """
    if not specs:
        return {}

    def noise_of(example: tf.Tensor) -> dict[str, tf.Tensor]:
        noise = draw_noise(tf.stack([seed, example]), specs, 1)
        return {name: value[:, 0] for name, value in noise.items()}  # [N, *shape]

    noise = tf.map_fn(noise_of, examples, fn_output_signature=dict.fromkeys(specs, tf.float32))
    return {name: tf.experimental.numpy.moveaxis(value, 0, 1) for name, value in noise.items()}


def _seed_of(seed: tf.Tensor, place: int) -> tf.Tensor:
    """Of the noise at that place among the model's."""
    if not place:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, -place, _ALGORITHM)


def _draw(seed: tf.Tensor, t: tf.Tensor | int, shape: Sequence[int], kind: str) -> tf.Tensor:
    folded = tf.random.experimental.stateless_fold_in(seed, t, _ALGORITHM)
    if kind == "uniform":
        return tf.random.stateless_uniform(shape, folded, alg=_ALGORITHM)
    return tf.random.stateless_normal(shape, folded, alg=_ALGORITHM)
