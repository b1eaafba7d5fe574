"""Servers for the tests of remote files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from commands import Run, called
from project import CORPUS, FIXTURES
from servers import need, s3
from servers.loopback import Server
from servers.sites import files_below, forward_to


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `main()` in this process."""
    return partial(called, capsys)


@pytest.fixture(scope="session")
def moto() -> Iterator[s3.S3]:
    """Moto's server: the bucket `fixtures`, and `corpus` where that is present."""
    need(*s3.NEEDED)
    with closing(s3.S3()) as server:
        server.put("fixtures", files_below(FIXTURES))
        if CORPUS.is_dir():
            server.put("corpus", files_below(CORPUS / "files"))
        yield server


@pytest.fixture(scope="session")
def front(moto: s3.S3) -> Iterator[Server]:
    """The server in front of moto; one for all tests, as clients remember its address."""
    with closing(Server(forward_to(moto.url))) as server:
        yield server


@pytest.fixture
def bucket(front: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Moto's server, behind one that logs each request; the environment leads clients there."""
    for name, value in s3.environment(front.url).items():
        monkeypatch.setenv(name, value)
    front.log.clear()
    yield front
    front.fault, front.delay = None, 0
