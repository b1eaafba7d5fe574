"""All tensors of an index: at once, if it is as TensorFlow writes it, else entry by entry.

Knows no data file. The fast way finds no fault: it gives up on anything unusual, and on any
partitioned tensor. The careful way answers then, and can say what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.errors import CheckpointError
from tfckpt_reader.formats.v2.rows import add_specs
from tfckpt_reader.table.plain import Unusual, plain_rows
from tfckpt_reader.tensor.names import name_of
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tfckpt_reader.formats.v2.partitioned import Find
    from tfckpt_reader.table.table import Table
    from tfckpt_reader.tensor.spec import TensorSpec

    SpecOf: TypeAlias = Callable[[bytes, "bytes | memoryview", Find], TensorSpec]


def listing(table: Table, spec_of: SpecOf, notes: list[str]) -> dict[str, TensorSpec]:
    """Return the specs of all tensors, in key order.

    Args:
        table: The index.
        spec_of: Decodes the entry of a key, given the row of each slice.
        notes: Extended by what was assumed.

    Raises:
        CheckpointError: a block or an entry is bad, or blocks are out of order.
    """
    specs = plain_listing(table)
    return _entry_by_entry(table, spec_of, notes) if specs is None else specs


def _entry_by_entry(table: Table, spec_of: SpecOf, notes: list[str]) -> dict[str, TensorSpec]:
    rows: dict[bytes, bytes | memoryview] = {}
    repeated = 0
    for key, value in table.rows():
        repeated += key in rows
        rows.setdefault(key, value)
    rows.pop(b"", None)
    if repeated:
        notes.append(f"{count_of(repeated, 'key')} came twice; the first was taken")
    from tfckpt_reader.tensor.slices import slice_key

    specs = {name_of(key): spec_of(key, value, rows.get) for key, value in rows.items()}
    for spec in [spec for spec in specs.values() if spec.slices]:
        for each in spec.slices:
            specs.pop(name_of(slice_key(spec.key, each.extents)), None)
    return specs


def plain_listing(table: Table) -> dict[str, TensorSpec] | None:
    """Return the specs of all tensors, in key order; None if anything is unusual, or wrong."""
    specs: dict[str, TensorSpec] = {}
    count = 0
    try:
        for keys, values in plain_rows(table):
            if keys[0] == b"":
                del keys[0], values[0]
            if keys and keys[0].startswith(b"\0"):  # maybe the row of a slice
                return None
            count += len(keys)
            add_specs(_names(keys), values, specs)
    except (Unusual, CheckpointError, IndexError):
        return None
    return specs if len(specs) == count else None


def _names(keys: list[bytes]) -> list[str]:
    names = name_of(b"\n".join(keys)).split(
        "\n"
    )  # decoding them together takes a fifth of the time
    return names if len(names) == len(keys) else [name_of(key) for key in keys]
