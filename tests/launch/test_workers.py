"""Several machines that train together: here, processes that talk over loopback."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader

STEPS = 20


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


@pytest.fixture(scope="module")
def distributed_flags(tiny_flags):
    """A training whose weights move from the first step on, and that logs every step."""
    changes = {
        "train.batch_size": 8,
        "train.warmup_steps": 0,
        "train.learning_rate": 1e-3,
        "train.log_every": 1,
    }
    return (*tiny_flags, *(f"--config.{name}={value}" for name, value in changes.items()))


@pytest.fixture
def start(distributed_flags):
    """Starts `iodine-train` as processes: one for each TF_CONFIG."""
    started = []

    def start(*flags, tf_configs=("{}",), program="from iodine.launch import train; train.run()"):
        processes = []
        for tf_config in tf_configs:
            # The level was set by this process's own import of the package.
            environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
            environment["TF_CONFIG"] = tf_config
            process = subprocess.Popen(
                [sys.executable, "-c", program, *distributed_flags, *flags],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            processes.append(process)
            started.append(process)
        return processes

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def two_workers():
    """A TF_CONFIG for each of two workers."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}})
        for i in range(2)
    ]


@pytest.fixture(scope="module")
def single(program, distributed_flags, tmp_path_factory):
    """The folder of the same training on one device."""
    folder = tmp_path_factory.mktemp("single") / "run"
    outcome = program(
        "train", *distributed_flags, f"--run={folder}", f"--steps={STEPS}", "--strategy=none"
    )
    assert outcome.code == 0, outcome.err
    return folder


def losses(folder):
    found = {}
    for path in sorted(folder.glob("tensorboard/events.*")):
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag == "train/loss":
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return np.array([found[step] for step in range(1, STEPS + 1)])


