"""How many requests reach the server, and that no byte of data is fetched twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import clients, need, s3
from servers.loopback import Request, Server
from servers.sites import files_below

import tfckpt_reader as tfckpt

RNG = np.random.default_rng(11)
COUNT = 200
WIDE = {
    f"layer_{i:03}/kernel": RNG.normal(size=(100, 100)).astype(np.float32) for i in range(COUNT)
}
LARGE = RNG.normal(size=(3000, 1000)).astype(np.float32)
MANY = 100_000


@pytest.fixture(scope="session")
def filled(moto: s3.S3, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The bucket `requests`, with a checkpoint of a few large tensors and many small ones."""
    folder = tmp_path_factory.mktemp("requests")
    (folder / "wide").mkdir()
    tfckpt.save(folder / "wide" / "model.ckpt", {**WIDE, "large": LARGE})
    moto.put("requests", files_below(folder))


@pytest.fixture(params=["obstore", "s3fs"])
def options(request: pytest.FixtureRequest, bucket: Server, filled: None) -> dict[str, Any]:
    need(request.param)
    return {} if request.param == "obstore" else {"filesystem": clients.s3fs(bucket.url)}


def fetched(seen: list[Request]) -> int:
    """Return the bytes of all ranges of data files that were asked for."""
    total = 0
    for request in seen:
        if ".data-" in request.path and request.range:
            first, last = map(int, request.range.removeprefix("bytes=").split("-"))
            total += last + 1 - first
    return total


WIDE_PATH = "s3://requests/wide/model.ckpt"
DATA = sum(array.nbytes for array in WIDE.values()) + LARGE.nbytes


def test_open_and_one_tensor(bucket: Server, options: dict[str, Any]) -> None:
    with bucket.counted() as opening:
        ckpt = tfckpt.open(WIDE_PATH, **options)
    assert 1 <= len(opening) <= 4
    with bucket.counted() as seen:
        found = ckpt["large"]
    assert 1 <= len(seen) <= 2
    np.testing.assert_array_equal(found, LARGE)


def test_rows(bucket: Server, options: dict[str, Any]) -> None:
    """One request; where the library does not give the state of what it read, one more."""
    ckpt = tfckpt.open(WIDE_PATH, **options)
    ckpt.specs["large"]
    with bucket.counted() as seen:
        found = ckpt.read("large", rows=slice(1000, 1100))
    assert len([request for request in seen if ".data-" in request.path]) == 1
    assert len(seen) == 2 if options else 1
    np.testing.assert_array_equal(found, LARGE[1000:1100])


def test_many_tensors_at_once(bucket: Server, options: dict[str, Any]) -> None:
    ckpt = tfckpt.open(WIDE_PATH, **options)
    with bucket.counted() as seen:
        found = ckpt.load(WIDE)
    assert len(seen) <= 10
    assert fetched(seen) <= DATA
    for name, array in WIDE.items():
        np.testing.assert_array_equal(found[name], array)


def test_verify_and_convert(bucket: Server, options: dict[str, Any], tmp_path: Path) -> None:
    """All bytes once, in windows of megabytes."""
    with bucket.counted() as seen:
        assert tfckpt.verify(WIDE_PATH, **options).ok
    assert len(seen) <= 12
    assert DATA <= fetched(seen) <= DATA + (1 << 17)
    with bucket.counted() as seen:
        tfckpt.convert(WIDE_PATH, tmp_path / "out.npz", **options)
    assert len(seen) <= 16
    assert DATA <= fetched(seen) <= DATA + (1 << 17)


@pytest.mark.slow
def test_a_listing_of_many(
    bucket: Server, moto: s3.S3, options: dict[str, Any], tmp_path: Path
) -> None:
    scalars = {f"scope_{i % 100}/variable_{i}": np.float32(i) for i in range(MANY)}
    tfckpt.save(tmp_path / "many", scalars)
    moto.put("requests", files_below(tmp_path))
    with bucket.counted() as seen, tfckpt.open("s3://requests/many", **options) as ckpt:
        assert len(list(ckpt)) == MANY
        assert ckpt.specs["scope_7/variable_7"].shape == ()
    assert len(seen) <= 4
    assert not [request for request in seen if ".data-" in request.path]
