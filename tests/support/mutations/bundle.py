"""Random changes to entries, header and data of a bundle, sealed again."""

from __future__ import annotations

from typing import Any

import writers as w
from hypothesis import strategies as st
from random_tensors import ALL, key_of, numpy_type

from mutations.table import (
    KEYS,
    TABLE_CHANGES,
    Mutant,
    Mutator,
    describe,
    fields_in,
    numbers_in,
    odd,
    original,
    sound,
)


class BundleMutator(Mutator):
    """Changes that only a bundle knows."""

    def entry(self) -> tuple[int, dict[int, int]]:
        """Pick a row; return its position and the numbers in its entry."""
        at = self.upto(len(self.rows) - 1, min(1, len(self.rows) - 1))
        return at, numbers_in(self.rows[at][1])

    def set(self, at: int, **fields: Any) -> None:
        key, value = self.rows[at]
        self.say("entry", key, fields)
        if fields_in(value):
            ((_, changed),) = w.edit_entry([(key, value)], key, **fields)
            self.rows[at] = key, changed

    def sealed(self, at: int) -> None:
        """Give an entry of numbers the crc of the bytes it points at now."""
        numbers = numbers_in(self.rows[at][1])
        suffix = f".data-{numbers.get(3, 0):05d}-of-"
        data = next((d for name, d in self.data.items() if name.startswith(suffix)), b"")
        begin, size = numbers.get(4, 0), numbers.get(5, 0)
        if numbers.get(1) not in (7, 21) and 7 not in numbers and begin + size <= len(data):
            self.set(at, crc=w.mask(w.crc(data[begin : begin + size])))

    def changed(self, at: int, **fields: Any) -> None:
        self.set(at, **fields)
        if self.upto(2):
            self.sealed(at)

    def dtype(self) -> None:
        at, _ = self.entry()
        unknown = (0, 20, 21, 34, 99, 100, 101, 107, -1, 1 << 31, 1 << 32)
        self.changed(at, dtype=self.pick(*(ALL if self.upto(4) else unknown)))

    def shape(self) -> None:
        at, _ = self.entry()
        small = st.lists(st.integers(0, 6), max_size=4).map(tuple)
        odd: list[Any] = [(1,) * rank for rank in (9, 33, 65, 254, 255)]
        odd += [(-1,), (2, -3), (1 << 62, 4), (1 << 28,), (1 << 31, 0), (1 << 40,), (1 << 63, 2)]
        unknown = b"\x18\x01"  # rank
        odd += [None, unknown, w.shape_proto((2,)) + unknown, b"\x12\x02\x1a\x00"]
        odd += [b"\x12\x05\x0a\x01x\x08\x03"]  # a size with a name
        self.changed(at, shape=self.draw(small if self.upto(2) else st.sampled_from(odd)))

    def recast(self) -> None:
        """Another dtype, and the shape that fits."""
        at, numbers = self.entry()
        dtype = self.pick(*ALL)
        item = 1 if dtype == w.STRING else numpy_type(dtype).itemsize
        self.changed(at, dtype=dtype, shape=(numbers.get(5, 0) // item,))

    def place(self) -> None:
        at, numbers = self.entry()
        offset = numbers.get(4, 0)
        if self.upto(2):
            self.changed(
                at, offset=self.pick(0, 1, offset + 1, offset - 1, 8, -1, 1 << 62, (1 << 63) - 1)
            )
        else:
            self.changed(at, shard=self.pick(0, 1, 2, -1, 7, 100_000, (1 << 31) - 1))

    def size(self) -> None:
        at, numbers = self.entry()
        size = numbers.get(5, 0)
        self.changed(
            at,
            size=self.pick(0, 1, 4, size + 1, size - 1, size + 3, size - 3, -1, 1 << 40, 1 << 62),
        )

    def crc(self) -> None:
        at, _ = self.entry()
        self.set(at, crc=self.pick(None, 0, 0xFFFFFFFF, w.mask(0)))

    def slices(self) -> None:
        at, _ = self.entry()
        extent = st.one_of(
            st.just((0, -1)),
            st.tuples(st.integers(0, 4), st.integers(1, 5)),
            st.sampled_from([(-1, 2), (0, 0), (1, -1), (0, -5), (1 << 62, 1 << 62), (0, 1 << 40)]),
        )
        pieces = st.lists(st.lists(extent, max_size=3), max_size=3)
        self.set(at, slices=self.draw(pieces))

    def slices_mixed(self) -> None:
        """Drop, repeat or exchange the slices of a tensor that has some."""
        sliced = [i for i, (_, value) in enumerate(self.rows) if b":" in value and i]
        if not sliced:
            return
        at = self.pick(*sliced)
        key, value = self.rows[at]
        fields = fields_in(value)
        pieces = [f for f in fields if f[0] == 7]
        kept = self.draw(st.lists(st.sampled_from(pieces), max_size=4)) if pieces else []
        self.say("slices of", key, len(pieces), "now", len(kept))
        self.rows[at] = key, b"".join(f for n, f in [f for f in fields if f[0] != 7] + kept)

    def header(self) -> None:
        value = self.pick(
            w.header(0),
            w.header(2),
            w.header(3),
            w.header(-1),
            w.header(100_000),
            w.header(endianness=1),
            w.header(endianness=2),
            w.header(endianness=-1),
            w.header(producer=0),
            w.header(producer=-1),
            w.header(min_consumer=1),
            w.header(min_consumer=2),
            w.header(producer=9, bad_consumers=(1,)),
            w.header(bad_consumers=(0, 2)),
            w.int_field(1, 1),
            b"",
        )
        self.say("header", value)
        self.rows = [(key, value if not key else old) for key, old in self.rows]

    def bytes_changed(self) -> None:
        """Change data, then seal every entry again."""
        suffix = self.pick(*self.data)
        self.say("data", suffix)
        self.data[suffix] = self.edited(self.data[suffix])
        for at in range(1, len(self.rows)):
            self.sealed(at)

    def file_gone(self) -> None:
        if self.data and not self.upto(3):
            suffix = self.pick(*self.data)
            self.say("no file", suffix)
            del self.data[suffix]


BUNDLE_CHANGES = [
    *("dtype", "shape", "shape", "recast", "recast", "place", "place", "size", "size", "crc"),
    *("slices", "slices", "slices_mixed", "slices_mixed", "header", "bytes_changed", "file_gone"),
]


@st.composite
def mutated_bundles(draw: st.DrawFn) -> Mutant:
    kinds = st.one_of(sound(ALL, v1=False), sound(ALL, v1=False), odd())
    tensors: dict[str, Any] = draw(
        st.dictionaries(st.sampled_from(KEYS), kinds, min_size=1, max_size=4)
    )
    mutator = BundleMutator(draw)

    def keep(rows: w.Rows) -> w.Rows:
        mutator.rows = rows
        return rows

    files = w.bundle_files(
        tensors,
        shards=draw(st.sampled_from([1, 1, 2, 3])),
        big_endian=draw(st.integers(0, 5)) == 0,
        alignment=draw(st.sampled_from([1, 1, 8, 42])),
        tail=draw(st.sampled_from([b"", b"", b"0123456789"])),
        edit_rows=keep,
    )
    del files[".index"]
    mutator.data = files
    changes = BUNDLE_CHANGES * 2 + TABLE_CHANGES
    mutator.run(draw(st.lists(st.sampled_from(changes), min_size=1, max_size=3)))
    mutator.say("of", {name: describe(tensor) for name, tensor in tensors.items()})
    before = {key_of(name): original(tensor) for name, tensor in tensors.items()}
    files = {".index": mutator.table(), **mutator.data}
    return Mutant(files, "", before, mutator.done, mutator.twice)
