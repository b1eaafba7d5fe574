"""The fixtures, which TensorFlow wrote, against what TensorFlow reads from them.

`fixtures/README.md` says what the folders and the JSON beside them hold. The helpers here also
compare the checkpoints of the corpus (`test_corpus.py`), whose JSON is of the same form.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tfckpt_reader as tfckpt
from tfckpt_reader.table.table import Table

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
QUANTISED = {
    "qint8": "int8",
    "quint8": "uint8",
    "qint32": "int32",
    "qint16": "int16",
    "quint16": "uint16",
}
OBJECTS = ("string", "variant")
HAVE_ML_DTYPES = importlib.util.find_spec("ml_dtypes") is not None
UNREADABLE = "registered_merge_oddity"  # TensorFlow cannot, a reader may (FORMAT 3.9)
Record = Mapping[str, Any]


def oracles() -> dict[str, Record]:
    """The JSON of every folder."""
    return {
        path.stem: json.loads(path.read_text(encoding="ascii"))
        for path in sorted(FIXTURES.glob("*.json"))
    }


ORACLES = oracles()
CASES = [
    pytest.param(folder, checkpoint, id=f"{folder}-{checkpoint['prefix']}")
    for folder, oracle in ORACLES.items()
    for checkpoint in oracle["checkpoints"]
]


def value_bytes(array: NDArray[Any]) -> bytes:
    """What is hashed: C order, little-endian; before each string its length in 8 bytes."""
    if array.dtype == object:
        return b"".join(len(value).to_bytes(8, "little") + value for value in array.flat)
    if array.dtype.isbuiltin == 1:  # the types of ml_dtypes know no byte order but the machine's
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()


def numpy_name(dtype: str) -> str:
    """What NumPy calls the type that holds a dtype of TensorFlow's."""
    return "object" if dtype in OBJECTS else QUANTISED.get(dtype, dtype)


def has_type(record: Record) -> bool:
    """Whether there is a NumPy type for the values here: some come with ml_dtypes only."""
    name = numpy_name(record["dtype"])
    return HAVE_ML_DTYPES or not (
        name in ("bfloat16", "int4", "uint4", "int2", "uint2")
        or name.startswith(("float8", "float4"))
    )


def assert_value(array: NDArray[Any], record: Record) -> None:
    """The very dtype, shape and bytes."""
    assert isinstance(array, np.ndarray)
    assert array.dtype.name == numpy_name(record["dtype"])
    assert list(array.shape) == record["shape"]
    assert array.size == record["elements"]
    assert array.flags.c_contiguous
    assert array.flags.aligned
    assert array.dtype.isnative
    content = value_bytes(array)
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    strings = 8 * array.size if array.dtype == object else 0
    assert len(content) - strings == record["bytes"]
    if "values" in record:
        assert_elements(array, record)


def assert_elements(array: NDArray[Any], record: Record) -> None:
    """The elements themselves, where the JSON has them: it says more than a hash if they differ."""
    found = array.reshape(-1).tolist()
    if array.dtype == object:
        found = [value.hex() for value in found]
    elif "int" not in array.dtype.name and array.dtype != bool:
        found = [float(value) for value in found]
    assert found == record["values"]


def assert_variant(variant: Any, record: Record) -> None:
    """One element of a variant tensor, with the tensors in it."""
    assert isinstance(variant, tfckpt.Variant)
    assert variant.type_name == record["type_name"]
    assert variant.metadata.hex() == record["metadata"]
    assert len(variant.tensors) == len(record["tensors"])
    for tensor, expected in zip(variant.tensors, record["tensors"], strict=True):
        assert_value(tensor, expected)


def assert_tensor(array: NDArray[Any], record: Record) -> None:
    if "objects" not in record:
        assert_value(array, record)
        return
    assert array.dtype == object
    assert list(array.shape) == record["shape"]
    for variant, expected in zip(array.flat, record["objects"], strict=True):
        assert_variant(variant, expected)


def assert_spec(spec: tfckpt.TensorSpec, name: str, record: Record) -> None:
    assert spec.name == name
    assert str(spec.dtype) == record["dtype"]
    assert list(spec.shape) == record["shape"]
    if "elements" in record:
        assert spec.elements == record["elements"]
    if record["dtype"] not in OBJECTS and "bytes" in record:
        assert spec.nbytes == record["bytes"]


def assert_reads(path: Path | str, variables: Mapping[str, Record]) -> None:
    """Every tensor, by every way to read it; a record with "error" must be refused by each."""
    for mmap in (True, False):
        with tfckpt.open(path, mmap=mmap) as ckpt:
            for name, record in variables.items():  # before the listing: by lookup
                assert name in ckpt
                assert_spec(ckpt.specs[name], name, record)
            looked_up = {name: ckpt.specs[name] for name in variables}
            assert dict(ckpt.specs) == looked_up
            assert list(ckpt) == sorted(variables, key=lambda name: name.encode())
            for name, record in variables.items():
                if "error" in record or record.get("refuse") or not has_type(record):
                    assert_refuses(ckpt, name)
                    continue
                assert_tensor(ckpt[name], record)
                assert not ckpt[name].flags.writeable
                owned = ckpt.read(name)
                assert_tensor(owned, record)
                assert owned.flags.writeable


def assert_refuses(ckpt: tfckpt.Checkpoint, name: str) -> None:
    with pytest.raises(tfckpt.CheckpointError) as caught:
        ckpt[name]
    assert caught.value.tensor == name
    with pytest.raises(tfckpt.CheckpointError):
        ckpt.read(name)
    if ckpt.specs[name].shape:
        with pytest.raises(tfckpt.CheckpointError):
            ckpt.read(name, rows=slice(0, 1))


