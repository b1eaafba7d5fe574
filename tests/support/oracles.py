"""The JSON beside the fixtures, which holds TensorFlow's answers, and assertions by it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from project import FIXTURES

import tfckpt_reader as tfckpt

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
    """Return the bytes that are hashed: C order, little-endian; each string behind its length."""
    if array.dtype == object:
        return b"".join(len(value).to_bytes(8, "little") + value for value in array.flat)
    if array.dtype.isbuiltin == 1:  # the types of ml_dtypes know no byte order but the machine's
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()


def numpy_name(dtype: str) -> str:
    """Return NumPy's name of the type that holds a dtype of TensorFlow's."""
    return "object" if dtype in OBJECTS else QUANTISED.get(dtype, dtype)


def has_type(record: Record) -> bool:
    """Return whether NumPy has a type for the values: some come with ml_dtypes only."""
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
