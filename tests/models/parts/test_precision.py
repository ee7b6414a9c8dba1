"""Which precision "auto" stands for, on processors and cards of several kinds."""

import pathlib

import pytest
import tensorflow as tf

from iodine.errors import UserError
from iodine.models import registry
from iodine.models.iodine.config import IodineConfig
from iodine.models.parts import precision

WITH = "model name\t: X\nflags\t\t: fpu avx2 avx512_bf16 sse\n"
WITHOUT = "model name\t: bf16 in a name\nflags\t\t: fpu avx2 avx512f sse\n"
ARM_WITH = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"


@pytest.fixture
def processor(monkeypatch):
    def has(text):
        monkeypatch.setattr(pathlib.Path, "read_text", lambda self: text)

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    return has


@pytest.mark.parametrize(
    ("text", "name"),
    [(WITH, "bfloat16"), (WITHOUT, "float32"), (ARM_WITH, "bfloat16"), ("", "float32")],
)
def test_a_processor_says_what_it_computes_with(processor, text, name):
    processor(text)
    assert precision.fastest() == name
    assert IodineConfig(precision="auto").for_this_machine() == IodineConfig(precision=name)
    assert precision.convolution_dtype("auto") == tf.as_dtype(name)


def test_without_a_file_that_tells_it_is_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(precision, "pathlib", type("Gone", (), {"Path": lambda _: tmp_path / "-"}))
    assert precision.fastest() == "float32"


@pytest.mark.parametrize(
    ("capabilities", "name"),
    [
        ([(8, 0)], "bfloat16"),
        ([(7, 5)], "float32"),
        ([(9, 0), (7, 0)], "float32"),
        ([None], "float32"),
    ],
)
def test_cards_decide_where_there_are_any(monkeypatch, capabilities, name):
    details = [{} if c is None else {"compute_capability": c} for c in capabilities]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: range(len(details)))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    monkeypatch.setattr(precision, "_instructions", lambda: {"avx512_bf16"})
    assert precision.fastest() == name


def test_what_is_named_is_kept(processor):
    processor(WITH)
    for name in ("float32", "bfloat16"):
        config = IodineConfig(precision=name)
        assert config.for_this_machine() is config
    with pytest.raises(UserError, match="unknown precision 'half'; known: float32, bfloat16, auto"):
        precision.convolution_dtype("half")


def test_other_models_leave_nothing_to_the_machine():
    config = registry.preset("vae_tetrominoes")
    assert registry.for_this_machine(config) is config
