"""Random changes to rows, blocks and data of a checkpoint, sealed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import writers as w
from hypothesis import strategies as st
from random_tensors import ALL, numpy_type, partitions, random_array
from tf_oracle import Value, value_of


@dataclass
class Mutant:
    """A checkpoint that was changed: its files by suffix, the path to open, and what was done."""

    files: dict[str, bytes]
    suffix: str
    before: dict[bytes, tuple[int, Value | None]]
    """Dtype number and value of each tensor before the change."""
    done: list[str]
    twice: bool
    """Whether a key comes twice: TensorFlow then lists the last, and finds the first."""

    def __repr__(self) -> str:
        return f"<Mutant: {'; '.join(self.done)}>"


class Mutator:
    """Changes rows, data and blocks of a checkpoint at random; knows how to seal them again."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rows: w.Rows = []
        self.data: dict[str, bytes] = {}
        self.layout: dict[str, Any] = {}
        self.tweaks: list[str] = []
        self.done: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def upto(self, most: int, least: int = 0) -> int:
        return self.draw(st.integers(least, max(least, most)))

    def say(self, *words: object) -> None:
        self.done.append(" ".join(map(str, words)))

    def edited(self, data: bytes) -> bytes:
        """A few bytes changed, gone or new."""
        at, byte = (
            self.upto(len(data)),
            bytes([self.pick(0, 1, 2, 8, 0x7F, 0x80, 0xFF, self.upto(255))]),
        )
        how = self.pick("set", "drop", "insert", "cut", "xor")
        self.say(how, at, byte)
        if how == "cut":
            return data[:at]
        if how == "xor":
            byte = bytes([data[at] ^ 1 << self.upto(7)]) if at < len(data) else b""
        return data[:at] + (b"" if how == "drop" else byte) + data[at + (how != "insert") :]

    # Rows.

    def row(self) -> int:
        """One of the rows, seldom the header."""
        last = len(self.rows) - 1
        return self.upto(last, min(last, 1) if self.upto(9) else 0)

    def row_gone(self) -> None:
        at = self.row()
        self.say("no row", self.rows.pop(at)[0])

    def row_twice(self) -> None:
        at, other = self.row(), self.row()
        self.say("row", self.rows[at][0], "twice, with the value of", self.rows[other][0])
        self.rows.insert(at + self.upto(1), (self.rows[at][0], self.rows[other][1]))

    def rows_swapped(self) -> None:
        a, b = self.row(), self.row()
        self.say("rows", self.rows[a][0], "and", self.rows[b][0], "swapped")
        self.rows[a], self.rows[b] = self.rows[b], self.rows[a]

    def values_swapped(self) -> None:
        a, b = self.row(), self.row()
        self.say("values of", self.rows[a][0], "and", self.rows[b][0], "swapped")
        (ka, va), (kb, vb) = self.rows[a], self.rows[b]
        self.rows[a], self.rows[b] = (ka, vb), (kb, va)

    def row_renamed(self) -> None:
        at = self.row()
        key = self.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([k for k, _ in self.rows]))
        )
        self.say("row", self.rows[at][0], "renamed", key)
        self.rows[at] = key, self.rows[at][1]
        if self.upto(2):
            self.rows.sort()

    def row_edited(self) -> None:
        at = self.row()
        key, value = self.rows[at]
        self.say("value of", key)
        self.rows[at] = key, self.edited(value)

    def row_longer(self) -> None:
        at = self.row()
        key, value = self.rows[at]
        more = self.pick(
            w.int_field(99, 1),
            w.bytes_field(15, b"abc"),
            w.fixed32_field(40, 1),
            b"\x81\x06" + bytes(8),  # field 96, eight bytes
            b"\x83\x06\x84\x06",  # field 96, an empty group
            b"\x83\x06\x08\x01\x84\x06",
            b"\x84\x06",
            b"\x86\x06",
            b"\x00\x00",
            b"\x02\x00",
            value,
            self.rows[self.row()][1],
        )
        self.say("value of", key, "longer by", more)
        self.rows[at] = key, value + more

    # The table.

    def laid_out(self) -> None:
        self.layout = {
            "block_size": self.pick(1, 60, 200, 262144),
            "restart_interval": self.pick(1, 2, 16, 1 << 20),
            "compress": self.pick(False, True),
            "index_compress": self.pick(False, True),
            "separators": self.pick("short", "last"),
            "handle_suffix": self.pick(b"", b"more"),
        }
        self.say("layout", self.layout)

    @property
    def twice(self) -> bool:
        """Whether a key comes twice."""
        return len({key for key, _ in self.rows}) < len(self.rows)

    def table(self) -> bytes:
        """The rows as a file, its blocks changed if there are `tweaks`."""
        if not self.tweaks:
            return w.table(self.rows, **self.layout)
        size = self.upto(4, 1)
        groups = [self.rows[i : i + size] for i in range(0, len(self.rows), size)] or [[]]
        keys = [group[-1][0] if group else b"" for group in groups]
        blocks = [w.block(g, restart_interval=self.pick(1, 2, 16)) for g in groups]
        kinds = [self.pick(0, 0, 1) for _ in groups]
        for tweak in self.tweaks:
            at = self.upto(len(blocks) - 1)
            if tweak == "contents":
                self.say("block", at)
                blocks[at] = self.edited(blocks[at])
            elif tweak == "restarts":
                blocks[at] = self.restarts(blocks[at])
            elif tweak == "separator":
                keys[at] = self.pick(b"", keys[at - 1], keys[at] + b"\0", b"\xff\xff", keys[at][:1])
                self.say("separator of block", at, keys[at])
            elif tweak == "kind":
                kinds[at] = self.pick(1, 2, 3, 255)
                self.say("kind of block", at, kinds[at])
        stored = [
            w.seal(block, compress=True) if kind == 1 and self.upto(5) else w.seal(block, kind=kind)
            for block, kind in zip(blocks, kinds, strict=True)
        ]
        return self.assembled(list(zip(keys, stored, strict=True)))

    def restarts(self, block: bytes) -> bytes:
        """Other restart points, or another number of them."""
        count = int.from_bytes(block[-4:], "little")
        entries, points = block[: -4 - 4 * count], block[-4 - 4 * count : -4]
        how = self.pick("count", "point", "none", "again")
        if how == "count":
            count = self.pick(0, count + 1, count - 1, 1 << 30, 0xFFFFFFFF) & 0xFFFFFFFF
        elif how == "none":
            points, count = b"", 0
        elif how == "again":
            points, count = points + points[-4:], count + 1
        else:
            at = 4 * self.upto(count - 1)
            point = self.pick(
                0, 1, len(entries), len(entries) - 1, self.upto(len(entries)), 1 << 31
            )
            points = points[:at] + (point & 0xFFFFFFFF).to_bytes(4, "little") + points[at + 4 :]
        self.say("restarts", how, count, points)
        return entries + points + count.to_bytes(4, "little")

    def assembled(self, blocks: list[tuple[bytes, bytes]]) -> bytes:
        """The file; its index block and footer are changed too if they are to be."""
        offsets = np.cumsum([0, *(len(stored) for _, stored in blocks)]).tolist()
        rows = [
            (key, w.handle(offset, len(stored) - 5))
            for (key, stored), offset in zip(blocks, offsets, strict=False)
        ]
        if "index rows" in self.tweaks:
            at, other = self.upto(len(rows) - 1), self.upto(len(rows) - 1)
            how = self.pick("gone", "twice", "swapped", "edited", "longer")
            self.say("index row", at, how, other)
            if how == "gone":
                rows.pop(at)
            elif how == "twice":
                rows.insert(at, (rows[at][0], rows[other][1]))
            elif how == "swapped":
                rows[at], rows[other] = rows[other], rows[at]
            elif how == "edited":
                rows[at] = rows[at][0], self.edited(rows[at][1])
            else:
                rows[at] = rows[at][0], rows[at][1] + b"more"
        index = w.block(rows, restart_interval=self.pick(1, 1, 4))
        if "index block" in self.tweaks:
            self.say("index block")
            index = self.edited(index) if self.upto(1) else self.restarts(index)
        file = w.assemble(blocks, index=w.seal(index, compress=self.pick(False, True)))
        if "footer" in self.tweaks:
            self.say("footer")
            file = file[:-48] + self.edited(file[-48:])
        return file

    def run(self, changes: Sequence[str]) -> None:
        for change in changes:
            if change.startswith("table: "):
                self.tweaks.append(change[7:])
            elif self.rows or not self.done:
                getattr(self, change)()


