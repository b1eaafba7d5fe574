"""Writing to URLs: what is sent equals what is written here, and nothing is seen before its end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import FLOATS, TENSORS, contents, large
from defects import DATA, bundle, poke
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.filesystem import path_of
from tfckpt_reader.storage.remote import writing
from tfckpt_reader.storage.remote.stores import store_of

EVERY = FIXTURES / "every_dtype" / "model.ckpt"
SOME = ["bfloat16/*", "string/*"]
Objects = dict[str, bytes]


class Place:
    """A store, the URL of a folder in it, and what others see there."""

    def __init__(self, filesystem: Any, objects: Callable[[], Objects]) -> None:
        self.url = path_of("bucket/out", filesystem)
        self.objects = objects
        self.uploads: Callable[[], int] = lambda: 0


def _obstore_memory() -> Iterator[Place]:
    obstore = pytest.importorskip("obstore")
    store = obstore.store.MemoryStore()

    def objects() -> Objects:
        paths = [meta["path"] for page in obstore.list(store) for meta in page]
        return {p.partition("out/")[2]: bytes(obstore.get(store, p).bytes()) for p in paths}

    yield Place(store, objects)


def _fsspec_memory() -> Iterator[Place]:
    filesystem = pytest.importorskip("fsspec").filesystem("memory")

    def objects() -> Objects:
        found = filesystem.find("/bucket")
        return {p.partition("out/")[2]: filesystem.cat_file(p) for p in found}

    yield Place(filesystem, objects)
    if filesystem.exists("/bucket"):
        filesystem.rm("/bucket", recursive=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, str]]:
    """A client of a server of moto's, and its address."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    boto3 = pytest.importorskip("boto3")
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106 - the server's own
    )
    client.create_bucket(Bucket="bucket")
    yield client, address
    server.stop()


def _emptied(client: Any, filesystem: Any) -> Place:
    def listed() -> list[str]:
        found = client.list_objects_v2(Bucket="bucket").get("Contents", [])
        return [each["Key"] for each in found]

    def objects() -> Objects:
        return {
            key.partition("out/")[2]: client.get_object(Bucket="bucket", Key=key)["Body"].read()
            for key in listed()
        }

    for key in listed():
        client.delete_object(Bucket="bucket", Key=key)
    place = Place(filesystem, objects)
    place.uploads = lambda: len(client.list_multipart_uploads(Bucket="bucket").get("Uploads", []))
    return place


SLOW_CLIENT = pytest.param("s3 by s3fs", marks=pytest.mark.slow)


@pytest.fixture(params=["obstore", "fsspec", "s3 by obstore", SLOW_CLIENT])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "obstore":
        yield from _obstore_memory()
        return
    if request.param == "fsspec":
        yield from _fsspec_memory()
        return
    client, address = request.getfixturevalue("s3")
    if request.param == "s3 by obstore":
        store = pytest.importorskip("obstore").store.S3Store(
            "bucket",
            endpoint=address,
            region="us-east-1",
            access_key_id="a",
            secret_access_key="b",  # noqa: S106
            client_options={"allow_http": True},
        )
        found = _emptied(client, store)
        found.url = path_of("out", store)
        yield found
        return
    yield _emptied(
        client,
        pytest.importorskip("s3fs").S3FileSystem(
            key="a",
            secret="b",  # noqa: S106
            client_kwargs={"endpoint_url": address},
            skip_instance_cache=True,
        ),
    )


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def to(place: Place, name: str, source: Path = EVERY, **options: Any) -> Any:
    """Convert some tensors: moto takes its time for each object."""
    some: dict[str, Any] = {"include": SOME if source == EVERY else (), "skip_unsupported": True}
    return tfckpt.convert(source, f"{place.url}/{name}", **some, **options)


@pytest.mark.parametrize("name", ["o.npz", "o.safetensors", "o.h5", "o.zarr"])
def test_the_same_bytes_as_on_this_machine(
    name: str, place: Place, tmp_path: Path, scratch: Path
) -> None:
    if name.endswith(".h5"):
        pytest.importorskip("h5py")
    tfckpt.convert(EVERY, tmp_path / name, include=SOME, skip_unsupported=True)
    done = to(place, name)
    assert done.path == f"{place.url}/{name}"
    local = contents(tmp_path / name)
    if not name.endswith(".zarr"):
        local = {"": local["."]}
    assert place.objects() == {f"{name}/{each}".rstrip("/"): data for each, data in local.items()}
    assert list(scratch.iterdir()) == []


def test_several_parts(place: Place, tmp_path: Path) -> None:
    tensors = {"a": large("f4", 5 << 20), "z": FLOATS}
    w.write_bundle(tmp_path / "p", tensors)
    to(place, "o.safetensors", tmp_path / "p")
    tfckpt.convert(tmp_path / "p", tmp_path / "o.safetensors")
    assert place.objects() == {"o.safetensors": (tmp_path / "o.safetensors").read_bytes()}


@pytest.mark.parametrize("name", ["o.npz", "o.zarr"])
def test_what_exists_stays_without_force(name: str, place: Place, tmp_path: Path) -> None:
    to(place, name)
    before = place.objects()
    with pytest.raises(FileExistsError, match="--force"):
        to(place, name)
    assert place.objects() == before
    to(place, name, bundle(tmp_path, {"only": FLOATS}), force=True)
    assert len(place.objects()) == (1 if name == "o.npz" else 3)
    assert place.objects() != before


