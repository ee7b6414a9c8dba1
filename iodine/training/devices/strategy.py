"""Chooses the devices that a training runs on."""

import tensorflow as tf

from iodine.errors import UserError, first_line
from iodine.training.devices import watchdog
from iodine.training.devices.cluster import Cluster

NAMES = ("auto", "none", "mirrored", "multi_worker")


def choose_strategy(
    name: str = "auto", cluster: Cluster | None = None, wait: float = 300.0
) -> tf.distribute.Strategy:
    """The `tf.distribute` strategy of that name.

    Args:
        name: "none": one device; "mirrored": all GPUs of this machine, or all logical CPUs when
            there is none; "multi_worker": all GPUs, or the first CPU, of every machine of the
            cluster; "auto": "multi_worker" with a cluster of several, else "mirrored" with more
            than one GPU, else "none". A cluster of one machine is that machine.
        cluster: from TF_CONFIG. Several workers must be chosen before any other operation of
            TensorFlow, since connecting them replaces all devices.
        wait: seconds that the other workers may take to appear.

    Raises:
        UserError: for another name, one that does not go with the cluster, or workers that do not
            appear.
    """
    if name not in NAMES:
        raise UserError(f"unknown strategy {name!r}; known: {', '.join(NAMES)}")
    if cluster is None and name == "multi_worker":
        raise UserError(
            "--strategy=multi_worker needs the environment variable TF_CONFIG, which names the "
            "machines; without it use --strategy=auto"
        )
    if cluster is not None and cluster.size > 1:
        if name not in ("auto", "multi_worker"):
            raise UserError(
                f"TF_CONFIG names {cluster.size} workers, but --strategy={name} trains on one "
                "machine; use --strategy=multi_worker, or unset TF_CONFIG"
            )
        cluster.meet(wait)
        return _connected(cluster, wait)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "none" or (name != "mirrored" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    # Without GPUs the default way of adding gradients up crashes on several logical CPUs.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([d.name for d in devices], cross_device_ops=reduction)


def _connected(cluster: Cluster, wait: float) -> tf.distribute.Strategy:
    # A worker that goes right after having been met would be waited for without an end.
    lost = (
        f"error: the other workers were met but have not joined within {wait:g} s: one of them was "
        "lost in between; see what they say, then start all of them again"
    )
    try:
        with watchdog.ended_after(wait, lost):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise UserError(
            f"{cluster.names[cluster.index]} cannot join the others at "
            f"{cluster.addresses[cluster.index]}: {first_line(error)}; start all of them again"
        ) from error
