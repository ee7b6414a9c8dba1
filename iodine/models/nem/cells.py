"""The recurrent cells: the M-step of RNN-NEM, and of R-NEM, where slots look at each other.

Both compute a new theta and return it twice: as the state, sigmoid(theta), and as what is decoded,
sigmoid(theta) or, with layer norm, sigmoid(LN(theta)). As in the authors' code, the state has none.
"""

import sonnet as snt
import tensorflow as tf

from iodine.models.nem.config import CellConfig
from iodine.models.nem.layers import GLOROT_UNIFORM, Layer, linear


class _Cell(snt.Module):
    """What both cells share: the last linear layer and the two outputs."""

    def __init__(self, latent_size: int, layer_norm: bool, name: str):
        super().__init__(name=name)
        self.update = linear(latent_size)
        self.norm = snt.LayerNorm(-1, True, True) if layer_norm else None

    def _outputs(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        theta = self.update(tf.concat(inputs, axis=-1))
        normed = self.norm(theta) if self.norm else theta
        return tf.sigmoid(normed), tf.sigmoid(theta)


class RnnCell(_Cell):
    """theta = W [input, state] + b, for each slot by itself.

    `shapes` of Neural-EM, without layer norm, and `rnn_250` of Relational-NEM, with it.
    """

    def __init__(self, latent_size: int, layer_norm: bool, name: str = "rnn_cell"):
        """Its state and output have `latent_size` elements."""
        super().__init__(latent_size, layer_norm, name)

    def __call__(
        self, inputs: tf.Tensor, state: tf.Tensor, num_slots: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The output and the next state, both [B * K, Z].

        Args:
            inputs: [B * K, M].
            state: [B * K, Z].
            num_slots: K, which decides nothing.
        """
        del num_slots
        return self._outputs([inputs, state])


class RelationalCell(_Cell):
    """The relational update of R-NEM (van Steenkiste et al., 2018, `r_nem` of their code).

    | of                  | layers, each with layer norm but the marked ones           |
    |---------------------|------------------------------------------------------------|
    | each slot k         | e_k = dense, ReLU, of its state                            |
    | each pair k, j != k | c = dense, ReLU, of [e_k, e_j]                             |
    |                     | effect = dense, ReLU, of c                                 |
    |                     | attention = dense, tanh, of c; dense to 1*, sigmoid        |
    | each slot k         | theta_k = dense* of [e_k, sum_j attention effect, input_k] |

    The attention is a sigmoid, not a softmax: a slot may attend to all others or to none.
    """

    def __init__(
        self,
        config: CellConfig,
        latent_size: int,
        layer_norm: bool,
        name: str = "relational_cell",
    ):
        """See `CellConfig`; its state and output have `latent_size` elements."""
        super().__init__(latent_size, layer_norm, name)
        size = config.relation_size
        self.state = Layer(linear(size), tf.nn.relu, layer_norm, "state")
        self.pair = Layer(_LinearOfPairs(size), tf.nn.relu, layer_norm, "pair")
        self.effect = Layer(linear(size), tf.nn.relu, layer_norm, "effect")
        self.attention_hidden = Layer(
            linear(config.attention_size), tf.nn.tanh, layer_norm, "attention_hidden"
        )
        self.attention = Layer(linear(1), tf.nn.sigmoid, False, "attention")

    def __call__(
        self, inputs: tf.Tensor, state: tf.Tensor, num_slots: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The output and the next state, both [B * K, Z].

        Args:
            inputs: [B * K, M].
            state: [B * K, Z].
            num_slots: K, at least 2.
        """
        encoded = self.state(state)  # [B * K, R]
        pairs = self.pair(encoded, num_slots)  # [B * K * (K - 1), R]
        weighted = self.attention(self.attention_hidden(pairs)) * self.effect(pairs)
        by_slot = tf.reshape(weighted, [-1, num_slots - 1, weighted.shape[-1]])
        return self._outputs([encoded, tf.reduce_sum(by_slot, axis=1), inputs])


class _LinearOfPairs(snt.Module):
    """A dense affine map of [e_k, e_j] for all ordered pairs k, j != k.

    It is the sum of a map of e_k and one of e_j, which are computed once a slot instead of once a
    pair.
    """

    def __init__(self, size: int, name: str = "linear_of_pairs"):
        super().__init__(name=name)
        self._size = size

    @snt.once
    def _initialize(self, in_size: int) -> None:
        self.w = tf.Variable(GLOROT_UNIFORM([2 * in_size, self._size], tf.float32), name="w")
        self.b = tf.Variable(tf.zeros([self._size]), name="b")

    def __call__(self, encoded: tf.Tensor, num_slots: int) -> tf.Tensor:
        """Maps e [B * K, R] to [B * K * (K - 1), size], all pairs of a slot k in succession."""
        in_size = encoded.shape[-1]
        self._initialize(in_size)
        of_focus, of_other = tf.split(self.w, [in_size, in_size])
        focus = tf.reshape(encoded @ of_focus + self.b, [-1, num_slots, 1, self._size])
        others = tf.reshape(encoded @ of_other, [-1, num_slots, self._size])
        shifted = [tf.roll(others, -distance, axis=1) for distance in range(1, num_slots)]
        pairs = focus + tf.stack(shifted, axis=2)  # [B, K, K - 1, size]
        return tf.reshape(pairs, [-1, self._size])


def build_cell(config: CellConfig, latent_size: int, layer_norm: bool) -> RnnCell | RelationalCell:
    """The configuration's cell."""
    if config.kind == "rnn":
        return RnnCell(latent_size, layer_norm)
    return RelationalCell(config, latent_size, layer_norm)
