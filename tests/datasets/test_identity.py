"""The digest of data: the same for the same bytes, read once, and never that of other bytes."""

import hashlib
import json
import os
import pathlib
import shutil

import pytest

from iodine.datasets import identity, preparation, reading
from iodine.errors import UserError

NAME = "tetrominoes/generated_small"
SIZES = {"num_train": 3, "num_validation": 2, "num_test": 1}


def make(folder, **settings):
    preparation.prepare(NAME, str(folder), settings={**SIZES, **settings})
    return folder


def opened(folder):
    return reading.open_dataset(str(folder), NAME)


def files(folder):
    return sorted(pathlib.Path(folder).rglob("*.tfrecord*"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("data"), seed=5)


@pytest.fixture
def copy(data, tmp_path):
    return shutil.copytree(data, tmp_path / "copy")


def test_it_covers_settings_and_bytes(data):
    found = identity.identity(opened(data))
    assert found["dataset"] == NAME
    assert found["settings"] == {**SIZES, "seed": 5}
    by_file = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files(data)}
    assert len(by_file) == 3
    content = json.dumps([{**SIZES, "seed": 5}, by_file], sort_keys=True)
    assert found["digest"] == hashlib.sha256(content.encode()).hexdigest()


def test_the_same_data_made_twice_have_the_same_and_others_another(data, tmp_path):
    digest = identity.identity(opened(data))["digest"]
    assert identity.identity(opened(make(tmp_path / "again", seed=5)))["digest"] == digest
    assert identity.identity(opened(make(tmp_path / "other", seed=6)))["digest"] != digest


def test_files_are_read_once(copy, monkeypatch):
    expected = identity.identity(opened(copy))  # a copy's files have other times: all are read
    monkeypatch.setattr(identity, "_sha256", lambda path: pytest.fail(f"reads {path}"))
    assert identity.identity(opened(copy)) == expected


def test_data_that_were_just_made_are_not_read_again(tmp_path, monkeypatch):
    folder = make(tmp_path, seed=1)
    monkeypatch.setattr(identity, "_sha256", lambda path: pytest.fail(f"reads {path}"))
    assert len(identity.identity(opened(folder))["digest"]) == 64


def test_a_changed_byte_is_noticed(copy):
    before = identity.identity(opened(copy))["digest"]
    path = files(copy)[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # clocks of file systems may be coarse
    assert identity.identity(opened(copy))["digest"] != before


def test_a_file_of_another_size_is_refused(copy):
    identity.identity(opened(copy))
    with files(copy)[0].open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="missing, truncated or damaged"):
        identity.identity(opened(copy))


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"x": 1}', '{"%s": {"sha256": 3}}'])
def test_a_damaged_list_of_digests_is_made_again(copy, content):
    expected = identity.identity(opened(copy))
    path = next(copy.rglob("digests.json"))
    before = path.read_text()
    path.write_text(content.replace("%s", files(copy)[0].name))
    assert identity.identity(opened(copy)) == expected
    assert path.read_text() == before


def test_a_folder_that_cannot_be_written_is_read_every_time(copy, monkeypatch):
    expected = identity.identity(opened(copy))
    next(copy.rglob("digests.json")).unlink()

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    assert identity.identity(opened(copy)) == expected
    assert not list(copy.rglob("digests.json*"))
