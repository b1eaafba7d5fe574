"""A listing at once against the careful one, over sound indexes and every changed byte of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT
from strategies import NAMES, SHAPES, Memory, numbers

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.v2 import listing
from tfckpt_reader.formats.v2.bundle import Bundle
from tfckpt_reader.formats.v2.listing import plain_listing
from tfckpt_reader.table.table import Table
from tfckpt_reader.tensor.spec import TensorSpec

NUMBERS = st.integers(0, 200) | st.integers(0, 2**63 - 1)
ENTRIES = st.dictionaries(NAMES, st.tuples(SHAPES, NUMBERS, NUMBERS, st.integers(0, 3)))


@pytest.fixture
def carefully(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The specs of an index entry by entry, or None after an error."""
    monkeypatch.setattr(listing, "plain_listing", lambda _table: None)

    def specs(table: Table) -> list[tuple[str, TensorSpec]] | None:
        try:
            return list(Bundle("p", table=table).listing().items())
        except CheckpointError:
            return None

    return specs


def table_of(entries: dict[str, Any], **layout: Any) -> Table:
    rows = [(b"", w.header(4))]
    for name, (shape, offset, size, shard) in entries.items():
        place = {"offset": offset, "size": size, "shard": shard, "crc": offset % 2**32 or 1}
        rows.append((name.encode("utf-8", "surrogateescape"), w.entry(1, shape, **place)))
    return Table(Memory(w.table(sorted(rows), **layout), "p.index"))


@given(entries=ENTRIES)
def test_specs_are_those_of_the_entries(entries: dict[str, Any]) -> None:
    found = plain_listing(table_of(entries, block_size=300))
    if found is None:  # a name with a NUL, or of over 127 bytes with what it shares
        assert any("\0" in name for name in entries)
        return
    assert {
        name: (spec.shape, spec.offset, spec.nbytes, spec.shard) for name, spec in found.items()
    } == entries
    keys = [name.encode("utf-8", "surrogateescape") for name in found]
    assert keys == sorted(keys)


def test_every_changed_byte_of_an_entry(carefully: Any) -> None:
    """Under a right crc: the same specs as entry by entry, or none at all."""
    sound = w.entry(1, (2, 300), offset=77777, size=2400, shard=1, crc=123)
    kept = 0
    for at in range(len(sound)):
        for value in range(256):
            entry = sound[:at] + bytes([value]) + sound[at + 1 :]
            data = w.table([(b"", w.header(2)), (b"a", entry)])
            found = plain_listing(Table(Memory(data, "p.index")))
            if found is not None:
                kept += 1
                assert list(found.items()) == carefully(Table(Memory(data, "p.index")))
    assert kept > 256 * 4  # a crc may be any


@pytest.mark.parametrize("cut", range(1, 20))
def test_cut_entries(carefully: Any, cut: int) -> None:
    entry = w.entry(1, (2,), offset=5, size=8, crc=1)[:-cut]
    data = w.table([(b"", w.header()), (b"a", entry)])
    found = plain_listing(Table(Memory(data, "p.index")))
    assert found is None or list(found.items()) == carefully(Table(Memory(data, "p.index")))


def test_partitioned_tensors_are_left_to_the_careful_way(tmp_path: Path) -> None:
    whole = numbers((4, 3))
    w.write_bundle(tmp_path / "p", {"a": w.Sliced(whole, [[(0, 2), (0, -1)], [(2, 2), (0, -1)]])})
    bundle = Bundle(str(tmp_path / "p"))
    assert plain_listing(bundle.table) is None
    assert list(bundle.listing()) == ["a"]


@pytest.mark.parametrize("index", sorted((ROOT / "fixtures").rglob("*.index")), ids=str)
def test_fixtures(carefully: Any, index: Path) -> None:
    table = Bundle(str(index)[: -len(".index")]).table
    found = plain_listing(table)
    assert found is None or list(found.items()) == carefully(table)
