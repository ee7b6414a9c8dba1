"""A run goes on with the data it began with, and with no others."""

import json

import pytest

from iodine.errors import UserError
from iodine.training import data_record

BEGAN = {
    "dataset": "tetrominoes/generated",
    "version": "2.0.0",
    "settings": {"num_train": 60, "seed": 3},
    "digest": "0123456789abcdef" * 4,
}


def refusal(folder, identity):
    with pytest.raises(UserError) as refused:
        data_record.check_same(folder, identity)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_was_kept_first_stays(tmp_path):
    assert data_record.read(tmp_path) is None
    data_record.keep(tmp_path, None)
    assert data_record.read(tmp_path) is None
    data_record.keep(tmp_path, BEGAN)
    data_record.keep(tmp_path, {**BEGAN, "digest": "f" * 64})
    assert data_record.read(tmp_path) == BEGAN


def test_other_data_are_refused_with_what_differs(tmp_path):
    data_record.check_same(tmp_path, BEGAN)
    data_record.keep(tmp_path, BEGAN)
    data_record.check_same(tmp_path, BEGAN)
    data_record.check_same(tmp_path, {**BEGAN, "version": "2.0.1"})  # the bytes are the same
    other = {**BEGAN, "settings": {"num_train": 60, "seed": 4}, "digest": "f" * 64}
    assert refusal(tmp_path, other) == (
        f"run {tmp_path} was started with other data of tetrominoes/generated: digest 0123456789ab "
        "there, ffffffffffff now (seed 3 there, 4 now); give the --data_dir that it began with, or "
        "another --run"
    )
    message = refusal(tmp_path, {**BEGAN, "digest": "f" * 64})
    assert "(the same settings, but other files)" in message


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": 3}'])
def test_a_damaged_record_is_not_taken_for_none(tmp_path, content):
    (tmp_path / "data.json").write_text(content)
    assert str(tmp_path / "data.json") in refusal(tmp_path, BEGAN)
    with pytest.raises(UserError):
        data_record.keep(tmp_path, BEGAN)
    assert (tmp_path / "data.json").read_text() == content


def test_programs_keep_and_check(program, tiny_run, tiny_data, tiny_flags, tmp_path):
    from iodine.datasets import identity, preparation, reading

    name = "tetrominoes/generated_small"
    kept = json.loads((tiny_run / "data.json").read_text())
    assert kept == identity.identity(reading.open_dataset(tiny_data, name))
    other = str(tmp_path / "other")
    sizes = {"num_train": 60, "num_validation": 8, "num_test": 13, "seed": 4}
    preparation.prepare(name, other, settings=sizes)
    outcome = program(
        "train", *tiny_flags, f"--run={tiny_run}", f"--data_dir={other}", "--steps=20"
    )
    assert outcome.code == 1
    assert f"run {tiny_run} was started with other data" in outcome.error()
    assert "(seed 3 there, 4 now)" in outcome.error()
