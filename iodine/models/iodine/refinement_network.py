"""The refinement network f(a, h) of Eq. 3: appendix C.1 to C.3, tables "Refinement Network"."""

import sonnet as snt
import tensorflow as tf

from iodine.models.iodine.config import RefinementConfig
from iodine.models.iodine.inputs import RefinementInputs
from iodine.models.parts.layers import Conv2D, SharedInputConv2D


class RefinementNetwork(snt.Module):
    """Reads the inputs of a slot and returns the additive update of its lambda.

    The paper prints the table bottom to top; in the order of computation, with the sizes of C.1:

    | layer                                      | output        |
    |--------------------------------------------|---------------|
    | image-sized inputs                         | H x W x 17    |
    | conv k x k, ELU, `channels`...             | H' x W' x 64  |
    | average pooling over all pixels            | 64            |
    | MLP, ELU                                   | 256           |
    | concat [lambda, gradient of lambda]        | 512           |
    | LSTM (none for Tetris)                     | 256           |
    | MLP, linear                                | 2 Z           |
    """

    def __init__(
        self,
        config: RefinementConfig,
        scopes: list[str],
        output_size: int,
        name: str = "refinement_network",
    ):
        """Takes the scope of every image-sized input channel and the size 2 Z of lambda."""
        super().__init__(name=name)
        self.first = SharedInputConv2D(
            scopes,
            config.channels[0],
            config.kernel_size,
            config.stride,
        )
        self.hidden = [
            Conv2D(channels, config.kernel_size, config.stride, name=f"conv_{i}")
            for i, channels in enumerate(config.channels[1:], start=1)
        ]
        self.mlp = snt.nets.MLP(
            config.mlp_sizes,
            activation=tf.nn.elu,
            activate_final=config.mlp_final_activation,
            name="mlp",
        )
        self.lstm = snt.LSTM(config.lstm_size) if config.lstm_size else None
        self.update = snt.Linear(output_size, name="update")

    def initial_state(self, batch_size: tf.Tensor | int):
        """h(1) = 0 of Algorithm 1 for B * K rows; () without LSTM."""
        return self.lstm.initial_state(batch_size) if self.lstm else ()

    def __call__(self, inputs: RefinementInputs, state, num_slots: int):
        """Returns the update of lambda [B * K, 2 Z] and the next state, float32.

        The convolutions compute in the type of the image-sized inputs, the rest in float32.
        """
        x = tf.nn.elu(self.first(inputs.image, num_slots))
        for conv in self.hidden:
            x = tf.nn.elu(conv(x))
        x = self.mlp(tf.reduce_mean(tf.cast(x, tf.float32), axis=[1, 2]))
        if inputs.flat is not None:
            x = tf.concat([x, inputs.flat], axis=-1)
        if self.lstm:
            x, state = self.lstm(x, state)
        return self.update(x), state
