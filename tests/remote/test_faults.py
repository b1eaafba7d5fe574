"""Servers that misbehave: the right arrays or a clear error; no wrong array, no endless wait."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from servers import clients, need, s3
from servers.faults import FAULTS, REFUSED, RIGHT, page_for_missing
from servers.loopback import Answer, Request, Server
from servers.sites import Files, files_below, forward_to
from servers.static import Static

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import ErrorKind

RNG = np.random.default_rng(3)
ARRAYS: dict[str, NDArray[Any]] = {
    "a/bias": RNG.normal(size=7).astype(np.float32),
    "b/kernel": RNG.normal(size=(1500, 200)).astype(np.float32),
    "c/words": np.array([b"one", b"two" * 40], object),
    "d/kernel": RNG.normal(size=(900, 200)).astype(np.float64),
}
PATIENT = 120
"""Seconds after which a call counts as hung: far above the patience of the clients."""
SILENT = ("stalled body", "slow body without end")
LIES = ("range that begins one later", "page of HTML for all")
"""Damage, as far as a client can know."""
CHANGED = "TFC357"


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a checkpoint with more data than is fetched whole."""
    folder = tmp_path_factory.mktemp("saved")
    tfckpt.save(folder / "model.ckpt", ARRAYS)
    return files_below(folder)


