"""Fetching a zip file from a server of our own on this machine."""

import base64
import errno
import hashlib
import http.client
import socket
import ssl

import pytest
from file_server import serving, zipped

from iodine.errors import UserError
from iodine.progress import Progress
from iodine.serving import download

CONTENT = b"weights" * 5000


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(zipped({"iodine/tetrominoes/model.ckpt-1.index": CONTENT})) as running:
        yield running


def refused(url, folder):
    """The message of a fetch that must fail; makes sure that nothing stays behind."""
    with pytest.raises(UserError) as caught:
        download.fetch_zip(url, folder)
    assert list(folder.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def md5(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def test_good_file_is_unpacked_and_not_fetched_again(server, tmp_path, capsys):
    server.headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={md5(server.body)}"
    unpacked = download.fetch_zip(server.url(), tmp_path / "new" / "folder")
    assert unpacked == tmp_path / "new" / "folder" / "iodine_checkpoints"
    inner = unpacked / "iodine/tetrominoes/model.ckpt-1.index"
    assert inner.read_bytes() == CONTENT
    assert "iodine_checkpoints.zip: 1 of 1 MB, done in " in capsys.readouterr().err
    inner.unlink()
    download.fetch_zip(server.url(), tmp_path / "new" / "folder")
    assert inner.read_bytes() == CONTENT
    assert server.requests == 1
    assert [path.name for path in unpacked.parent.iterdir() if path.is_file()] == [
        "iodine_checkpoints.zip"
    ]


def test_file_at_hand_that_is_damaged_is_fetched_again(server, tmp_path):
    damaged = bytearray(server.body)
    damaged[len(damaged) // 2] ^= 255
    for content in (bytes(damaged), server.body[:100], b""):
        (tmp_path / "iodine_checkpoints.zip").write_bytes(content)
        download.fetch_zip(server.url(), tmp_path)
        assert (tmp_path / "iodine_checkpoints.zip").read_bytes() == server.body
    assert server.requests == 3


def test_unknown_length(server, tmp_path, capsys):
    server.headers["Content-Length"] = None
    assert download.fetch_zip(server.url(), tmp_path).is_dir()
    assert capsys.readouterr().err == ""  # too short for a line


def test_connection_that_ends_early(server, tmp_path):
    server.headers["Content-Length"] = str(len(server.body) + 1000)
    message = refused(server.url(), tmp_path)
    size = len(server.body)
    assert f"arrived cut off: {size:,} of {size + 1000:,} bytes" in message


def test_another_md5_than_announced(server, tmp_path):
    server.headers["x-goog-hash"] = f"md5={md5(b'other')}"
    assert "not the MD5 that its server announces; try again" in refused(server.url(), tmp_path)


def test_md5_of_another_form_than_the_one_that_arrives(server, tmp_path):
    """Cloud Storage unpacks what it stores in gzip form, and announces what it stores."""
    server.headers |= {
        "x-goog-hash": f"md5={md5(b'stored')}",
        "x-goog-stored-content-encoding": "gzip",
        "Content-Length": None,
    }
    assert download.fetch_zip(server.url(), tmp_path).is_dir()


def test_not_a_zip_file(server, tmp_path):
    server.body = b"<html>sign in</html>"
    assert "did not arrive as an intact zip file" in refused(server.url(), tmp_path)


def test_member_that_is_damaged(server, tmp_path):
    server.body = bytearray(server.body)
    server.body[len(server.body) // 3] ^= 255
    assert "did not arrive as an intact zip file" in refused(server.url(), tmp_path)


def test_file_that_is_not_there(server, tmp_path):
    message = refused(server.url("missing"), tmp_path)
    assert f"cannot download {server.url('missing')}: Not Found; fetch it elsewhere" in message
    assert "--checkpoint=PREFIX" in message


def test_refused_connection(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.zip"
        assert f"cannot download {url}: " in refused(url, tmp_path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ssl.SSLError(1, "[SSL] record layer failure"), "record layer failure"),
        (http.client.IncompleteRead(b"12", 5), "IncompleteRead(2 bytes read, 5 more expected)"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_connection_that_fails_while_reading(server, tmp_path, monkeypatch, error, reason):
    monkeypatch.setattr(http.client.HTTPResponse, "read", lambda *_: (_ for _ in ()).throw(error))
    message = refused(server.url(), tmp_path)
    assert f"cannot download {server.url()}: " in message
    assert f"{reason}; fetch it elsewhere" in message


def test_failure_to_write_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Progress, "update", lambda *_: (_ for _ in ()).throw(OSError(28)))
    with pytest.raises(OSError, match="28"):
        download.fetch_zip(server.url(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_members_stay_within_the_folder(server, tmp_path):
    outside = tmp_path / "outside"
    members = {"../../escaped": b"1", str(outside): b"2", "a/../../escaped": b"3", "fine": b"4"}
    server.body = zipped(members)
    unpacked = download.fetch_zip(server.url(), tmp_path / "folder" / "inner")
    assert (unpacked / "fine").read_bytes() == b"4"
    assert not outside.exists()
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert files - set(unpacked.rglob("*")) == {unpacked.with_suffix(".zip")}


def test_bar_on_a_terminal(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    download.fetch_zip(server.url(), tmp_path)
    assert "100%" in capsys.readouterr().err
