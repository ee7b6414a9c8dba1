"""What the workers of one training do together. A single machine is its own chief."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator

import tensorflow as tf

from iodine.errors import UserError, first_line
from iodine.training.devices.cluster import Cluster

# What TensorFlow raises where a collective operation waits for a worker that is gone: closed
# connections, missing heartbeats (10 s), and what follows from either.
_SIGNS_OF_A_LOSS = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnavailableError,
)
_CAUSE = "Collective ops is aborted by: "


class Workers:
    """The workers that train one run. All of them must call the same methods in the same order."""

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None):
        """Every method does nothing where there is only one worker."""
        self._strategy = strategy
        self._cluster = cluster if cluster is not None and cluster.size > 1 else None

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self._cluster is not None

    @property
    def is_chief(self) -> bool:
        """Whether this is the one that reads and writes the run's folder."""
        return self._cluster is None or self._cluster.is_chief

    def agree(self, what: str, content: bytes) -> None:
        """Raises UserError, on all workers, if they do not all have the same content."""
        if self._cluster is None:
            return
        cluster = self._cluster
        digest = int.from_bytes(hashlib.sha256(content).digest()[:7], "big")  # fits int64
        mine = tf.one_hot(cluster.index, cluster.size, digest, 0, dtype=tf.int64)
        digests = self._sum(mine).numpy()
        for name, other in zip(cluster.names, digests, strict=True):
            if other != digests[0]:
                raise UserError(
                    f"{name} at {cluster.addresses[cluster.names.index(name)]} was started with "
                    f"other {what} than {cluster.names[0]}; start all workers with the same "
                    "command and the same data"
                )

    def copy_from_chief(self, variables: Iterable[tf.Variable]) -> None:
        """Gives every worker the chief's values, to the bit; no other one reads the run's folder.

        Works since every worker but one adds zeros.
        """
        if self._cluster is None:
            return
        for variable in variables:
            value = tf.convert_to_tensor(variable)
            variable.assign(self._sum(value if self.is_chief else tf.zeros_like(value)))

    def wait_for_all(self) -> None:
        """Returns when all workers have got here."""
        if self._cluster is not None:
            self._sum(tf.zeros([]))

    @contextlib.contextmanager
    def losses_told(self) -> Iterator[None]:
        """Turns what TensorFlow raises when a worker is lost into a UserError."""
        try:
            yield
        except _SIGNS_OF_A_LOSS as error:
            if self._cluster is None:
                raise
            message = error.message.partition(_CAUSE)[2] or first_line(error)
            silent = ", ".join(self._cluster.silent())
            told = f"no answer from {silent}" if silent else "all still accept connections"
            raise UserError(
                f"training stopped: another worker was lost ({told}; "
                f"{message.strip().partition(chr(10))[0].rstrip(':')}); the checkpoints are kept; "
                "see what the other workers say, then start all of them again with the same "
                "command, or fewer with another TF_CONFIG, to go on"
            ) from error

    def _sum(self, value: tf.Tensor) -> tf.Tensor:
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
