"""Names of URLs: no secret in them, and back to what the user gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.storage.filesystem import path_of
from tfckpt_reader.storage.remote import stores
from tfckpt_reader.storage.remote.store import asking


@pytest.fixture(autouse=True)
def no_origins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stores, "_origins", [])
    yield
    for each in (stores._own_store, stores._obstore, stores._fsspec):
        each.cache_clear()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/a?b/model", "s3://bucket/a?b/model"),
        ("https://host/a/model", "https://host/a/model"),
        ("https://host/a/model?sig=SECRET", "https+1://host/a/model"),
        ("https://me:SECRET@host:80/a", "https+1://host:80/a"),
        ("abfss://folder@account.dfs.core.windows.net/a", None),
    ],
)
def test_names(url: str, name: str | None) -> None:
    assert path_of(url) == path_of(path_of(url)) == (name or url)
    assert stores.user_path(path_of(url)) == (url, None)


def test_a_number_stands_for_one_secret() -> None:
    urls = [f"https://host/{n}?sig={sig}" for n in "ab" for sig in ("SECRET", "OTHER")]
    names = [path_of(url) for url in urls]
    assert names == ["https+1://host/a", "https+2://host/a", "https+1://host/b", "https+2://host/b"]
    assert [stores.user_path(name)[0] for name in names] == urls


def test_stores_of_the_users_own() -> None:
    obstore = pytest.importorskip("obstore.store")
    fsspec = pytest.importorskip("fsspec")
    memory, files = obstore.MemoryStore(), fsspec.filesystem("memory")
    given = [("a/b", memory), ("memory://a/b", files), ("/a/b", files)]
    names = [path_of(path, store) for path, store in given]
    assert names == ["store+1://a/b", "memory+2://a/b", "memory+2:///a/b"]
    paths = [stores.user_path(name) for name in names]
    assert [path_of(*each) for each in paths] == names
    assert all(found is store for (_, found), (_, store) in zip(paths, given, strict=True))


@pytest.mark.parametrize(
    "message",
    [
        "GET https://me:SECRET@host/a?sig=SECRET in 1 ms: 403",
        "error sending request for url (https://host/?sig=SECRET): refused",
        "first line\nSECRET",
    ],
)
def test_no_secret_in_messages(message: str) -> None:
    with pytest.raises(tfckpt.CheckpointError, match="did not answer") as caught, asking("x://y"):
        raise RuntimeError(message)
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens at the discard port of this machine."""
    pytest.importorskip("obstore")
    url = "http://me:SECRET@127.0.0.1:9/model?sig=SECRET"
    for command in ("ls", "verify", "meta"):
        assert main([command, url]) == 2
        written = "".join(capsys.readouterr())
        assert "http+1://127.0.0.1:9/model" in written
        assert "did not answer" in written
        assert "SECRET" not in written
    with pytest.raises(tfckpt.CheckpointError, match="did not answer"):
        tfckpt.latest_checkpoint(url)


def test_denied() -> None:
    with pytest.raises(tfckpt.CheckpointError, match="denied") as caught, asking("x://y"):
        raise PermissionError
    assert caught.value.kind is ErrorKind.UNREACHABLE


def test_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_name: str) -> Any:
        return None

    monkeypatch.setattr(stores, "find_spec", find)
    with pytest.raises(tfckpt.CheckpointError, match=r"pip install 'tfckpt-reader\[remote\]'"):
        tfckpt.open("s3://bucket/model")


class Denying:
    """A filesystem of fsspec that lists nothing, and hides what is missing."""

    protocol = "dir"

    def __init__(self, files: Any, why: str) -> None:
        self._files, self._why = files, why

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def ls(self, _path: str, **_options: object) -> None:
        raise PermissionError(self._why)

    def info(self, path: str) -> Any:
        try:
            return self._files.info(path)
        except FileNotFoundError:
            raise PermissionError("Forbidden") from None


def test_where_nothing_may_be_listed(tmp_path: Path) -> None:
    files = pytest.importorskip("fsspec").filesystem(
        "dir", path=str(tmp_path), target_protocol="file"
    )
    w.write_bundle(tmp_path / "m", {"a": np.ones(3, "f4")})
    store = Denying(files, "Access Denied")
    with tfckpt.open("m", filesystem=store) as ckpt:
        assert ckpt["a"].tolist() == [1, 1, 1]
    with pytest.raises(tfckpt.CheckpointNotFoundError, match=r"lists no files.*credentials"):
        tfckpt.open("n", filesystem=store)
    for why in ("The AWS Access Key Id you provided does not exist", "ExpiredToken"):
        with pytest.raises(tfckpt.CheckpointError, match="denied") as caught:
            tfckpt.latest_checkpoint("", filesystem=Denying(files, why))
        assert caught.value.kind is ErrorKind.UNREACHABLE
