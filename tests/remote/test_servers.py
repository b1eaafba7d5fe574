"""The servers themselves, by clients that know nothing of checkpoints."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from project import FIXTURES
from servers import faults, gcs, need
from servers.faults import BRIEF, FAULTS
from servers.loopback import Server
from servers.sites import Files, files_below, forward_to
from servers.static import Static

CONTENT = bytes(range(200))
METHODS = ("GET", "GET", "HEAD")
SILENT = ("stalled body", "slow body without end")


def get(url: str, path: str, **more: str) -> tuple[int, bytes]:
    """Ask once, and return status and body. Status 0 is what the client does not bear."""
    return ask(url, path, **more)[:2]


def ask(
    url: str, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Ask once, and return all that comes of it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=2)
    try:
        connection.request(
            method, path, headers={n.replace("_", "-"): v for n, v in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.read(), response.getheaders()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__.encode(), []
    finally:
        connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server(Files({"a b": CONTENT, "empty": b""}))) as server:
        yield server


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=190-500", slice(190, 200)),
        ("bytes=150-", slice(150, 200)),
        ("bytes=-7", slice(193, 200)),
    ],
)
def test_ranges(server: Server, asked: str, found: slice) -> None:
    assert get(server.url, "/a%20b", Range=asked) == (206, CONTENT[found])
    server.site = Files({"a b": CONTENT}, ranges=False)
    assert get(server.url, "/a%20b", Range=asked) == (200, CONTENT)


def test_plain_answers(server: Server) -> None:
    assert get(server.url, "/a%20b") == (200, CONTENT)
    assert get(server.url, "/a%20b", method="HEAD") == (200, b"")
    assert get(server.url, "/empty") == (200, b"")
    assert get(server.url, "/a%20b", Range="bytes=200-")[0] == 416
    assert get(server.url, "/missing")[0] == 404
    assert get(server.url, "/")[0] == 404
    assert get(server.url, "/a%20b", method="PROPFIND")[0] == 405
    assert get(server.url, "/a%20b", If_Match='"x"')[0] == 412


def test_requests_are_logged(server: Server) -> None:
    with server.counted() as first:
        get(server.url, "/a%20b")
    with server.counted() as second:
        get(server.url, "/a%20b", Range="bytes=1-2")
        get(server.url, "/a%20b?x=1", method="HEAD")
    assert list(map(str, first)) == ["GET /a%20b"]
    assert list(map(str, second)) == ["GET /a%20b bytes=1-2", "HEAD /a%20b?x=1"]
    assert [request.earlier for request in server.log] == [0, 1, 0]


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in SILENT])
def test_faults(server: Server, name: str) -> None:
    """Each spoils what a client gets; those that pass leave the second answer alone."""
    right = [
        ask(server.url, "/a%20b", method, Range="bytes=10-19") for method in ("GET", "GET", "HEAD")
    ]
    server.log.clear()
    server.fault = FAULTS[name].fault
    found = [
        ask(server.url, "/a%20b", method, Range="bytes=10-19") for method in ("GET", "GET", "HEAD")
    ]
    assert found != right
    if name in BRIEF:
        assert found[1:] == right[1:]


@pytest.mark.parametrize("name", SILENT)
def test_silence(server: Server, name: str) -> None:
    """The client's patience ends it: bytes that never come, or bytes that come for ever."""
    server.fault = FAULTS[name].fault
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=0.5)
    connection.request("GET", "/a%20b")
    response = connection.getresponse()
    assert response.read(100) == CONTENT[:100]
    if name == "stalled body":
        with pytest.raises(TimeoutError):
            response.read()
    else:
        assert response.read(3) == b"\0\0\0"
    connection.close()


def test_reset_is_a_reset(server: Server) -> None:
    server.fault = FAULTS["reset in the middle"].fault
    assert get(server.url, "/a%20b") == (0, b"ConnectionResetError")
    server.fault = FAULTS["body ends early"].fault
    assert get(server.url, "/a%20b") == (0, b"IncompleteRead")


def test_gzip(server: Server) -> None:
    for name in ("gzip", "gzip, not admitted"):
        server.fault = FAULTS[name].fault
        assert gzip.decompress(get(server.url, "/a%20b", Range="bytes=3-9")[1]) == CONTENT[3:10]


def test_page_for_a_missing_file(server: Server) -> None:
    server.fault = faults.page_for_missing
    assert get(server.url, "/a%20b") == (200, CONTENT)
    assert get(server.url, "/missing") == (200, faults.PAGE)


@pytest.mark.parametrize("ranges", [True, False])
def test_static(tmp_path: Path, ranges: bool) -> None:
    need("aiohttp")
    (tmp_path / "a b").write_bytes(CONTENT)
    with closing(Static(tmp_path, ranges=ranges)) as server:
        expected = (206, CONTENT[10:20]) if ranges else (200, CONTENT)
        assert get(server.url, "/a%20b", Range="bytes=10-19") == expected
        assert get(server.url, "/missing")[0] == 404
        assert get(server.url, "/")[0] in (403, 404)
        assert server.log[0] == ("GET", "/a b", "bytes=10-19")


def test_s3_by_obstore(bucket: Server) -> None:
    need("obstore")
    import obstore.store

    store = obstore.store.S3Store("fixtures")
    files = {path: body for path, body in files_below(FIXTURES).items() if path.startswith("v1/")}
    with bucket.counted() as seen:
        listed = [entry["path"] for page in obstore.list(store, "v1") for entry in page]
        assert sorted(listed) == sorted(files)
        for path, body in files.items():
            assert bytes(obstore.get(store, path).bytes()) == body
            assert bytes(obstore.get_range(store, path, start=3, end=9)) == body[3:9]
    assert len(seen) == 1 + 2 * len(files)


def test_s3_by_fsspec(bucket: Server) -> None:
    need("s3fs")
    import s3fs

    filesystem = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    for path, body in files_below(FIXTURES / "v1").items():
        assert filesystem.cat_file(f"fixtures/v1/{path}") == body
        assert filesystem.cat_file(f"fixtures/v1/{path}", start=3, end=9) == body[3:9]
    assert bucket.log


@pytest.mark.slow
def test_gcs_by_fsspec() -> None:
    need(*gcs.NEEDED)
    with gcs.emulator() as url, closing(Server(forward_to(url))) as server:
        filesystem = gcs.filesystem(server.url)
        filesystem.pipe(f"{gcs.BUCKET}/a b", CONTENT)
        with server.counted() as seen:
            assert filesystem.cat_file(f"{gcs.BUCKET}/a b", start=10, end=20) == CONTENT[10:20]
        assert [request.range for request in seen] == ["bytes=10-19"]