@pytest.mark.parametrize("name", ["o.npz", "o.zarr"])
@pytest.mark.parametrize("exists", [False, True])
def test_damage_sends_nothing(name: str, exists: bool, place: Place, tmp_path: Path) -> None:
    source = bundle(tmp_path, TENSORS)
    if exists:
        to(place, name, source)
    before = place.objects()
    poke(source, DATA, 20 + (2 << 20), 1)
    with pytest.raises(tfckpt.ChecksumError):
        to(place, name, source, force=True)
    assert place.objects() == before
    assert place.uploads() == 0


@pytest.mark.parametrize("name", ["o.safetensors", "o.zarr"])
def test_an_interrupt_while_sending_leaves_nothing(
    name: str, place: Place, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is then on its way in parts; of a folder, some files are there."""
    w.write_bundle(tmp_path / "p", {"a/b": large("f4", 9 << 20), "z": FLOATS})
    seen: list[Objects] = []

    def pieces(file: Any, free_in: Any, key: str) -> Iterator[bytes]:
        for piece in really(file, free_in, key):
            if file.tell() > 20 << 20:
                with ThreadPoolExecutor(1) as pool:
                    seen.append(pool.submit(place.objects).result())
                raise KeyboardInterrupt
            yield piece

    really = writing._pieces
    monkeypatch.setattr(writing, "_pieces", pieces)
    if name == "o.zarr":
        monkeypatch.setattr(writing, "closing", _closing_then(seen, place))
    with pytest.raises(KeyboardInterrupt):
        to(place, name, tmp_path / "p")
    assert len(seen) == 1
    assert bool(seen[0]) == (name == "o.zarr")
    assert place.objects() == {}
    assert place.uploads() == 0
    assert list(scratch.iterdir()) == []


def _closing_then(seen: list[Objects], place: Place) -> Any:
    """`contextlib.closing`, which is interrupted at the end of the first block."""
    from contextlib import contextmanager

    @contextmanager
    def closing(thing: Any) -> Iterator[Any]:
        yield thing
        seen.append(place.objects())
        raise KeyboardInterrupt

    return closing


def test_what_appears_meanwhile_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(file: Any, free_in: Any, key: str) -> Iterator[bytes]:
        with ThreadPoolExecutor(1) as pool:  # as somebody else would
            pool.submit(free_in.put, key, b"another's").result()
        return really(file, free_in, key)

    really = writing._pieces
    monkeypatch.setattr(writing, "_pieces", meanwhile)
    with pytest.raises(FileExistsError, match="meanwhile"):
        to(place, "o.npz")
    assert place.objects() == {"o.npz": b"another's"}
    assert place.uploads() == 0


def test_only_what_a_conversion_wrote_is_replaced(place: Place) -> None:
    to(place, "o.zarr")
    store, key = store_of(f"{place.url}/o.zarr")
    store.put(f"{key}/notes.txt", b"mine")
    before = place.objects()
    with pytest.raises(FileExistsError, match=r"notes\.txt.*no conversion wrote"):
        to(place, "o.zarr", force=True)
    assert place.objects() == before


def test_names_that_urls_escape(place: Place, tmp_path: Path) -> None:
    tensors = {"é/w:0": FLOATS, "a b/c%2Fd": FLOATS, "x?#[]&+=": FLOATS}
    w.write_bundle(tmp_path / "p", tensors)
    to(place, "o.zarr", tmp_path / "p")
    tfckpt.convert(tmp_path / "p", tmp_path / "o.zarr")
    local = contents(tmp_path / "o.zarr")
    assert place.objects() == {f"o.zarr/{name}": data for name, data in local.items()}


@pytest.mark.parametrize("name", ["o/", "o.ckpt"])
def test_formats_that_are_not_sent(name: str, place: Place) -> None:
    with pytest.raises(tfckpt.UnsupportedError, match="only npz, safetensors, h5, zarr are"):
        to(place, name)
    assert place.objects() == {}


def test_dry_run_sends_nothing(place: Place) -> None:
    to(place, "o.zarr", dry_run=True)
    assert place.objects() == {}


@pytest.mark.parametrize("url", ["https://example.invalid/o.npz", "http://127.0.0.1:9/o.npz"])
def test_web_servers_are_only_read(url: str) -> None:
    pytest.importorskip("obstore")
    with pytest.raises(tfckpt.UnsupportedError, match="only read from"):
        tfckpt.convert(EVERY, url)


def test_a_file_url_is_this_machines(tmp_path: Path) -> None:
    done = tfckpt.convert(EVERY, f"file://{tmp_path}/o.npz")
    assert done.path == f"{tmp_path}/o.npz"
    assert os.path.getsize(done.path) > 0


def test_zarr_reads_it_from_a_store(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", minversion="3.1")
    store = pytest.importorskip("obstore").store.MemoryStore()
    w.write_bundle(tmp_path / "p", {"a/b": FLOATS, "c%d": FLOATS, "é": FLOATS})
    tfckpt.convert(tmp_path / "p", path_of("x/o.zarr", store))
    root = zarr.open_group(zarr.storage.ObjectStore(store), path="x/o.zarr", mode="r")
    for name in ("a/b", "c%d", "é"):
        np.testing.assert_array_equal(root[name][...], FLOATS)
