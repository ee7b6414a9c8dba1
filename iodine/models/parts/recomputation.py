"""Memory for time: values that the backward pass needs, computed again instead of kept."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

# The two passes stay functions of their own in the graph. So they are traced once, however often
# they are called, and nothing of a recomputation can begin before its gradient is asked for.
_whole = functools.partial(
    tf.function, autograph=False, experimental_attributes={"_noinline": True}
)


def recomputed(function: Callable[..., Sequence[tf.Tensor]]) -> Callable[..., Sequence[tf.Tensor]]:
    """The same function of tensors, computed again in the backward pass of its gradient.

    Only its arguments are kept until then. `tf.recompute_grad` does the same, but stops all
    recording in the forward pass, so that a function that uses a tape itself fails.

    Args:
        function: maps tensors to a tuple of tensors. Gradients by the variables that it reads are
            taken as well; what else it refers to counts as constant.
    """
    forward = _whole(function)
    backwards: dict[tuple, Callable] = {}  # by the variables that the function reads

    @functools.wraps(function)
    @tf.custom_gradient
    def wrapped(*inputs):
        def differentiate(*upstream, variables=()):
            key = tuple(variable.ref() for variable in variables)
            if key not in backwards:
                backwards[key] = _whole(functools.partial(_gradients, function, variables))
            gradients = backwards[key](inputs, upstream)
            return gradients[: len(inputs)], gradients[len(inputs) :]

        return forward(*inputs), differentiate

    return wrapped


def _gradients(function, variables, inputs, upstream):
    """Gradients of the function by its inputs, then by the variables."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(*inputs)
    return tape.gradient(
        outputs,
        [*inputs, *variables],
        output_gradients=upstream,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
