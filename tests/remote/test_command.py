"""The command on URLs: what it prints of files here; one clear line where a store fails."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest
from commands import Run, one_line, process
from project import FIXTURES
from servers import need, s3
from servers.faults import FAULTS, unlisted
from servers.loopback import Server

URL = "s3://fixtures"


@pytest.fixture(autouse=True)
def _needs_obstore() -> None:
    need("obstore")


def here(text: str) -> str:
    return text.replace(URL, str(FIXTURES))


@pytest.mark.parametrize(
    ("command", "path", "more"),
    [
        ("ls", "tf2_checkpoint", []),
        ("ls", "v1_sharded/model.ckpt", ["--json"]),
        ("tree", "keras3_trained/whole", []),
        ("show", "sliced/model.ckpt", ["--json"]),
        ("verify", "saver_tf1", ["--all"]),
        ("verify", "saved_model_tf1", ["--json"]),
        ("meta", "saver_tf1/model.ckpt", []),
        ("meta", "saved_model_tf1", ["--json"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_prints_the_same(
    bucket: Server, run: Run, command: str, path: str, more: list[str]
) -> None:
    local = run(command, FIXTURES / path, *more)
    found = run(command, f"{URL}/{path}", *more)
    assert (found.code, here(found.out), here(found.err)) == (local.code, local.out, local.err)


def test_converts(bucket: Server, run: Run, tmp_path: Path) -> None:
    for source, name in ((str(FIXTURES), "local.npz"), (URL, "remote.npz")):
        done = run("convert", f"{source}/multi_shard/model.ckpt", tmp_path / name)
        assert done.code == 0, done.err
    assert (tmp_path / "local.npz").read_bytes() == (tmp_path / "remote.npz").read_bytes()
    with np.load(tmp_path / "remote.npz") as found:
        assert found.files


def free_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


@pytest.mark.parametrize("command", ["ls", "verify", "meta"])
@pytest.mark.parametrize("path", ["nothing", "tf2_checkpoint/nothing"])
def test_missing(bucket: Server, run: Run, command: str, path: str) -> None:
    done = run(command, f"{URL}/{path}")
    assert (done.code, done.out) == (2, "")
    assert f"{URL}/{path}" in one_line(done.err)


@pytest.mark.parametrize("command", ["ls", "verify", "meta"])
def test_no_such_bucket(bucket: Server, run: Run, command: str) -> None:
    done = run(command, "s3://nope/run/model.ckpt")
    assert (done.code, done.out) == (2, "")
    line = one_line(done.err)
    assert line.startswith("s3://nope/run")
    assert line.endswith("there is no such bucket")


@pytest.mark.parametrize("command", ["ls", "verify"])
def test_denied(bucket: Server, run: Run, command: str) -> None:
    bucket.fault = FAULTS["403 for all"].fault
    done = run(command, f"{URL}/tf2_checkpoint")
    assert done.code == 2
    assert "check the credentials" in one_line(done.err).lower()


@pytest.mark.parametrize("command", ["ls", "verify"])
def test_no_listing_allowed(bucket: Server, run: Run, command: str) -> None:
    """Credentials for objects alone are enough for a prefix."""
    bucket.fault = unlisted
    done = run(command, f"{URL}/multi_shard/model.ckpt")
    assert done.code == 0, done.err
    assert here(done.out) == run(command, FIXTURES / "multi_shard/model.ckpt").out


@pytest.mark.slow
def test_no_credentials(bucket: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3.KEYS:
        monkeypatch.delenv(name)
    # Where a machine in the cloud has its credentials: nobody listens there.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    done = process("ls", f"{URL}/tf2_checkpoint")
    assert (done.code, done.out) == (2, "")
    assert "no credentials were found" in one_line(done.err)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ls", "verify"])
@pytest.mark.parametrize("host", ["127.0.0.1:{}", f"{'a' * 64}.invalid"])
def test_nobody_answers(command: str, host: str) -> None:
    """Refused connections, and a name that no resolver takes."""
    path = f"http://{host.format(free_port())}/model.ckpt"
    done = process(command, path)
    assert (done.code, done.out) == (2, "")
    assert re.search(r"http://\S+/model\.ckpt", one_line(done.err))


def test_json_of_many(bucket: Server, run: Run) -> None:
    local = json.loads(run("verify", FIXTURES / "saver_tf1", "--all", "--json").out)
    found = json.loads(here(run("verify", f"{URL}/saver_tf1", "--all", "--json").out))
    assert found == local
