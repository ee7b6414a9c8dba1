"""Encoders and decoders: `network.py` of the authors' repositories."""

import math

import sonnet as snt
import tensorflow as tf

from iodine.models.nem.config import DecoderConfig, EncoderConfig
from iodine.models.nem.layers import EnlargingConv2D, Layer, linear, strided_conv


class ConvEncoder(snt.Module):
    """Convolutions and a dense layer, with ELU.

    | layer                                 | output (28 x 28, `flying_shapes`) |
    |---------------------------------------|-----------------------------------|
    | masked error                          | 28 x 28 x 1                       |
    | conv k x k, stride 2, ELU, `channels` | 14 x 14 x 32, 7 x 7 x 64          |
    | flatten                               | 3136                              |
    | dense, ELU                            | 512                               |
    """

    def __init__(self, config: EncoderConfig, layer_norm: bool, name: str = "conv_encoder"):
        """See `EncoderConfig`; the layer norms are before the activations."""
        super().__init__(name=name)
        self.convs = [
            Layer(strided_conv(channels, config.kernel_size), tf.nn.elu, layer_norm, f"conv_{i}")
            for i, channels in enumerate(config.channels)
        ]
        self.dense = Layer(linear(config.hidden_size), tf.nn.elu, layer_norm, "dense")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps x [N, H, W] to [N, hidden_size]."""
        x = x[..., tf.newaxis]
        for conv in self.convs:
            x = conv(x)
        return self.dense(snt.flatten(x))


class ConvDecoder(snt.Module):
    """Dense layers, then convolutions of ever larger images, with ReLU.

    | layer                                   | output (28 x 28, `flying_shapes`) |
    |-----------------------------------------|-----------------------------------|
    | theta                                   | Z                                 |
    | dense, ReLU                             | 512                               |
    | dense, ReLU                             | 3136                              |
    | reshape                                 | 7 x 7 x 64                        |
    | enlarge by 2, conv k x k, ReLU, ...     | 14 x 14 x 32                      |
    | enlarge by 2, conv k x k, no layer norm | 28 x 28 x 1                       |

    Of an image whose side is not a multiple of 2^convolutions, what is too much is cropped.
    """

    def __init__(
        self, config: DecoderConfig, layer_norm: bool, image_size: int, name: str = "conv_decoder"
    ):
        """See `DecoderConfig`; the layer norms are before the activations."""
        super().__init__(name=name)
        coarsest, *others = config.channels
        self._image_size = image_size
        side = math.ceil(image_size / 2 ** (1 + len(others)))
        self._coarse_shape = [-1, side, side, coarsest]
        self.dense = [
            Layer(linear(size), tf.nn.relu, layer_norm, f"dense_{i}")
            for i, size in enumerate((config.hidden_size, side**2 * coarsest))
        ]
        self.convs = [
            Layer(
                EnlargingConv2D(channels, config.kernel_size), tf.nn.relu, layer_norm, f"conv_{i}"
            )
            for i, channels in enumerate(others)
        ]
        self.last = EnlargingConv2D(1, config.kernel_size, name="conv_last")

    def __call__(self, theta: tf.Tensor) -> tf.Tensor:
        """Maps theta [N, Z] to logits [N, H, W]."""
        x = theta
        for dense in self.dense:
            x = dense(x)
        x = tf.reshape(x, self._coarse_shape)  # [N, h, w, channels]
        for conv in self.convs:
            x = conv(x)
        return self.last(x)[:, : self._image_size, : self._image_size, 0]


class DenseDecoder(snt.Module):
    """One dense layer from theta to all pixels (`shapes`)."""

    def __init__(self, image_size: int, name: str = "dense_decoder"):
        """For square images of that side."""
        super().__init__(name=name)
        self._image_size = image_size
        self.dense = linear(image_size**2)

    def __call__(self, theta: tf.Tensor) -> tf.Tensor:
        """Maps theta [N, Z] to logits [N, H, W]."""
        return tf.reshape(self.dense(theta), [-1, self._image_size, self._image_size])


def build_encoder(config: EncoderConfig, layer_norm: bool) -> snt.Module:
    """The configuration's encoder, [N, H, W] to [N, M]."""
    if config.kind == "none":
        return snt.Flatten(name="no_encoder")
    return ConvEncoder(config, layer_norm)


def build_decoder(config: DecoderConfig, layer_norm: bool, image_size: int) -> snt.Module:
    """The configuration's decoder, [N, Z] to logits [N, H, W]."""
    if config.kind == "dense":
        return DenseDecoder(image_size)
    return ConvDecoder(config, layer_norm, image_size)
