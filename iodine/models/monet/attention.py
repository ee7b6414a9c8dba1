"""The attention network: a U-Net, once for each slot but the last, breaks pixels into shares."""

import math
from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from iodine.models.monet.config import AttentionConfig
from iodine.models.monet.instance_norm import InstanceNormRelu

_INPUT_CHANNELS = 4  # RGB, log scope


class ConvBlock(snt.Module):
    """Convolution 3 x 3 without bias, instance norm, ReLU."""

    def __init__(self, out_channels: int, name: str = "conv_block"):
        """The first call decides the number of input channels."""
        super().__init__(name=name)
        self.conv = snt.Conv2D(out_channels, 3, with_bias=False)
        self.norm_relu = InstanceNormRelu()

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps [N, H, W, in] to [N, H, W, out]."""
        return self.norm_relu(self.conv(x))


class UNet(snt.Module):
    """From an image and the logarithm of its scope to the logit of the next slot's share.

    | layer                              | output, `channels` c_1 .. c_n of a side S       |
    |------------------------------------|-------------------------------------------------|
    | image, log scope                   | S x S x 4                                       |
    | block, half the side (nearest)     | S/2 x S/2 x c_1, and so on; the last block keeps |
    |                                    | its side: s x s x c_n, s = S / 2^(n - 1)        |
    | MLP `mlp_sizes`, s s c_n, all ReLU | s x s x c_n                                     |
    | beside the skip: block, twice the  | 2s x 2s x c_(n-1), and so on; the last block     |
    | side (nearest)                     | keeps its side: S x S x c_1                     |
    | conv 1 x 1, linear                 | S x S                                           |

    A skip is what a block going down gives before it is halved. The block going up at the same side
    sees it beside its other input, and has as many outputs as the skip that comes next.
    """

    def __init__(self, config: AttentionConfig, side: int, name: str = "u_net"):
        """Takes the side S of its input, a multiple of 2^(n - 1)."""
        super().__init__(name=name)
        channels = config.channels
        self.down = [ConvBlock(c, name=f"down_{i}") for i, c in enumerate(channels)]
        self._lowest = (*[side // 2 ** (len(channels) - 1)] * 2, channels[-1])  # s, s, c_n
        self.mlp = snt.nets.MLP(
            (*config.mlp_sizes, math.prod(self._lowest)), activate_final=True, name="mlp"
        )
        outputs = [*channels[-2::-1], channels[0]]
        self.up = [ConvBlock(c, name=f"up_{i}") for i, c in enumerate(outputs)]
        self.head = snt.Linear(1, name="head")  # of each pixel: a convolution of 1 x 1, but faster

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps [N, S, S, 4] to logits [N, S, S]."""
        skips: list[tf.Tensor] = []
        for block in self.down:
            x = block(_halved(x) if skips else x)
            skips.append(x)
        x = self.mlp(tf.reshape(x, [-1, math.prod(self._lowest)]))
        x = tf.reshape(x, [-1, *self._lowest])
        for block, skip in zip(self.up, reversed(skips), strict=True):
            if skip.shape[1] > x.shape[1]:
                x = tf.image.resize(x, skip.shape[1:3], "nearest")
            x = block(tf.concat([x, skip], axis=-1))
        logits = self.head(tf.reshape(x, [-1, x.shape[-1]]))
        return tf.reshape(logits, [-1, *x.shape[1:3]])


def _halved(x: tf.Tensor) -> tf.Tensor:
    """Every second row and column, which a pooling of one pixel picks faster than indexing."""
    return tf.nn.avg_pool2d(x, 1, 2, "VALID")


class AttentionNetwork(snt.Module):
    """Stick breaking (section 2.2): log m_k = log s_(k-1) + log alpha_k, in nats throughout.

    The scope s_0 is 1 everywhere, s_k = s_(k-1) (1 - alpha_k), and the last slot has what is left,
    m_K = s_(K-1). So the shares of a pixel sum to 1 whatever the network says.

    A U-Net needs a side that it can halve. Other images (35 x 35) are padded with zeros, as much on
    either side as possible, and the masks cropped; the publication has no such images.
    """

    def __init__(self, config: AttentionConfig, image_size: int, name: str = "attention"):
        """Takes the side of the images, H = W."""
        super().__init__(name=name)
        self._image_size = image_size
        side = padded_side(image_size, len(config.channels))
        self._before = (side - image_size) // 2
        self._after = side - image_size - self._before
        self.u_net = UNet(config, side)

    def __call__(self, images: tf.Tensor, num_slots: int) -> tf.Tensor:
        """Maps images [B, H, W, 3] to log masks [B, K, H, W]."""
        images = self._padded(images)  # [B, S, S, 3]
        log_scope = tf.zeros_like(images[..., 0])
        log_masks: list[tf.Tensor] = []
        for _ in range(num_slots - 1):
            logits = self.u_net(tf.concat([images, tf.expand_dims(log_scope, -1)], axis=-1))
            log_masks.append(log_scope + tf.math.log_sigmoid(logits))
            log_scope += tf.math.log_sigmoid(-logits)
        return self._cropped([*log_masks, log_scope])

    def _padded(self, images: tf.Tensor) -> tf.Tensor:
        if not self._after:
            return images
        margin = [self._before, self._after]
        return tf.pad(images, [[0, 0], margin, margin, [0, 0]])

    def _cropped(self, log_masks: Sequence[tf.Tensor]) -> tf.Tensor:
        stacked = tf.stack(log_masks, axis=1)  # [B, K, S, S]
        if not self._after:
            return stacked
        start, size = self._before, self._image_size
        return tf.slice(stacked, [0, 0, start, start], [-1, -1, size, size])


def padded_side(image_size: int, num_blocks: int) -> int:
    """The smallest side that the blocks can halve, down to at least two pixels.

    A single pixel would leave instance norm nothing to compare it with: it would always give 0.
    """
    unit = 2 ** (num_blocks - 1)
    return unit * max(2, math.ceil(image_size / unit))
