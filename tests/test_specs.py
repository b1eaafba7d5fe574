"""The index as a mapping: looked up name by name, or listed once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from numpy.testing import assert_array_equal
from strategies import numbers

import tfckpt_reader as tfckpt
from tfckpt_reader.specs import Specs
from tfckpt_reader.table.format import BlockHandle
from tfckpt_reader.table.table import Table

MATRIX = numbers((6, 4), "float32")


def test_specs_as_a_mapping(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {"b": MATRIX, "a": MATRIX})
    with tfckpt.open(tmp_path / "p") as ckpt:
        specs = ckpt.specs
        assert isinstance(specs, Specs)
        assert isinstance(specs, Mapping)
        assert "Specs" in repr(specs)
        assert (len(specs.known), specs.complete) == (0, False)
        assert "a" in specs
        assert "c" not in specs
        others: list[Any] = [5, None, b"a", ("a",)]
        assert not any(other in specs for other in others)
        assert [specs.get(other) for other in others] == [None] * 4
        assert (len(specs.known), specs.complete) == (0, False)
        assert list(specs) == list(specs.keys()) == ["a", "b"]
        assert (list(specs.known), specs.complete) == (["a", "b"], True)
        assert [spec.name for spec in specs.values()] == ["a", "b"]
        assert dict(specs.items()) == dict(specs)
        assert "2 tensors" in repr(specs)
        assert specs.get("c") is None
        with pytest.raises(tfckpt.TensorNotFoundError):
            specs["c"]


def test_a_missing_name_costs_a_block_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless an error has to name the nearest: that takes them all."""
    read: list[BlockHandle] = []
    real = Table.read_block

    def counting(table: Table, handle: BlockHandle, *names: Any) -> Any:
        read.append(handle)
        return real(table, handle, *names)

    tensors = {f"layer_{i:04d}/kernel": MATRIX for i in range(1000)}
    w.write_bundle(tmp_path / "p", tensors, block_size=512)
    monkeypatch.setattr(Table, "read_block", counting)
    with tfckpt.open(tmp_path / "p") as ckpt:
        assert len(set(read)) == 2  # the index block, and the one with the header
        nothing = np.zeros(0)
        assert ckpt.get("layer_0500/bias") is None
        assert ckpt.get("layer_0500/bias", nothing) is nothing
        assert ckpt.specs.get("layer_0500/bias") is None
        assert "layer_0500/bias" not in ckpt
        assert len(set(read)) == 3
        assert not ckpt.specs.complete
        found = ckpt.get("layer_0500/kernel")
        assert found is not None
        assert_array_equal(found, MATRIX)
        with pytest.raises(tfckpt.TensorNotFoundError, match="layer_0500/kernel"):
            ckpt["layer_0500/bias"]
        assert len(set(read)) > 50
