"""TF_CONFIG, the choice of a strategy, and what workers tell each other."""

import contextlib
import hashlib
import json
import socket
import threading

import numpy as np
import pytest
import tensorflow as tf

from iodine.errors import UserError
from iodine.training.devices import cluster as cluster_lib
from iodine.training.devices import strategy as strategy_lib
from iodine.training.devices.cluster import Cluster
from iodine.training.devices.workers import Workers

PAIR = Cluster(("chief", "worker 0"), ("a:1", "b:2"), 0)


def tf_config(task_type="worker", index=0, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": task_type, "index": index}})


@pytest.mark.parametrize("text", [None, "{}", '{"cluster": {}}'])
def test_no_cluster(text):
    assert cluster_lib.parse(text) is None


def test_chief_comes_first():
    jobs = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    found = cluster_lib.parse(tf_config("worker", 1, **jobs))
    assert found == Cluster(("chief", "worker 0", "worker 1"), ("a:1", "b:2", "c:3"), 2)
    assert not found.is_chief
    assert cluster_lib.parse(tf_config("chief", "0", **jobs)).is_chief
    assert cluster_lib.parse(tf_config("worker", 0, worker=["b:2", "c:3"])).is_chief


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("5", "has no section 'cluster'"),
        ('{"task": {}}', "has no section 'cluster'"),
        ('{"cluster": ["a:1"]}', "has no section 'cluster'"),
        ('{"cluster": {"worker": "a:1"}}', "has no section 'cluster'"),
        (tf_config(worker=["a:1"], ps=["b:2"]), "names the job 'ps'"),
        (tf_config(chief=["a:1", "b:2"]), "names several chiefs"),
        (tf_config(worker=["a"]), "has the address 'a'; expected HOST:PORT"),
        (tf_config(worker=["a:0"]), "has the address 'a:0'"),
        (tf_config(worker=["a:99999"]), "has the address 'a:99999'"),
        (tf_config(worker=[5]), "has the address 5"),
        (tf_config(worker=["a:1", "a:1"]), "has the address a:1 twice"),
        (tf_config(index=2, worker=["a:1", "b:2"]), "none of the cluster's: worker 0, worker 1"),
        (tf_config("chief", worker=["a:1"]), "has a 'task' that is none of the cluster's"),
        ('{"cluster": {"worker": ["a:1"]}}', "has a 'task' that is none of the cluster's"),
        ('{"cluster": {"worker": ["a:1"]}, "task": 0}', "has a 'task' that is none"),
    ],
)
def test_malformed(text, message):
    with pytest.raises(UserError, match="the environment variable TF_CONFIG ") as error:
        cluster_lib.parse(text)
    assert message in str(error.value)
    assert "expected such as {" in str(error.value)


def test_who_does_not_answer():
    with socket.socket() as listening, socket.socket() as closed:
        for s in (listening, closed):
            s.bind(("127.0.0.1", 0))
        listening.listen()
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in (closed, listening, closed)]
        names = ("worker 0", "worker 1", "worker 2")
        assert Cluster(names, tuple(addresses), 0).silent() == [f"worker 2 at {addresses[2]}"]


@pytest.mark.parametrize("name", ["none", "mirrored"])
def test_strategy_that_does_not_go_with_the_cluster(name):
    with pytest.raises(UserError, match=rf"names 2 workers, but --strategy={name} trains on one"):
        strategy_lib.choose_strategy(name, PAIR)


def test_strategies_of_one_machine():
    alone = Cluster(("worker 0",), ("a:1",), 0)
    for name in ("auto", "none", "multi_worker"):
        assert strategy_lib.choose_strategy(name, alone).num_replicas_in_sync == 1
    with pytest.raises(UserError, match="multi_worker needs the environment variable TF_CONFIG"):
        strategy_lib.choose_strategy("multi_worker")


def two_addresses():
    with socket.socket() as one, socket.socket() as two:
        for s in (one, two):
            s.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{s.getsockname()[1]}" for s in (one, two))


@pytest.mark.parametrize("name", ["auto", "multi_worker"])
def test_wait_for_the_others_is_bounded(name):
    pair = Cluster(PAIR.names, two_addresses(), 0)
    with pytest.raises(UserError, match=r"within 0\.3 s; missing: worker 0 at 127.* start them"):
        strategy_lib.choose_strategy(name, pair, wait=0.3)


def test_port_that_is_taken():
    pair = Cluster(PAIR.names, two_addresses(), 0)
    host, port = pair.addresses[0].split(":")
    with socket.create_server((host, int(port))), pytest.raises(UserError, match="cannot listen"):
        pair.meet(0.1)


def test_workers_meet_however_late_one_is():
    addresses = two_addresses()
    first, second = (Cluster(PAIR.names, addresses, i) for i in range(2))
    waiting = threading.Thread(target=first.meet, args=[600])
    waiting.start()
    with contextlib.closing(socket.create_server(("", int(addresses[1].split(":")[1])))):
        waiting.join()
    with pytest.raises(UserError, match="missing: chief at"):
        second.meet(0.1)


def test_failure_to_join_is_one_line(monkeypatch):
    def connect():
        raise tf.errors.UnavailableError(None, None, "no\nmore")

    monkeypatch.setattr(Cluster, "meet", lambda *_: None)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", connect)
    with pytest.raises(UserError, match="chief cannot join the others at a:1: no; start all"):
        strategy_lib.choose_strategy("auto", PAIR)


class Others:
    """A strategy whose sums come from workers that contribute given values."""

    def __init__(self, *contributions):
        self.contributions = list(contributions)

    def reduce(self, op, value, axis):
        assert op == tf.distribute.ReduceOp.SUM
        assert axis is None
        return value + self.contributions.pop(0)


def test_agreement():
    digest = int.from_bytes(hashlib.sha256(b"flags").digest()[:7], "big")
    same = np.array([0, digest], np.int64)
    Workers(Others(same), PAIR).agree("flags", b"flags")
    other = np.array([0, digest + 1], np.int64)
    with pytest.raises(UserError, match="worker 0 at b:2 was started with other flags than chief"):
        Workers(Others(other), PAIR).agree("flags", b"flags")
    Workers(Others()).agree("flags", b"flags")  # alone


def test_values_of_the_chief():
    variables = [tf.Variable([1.5, -2.0]), tf.Variable(3, dtype=tf.int64)]
    follower = Cluster(PAIR.names, PAIR.addresses, 1)
    workers = Workers(Others([0.25, 7.0], 9), follower)
    assert not workers.is_chief
    workers.copy_from_chief(variables)
    np.testing.assert_array_equal(variables[0], [0.25, 7.0])
    assert int(variables[1]) == 9
    Workers(Others([0.0, 0.0], 0), PAIR).copy_from_chief(variables)
    np.testing.assert_array_equal(variables[0], [0.25, 7.0])


def test_lost_worker_is_told_as_such():
    error = tf.errors.UnavailableError(
        None, None, "Graph execution error:\nCollective ops is aborted by: reset by peer\nmore"
    )
    with pytest.raises(UserError) as told, Workers(Others(), PAIR).losses_told():
        raise error
    assert str(told.value).startswith(
        "training stopped: another worker was lost (no answer from worker 0 at b:2; reset by peer)"
    )
    with pytest.raises(tf.errors.UnavailableError), Workers(Others()).losses_told():
        raise error
    full = tf.errors.ResourceExhaustedError(None, None, "x")
    with pytest.raises(tf.errors.ResourceExhaustedError), Workers(Others(), PAIR).losses_told():
        raise full
