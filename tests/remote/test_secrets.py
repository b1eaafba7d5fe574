"""Secrets in a URL reach the server, and nothing else: no text that anybody reads."""

from __future__ import annotations

import base64
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from commands import Run
from project import FIXTURES
from servers import need
from servers.faults import FAULTS
from servers.loopback import Answer, Request, Server
from servers.sites import Files, files_below

import tfckpt_reader as tfckpt

SECRET = "s3cr3t-0f-a11"  # noqa: S105 - it is what must not be shown
QUERY = f"X-Amz-Credential=abc&X-Amz-Signature={SECRET}"
PREFIX = "tf2_checkpoint/model-1"


def only_signed(request: Request, answer: Answer) -> Answer:
    """Refuse those without the signature or the password."""
    login = request.headers.get("authorization", "").removeprefix("Basic ")
    signed = QUERY in request.target or base64.b64decode(login) == f"user:{SECRET}".encode()
    return answer if signed else Answer(403)


@pytest.fixture
def server() -> Iterator[Server]:
    need("obstore")
    files = files_below(FIXTURES / "tf2_checkpoint")
    with closing(Server(Files(files), only_signed)) as server:
        yield server


def signed(server: Server, name: str) -> str:
    return f"{server.url}/{name}?{QUERY}"


def with_password(server: Server, name: str) -> str:
    from obstore.store import HTTPStore

    options: Any = {"default_headers": {"A": "B"}}
    try:
        HTTPStore.from_url("https://127.0.0.1/", client_options=options)
    except TypeError:
        pytest.skip("this obstore sends no headers of its user")
    return f"{server.url.replace('://', f'://user:{SECRET}@')}/{name}"


both = pytest.mark.parametrize("url", [signed, with_password])
Url = Callable[[Server, str], str]


def prefix() -> str:
    return next(path.stem for path in (FIXTURES / "tf2_checkpoint").glob("*.index"))


@both
def test_a_checkpoint(server: Server, url: Url) -> None:
    path = url(server, prefix())
    with tfckpt.open(path) as ckpt:
        arrays = dict(ckpt)
        texts = [repr(ckpt), str(ckpt), repr(dict(ckpt.specs)), repr(ckpt.notes), repr(ckpt.reader)]
        texts += [str(ckpt.reader.prefix), repr(ckpt.reader.path), repr(vars(ckpt))]
    with tfckpt.open(FIXTURES / "tf2_checkpoint" / prefix()) as local:
        assert arrays.keys() == local.keys()
    report = tfckpt.verify(path)
    assert report.ok
    texts += [repr(report), str(report)]
    assert not [text for text in texts if SECRET in text]
    assert all(request.headers["host"] in server.url for request in server.log)


@both
@pytest.mark.parametrize(
    "fault", ["404", "403", "401 for all", "reset in the middle", "page of HTML"]
)
def test_errors(server: Server, url: Url, fault: str) -> None:
    server.fault = FAULTS[fault].fault
    for ask in (tfckpt.open, tfckpt.verify, tfckpt.read_meta_graph, tfckpt.kept_checkpoints):
        try:
            found: Any = ask(url(server, prefix()))
        except tfckpt.CheckpointError as error:
            shown = [str(error), repr(error), repr(vars(error)), traceback.format_exc()]
            shown.append(repr(error.__cause__))
            assert not [text for text in shown if SECRET in text]
        else:
            assert SECRET not in repr(found)


@both
@pytest.mark.parametrize(
    "command",
    [["ls"], ["ls", "--json"], ["verify"], ["verify", "--json"], ["meta"], ["show"], ["tree"]],
    ids=" ".join,
)
def test_commands(run: Run, server: Server, url: Url, command: list[str]) -> None:
    for fault, name in ((only_signed, prefix()), (only_signed, "missing"), (None, "x")):
        server.fault = fault or FAULTS["401 for all"].fault
        for debug in ([], ["--debug"]):
            done = run(command[0], url(server, name), *command[1:], *debug)
            assert SECRET not in done.out + done.err
            assert "Traceback" not in done.out
            if name != prefix():
                assert done.code == 2


@both
def test_pickles_find_their_way(server: Server, url: Url) -> None:
    """A pickle holds what it takes to open the file elsewhere; its text form does not."""
    spec = next(iter(tfckpt.open(url(server, prefix())).specs.values()))
    assert SECRET not in repr(pickle.loads(pickle.dumps(spec)))  # noqa: S301 - our own
