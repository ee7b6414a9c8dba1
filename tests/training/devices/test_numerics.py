"""What programs set devices to, on a machine that seems to have GPUs."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from iodine.config import TrainConfig
from iodine.training.devices import numerics


@pytest.fixture
def tf32():
    """Switched on, as TensorFlow has it unless told otherwise; left as it was."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(True)
    yield tf.config.experimental.tensor_float_32_execution_enabled
    tf.config.experimental.enable_tensor_float_32_execution(before)


def test_memory_of_every_gpu_grows_and_products_are_float32(monkeypatch, tf32):
    gpus = [SimpleNamespace(name=f"GPU:{i}") for i in range(3)]
    grown = []

    def grow(gpu, on):
        if gpu is gpus[1]:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        grown.append((gpu.name, on))

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: {"GPU": gpus}[kind])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
    numerics.prepare()
    assert grown == [("GPU:0", True), ("GPU:2", True)]
    assert not tf32()


def test_programs_prepare_and_training_follows_its_configuration():
    """In a process of its own: determinism holds for the whole of it. `iodine-data` runs none."""
    code = """if True:
        from types import SimpleNamespace
        import iodine, tensorflow as tf
        from tensorflow.python.framework import config
        from iodine.config import TrainConfig
        from iodine.launch import app
        from iodine.training.devices import numerics
        tf32 = tf.config.experimental.tensor_float_32_execution_enabled
        grown = []
        tf.config.list_physical_devices = lambda kind=None: [SimpleNamespace(name="GPU:0")]
        tf.config.experimental.set_memory_growth = lambda gpu, on: grown.append((gpu.name, on))
        for runs_models in (False, True):
            try:
                app.run(lambda: print(grown, tf32()), ["x"], runs_models=runs_models)
            except SystemExit:
                pass
        for train in (TrainConfig(), TrainConfig(deterministic=False, tf32=True), TrainConfig()):
            numerics.follow(train)
            print(config.is_op_determinism_enabled(), tf32())
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        *("[] True", "[('GPU:0', True)] False"),
        *("True False", "False True", "True False"),
    ]


def test_defaults_are_exact():
    train = TrainConfig()
    assert train.deterministic
    assert not train.tf32