def some_rows(count: int) -> Iterator[slice]:
    """Rows of all kinds: none, one, the first, the last, those between, all; bounds as Python's."""
    yield from (slice(0, 1), slice(-1, None), slice(1, -1), slice(None), slice(count, None))
    yield from (slice(count // 2, count // 2 + 1), slice(-count - 5, count + 5), slice(2, 1))


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_values(folder: str, checkpoint: Record) -> None:
    path = FIXTURES / folder / checkpoint["prefix"]
    if folder != "many_blocks":
        assert_reads(path, checkpoint["variables"])
        return
    with tfckpt.open(path) as ckpt:  # its JSON has a sample only; the rest is in one hash
        for name, record in checkpoint["variables"].items():
            assert_spec(ckpt.specs[name], name, record)
            assert_tensor(ckpt[name], record)


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_rows(folder: str, checkpoint: Record) -> None:
    with tfckpt.open(FIXTURES / folder / checkpoint["prefix"]) as ckpt:
        for name, record in checkpoint["variables"].items():
            if not record["shape"] or record.get("refuse") or not has_type(record):
                continue
            whole = ckpt[name]
            for rows in some_rows(record["shape"][0]):
                for check in (None, True):
                    part = ckpt.read(name, rows=rows, check=check)
                    assert part.dtype == whole.dtype
                    assert part.shape == whole[rows].shape
                    if "objects" in record:
                        assert [v.metadata for v in part] == [v.metadata for v in whole[rows]]
                    else:
                        assert value_bytes(part) == value_bytes(whole[rows])


@pytest.mark.parametrize(("folder", "checkpoint"), CASES)
def test_streamed_bytes(folder: str, checkpoint: Record) -> None:
    with tfckpt.open(FIXTURES / folder / checkpoint["prefix"]) as ckpt:
        for name, record in checkpoint["variables"].items():
            if record["dtype"] in OBJECTS or record.get("refuse"):
                continue
            streamed = b"".join(bytes(piece) for piece in ckpt.reader.stream(ckpt.specs[name]))
            assert hashlib.sha256(streamed).hexdigest() == record["sha256"]


def test_many_blocks() -> None:
    (oracle,) = ORACLES["many_blocks"]["checkpoints"]
    digest = hashlib.sha256()
    with tfckpt.open(FIXTURES / "many_blocks" / oracle["prefix"]) as ckpt:
        assert len(ckpt) == oracle["count"]
        assert list(ckpt) == sorted(ckpt)
        for name, value in ckpt.items():
            digest.update(name.encode() + b"\0" + value.tobytes())
        assert digest.hexdigest() == oracle["sha256_of_names_and_values"]
        table = ckpt.reader.table  # type: ignore[attr-defined]
        assert isinstance(table, Table)
        found = []
        for _, handle in table.handles():
            keys = [key.decode() for key, _ in table.entries(handle)]
            found.append([keys[0], keys[-1]])
        assert found == oracle["data_blocks"]


def test_slices_are_listed_as_stored() -> None:
    for oracle in ORACLES["sliced"]["checkpoints"]:
        if "stored" not in oracle:
            continue
        stored: dict[str, list[str]] = {}
        for name, text in oracle["stored"]:
            stored.setdefault(name, []).extend([text.rsplit(" ", 1)[-1]] if text else [])
        with tfckpt.open(FIXTURES / "sliced" / oracle["prefix"]) as ckpt:
            found = {name: sorted(map(str, spec.slices)) for name, spec in ckpt.specs.items()}
        assert found == {name: sorted(texts) for name, texts in stored.items()}


def test_partial_slice_is_refused() -> None:
    oracle = next(c for c in ORACLES["v1_sliced"]["checkpoints"] if c.get("refuse"))
    with tfckpt.open(FIXTURES / "v1_sliced" / oracle["prefix"]) as ckpt:
        for name, record in oracle["variables"].items():
            if not record.get("refuse"):
                continue
            with pytest.raises(tfckpt.CorruptCheckpointError, match="hole") as caught:
                ckpt[name]
            assert caught.value.tensor == name
            (text,) = record["stored"]
            assert [str(piece) for piece in ckpt.specs[name].slices] == [text.rsplit(" ", 1)[-1]]


def test_merge_oddity_is_noted() -> None:
    (oracle,) = ORACLES[UNREADABLE]["checkpoints"]
    with tfckpt.open(FIXTURES / UNREADABLE / oracle["prefix"]) as ckpt:
        assert list(ckpt.notes) == []
        next(iter(ckpt.values()))
        assert [("2 shards" in note) for note in ckpt.notes] == [True]
    with tfckpt.open(FIXTURES / "multi_shard" / "model.ckpt") as sound:
        dict(sound)
        assert list(sound.notes) == []


@pytest.mark.parametrize("folder", [name for name, oracle in ORACLES.items() if "state" in oracle])
def test_latest(folder: str) -> None:
    expected = ORACLES[folder]["state"]["latest_checkpoint"]
    found = tfckpt.latest_checkpoint(FIXTURES / folder)
    assert found == str(FIXTURES / folder / expected)
    newest = next(c for c in ORACLES[folder]["checkpoints"] if c["prefix"] == expected)
    for path in (FIXTURES / folder, FIXTURES / folder / "checkpoint", found):
        assert_reads(path, newest["variables"])


@pytest.mark.parametrize("folder", [name for name in ORACLES if name.startswith("saved_model")])
def test_saved_model_by_its_folder(folder: str) -> None:
    (oracle,) = ORACLES[folder]["checkpoints"]
    root = FIXTURES / folder
    for path in (root, f"{root}/", root / "saved_model.pb", root / "variables"):
        assert_reads(path, oracle["variables"])


def test_every_folder_has_its_json() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert folders - {"hostile", "__pycache__"} == set(ORACLES)
