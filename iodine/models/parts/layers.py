"""Convolutions; first layers that exploit what their inputs share equal the plain one exactly.

Each holds one kernel in the layout of the plain convolution, so a checkpoint does not depend on
whether a shortcut is used. Variables are float32; a layer computes in the type of its input. But
what the shortcuts compute once for many pixels, slots or images is cheap and stays float32 until
the end: bfloat16 would move the coordinates of a large image by part of a pixel.
"""

from collections.abc import Sequence

import numpy as np
import sonnet as snt
import tensorflow as tf


class _Kernel(snt.Module):
    """What all convolutions share: a kernel [k, k, in, out] and a bias [out]."""

    def _create(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        shape = (kernel_size, kernel_size, in_channels, out_channels)
        fan_in = kernel_size * kernel_size * in_channels
        initializer = snt.initializers.TruncatedNormal(stddev=fan_in**-0.5)
        self.w = tf.Variable(initializer(shape, tf.float32), name="w")
        self.b = tf.Variable(tf.zeros([out_channels]), name="b")


class Conv2D(_Kernel):
    """Convolution, SAME padding; `snt.Conv2D` would compute in the type of its variables."""

    def __init__(self, out_channels: int, kernel_size: int, stride: int = 1, name: str = "conv_2d"):
        """The first call decides the number of input channels."""
        super().__init__(name=name)
        self._out_channels = out_channels
        self._kernel_size = kernel_size
        self._stride = stride

    @snt.once
    def _initialize(self, in_channels: int) -> None:
        self._create(in_channels, self._out_channels, self._kernel_size)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps x [N, H, W, in] to [N, H / stride, W / stride, out], rounded up."""
        self._initialize(x.shape[-1])
        x = tf.nn.conv2d(x, tf.cast(self.w, x.dtype), self._stride, "SAME")
        return tf.nn.bias_add(x, tf.cast(self.b, x.dtype))


class BroadcastConv2D(_Kernel):
    """Convolution, SAME padding, stride 1, of a latent repeated at every pixel beside coordinates.

    Away from the border every output of the repeated part is the same; within k // 2 pixels of it
    the zero padding removes some taps. So there are only k x k distinct values: they are computed
    once, and the middle row and column are stretched over the image. The coordinate part does not
    depend on the latent and is computed once for all.
    """

    def __init__(
        self,
        latent_size: int,
        coordinates: np.ndarray,
        out_channels: int,
        kernel_size: int,
        name: str = "broadcast_conv_2d",
    ):
        """Takes coordinates [1, H, W, C]; the kernel's input channels are latent, then C."""
        super().__init__(name=name)
        self._create(latent_size + coordinates.shape[-1], out_channels, kernel_size)
        self._latent_size = latent_size
        self._coordinates = coordinates
        self._radius = kernel_size // 2
        height, width = coordinates.shape[1:3]
        # The benchmark switches it off to measure what it saves.
        self.use_shortcut = kernel_size % 2 == 1 and min(height, width) >= kernel_size

    def __call__(self, latent: tf.Tensor) -> tf.Tensor:
        """Maps latent [N, Z] to [N, H, W, out], of its type; with the shortcut rounded but once."""
        if not self.use_shortcut:
            return self.plain(latent)
        kernel, coordinates = tf.split(
            self.w, [self._latent_size, self.w.shape[2] - self._latent_size], axis=2
        )
        fixed = tf.nn.conv2d(tf.constant(self._coordinates), coordinates, 1, "SAME")
        distinct = self._distinct_outputs(tf.cast(latent, tf.float32), kernel)
        return tf.cast(self._stretch(distinct) + (fixed + self.b), latent.dtype)

    def plain(self, latent: tf.Tensor) -> tf.Tensor:
        """The same by an ordinary convolution of the broadcast input, all in its type."""
        _, height, width, _ = self._coordinates.shape
        tiled = tf.tile(latent[:, tf.newaxis, tf.newaxis], [1, height, width, 1])
        coordinates = tf.constant(self._coordinates, latent.dtype)
        coordinates = tf.tile(coordinates, [tf.shape(latent)[0], 1, 1, 1])
        inputs = tf.concat([tiled, coordinates], axis=-1)  # [N, H, W, Z + C]
        kernel = tf.cast(self.w, latent.dtype)
        return tf.nn.conv2d(inputs, kernel, 1, "SAME") + tf.cast(self.b, latent.dtype)

    def _distinct_outputs(self, latent: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """[N, k, k, out]."""
        size = 2 * self._radius + 1
        position, tap = np.arange(size)[:, np.newaxis], np.arange(size)[np.newaxis]
        # Output row i of a k x k canvas reads row i + a - radius through tap a, or padding.
        inside = np.abs(position + tap - 2 * self._radius) <= self._radius
        inside = tf.constant(inside, kernel.dtype)  # [k, k]
        summed = tf.einsum("ia,jb,abzo->zijo", inside, inside, kernel)  # sum of the taps that count
        flat = tf.matmul(latent, tf.reshape(summed, [self._latent_size, -1]))
        return tf.reshape(flat, [-1, size, size, kernel.shape[-1]])

    def _stretch(self, x: tf.Tensor) -> tf.Tensor:
        """[N, k, k, out] to [N, H, W, out], by products with 0s and 1s: one pass over memory."""
        size, channels = x.shape[2], x.shape[3]
        _, height, width, _ = self._coordinates.shape
        x = tf.reshape(x, [-1, size, channels])
        x = tf.matmul(tf.constant(self._rows_of(width), x.dtype), x)  # [N * k, W, out]
        x = tf.reshape(x, [-1, size, width * channels])
        x = tf.matmul(tf.constant(self._rows_of(height), x.dtype), x)  # [N, H, W * out]
        return tf.reshape(x, [-1, height, width, channels])

    def _rows_of(self, length: int) -> np.ndarray:
        """Which of the k distinct rows stands at each place, one-hot [length, k]."""
        place = np.arange(length)
        row = np.full(length, self._radius)
        row = np.where(place < self._radius, place, row)
        row = np.where(length - place <= self._radius, place - length + 2 * self._radius + 1, row)
        return np.eye(2 * self._radius + 1)[row]


class SharedInputConv2D(_Kernel):
    """Convolution, SAME padding, whose input channels differ in what they vary over.

    Some channels differ from slot to slot, some only from image to image, some never. Each group
    is convolved once for what it varies over, and the results are added.
    """

    def __init__(
        self,
        scopes: Sequence[str],
        out_channels: int,
        kernel_size: int,
        stride: int,
        name: str = "shared_input_conv_2d",
    ):
        """Takes, for each input channel in the kernel's order, "slot", "image" or "fixed"."""
        super().__init__(name=name)
        self._create(len(scopes), out_channels, kernel_size)
        self._stride = stride
        self.use_shortcut = True  # as above
        self._channels = {
            scope: [i for i, s in enumerate(scopes) if s == scope]
            for scope in ("slot", "image", "fixed")
        }

    def __call__(self, inputs: dict[str, tf.Tensor], num_slots: int) -> tf.Tensor:
        """Convolves all channels.

        Args:
            inputs: by scope, the channels of that scope in the kernel's order: "slot"
                [B * K, H, W, C], "image" [B, H, W, C], "fixed" [1, H, W, C], the latter float32.
                A scope without channels is left out.
            num_slots: K.

        Returns:
            [B * K, H', W', out].
        """
        if not self.use_shortcut:
            return self.plain(inputs, num_slots)
        shared = self.b
        for scope in ("fixed", "image"):
            if scope in inputs:
                shared = shared + tf.cast(self._convolve(inputs[scope], scope), tf.float32)
        shared = tf.cast(shared, inputs[_varying(inputs)].dtype)
        if "slot" not in inputs:
            return tf.repeat(shared, num_slots, axis=0)  # [B * K, H', W', out]
        x = self._convolve(inputs["slot"], "slot")
        if "image" not in inputs:
            return x + shared
        by_slot = tf.reshape(x, [-1, num_slots, *x.shape[1:]])  # [B, K, H', W', out]
        return tf.reshape(by_slot + shared[:, tf.newaxis], tf.shape(x))

    def plain(self, inputs: dict[str, tf.Tensor], num_slots: int) -> tf.Tensor:
        """The same by one convolution of all channels, repeated for every slot, all in one type."""
        repeats = {"slot": 1, "image": num_slots}
        varying = _varying(inputs)
        repeats["fixed"] = tf.shape(inputs[varying])[0] * repeats[varying]  # B * K
        channels = {}
        for scope, x in inputs.items():
            full = tf.repeat(tf.cast(x, inputs[varying].dtype), repeats[scope], axis=0)
            for position, channel in enumerate(self._channels[scope]):
                channels[channel] = full[..., position]
        stacked = tf.stack([channels[i] for i in sorted(channels)], axis=-1)
        kernel = tf.cast(self.w, stacked.dtype)
        return tf.nn.conv2d(stacked, kernel, self._stride, "SAME") + tf.cast(self.b, stacked.dtype)

    def _convolve(self, x: tf.Tensor, scope: str) -> tf.Tensor:
        kernel = tf.gather(tf.cast(self.w, x.dtype), self._channels[scope], axis=2)
        return tf.nn.conv2d(x, kernel, self._stride, "SAME")


def _varying(inputs: dict[str, tf.Tensor]) -> str:
    """A scope that is not "fixed"; its inputs have the type of the result."""
    return "slot" if "slot" in inputs else "image"
