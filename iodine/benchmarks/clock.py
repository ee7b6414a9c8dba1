"""Time that something takes."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Seconds(NamedTuple):
    """The same work by two clocks."""

    wall: Any  # float, or an array of them
    processor: Any  # of all threads of this process: hardly changed by what else is running


def timed(function: Callable[..., tf.Tensor], *arguments) -> Seconds:
    """How long a function takes to give its tensor, or to return if it gives none."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function(*arguments)
    if tf.is_tensor(result):
        tf.reshape(result, [-1])[0].numpy()  # GPUs work asynchronously: wait for one number
    return Seconds(time.perf_counter() - wall, time.process_time() - processor)
