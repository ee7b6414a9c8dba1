"""Strategies on a machine that seems to have several GPUs: its two logical CPUs stand in."""

import pytest
import tensorflow as tf

from iodine.training.devices import strategy


@pytest.fixture
def two_gpus(monkeypatch):
    """TensorFlow lists the two logical CPUs as GPUs."""
    listed = tf.config.list_logical_devices
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: listed("CPU") if kind == "GPU" else []
    )
    return [device.name for device in listed("CPU")]


@pytest.mark.parametrize("name", ["auto", "mirrored"])
def test_all_gpus_are_taken(two_gpus, name, monkeypatch):
    given = {}

    def mirrored(devices, cross_device_ops):
        given.update(devices=devices, cross_device_ops=cross_device_ops)
        return "mirrored"

    monkeypatch.setattr(tf.distribute, "MirroredStrategy", mirrored)
    assert strategy.choose_strategy(name) == "mirrored"
    assert given == {"devices": two_gpus, "cross_device_ops": None}  # TensorFlow's own: NCCL
    assert len(two_gpus) == 2


def test_none_takes_one(two_gpus):
    assert strategy.choose_strategy("none").num_replicas_in_sync == 1


def test_a_sum_over_both_is_that_of_their_parts(two_gpus):
    chosen = tf.distribute.MirroredStrategy(
        two_gpus, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )

    def part():
        replica = tf.distribute.get_replica_context()
        own = 1.0 + tf.cast(replica.replica_id_in_sync_group, tf.float32)
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, own)

    totals = chosen.experimental_local_results(chosen.run(part))
    assert [float(total) for total in totals] == [3.0, 3.0]
