"""The fixtures, as the TensorFlow at hand reads them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import tf_oracle
import writers as w
from agreement import tensorflow
from project import FIXTURES
from random_tensors import key_of
from tf_oracle import Value, value_of

import tfckpt_reader as tfckpt

pytestmark = pytest.mark.tensorflow


RECORDS = [
    pytest.param(
        FIXTURES / file.stem / record["prefix"], record, id=f"{file.stem}-{record['prefix']}"
    )
    for file in sorted(FIXTURES.glob("*.json"))
    for record in json.loads(file.read_text())["checkpoints"]
]


def digest(value: Value) -> str:
    """The sha256 of a value as the fixtures have it."""
    data = value.data
    if isinstance(data, tuple):
        data = b"".join(len(text).to_bytes(8, "little") + text for text in data)
    return hashlib.sha256(data).hexdigest()


def readable(
    readers: tf_oracle.Readers, path: str, key: bytes, dtype: int, *, v1: bool = False
) -> Value | None:
    """A tensor as TensorFlow reads it; None if it does not."""
    tf = tensorflow()
    for read in (readers.restore,) if v1 else (readers.get, readers.restore):
        try:
            return read(path, key, *((dtype,) if read == readers.restore else ()))
        except (tf.errors.OpError, ValueError, RuntimeError):
            continue
    return None


@pytest.mark.parametrize(("path", "record"), RECORDS)
def test_fixture(readers: tf_oracle.Readers, path: Path, record: dict[str, Any]) -> None:
    """TensorFlow at hand reads what the package reads; else the fixture says what was written."""
    listing = readers.listing(str(path))
    told = record["variables"]
    with tfckpt.open(path) as ckpt:
        assert {key_of(name) for name in ckpt} == set(listing)
        for key, (dtype, shape) in listing.items():
            name = key.decode()
            assert (int(ckpt.specs[name].dtype), ckpt.specs[name].shape) == (dtype, shape)
            if told.get(name, {}).get("refuse"):
                with pytest.raises(tfckpt.CheckpointError):
                    ckpt[name]
            elif dtype == w.VARIANT:
                assert ckpt[name].shape == shape
            else:
                value = value_of(ckpt[name])
                theirs = readable(readers, str(path), key, dtype, v1=ckpt.version == "V1")
                assert value == theirs or (theirs is None and digest(value) == told[name]["sha256"])
