"""Released files are fetched once, whole or not at all."""

import types

import pytest
from file_server import serving

from iodine.datasets import fetching
from iodine.errors import UserError


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(b"records" * 1000) as running:
        yield running


@pytest.fixture
def manager(tmp_path):
    """What `download` reads of TFDS's download manager."""
    return types.SimpleNamespace(download_dir=tmp_path / "downloads")


def test_file_is_fetched_once(server, manager):
    for _ in range(2):
        path = fetching.download(manager, server.url("shapes.tfrecords"))
        assert path == str(manager.download_dir / "shapes.tfrecords")
        with open(path, "rb") as file:
            assert file.read() == server.body
    assert server.requests == 1


def test_file_that_is_cut_off_is_not_kept(server, manager):
    server.headers["Content-Length"] = str(len(server.body) + 1)
    with pytest.raises(UserError, match="arrived cut off: 7,000 of 7,001 bytes"):
        fetching.download(manager, server.url("shapes.tfrecords"))
    assert list(manager.download_dir.iterdir()) == []


def test_file_that_is_not_there(server, manager):
    with pytest.raises(UserError, match="Not Found; fetch it by other means and pass --source=DIR"):
        fetching.download(manager, server.url("missing"), "DIR")