def within(seconds: float, ask: Callable[[], Any]) -> Any:
    """Return an answer or a CheckpointError; fail where neither comes in time."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(ask())
        except BaseException as error:  # noqa: BLE001 - which it is, the caller looks at
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "neither an answer nor an error"
    (answer,) = found
    if isinstance(answer, BaseException) and not isinstance(answer, tfckpt.CheckpointError):
        raise answer
    return answer


def assert_right(arrays: dict[str, NDArray[Any]]) -> None:
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


def looked_up(path: str, **options: Any) -> None:
    with tfckpt.open(path, **options) as ckpt:
        assert_right({name: ckpt[name] for name in ARRAYS})


def loaded(path: str, **options: Any) -> None:
    with tfckpt.open(path, **options) as ckpt:
        assert_right(ckpt.load())


def rows(path: str, **options: Any) -> None:
    with tfckpt.open(path, **options) as ckpt:
        found = ckpt.read("d/kernel", rows=slice(400, 500), check=True)
        np.testing.assert_array_equal(found, ARRAYS["d/kernel"][400:500])


def verified(path: str, **options: Any) -> None:
    report = tfckpt.verify(path, **options)
    if report.ok:
        assert report.tensors == len(ARRAYS)
    else:
        raise Found(report)


class Found(tfckpt.CheckpointError):
    """The problems of a report as an error, to be compared as one."""

    def __init__(self, report: tfckpt.Report) -> None:
        super().__init__("; ".join(map(str, report.problems)))
        self.codes = {problem.code for problem in report.problems}


def converted(path: str, folder: Path, **options: Any) -> None:
    target = folder / "out.npz"
    try:
        tfckpt.convert(path, target, force=True, **options)
    except tfckpt.CheckpointError:
        assert list(folder.iterdir()) == []
        raise
    with np.load(target, allow_pickle=True) as found:
        for name in ("a/bias", "b/kernel", "d/kernel"):
            np.testing.assert_array_equal(found[name], ARRAYS[name])
    target.unlink()


ACTIONS = (looked_up, loaded, rows, verified, converted)


def assert_outcome(fault: str, outcome: Any, *, retrying: bool) -> None:
    """The right arrays, where nothing is raised, were compared already."""
    result = FAULTS[fault].result
    if result == RIGHT and retrying:
        assert outcome is None
    if result == REFUSED:
        assert outcome is not None
    if isinstance(outcome, Found) and fault not in LIES:
        assert outcome.codes == {CHANGED}
    if outcome is not None:
        assert re.search(r"(model\.ckpt|run)", str(outcome))
        assert str(outcome).isprintable()
        assert len(str(outcome)) < 1500


def cases(libraries: Iterable[str], quick: str) -> list[Any]:
    """Pair libraries with faults; one library is tried by the quick tests too."""
    pairs = [(library, fault) for library in libraries for fault in FAULTS]
    return [
        pytest.param(
            *pair, marks=() if pair[0] == quick and pair[1] not in SILENT else pytest.mark.slow
        )
        for pair in pairs
    ]


def assert_outcomes(
    server: Server, fault: str, connect: Callable[..., Any], path: str, folder: Path
) -> None:
    for act in (looked_up, verified) if fault in SILENT else ACTIONS:
        server.log.clear()
        server.fault = FAULTS[fault].fault
        options: dict[str, Any] = {"folder": folder} if act is converted else {}
        options["filesystem"] = connect(server.url, 1.0) if fault in SILENT else connect(server.url)
        outcome = within(PATIENT, partial(act, path, **options))
        assert_outcome(fault, outcome, retrying=connect in clients.RETRYING)


@pytest.mark.parametrize(("library", "fault"), cases(clients.WEB, "obstore"))
def test_web_server(saved: dict[str, bytes], tmp_path: Path, library: str, fault: str) -> None:
    with closing(Server(Files(saved))) as server:
        path = f"{server.url}/model.ckpt"
        assert_outcomes(server, fault, clients.WEB[library], path, tmp_path)


@pytest.fixture(scope="session")
def full(moto: s3.S3, saved: dict[str, bytes]) -> s3.S3:
    moto.put("saved", {f"run/{name}": body for name, body in saved.items()})
    return moto


@pytest.mark.parametrize(("library", "fault"), cases(clients.S3, ""))
def test_s3(full: s3.S3, tmp_path: Path, library: str, fault: str) -> None:
    with closing(Server(forward_to(full.url))) as server:
        path = "s3://saved/run/model.ckpt"
        assert_outcomes(server, fault, clients.S3[library], path, tmp_path)


@pytest.mark.parametrize("library", clients.WEB)
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: data[:-8] + bytes(8), ErrorKind.CHANGED),
        (lambda data: data + bytes(8), ErrorKind.CHANGED),
        (lambda data: data[:-8], ErrorKind.CHANGED),
        (lambda _: None, ErrorKind.NOT_FOUND),
    ],
    ids=["other bytes", "longer", "shorter", "removed"],
)
def test_changed_between_reads(
    saved: dict[str, bytes], library: str, change: Callable[[bytes], Any], kind: ErrorKind
) -> None:
    """The tag or the size is another one: an error, though the crc would be right."""
    (name,) = (name for name in saved if ".data-" in name)
    with closing(Server(Files(dict(saved)))) as server:
        files = server.site.files  # type: ignore[attr-defined]
        with tfckpt.open(
            f"{server.url}/model.ckpt", filesystem=clients.WEB[library](server.url)
        ) as ckpt:
            ckpt["a/bias"]
            files[name] = change(saved[name])
            with pytest.raises(tfckpt.CheckpointError) as caught:
                ckpt.read("d/kernel", rows=slice(100, 800))
            assert caught.value.kind in (kind, ErrorKind.CHANGED)
            assert name in str(caught.value)


@pytest.mark.parametrize("library", clients.WEB)
def test_page_for_each_missing_file(saved: dict[str, bytes], tmp_path: Path, library: str) -> None:
    """A site that answers 200 for what it lacks: no graph, no defect, and no checkpoint."""
    with closing(Server(Files(saved), page_for_missing)) as server:
        for act in ACTIONS:
            options: dict[str, Any] = {"folder": tmp_path} if act is converted else {}
            options["filesystem"] = clients.WEB[library](server.url)
            act(f"{server.url}/model.ckpt", **options)
        with pytest.raises(tfckpt.CheckpointError, match="HTML page") as caught:
            tfckpt.open(f"{server.url}/missing.ckpt")
        assert "missing.ckpt" in str(caught.value)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("library", clients.WEB)
def test_static_server(saved: dict[str, bytes], tmp_path: Path, library: str, ranges: bool) -> None:
    """Without `Range`, small files are read, and large ones are refused with the reason."""
    need("aiohttp")
    folder, out = tmp_path / "site", tmp_path / "out"
    out.mkdir()
    folder.mkdir()
    for name, body in saved.items():
        (folder / name).write_bytes(body)
    with closing(Static(folder, ranges=ranges)) as server:
        for act in ACTIONS:
            options: dict[str, Any] = {"folder": out} if act is converted else {}
            options["filesystem"] = clients.WEB[library](server.url)
            outcome = within(PATIENT, partial(act, f"{server.url}/model.ckpt", **options))
            if ranges:
                assert outcome is None
            else:
                assert outcome is None or "range" in str(outcome).lower()
        with pytest.raises(tfckpt.CheckpointNotFoundError):
            tfckpt.open(f"{server.url}/missing.ckpt")
        tfckpt.save(folder / "small", {"a": ARRAYS["a/bias"]})
        with tfckpt.open(f"{server.url}/small") as ckpt:
            np.testing.assert_array_equal(ckpt["a"], ARRAYS["a/bias"])


@pytest.mark.parametrize("library", clients.WEB)
def test_redirected(saved: dict[str, bytes], library: str) -> None:
    def elsewhere(request: Request, answer: Answer) -> Answer:
        if request.path.startswith("/new/"):
            return Files(saved)(replace(request, target=request.target[4:]))
        return Answer(302, {"Location": f"/new{request.target}"})

    with closing(Server(Files(saved), elsewhere)) as server:
        looked_up(f"{server.url}/model.ckpt", filesystem=clients.WEB[library](server.url))
