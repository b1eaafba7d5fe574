"""Servers for the tests of remote files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from project import CORPUS, FIXTURES
from servers import need, s3
from servers.loopback import Server
from servers.sites import files_below, forward_to


@pytest.fixture(scope="session")
def moto() -> Iterator[s3.S3]:
    """Moto's server: the bucket `fixtures`, and `corpus` where that is present."""
    need(*s3.NEEDED)
    server = s3.S3()
    server.put("fixtures", files_below(FIXTURES))
    if CORPUS.is_dir():
        server.put("corpus", files_below(CORPUS / "files"))
    yield server
    server.close()


@pytest.fixture
def bucket(moto: s3.S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Moto's server, behind one that logs each request; the environment leads clients there."""
    with closing(Server(forward_to(moto.url))) as server:
        for name, value in s3.environment(server.url).items():
            monkeypatch.setenv(name, value)
        yield server
