"""The encoder of the VAE: an image to the parameters of its posterior."""

import sonnet as snt
import tensorflow as tf

from iodine.models.parts.layers import Conv2D
from iodine.models.vae.config import EncoderConfig


class Encoder(snt.Module):
    """Convolutions that halve the image, then fully connected layers.

    Watters et al. (2019) are said to have, at 64 x 64, the sizes below; see `presets.py`.

    | layer                              | output       |
    |------------------------------------|--------------|
    | image                              | H x W x 3    |
    | conv 4 x 4, stride 2, ReLU, four   | 4 x 4 x 64   |
    | flatten                            | 1024         |
    | linear, ReLU                       | 256          |
    | linear                             | 2 Z          |

    An odd side is halved to the larger half (SAME padding, which no source states).
    """

    def __init__(self, config: EncoderConfig, output_size: int, name: str = "encoder"):
        """Takes the size 2 Z of the parameters."""
        super().__init__(name=name)
        self.convs = [
            Conv2D(channels, config.kernel_size, config.stride, name=f"conv_{i}")
            for i, channels in enumerate(config.channels)
        ]
        self.mlp = [snt.Linear(size, name=f"linear_{i}") for i, size in enumerate(config.mlp_sizes)]
        self.last = snt.Linear(output_size, name="linear_last")

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images [B, H, W, C] to [B, 2 Z]: mean, then raw scale."""
        x = images
        for conv in self.convs:
            x = tf.nn.relu(conv(x))
        x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])  # [B, H' * W' * channels]
        for linear in self.mlp:
            x = tf.nn.relu(linear(x))
        return self.last(x)
