"""Check one table file block by block, and hand out the rows that are sound.

Knows no tensor; parses nothing itself (table.py and block.py do).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.table.format import FOOTER_SIZE
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfckpt_reader.table.format import BlockHandle
    from tfckpt_reader.table.table import Table
    from tfckpt_reader.verification.findings import Findings

    Rows = dict[bytes, "bytes | memoryview"]


def check_table(table: Table, findings: Findings, *, values: bool = True) -> Rows:
    """Report what is wrong with a table's blocks, order and footer; return its sound rows.

    Of equal keys the first counts. Without `values` the rows have none, and memory is saved.
    """
    _check_footer(table, findings)
    rows: Rows = {}
    try:
        blocks = table.data_blocks()
    except CheckpointError as error:
        findings.add_error("TFC104", error)
        return rows
    if all(handle.end <= table.source.size for _, handle in blocks):
        _check_coverage(table, [handle for _, handle in blocks], findings)
    last = fence = None
    for separator, handle in blocks:
        keys = _read_block(table, handle, rows, findings, values=values)
        new = next((key for key in keys if key != last), None)
        if new is not None:
            with findings.collect("TFC106"):
                table.require_after(handle, new, last, fence)
            with findings.collect("TFC108"):
                table.require_within(handle, keys[-1], separator)
            last = keys[-1]
        fence = separator
    return rows


def check_names(names: Iterable[str], path: str, findings: Findings) -> None:
    """Warn of names that are not UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            findings.add("TFC206", "its name is not UTF-8", file=path, tensor=name)


def _check_footer(table: Table, findings: Findings) -> None:
    path = table.source.name
    if not table.footer.is_canonical:
        findings.add(
            "TFC102",
            "before its magic the footer holds more than two block handles and zeros",
            file=path,
            offset=table.source.size - FOOTER_SIZE,
        )
    with findings.collect("TFC103"):
        block = table.block(table.footer.metaindex, "metaindex block")
        if block.limit:
            findings.add(
                "TFC103",
                "the metaindex block is not empty",
                file=path,
                offset=table.footer.metaindex.offset,
                got=count_of(block.limit, "byte") + " of entries",
            )


def _check_coverage(table: Table, handles: list[BlockHandle], findings: Findings) -> None:
    """Report bytes that lie in no block: no crc covers them."""
    end = 0
    every = [*handles, table.footer.metaindex, table.footer.index]
    for handle in sorted(every, key=lambda h: h.offset):
        if handle.offset != end:
            _bad_coverage(table, end, handle.offset, findings)
        end = handle.end
    if end != table.source.size - FOOTER_SIZE:
        _bad_coverage(table, end, table.source.size - FOOTER_SIZE, findings)


def _bad_coverage(table: Table, end: int, begin: int, findings: Findings) -> None:
    size = abs(begin - end)
    what = "belong to no block" if begin > end else "belong to two blocks"
    findings.add(
        "TFC105",
        f"{count_of(size, 'byte')} {what}",
        file=table.source.name,
        offset=min(begin, end),
    )


def _read_block(
    table: Table, handle: BlockHandle, rows: Rows, findings: Findings, *, values: bool
) -> list[bytes]:
    """Add the rows of a block; return its keys, as far as it is sound."""
    keys: list[bytes] = []
    with findings.collect("TFC104"):
        for key, value in table.entries(handle, ordered=False):
            if keys and key < keys[-1]:
                findings.add(
                    "TFC106",
                    f"key {key!r} comes behind {keys[-1]!r}",
                    file=table.source.name,
                    offset=handle.offset,
                )
            keys.append(key)
            if key in rows:
                findings.add(
                    "TFC107",
                    "the key comes twice",
                    file=table.source.name,
                    offset=handle.offset,
                    tensor=name_of(key),
                )
            rows.setdefault(key, bytes(value) if values else b"")
    return keys
