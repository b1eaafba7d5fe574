"""Check a table file block by block, and return the rows of its sound blocks.

Knows no tensor. FORMAT 2. The footer has no crc, and TensorFlow never reads the metaindex; both are
checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.storage.ahead import ahead
from tfckpt_reader.table.format import FOOTER_SIZE
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.text import count_of, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.table.format import BlockHandle
    from tfckpt_reader.table.table import Table
    from tfckpt_reader.verification.findings import Findings

    Rows = dict[bytes, "bytes | memoryview"]


@dataclass(frozen=True, slots=True)
class TableContents:
    """The rows of a table, and how much they can be relied on."""

    rows: Rows
    """Of equal keys, the first."""
    is_complete: bool
    """No block is lost."""
    is_sound: bool
    """The table is free of errors."""


def check_table(table: Table, findings: Findings, *, values: bool = True) -> TableContents:
    """Report defects of a table's blocks, order and footer; return its rows.

    Without `values` the rows are empty, to save memory.
    """
    before = findings.errors
    _check_footer(table, findings)
    rows: Rows = {}
    try:
        blocks = table.data_blocks()
    except CheckpointError as error:
        findings.add_error("TFC104", error)
        return TableContents(rows, is_complete=False, is_sound=False)
    if all(handle.end <= table.source.size for _, handle in blocks):
        _check_coverage(table, [handle for _, handle in blocks], findings)
    is_complete = True
    last = previous_separator = None
    for separator, handle in ahead(table.source, blocks, lambda block: block[1].stored):
        keys, is_whole = _read_block(table, handle, rows, findings, values=values)
        is_complete = is_complete and is_whole
        new = next((key for key in keys if key != last), None)
        if new is not None:
            with findings.collect("TFC106"):
                table.require_after(handle, new, last, previous_separator)
            with findings.collect("TFC108"):
                table.require_within(handle, keys[-1], separator)
            last = keys[-1]
        previous_separator = separator
    return TableContents(rows, is_complete, is_sound=findings.errors == before)


def check_names(names: Iterable[str], path: str, findings: Findings) -> None:
    """Warn of names in another encoding than UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            findings.add("TFC206", "its name is not UTF-8", file=path, tensor=name)


def _check_footer(table: Table, findings: Findings) -> None:
    path = table.source.name
    if not table.footer.is_canonical:
        what = "the footer holds more than two block handles and zeros before its magic"
        findings.add("TFC102", what, file=path, offset=table.source.size - FOOTER_SIZE)
    with findings.collect("TFC103"):
        block = table.read_block(
            table.footer.metaindex_handle, "metaindex block", ErrorKind.METAINDEX
        )
        if block.limit:
            what, got = "the metaindex block is not empty", count_of(block.limit, "byte")
            offset = table.footer.metaindex_handle.offset
            findings.add("TFC103", what, file=path, offset=offset, got=f"{got} of entries")


def _check_coverage(table: Table, handles: list[BlockHandle], findings: Findings) -> None:
    """Report bytes in no block, hence without a crc, and bytes in two."""
    end = 0
    every = [*handles, table.footer.metaindex_handle, table.footer.index_handle]
    limits = [(h.offset, h.end) for h in sorted(every, key=lambda h: h.offset)]
    for begin, its_end in [*limits, (table.source.size - FOOTER_SIZE, 0)]:
        if begin != end:
            owners = "belong to no block" if begin > end else "belong to two blocks"
            what = f"{count_of(abs(begin - end), 'byte')} {owners}"
            findings.add("TFC105", what, file=table.source.name, offset=min(begin, end))
        end = its_end


def _read_block(
    table: Table, handle: BlockHandle, rows: Rows, findings: Findings, *, values: bool
) -> tuple[list[bytes], bool]:
    """Add the rows of a block; return its keys up to the first defect, and whether it has none."""
    file, keys, is_whole = table.source.name, list[bytes](), False
    with findings.collect("TFC104"):
        for key, value in table.entries(handle, ordered=False):
            if keys and key < keys[-1]:
                what = f"key {quoted(key)} comes after {quoted(keys[-1])}"
                findings.add("TFC106", what, file=file, offset=handle.offset)
            keys.append(key)
            if key in rows:
                what, tensor = "the key occurs twice", name_of(key)
                findings.add("TFC107", what, file=file, offset=handle.offset, tensor=tensor)
            rows.setdefault(key, bytes(value) if values else b"")
        is_whole = True
    return keys, is_whole
