"""Random changes to headers and values of a V1 file, sealed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import writers as w
from hypothesis import strategies as st
from random_tensors import V1, Extents, key_of, random_array

from mutations.table import KEYS, TABLE_CHANGES, Mutant, Mutator, describe, original, sound


class V1Mutator(Mutator):
    """Changes that only V1 knows, made to one file before its rows are."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(draw)
        self.metas: list[dict[str, Any]] = []
        self.pieces: list[dict[str, Any]] = []
        self.versions: bytes | None = w.version_def()

    def add(self, name: str, tensor: w.Typed | w.Sliced) -> None:
        key, whole = key_of(name), tensor.whole if isinstance(tensor, w.Sliced) else tensor
        dtype, array = w.typed(whole)
        pieces = tensor.pieces if isinstance(tensor, w.Sliced) else [[(0, -1)] * array.ndim]
        self.metas.append({"name": key, "shape": array.shape, "dtype": dtype, "slices": pieces})
        for piece in pieces:
            value = w.Typed(dtype, w.cut(array, piece))
            proto = w.tensor_proto(value, packed=self.pick(True, True, False))
            self.pieces.append({"name": key, "extents": piece, "proto": proto, "value": value})

    def finish(self) -> None:
        """Make the rows."""
        meta = w.v1_meta([w.v1_tensor(**meta) for meta in self.metas], self.versions)
        rows = [
            (
                piece.get("key", w.slice_key(piece["name"], piece["extents"])),
                w.v1_data(piece.get("label", piece["name"]), piece["extents"], piece["proto"]),
            )
            for piece in self.pieces
        ]
        self.rows = [(b"", meta), *sorted(rows)]

    def meta(self) -> None:
        meta = self.pick(*self.metas)
        before = dict(meta)
        what = self.pick("name", "shape", "dtype", "slices", "gone", "twice")
        if what == "name":
            meta["name"] = self.pick(b"", b"other", b"\xff", *(m["name"] for m in self.metas))
        elif what == "shape":
            small = st.lists(st.integers(0, 6), max_size=3).map(tuple)
            odd = [(-1,), (1 << 62, 4), (1 << 28,), b"\x18\x01", (2, 3, 1), (1,) * 255]
            meta["shape"] = self.draw(st.one_of(small, st.sampled_from(odd)))
        elif what == "dtype":
            meta["dtype"] = self.pick(*range(34), 40, 101, 107, -1)
        elif what == "slices":
            meta["slices"] = self.slices()
        elif what == "gone":
            self.metas.remove(meta)
        else:
            self.metas.append(dict(meta))
        self.say("meta", before["name"], what, before.get(what, ""), meta.get(what, ""))
        if not self.metas:
            self.metas.append(before)

    def slices(self) -> list[Extents | bytes]:
        extent = st.one_of(
            st.just((0, -1)),
            st.tuples(st.integers(0, 4), st.integers(1, 5)),
            st.sampled_from([(-1, 2), (0, 0), (1, -1), (0, -5), (1 << 62, 1 << 62)]),
        )
        return self.draw(st.lists(st.lists(extent, max_size=3), max_size=3))

    def renumbered(self) -> None:
        """Other extents for a slice, in the header and at its row."""
        piece = self.pick(*self.pieces)
        meta = next((m for m in self.metas if piece["extents"] in m["slices"]), None)
        if meta is None or not piece["extents"] or isinstance(meta["shape"], bytes):
            return
        axis = self.upto(len(piece["extents"]) - 1)
        size = meta["shape"][axis] if axis < len(meta["shape"]) else 1
        changed = list(piece["extents"])
        changed[axis] = self.pick(
            (0, size), (0, -1), (0, size + 1), (1, size), (0, max(1, size - 1))
        )
        meta["slices"] = [changed if s == piece["extents"] else s for s in meta["slices"]]
        self.say("slice", piece["name"], piece["extents"], "now", changed)
        piece["extents"] = changed

    def version(self) -> None:
        self.versions = self.pick(
            None,
            b"",
            w.version_def(9),
            w.version_def(-1),
            w.version_def(1, 1),
            w.version_def(2, 2),
            w.version_def(2, 0, (1,)),
            w.version_def(2, 0, (2,)),
        )
        self.say("versions", self.versions)

    def piece(self) -> None:
        if not self.pieces:
            return
        piece = self.pick(*self.pieces)
        what = self.pick("label", "key", "gone", "proto", "proto", "proto", "proto", "proto")
        self.say("data", piece["name"], piece["extents"], what)
        if what == "label":
            piece["label"] = self.pick(b"", b"other", b"\xff")
        elif what == "key":
            piece["key"] = self.pick(b"", b"k", w.slice_key(piece["name"], [(0, 1)]))
        elif what == "gone":
            self.pieces.remove(piece)
        else:
            piece["proto"] = self.proto(piece["value"], piece["proto"])

    def proto(self, value: w.Typed, coded: bytes) -> bytes:
        """The values in another form, or other values."""
        how = self.pick(
            *(
                "dtype",
                "less",
                "more",
                "twice",
                "label",
                "content",
                "ints",
                "mixed",
                "none",
                "wire",
            ),
            *("long", "edit", "extra"),
        )
        flat = value.array.reshape(-1)
        half = [
            w.Typed(value.dtype, part) for part in (flat[: len(flat) // 2], flat[len(flat) // 2 :])
        ]
        ints = b"".join(map(w.varint, [300, -1, 1 << 40, 2, 65536, 1][: max(1, value.array.size)]))
        number = w._VALUE.get(value.dtype, (7, 0))[0] if value.dtype != w.STRING else 8
        self.say("values", how)
        if how == "dtype":
            other = self.pick(*V1)
            return w.tensor_proto(w.Typed(other, random_array(other, value.array.shape, 1)))
        if how == "long":  # varints that take more bytes than they need
            many = b"".join(self.pick(b"\x81\x00", b"\x01", b"\x80" * 9 + b"\x01") for _ in flat)
            return w.bytes_field(number, many)
        forms: dict[str, Callable[[], bytes]] = {
            "less": lambda: w.tensor_proto(w.Typed(value.dtype, flat[:-1])),
            "more": lambda: coded + w.tensor_proto(w.Typed(value.dtype, flat[:1])),
            "twice": lambda: coded + coded,
            "label": lambda: w.tensor_proto(value, label=True),
            "content": lambda: w.bytes_field(4, bytes(16)) + (coded if self.upto(1) else b""),
            "ints": lambda: w.bytes_field(number, ints),
            "mixed": lambda: w.tensor_proto(half[0]) + w.tensor_proto(half[1], packed=False),
            "none": lambda: b"",
            "wire": lambda: w.int_field(number, 1) if self.upto(1) else w.fixed32_field(number, 1),
            "edit": lambda: self.edited(coded),
            "extra": lambda: coded + self.draw(st.sampled_from(EXTRA)),
        }
        return forms[how]()


EXTRA = (w.int_field(7, 1), w.int_field(50, 1), b"\x83\x06\x84\x06")
V1_CHANGES = ["meta", "meta", "renumbered", "version", "piece", "piece", "piece"]


@st.composite
def mutated_v1(draw: st.DrawFn) -> Mutant:
    """One file, or two shards that have some of the pieces each."""
    tensors = draw(
        st.dictionaries(st.sampled_from(KEYS), sound(V1, v1=True), min_size=1, max_size=3)
    )
    shards = draw(st.sampled_from([1, 1, 2]))
    mutators = [V1Mutator(draw) for _ in range(shards)]
    for name, tensor in tensors.items():
        if isinstance(tensor, w.Typed):
            draw(st.sampled_from(mutators)).add(name, tensor)
            continue
        for i, mutator in enumerate(mutators):
            own = tensor.pieces[i::shards]
            if own:
                mutator.add(name, w.Sliced(tensor.whole, own))
    files, done = {}, list[str]()
    for i, mutator in enumerate(mutators):
        if mutator.metas:
            mutator.run(draw(st.lists(st.sampled_from(V1_CHANGES), max_size=2)))
        mutator.finish()
        mutator.run(draw(st.lists(st.sampled_from(TABLE_CHANGES), max_size=1)))
        files[f"-{i:05d}-of-{shards:05d}" if shards > 1 else ""] = mutator.table()
        done += mutator.done
    done.append(f"of { ({name: describe(tensor) for name, tensor in tensors.items()}) }")
    before = {key_of(name): original(tensor) for name, tensor in tensors.items()}
    suffix = f"-?????-of-{shards:05d}" if shards > 1 else ""
    return Mutant(files, suffix, before, done, any(s.twice for s in mutators))