def weights(folder, step=STEPS):
    reader = tf.train.load_checkpoint(str(folder / f"checkpoints/ckpt-{step}"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "model/" in name and "VARIABLE_VALUE" in name
    }


def assert_same_training(actual, expected):
    """Losses of all steps and weights agree within 1e-5; the weights have moved much more."""
    loss_error = np.abs(losses(actual) / losses(expected) - 1).max()
    start, end, other = weights(expected, 0), weights(expected), weights(actual)
    assert end.keys() == other.keys() == start.keys()
    weight_error = max(np.abs(end[name] - other[name]).max() for name in end)
    moved = max(np.abs(end[name] - start[name]).max() for name in end)
    print(f"losses differ by {loss_error:.1e}, weights by {weight_error:.1e} of {moved:.1e} moved")
    assert loss_error < 1e-5
    assert weight_error < 1e-5
    assert moved > 5e-3


def finish(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@pytest.mark.slow
def test_eight_devices_train_as_one(start, single, tmp_path):
    program = """if True:
        import iodine
        import tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        eight = [tf.config.LogicalDeviceConfiguration()] * 8
        tf.config.set_logical_device_configuration(cpu, eight)
        from iodine.launch import train
        train.run()
        """
    flags = (f"--run={tmp_path}", f"--steps={STEPS}", "--strategy=mirrored")
    (process,) = start(*flags, program=program)
    finish(process)
    assert_same_training(tmp_path, single)


def test_two_workers_train_as_one(start, single, tmp_path):
    flags = (f"--run={tmp_path}", f"--steps={STEPS}")  # the strategy follows from TF_CONFIG
    for process in start(*flags, tf_configs=two_workers()):
        assert f"trained tetrominoes_small to step {STEPS}" in finish(process)
    assert_same_training(tmp_path, single)
    assert len(list(tmp_path.glob("tensorboard/*"))) == 1  # of the chief alone


def wait_for_checkpoint(processes, folder, step):
    while all(process.poll() is None for process in processes):
        if any(int(p.stem.split("-")[1]) >= step for p in folder.glob("checkpoints/*.index")):
            return
        time.sleep(0.01)
    ended = next(process for process in processes if process.poll() is not None)
    raise AssertionError(f"ended before it could be stopped: {ended.communicate()}")


def newest(folder):
    return max(int(p.stem.split("-")[1]) for p in folder.glob("checkpoints/*.index"))


def resume_alone(program, flags, folder):
    """Goes on to the next periodic checkpoint with one worker; returns its step."""
    step = newest(folder) // 10 * 10 + 10
    outcome = program("train", *flags, f"--run={folder}", f"--steps={step}", "--strategy=none")
    assert outcome.code == 0, outcome.err
    return step


@pytest.fixture
def endless(distributed_flags):
    """Flags of a training that ends only when it is stopped, so that it can be, at any step."""
    return ("--config.train.decay=none", "--config.train.keep_checkpoints=1000")


@pytest.mark.slow
def test_signal_to_one_worker_stops_all_at_the_same_step(start, endless, tmp_path):
    processes = start(f"--run={tmp_path}", "--steps=1000000", *endless, tf_configs=two_workers())
    wait_for_checkpoint(processes, tmp_path, 10)
    processes[1].send_signal(signal.SIGTERM)
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2
    for error, name in zip(errors, ("a signal to another worker", "SIGTERM"), strict=True):
        line = f"stopped by {name} at step {newest(tmp_path):,}; saved; run the same command"
        assert line in error.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_lost_worker(program, distributed_flags, start, endless, tmp_path, lost):
    folder = tmp_path / "run"
    processes = start(f"--run={folder}", "--steps=1000000", *endless, tf_configs=two_workers())
    wait_for_checkpoint(processes, folder, 10)
    processes[lost].kill()
    _, error = processes[1 - lost].communicate(timeout=600)
    assert processes[1 - lost].returncode == 1
    assert "Traceback" not in error
    line = error.splitlines()[-1]
    assert line.startswith("error: training stopped: another worker was lost (no answer from ")
    assert f"worker {lost} at 127.0.0.1:" in line
    assert "start all of them again with the same command" in line
    step = resume_alone(program, (*distributed_flags, *endless), folder)
    undisturbed = tmp_path / "undisturbed"
    resume = (*distributed_flags, *endless, f"--run={undisturbed}", "--strategy=none")
    assert program("train", *resume, f"--steps={step}").code == 0
    expected, actual = weights(undisturbed, step), weights(folder, step)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=1e-4, err_msg=name)


def test_worker_that_never_appears(start, tmp_path):
    first, _ = two_workers()
    (process,) = start(f"--run={tmp_path / 'run'}", "--wait=3", tf_configs=[first])
    _, error = process.communicate(timeout=600)
    assert process.returncode == 1
    address = json.loads(first)["cluster"]["worker"][1]
    assert error.splitlines()[-1].startswith(
        f"error: the other workers did not all appear within 3 s; missing: worker 1 at {address}; "
    )
    assert not (tmp_path / "run").exists()


def test_worker_that_is_met_and_does_not_join(start, tmp_path):
    """The test stands in for it: something listens at its address, and is no worker."""
    first, _ = two_workers()
    host, port = json.loads(first)["cluster"]["worker"][1].split(":")
    with socket.create_server((host, int(port))):
        (process,) = start(f"--run={tmp_path / 'run'}", "--wait=5", tf_configs=[first])
        _, error = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGALRM
    assert error.splitlines()[-1].startswith(
        "error: the other workers were met but have not joined within 5 s: one of them was lost "
    )
    assert not list((tmp_path / "run").glob("*.json"))


def test_workers_with_different_flags(start, distributed_flags, tmp_path):
    processes = []
    for seed, tf_config in enumerate(two_workers()):
        processes += start(f"--run={tmp_path / 'run'}", f"--seed={seed}", tf_configs=[tf_config])
    for process in processes:
        _, error = process.communicate(timeout=600)
        assert process.returncode == 1
        assert re.search(
            r"error: worker 1 at \S+ was started with other flags than worker 0; ", error
        )
    assert not pathlib.Path(tmp_path / "run").exists()
