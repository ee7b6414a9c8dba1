"""Decoders g(z): a latent to RGB means and a mask logit at every pixel (appendix C.1 to C.3).

A model without masks asks for three output channels instead of four.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import sonnet as snt
import tensorflow as tf

from iodine.errors import UserError
from iodine.models.parts.coordinates import coordinate_channels
from iodine.models.parts.layers import BroadcastConv2D, Conv2D

OUTPUT_CHANNELS = 4  # RGB + mask

Activation = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """The decoder g(z): latent to RGB means and mask logit, appendix C.1 to C.3."""

    MAY_BE_ZERO: ClassVar = ("constant_input", "last_kernel_size")

    # "broadcast" (Watters et al., 2019); "deconv": the table in C.1 with channels=(64,)*5 and
    # kernel_size=5; the last of its channels has stride 1, the others upsample; "coarse": a
    # broadcast to a grid `upsampling` times as coarse as the image, which the last layer refines.
    kind: str = "broadcast"
    channels: tuple[int, ...] = (64, 64, 64, 64)  # hidden layers; a linear layer follows
    kernel_size: int = 3
    coordinates: str = "linear"  # "linear": x, y in -1..1; "cosine": basis on [0, pi]
    cosine_frequencies: int = 3
    constant_input: float | None = None  # appended to z as one more channel
    mask_first: bool = False  # channel order: mask, RGB instead of RGB, mask
    mlp_sizes: tuple[int, ...] = (512, 512)  # "deconv" only; the image decides the last one
    upsampling: int = 3  # "coarse" only: pixels a side of a grid cell
    last_kernel_size: int = 0  # "coarse" only: of the linear layer; 0: kernel_size
    # "coarse" only: one mask logit a cell, and those of the pixels between them. Else every pixel
    # of a cell has its own, and slots of one colour may share a cell out in the same pattern
    # everywhere instead of one of them owning it.
    smooth_mask: bool = False


class BroadcastDecoder(snt.Module):
    """Spatial broadcast decoder, tables "Decoder" of C.1, C.2 and C.3.

    | layer                          | output          |
    |--------------------------------|-----------------|
    | z                              | Z               |
    | broadcast + coordinates        | H x W x (Z + 2) |
    | conv k x k, ELU, `channels`... | H x W x channel |
    | conv k x k, linear             | H x W x 4       |
    """

    def __init__(
        self,
        config: DecoderConfig,
        latent_size: int,
        image_size: int,
        output_channels: int = OUTPUT_CHANNELS,
        activation: Activation = tf.nn.elu,
        last_kernel_size: int = 0,
        name: str = "broadcast_decoder",
    ):
        """See `DecoderConfig`; the linear layer's kernel is as large as the others' if 0."""
        super().__init__(name=name)
        self._activation = activation
        self._constant_input = config.constant_input
        has_constant = config.constant_input is not None
        self.first = BroadcastConv2D(
            latent_size + has_constant,
            coordinate_channels(
                config.coordinates, image_size, image_size, config.cosine_frequencies
            ),
            config.channels[0],
            config.kernel_size,
        )
        self.hidden = [
            Conv2D(channels, config.kernel_size, name=f"conv_{i}")
            for i, channels in enumerate(config.channels[1:], start=1)
        ]
        self.last = Conv2D(
            output_channels, last_kernel_size or config.kernel_size, name="conv_last"
        )

    def __call__(self, z: tf.Tensor) -> tf.Tensor:
        """Maps z [N, Z] to [N, H, W, output_channels], computing in the type of z."""
        if self._constant_input is not None:
            z = tf.pad(z, [[0, 0], [0, 1]], constant_values=self._constant_input)
        x = self._activation(self.first(z))
        for conv in self.hidden:
            x = self._activation(conv(x))
        return self.last(x)


class CoarseBroadcastDecoder(snt.Module):
    """Broadcast to a coarse grid, convolutions there, the pixels of each cell at the end.

    Ours, for few processor cores: at 35 x 35 pixels and an `upsampling` u of 3 the convolutions
    see 12 x 12 cells instead of 1,225 pixels.

    | layer                            | output                                 |
    |----------------------------------|----------------------------------------|
    | z                                | Z                                      |
    | broadcast + coordinates          | H' x W' x (Z + C), H' = H / u, rounded up |
    | conv k x k, ELU, `channels`...   | H' x W' x channel                      |
    | conv k' x k', linear             | H' x W' x 4 u^2                        |
    | depth to space, cropped          | H x W x 4                              |

    With `smooth_mask` the linear layer has 3 u^2 + 1 channels, and the last of them is resized
    bilinearly.
    """

    def __init__(
        self,
        config: DecoderConfig,
        latent_size: int,
        image_size: int,
        output_channels: int = OUTPUT_CHANNELS,
        activation: Activation = tf.nn.elu,
        name: str = "coarse_broadcast_decoder",
    ):
        """See `DecoderConfig`. Raises UserError for a smooth mask where there is none."""
        super().__init__(name=name)
        self._upsampling, self._image_size = config.upsampling, image_size
        self._smooth_mask, self._mask_first = config.smooth_mask, config.mask_first
        if config.smooth_mask and output_channels != OUTPUT_CHANNELS:
            raise UserError("config.model.decoder.smooth_mask needs a model with masks")
        self._fine_channels = output_channels - config.smooth_mask
        side = math.ceil(image_size / config.upsampling)
        self.coarse = BroadcastDecoder(
            config,
            latent_size,
            side,
            self._fine_channels * config.upsampling**2 + config.smooth_mask,
            activation,
            config.last_kernel_size,
        )

    def __call__(self, z: tf.Tensor) -> tf.Tensor:
        """Maps z [N, Z] to [N, H, W, output_channels], computing in the type of z."""
        x, mask = self.coarse(z), None
        if self._smooth_mask:
            x, mask = tf.split(x, [x.shape[-1] - 1, 1], axis=-1)
            mask = tf.image.resize(mask, [side * self._upsampling for side in mask.shape[1:3]])
        if self._upsampling > 1:  # TensorFlow refuses 1
            x = tf.nn.depth_to_space(x, self._upsampling)
        if mask is not None:
            parts = [x, tf.cast(mask, x.dtype)]
            x = tf.concat(parts[::-1] if self._mask_first else parts, axis=-1)
        return _cropped(x, self._image_size)


class DeconvDecoder(snt.Module):
    """Deconvolutional decoder, table "Deconv Decoder" of C.1, used in section 4.3.

    | layer                                      | output (128 x 128) |
    |--------------------------------------------|--------------------|
    | z                                          | 64                 |
    | MLP, ELU, twice                            | 512, 512           |
    | reshape                                    | 8 x 8 x 8          |
    | transposed conv 5 x 5, ELU, stride 2, four | 128 x 128 x 64     |
    | conv 5 x 5, ELU                            | 128 x 128 x 64     |
    | conv 5 x 5, linear                         | 128 x 128 x 4      |

    The sizes are those of `channels` = (64, 64, 64, 64, 64) and `kernel_size` = 5. For another
    image side the reshape has the side ceil(side / 2^upsamplings), and the result is cropped; the
    last MLP layer has as many outputs as the reshape needs.
    """

    RESHAPED_CHANNELS = 8

    def __init__(
        self,
        config: DecoderConfig,
        latent_size: int,
        image_size: int,
        output_channels: int = OUTPUT_CHANNELS,
        activation: Activation = tf.nn.elu,
        name: str = "deconv_decoder",
    ):
        """The last of `channels` belongs to the convolution of stride 1, the others upsample."""
        super().__init__(name=name)
        self._activation = activation
        *upsampling, same_size = config.channels
        self._image_size = image_size
        self._side = math.ceil(image_size / 2 ** len(upsampling))
        if config.constant_input is not None:
            raise UserError("config.model.decoder.constant_input needs decoder.kind=broadcast")
        reshaped = self._side**2 * self.RESHAPED_CHANNELS
        self.mlp = snt.nets.MLP(
            (*config.mlp_sizes[:-1], reshaped), activation=activation, activate_final=True
        )
        self.upsample = [
            snt.Conv2DTranspose(channels, config.kernel_size, stride=2, name=f"deconv_{i}")
            for i, channels in enumerate(upsampling)
        ]
        self.conv = Conv2D(same_size, config.kernel_size, name="conv")
        self.last = Conv2D(output_channels, config.kernel_size, name="conv_last")

    def __call__(self, z: tf.Tensor) -> tf.Tensor:
        """Maps z [N, Z] to [N, H, W, output_channels], from the upsampling on in the type of z."""
        x = self.mlp(tf.cast(z, tf.float32))
        x = tf.reshape(x, [-1, self._side, self._side, self.RESHAPED_CHANNELS])
        for deconv in self.upsample:
            x = self._activation(deconv(x))
        x = tf.cast(_cropped(x, self._image_size), z.dtype)
        # For an unknown number of slots TensorFlow loses the size of a transposed convolution.
        x.set_shape([None, self._image_size, self._image_size, None])
        return self.last(self._activation(self.conv(x)))


def _cropped(x: tf.Tensor, side: int) -> tf.Tensor:
    """The first rows and columns of [N, H, W, C].

    By `tf.slice`: the gradient of an index takes a tenth of a step of `tetrominoes_fast`.
    """
    if x.shape[1] == x.shape[2] == side:
        return x
    return tf.slice(x, [0, 0, 0, 0], [-1, side, side, -1])


def build_decoder(
    config: DecoderConfig,
    latent_size: int,
    image_size: int,
    output_channels: int = OUTPUT_CHANNELS,
    activation: Activation = tf.nn.elu,
) -> snt.Module:
    """The decoder that the configuration names, from [N, Z] to [N, H, W, output_channels].

    Args:
        config: see `DecoderConfig`.
        latent_size: Z.
        image_size: H = W.
        output_channels: 4, RGB and mask logit, or 3 for a model without masks.
        activation: after every layer but the last; ELU in IODINE (appendix C).

    Raises:
        UserError: for an unknown decoder, or one without layers.
    """
    kinds = {
        "broadcast": BroadcastDecoder,
        "coarse": CoarseBroadcastDecoder,
        "deconv": DeconvDecoder,
    }
    if not config.channels or (config.kind == "deconv" and not config.mlp_sizes):
        raise UserError("config.model.decoder.channels and .mlp_sizes need at least one layer")
    if config.kind not in kinds:
        raise UserError(f"unknown decoder {config.kind!r}; known: {', '.join(kinds)}")
    return kinds[config.kind](config, latent_size, image_size, output_channels, activation)
