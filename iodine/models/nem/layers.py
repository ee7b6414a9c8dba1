"""The layers of the authors' networks, as TensorFlow 1's `slim` has them.

Weights are drawn by Glorot's uniform rule, biases start at 0. A layer norm is over all values of an
image or vector, with a gain and an offset for each channel, and follows a layer that has a bias. It
adds 1e-5 to the variance, Sonnet's value and our choice: `slim` has 1e-12, which multiplies the
gradient by a million where a layer sees nothing but zeros, as the cell does in the first iteration.
"""

from collections.abc import Callable

import numpy as np
import sonnet as snt
import tensorflow as tf

Activation = Callable[[tf.Tensor], tf.Tensor]
GLOROT_UNIFORM = snt.initializers.VarianceScaling(1.0, "fan_avg", "uniform")


class Layer(snt.Module):
    """An affine map, its layer norm if it has one, and its activation."""

    def __init__(
        self,
        affine: Callable[[tf.Tensor], tf.Tensor],
        activation: Activation,
        layer_norm: bool,
        name: str = "layer",
    ):
        """The first call decides the number of inputs."""
        super().__init__(name=name)
        self.affine = affine
        self.norm = snt.LayerNorm(slice(1, None), True, True) if layer_norm else None
        self._activation = activation

    def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
        """Maps what the affine map takes, [N, ...], to its outputs."""
        x = self.affine(*inputs)
        if self.norm:
            x = self.norm(x)
        return self._activation(x)


def linear(size: int) -> snt.Linear:
    """A dense affine map [N, in] to [N, size]."""
    return snt.Linear(size, w_init=GLOROT_UNIFORM)


def strided_conv(channels: int, kernel_size: int) -> snt.Conv2D:
    """A convolution [N, H, W, in] to [N, H / 2, W / 2, channels], rounded up, SAME padding."""
    return snt.Conv2D(channels, kernel_size, stride=2, w_init=GLOROT_UNIFORM)


class EnlargingConv2D(snt.Module):
    """An image enlarged by 2, each pixel to four equal ones, then a convolution, SAME padding.

    Four equal pixels need not be convolved one by one: each of the four kinds of output pixel sees
    a smaller kernel, whose taps are sums of the kernel's, on the image as it was. For k = 4 they
    are 3 or 2 taps wide. One convolution with four times the outputs computes them all, with 9
    products in place of 16.
    """

    def __init__(self, out_channels: int, kernel_size: int, name: str = "enlarging_conv_2d"):
        """The first call decides the number of input channels."""
        super().__init__(name=name)
        self._out_channels = out_channels
        self._kernel_size = kernel_size
        self._taps = _summed_taps(kernel_size)
        self.use_shortcut = True  # the benchmark switches it off to measure what it saves

    @snt.once
    def _initialize(self, in_channels: int) -> None:
        shape = [self._kernel_size, self._kernel_size, in_channels, self._out_channels]
        self.w = tf.Variable(GLOROT_UNIFORM(shape, tf.float32), name="w")
        self.b = tf.Variable(tf.zeros([self._out_channels]), name="b")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps x [N, H, W, in] to [N, 2 H, 2 W, out]."""
        self._initialize(x.shape[-1])
        if not self.use_shortcut:
            return self.plain(x)
        kernel = tf.einsum("upa,vqb,abio->uvipqo", self._taps, self._taps, self.w)
        size = kernel.shape[0]
        kernel = tf.reshape(kernel, [size, size, x.shape[-1], 4 * self._out_channels])
        y = tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)
        return tf.nn.bias_add(y, self.b)

    def plain(self, x: tf.Tensor) -> tf.Tensor:
        """The same by an ordinary convolution of the enlarged image."""
        _, height, width, _ = x.shape
        enlarged = tf.image.resize(x, [2 * height, 2 * width], "nearest")
        return tf.nn.bias_add(tf.nn.conv2d(enlarged, self.w, 1, "SAME"), self.b)


def _summed_taps(kernel_size: int) -> np.ndarray:
    """Which taps of the kernel add up to which of the small kernels, along one axis.

    Output pixel 2 i + p reads through tap a the enlarged pixel 2 i + p + a - (k - 1) // 2, which is
    a copy of pixel i + u; SAME padding puts as many of the u before 0 as the small kernel needs.

    Returns:
        float32 [U, 2, k], 1 where tap a of output p is part of tap u, else 0.
    """
    output, tap = np.arange(2)[:, np.newaxis], np.arange(kernel_size)
    read = (output + tap - (kernel_size - 1) // 2) // 2  # [2, k], u from below 0 on
    offsets = np.arange(read.min(), read.max() + 1)
    return (read == offsets[:, np.newaxis, np.newaxis]).astype(np.float32)