TABLE_CHANGES = [
    *("row_gone", "row_twice", "rows_swapped", "values_swapped", "row_renamed", "row_edited"),
    *("row_edited", "row_longer", "laid_out", "laid_out", "table: contents", "table: contents"),
    *("table: restarts", "table: separator", "table: kind", "table: index rows"),
    *("table: index block", "table: footer"),
]
SMALL = st.sampled_from([(), (1,), (3,), (2, 3), (4, 5), (0, 2), (2, 2, 2)])
KEYS = ("a", "a/b", "b", "c/\xff", "\0k", "layer_00001/kernel", "layer_00002/kernel")


@st.composite
def sound(draw: st.DrawFn, dtypes: Sequence[int], *, v1: bool) -> w.Typed | w.Sliced:
    """A tensor to store, whole or in pieces: in a bundle, more than one."""
    number, shape = draw(st.sampled_from(dtypes)), draw(SMALL)
    whole = w.Typed(number, random_array(number, shape, draw(st.integers(0, 99))))
    if not shape or draw(st.integers(0, 1)):
        return whole
    pieces = draw(partitions(shape))
    return w.Sliced(whole, pieces) if v1 or len(pieces) > 1 else whole


@st.composite
def odd(draw: st.DrawFn) -> w.Raw:
    """A tensor of bytes that no writer would write."""
    number, shape = draw(st.sampled_from(ALL)), draw(SMALL)
    if number == w.STRING:
        return draw(odd_strings(shape))
    size = prod(shape) * numpy_type(number).itemsize
    return w.Raw(number, shape, np.random.default_rng(size).bytes(size))


