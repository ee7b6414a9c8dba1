"""The component VAE: describes what each mask shows by a latent, and decodes it with its mask."""

import math

import sonnet as snt
import tensorflow as tf

from iodine.models.monet.config import DecoderConfig, EncoderConfig
from iodine.models.parts.coordinates import coordinate_channels
from iodine.models.parts.layers import Conv2D, SharedInputConv2D

_OUTPUT_CHANNELS = 4  # RGB, mask
_INPUT_SCOPES = ("image", "image", "image", "slot")  # RGB is the same for all slots; log mask


class Encoder(snt.Module):
    """From the image and the logarithm of a slot's mask to the posterior q(z_k | x, m_k).

    | layer                                | output, 64 x 64 |
    |--------------------------------------|-----------------|
    | image, log mask                      | 64 x 64 x 4     |
    | conv 3 x 3, ReLU, stride 2, `channels` | 4 x 4 x 64    |
    | MLP `mlp_sizes`, ReLU                | 256             |
    | linear: mean, log sigma              | 2 Z             |

    The publication does not say how convolutions are padded; here as most public implementations
    do, so that the side is halved and rounded up.
    """

    def __init__(self, config: EncoderConfig, latent_size: int, name: str = "encoder"):
        """Takes the latent size Z."""
        super().__init__(name=name)
        first, *rest = config.channels
        self.first = SharedInputConv2D(_INPUT_SCOPES, first, config.kernel_size, stride=2)
        self.hidden = [
            Conv2D(channels, config.kernel_size, stride=2, name=f"conv_{i}")
            for i, channels in enumerate(rest, start=1)
        ]
        self.mlp = snt.nets.MLP((*config.mlp_sizes, 2 * latent_size), name="mlp")

    def __call__(self, images: tf.Tensor, log_masks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes all slots.

        Args:
            images: [B, H, W, 3] in [0, 1].
            log_masks: [B, K, H, W] in nats.

        Returns:
            Mean and log sigma, both [B, K, Z].
        """
        _, slots, height, width = log_masks.shape
        by_slot = tf.reshape(log_masks, [-1, height, width, 1])  # [B * K, H, W, 1]
        x = tf.nn.relu(self.first({"image": images, "slot": by_slot}, slots))
        for conv in self.hidden:
            x = tf.nn.relu(conv(x))
        x = self.mlp(tf.reshape(x, [-1, math.prod(x.shape[1:])]))
        mean, log_scale = tf.split(tf.reshape(x, [-1, slots, x.shape[-1]]), 2, axis=-1)
        return mean, log_scale


class BroadcastValidConv2D(snt.Module):
    """Convolution, no padding, of a latent repeated at every pixel beside coordinates.

    Without padding the repeated part gives the same at every pixel: the latent times the sum of the
    kernel's taps. The coordinate part does not depend on the latent and is computed once for all.
    """

    def __init__(self, latent_size: int, side: int, out_channels: int, kernel_size: int):
        """Takes Z and the side of its input; x and y run from -1 to 1 over it."""
        super().__init__(name="broadcast_valid_conv_2d")
        self.coordinates = coordinate_channels("linear", side, side)
        in_channels = latent_size + self.coordinates.shape[-1]
        initializer = snt.initializers.TruncatedNormal((kernel_size**2 * in_channels) ** -0.5)
        shape = (kernel_size, kernel_size, in_channels, out_channels)
        self.w = tf.Variable(initializer(shape, tf.float32), name="w")  # latent, then coordinates
        self.b = tf.Variable(tf.zeros([out_channels]), name="b")
        self._latent_size = latent_size

    def __call__(self, latent: tf.Tensor) -> tf.Tensor:
        """Maps latent [N, Z] to [N, H', W', out], H' = side - (k - 1)."""
        repeated, located = tf.split(self.w, [self._latent_size, -1], axis=2)
        everywhere = tf.matmul(latent, tf.reduce_sum(repeated, axis=[0, 1]))  # [N, out]
        everywhere = tf.reshape(everywhere, [-1, 1, 1, self.w.shape[-1]])
        fixed = tf.nn.conv2d(tf.constant(self.coordinates), located, 1, "VALID")
        return everywhere + (fixed + self.b)


class Decoder(snt.Module):
    """From a latent to RGB means and a mask logit at every pixel.

    | layer                                     | output, 64 x 64   |
    |-------------------------------------------|-------------------|
    | z                                         | Z                 |
    | broadcast + coordinates                   | 72 x 72 x (Z + 2) |
    | conv 3 x 3, no padding, ReLU, `channels`  | 64 x 64 x 32      |
    | conv 1 x 1, linear; sigmoid of RGB        | 64 x 64 x 4       |

    The broadcast is larger than the image by what the convolutions take away.
    """

    def __init__(
        self, config: DecoderConfig, latent_size: int, image_size: int, name: str = "decoder"
    ):
        """Takes Z and the side of the images, H = W."""
        super().__init__(name=name)
        first, *rest = config.channels
        side = image_size + len(config.channels) * (config.kernel_size - 1)
        self.first = BroadcastValidConv2D(latent_size, side, first, config.kernel_size)
        self.hidden = [
            snt.Conv2D(channels, config.kernel_size, padding="VALID", name=f"conv_{i}")
            for i, channels in enumerate(rest, start=1)
        ]
        self.last = snt.Linear(_OUTPUT_CHANNELS, name="last")  # of each pixel, as in the U-Net

    def __call__(self, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents [B, K, Z] to components [B, K, H, W, 3] and mask logits [B, K, H, W]."""
        slots = tf.shape(latents)[1] if latents.shape[1] is None else latents.shape[1]
        x = tf.nn.relu(self.first(tf.reshape(latents, [-1, latents.shape[-1]])))
        for conv in self.hidden:
            x = tf.nn.relu(conv(x))  # [B * K, H, W, channels] in the end
        height, width, channels = x.shape[1:]
        x = self.last(tf.reshape(x, [-1, channels]))  # [B * K * H * W, 4]
        x = tf.reshape(x, [-1, slots, height, width, _OUTPUT_CHANNELS])
        means, mask_logits = tf.split(x, [_OUTPUT_CHANNELS - 1, 1], axis=-1)
        return tf.sigmoid(means), tf.squeeze(mask_logits, axis=-1)


def kl_to_standard_normal(mean: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, exp(log_scale)^2) || N(0, 1)) summed over latents: [..., Z] to [...], nats.

    Of the logarithm and not of the scale, as TFP has it: a scale that underflows has a finite KL.
    """
    squares = tf.square(mean) + tf.exp(2 * log_scale)
    return tf.reduce_sum((squares - 1) / 2 - log_scale, axis=-1)
