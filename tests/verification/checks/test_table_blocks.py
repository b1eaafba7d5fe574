"""Damaged tables: each damaged block is named, and hides no other damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defects import (
    DATA,
    FLOATS,
    INDEX,
    bundle,
    codes,
    poke,
    shown,
    swapped,
    v1,
)
from failing_disks import failing

import tfckpt_reader as tfckpt
from tfckpt_reader import verify
from tfckpt_reader.verification.checks import table_blocks


@pytest.mark.parametrize("size", range(1, 48))
def test_index_shorter_than_a_footer(size: int, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    Path(f"{prefix}{INDEX}").write_bytes(contents[-size:])  # the magic may be there
    report = verify(prefix)
    assert codes(report) == ["TFC101"]
    assert (report.version, report.tensors, report.nbytes) == ("V2", 0, 0)


@pytest.mark.parametrize("first", [0, 1])
def test_all_damaged_blocks_are_named(first: int, tmp_path: Path) -> None:
    tensors = {f"t{i}": np.zeros(0, np.int8) for i in range(5)}
    prefix = bundle(tmp_path, tensors, block_size=1)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    starts = [0, *(contents.index(f"t{i}".encode()) - 3 for i in range(5))]
    for number in (first, 3):
        poke(prefix, INDEX, starts[number] + 3)
    report = verify(prefix)
    found = [p.offset for p in report.problems if p.code == "TFC104"]
    assert found == [starts[first], starts[3]], shown(report)


@pytest.mark.parametrize("block", [0, 3])
def test_damaged_block_does_not_hide_damaged_data(block: int, tmp_path: Path) -> None:
    tensors = {f"t{i}": FLOATS for i in range(5)}
    prefix = bundle(tmp_path, tensors, block_size=1)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    poke(prefix, INDEX, 3 if block == 0 else contents.index(b"t2"))
    poke(prefix, DATA, 16 * 4)
    report = verify(prefix)
    assert ("TFC401", "t4") in [(p.code, p.tensor) for p in report.problems], shown(report)


def test_keys_out_of_order_do_not_hide_damaged_data(tmp_path: Path) -> None:
    report = verify(poke(swapped(tmp_path), DATA, 36))
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC106", None), ("TFC401", "s")]


@pytest.mark.parametrize("name", ["f", "i", "s"])
def test_a_lost_row_does_not_accuse_the_data_file(name: str, tmp_path: Path) -> None:
    # Whose the bytes are, nobody can tell any more; that they are nobody's would be a guess.
    prefix = bundle(tmp_path, block_size=1)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    poke(prefix, INDEX, contents.index(name.encode(), 10))
    report = verify(prefix)
    assert codes(report) == ["TFC104"], shown(report)


@pytest.mark.parametrize("build", [bundle, v1])
def test_an_index_that_a_disk_does_not_give_is_not_called_damaged(
    build: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than what is read at once at the end of a table.
    path = build(tmp_path, {f"f{i}": FLOATS for i in range(200)}, block_size=1)
    failing(monkeypatch, "" if build is v1 else INDEX, 1)
    with pytest.raises(tfckpt.CheckpointError, match=r"byte \d+: cannot be read: Input") as caught:
        verify(path)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


def test_an_index_that_is_replaced_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened once: nothing is said of the bytes of two files."""
    prefix = bundle(tmp_path)
    really = table_blocks.check_table

    def check_table(*arguments: Any) -> Any:
        rows = really(*arguments)
        Path(f"{prefix}{INDEX}").write_bytes(b"something else")
        return rows

    monkeypatch.setattr("tfckpt_reader.verification.checks.v2.check_table", check_table)
    assert codes(verify(prefix)) == ["TFC357"]