@st.composite
def odd_strings(draw: st.DrawFn, shape: tuple[int, ...]) -> w.Raw:
    """Strings whose lengths lie, take too many bytes, or leave some over; both crcs are right."""
    values = [draw(st.binary(max_size=5)) for _ in range(prod(shape))]
    lengths = [len(v) + draw(st.sampled_from([0, 0, 0, 0, 1, -1, 200, 1 << 33])) for v in values]
    lengths = [max(0, n) for n in lengths]
    coded, running = b"", 0
    for n in lengths:
        code, more = w.varint(n), draw(st.sampled_from([0, 0, 0, 1, 3, 9]))
        more = min(more, draw(st.sampled_from([10, 11])) - len(code))
        code = code[:-1] + bytes([code[-1] | 0x80 if more else code[-1]])
        coded += code + (b"\x80" * (more - 1) + b"\0" if more else b"")
        running = w.crc(n.to_bytes(4 if n < 1 << 32 else 8, "little"), running)
    stored = w.mask(running).to_bytes(4, "little")
    body = b"".join(values) + draw(st.binary(max_size=4))
    crc = w.mask(w.crc(stored + body[: sum(lengths)], running))
    return w.Raw(w.STRING, shape, coded + stored + body, crc)


def fields_in(message: bytes) -> list[tuple[int, bytes]]:
    """The fields of a message; none if it is no message any more."""
    try:
        return w.split_fields(message)
    except (IndexError, KeyError):
        return []


def numbers_in(message: bytes) -> dict[int, int]:
    """The numbers in the fields of a message; of other fields, zero."""
    numbers = {}
    for number, data in fields_in(message):
        tag, end = w._varint_at(data, 0)
        numbers[number] = w._varint_at(data, end)[0] if tag & 7 == 0 else 0
    return numbers


def original(tensor: Any) -> tuple[int, Value | None]:
    """Dtype number and value; no value of bytes that say nothing clear."""
    if isinstance(tensor, w.Raw):
        return tensor.dtype, None
    dtype, array = w.typed(tensor.whole if isinstance(tensor, w.Sliced) else tensor)
    return dtype, value_of(array)


def describe(tensor: Any) -> str:
    if isinstance(tensor, w.Sliced):
        return f"{describe(tensor.whole)} in {list(tensor.pieces)}"
    shape = tensor.shape if isinstance(tensor, w.Raw) else tensor.array.shape
    return f"{type(tensor).__name__.lower()} {tensor.dtype} {list(shape)}"
