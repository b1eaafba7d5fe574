"""What is behind a URL is read as its copy here is: fixtures and corpus, in S3, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracles import ORACLES
from project import CORPUS, FIXTURES
from servers import need
from servers.answers import Site, contents, graph, kept, latest, located, report, reports, written
from servers.loopback import Server

Ask = Callable[..., Any]
Make = Callable[[Path, str], Site]


@pytest.fixture(params=["obstore", "s3fs"])
def site(request: pytest.FixtureRequest, bucket: Server) -> Make:
    """A way to S3: obstore by the URL alone, or s3fs as the user's own file system."""
    need(request.param)
    if request.param == "obstore":
        return lambda folder, name: Site(folder, f"s3://{name}")
    import s3fs

    filesystem = s3fs.S3FileSystem(skip_instance_cache=True)
    return lambda folder, name: Site(folder, f"s3://{name}", filesystem=filesystem)


def each(cases: list[Any], few: int) -> list[Any]:
    """Mark all but the first cases as slow."""
    rest = [pytest.param(*case, marks=pytest.mark.slow) for case in cases[few:]]
    return [*(pytest.param(*case) for case in cases[:few]), *rest]


def of_corpus() -> list[tuple[str, str]]:
    manifest = CORPUS / "manifest.json"
    entries = json.loads(manifest.read_text("utf-8")) if manifest.exists() else []
    return [
        (entry["id"], prefix)
        for entry in entries
        for prefix in (entry["prefix"], "")
        if prefix != entry["id"]
    ]


FIXTURE_CHECKPOINTS = [
    (name, checkpoint["prefix"])
    for name, oracle in ORACLES.items()
    for checkpoint in oracle["checkpoints"]
]
FOLDERS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
CORPUS_CHECKPOINTS = of_corpus()


@pytest.mark.parametrize(("folder", "prefix"), each(FIXTURE_CHECKPOINTS, 3))
@pytest.mark.parametrize("ask", [contents, report, graph, written])
def test_fixtures(site: Make, ask: Ask, folder: str, prefix: str) -> None:
    expected, found = site(FIXTURES, "fixtures").both(ask, f"{folder}/{prefix}")
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "prefix"), CORPUS_CHECKPOINTS)
@pytest.mark.parametrize("ask", [contents, report, graph, written])
def test_corpus(site: Make, ask: Ask, folder: str, prefix: str) -> None:
    expected, found = site(CORPUS / "files", "corpus").both(ask, f"{folder}/{prefix}")
    assert found == expected


def files_of(bucket: str) -> list[str]:
    top = CORPUS / "files" if bucket == "corpus" else FIXTURES
    return sorted(path.relative_to(top).as_posix() for path in top.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fixtures", "corpus"])
def test_spellings(site: Make, name: str) -> None:
    """Each file and each folder leads to the same checkpoint, or to the same error."""
    top = CORPUS / "files" if name == "corpus" else FIXTURES
    for path in files_of(name):
        if path.endswith((".py", ".pyc")) or "__pycache__" in path:
            continue
        expected, found = site(top, name).both(located, path)
        assert found == expected, path
        expected, found = site(top, name).both(located, f"{path}/")
        assert found == expected, path


@pytest.mark.parametrize("folder", each([(name,) for name in FOLDERS], 3))
def test_latest(site: Make, folder: str) -> None:
    for ask in (latest, kept):
        expected, found = site(FIXTURES, "fixtures").both(ask, folder)
        assert found == expected


@pytest.mark.parametrize("name", ["fixtures", "corpus"])
@pytest.mark.slow
def test_verify_all(site: Make, name: str) -> None:
    expected, found = site(CORPUS / "files" if name == "corpus" else FIXTURES, name).both(
        reports, ""
    )
    assert found == expected
