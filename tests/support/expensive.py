"""Small files that cost much: from a size in bytes and a few dials, checkpoints, graphs, folders.

Each kind claims more work than its bytes hold, in a way of its own. A dial is a number from 0 to 1;
a search turns them (`tests/fuzz/expensive_files.py`), a test holds the worst that it found.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import writers as w

if TYPE_CHECKING:
    from typing_extensions import Self

DIALS = 6
"""Numbers from 0 to 1 that each kind takes."""
Dials = Sequence[float]
DATA = ".data-00000-of-00001"
WHOLE = [(0, -1)]


def between(dial: float, low: int, high: int) -> int:
    """Return a number from `low` to `high`, its logarithm in proportion to the dial."""
    return int(low * math.exp(dial * math.log(max(high, low) / low)) + 0.5)


def picked(dial: float, *choices: int) -> int:
    return choices[min(int(dial * len(choices)), len(choices) - 1)]


def _bundle(folder: Path, rows: w.Rows, data: bytes, dials: Dials) -> Path:
    rows = [(b"", w.header()), *sorted(rows)]
    block_size = between(dials[-1], 100, 1 << 20)
    index = w.table(rows, block_size=block_size, compress=dials[-2] > 0.8)
    (folder / "x.index").write_bytes(index)
    (folder / f"x{DATA}").write_bytes(data)
    return folder / "x"


def _values(dtype: int, size: int) -> tuple[bytes, int, int]:
    """Return the bytes of a tensor of about `size` bytes, their crc and its elements."""
    if dtype == 7:
        data, crc = w.string_payload([b""] * size)
        return data, crc, size
    if dtype == 21:
        tensor = w.int_field(1, 4) + w.bytes_field(2, w.shape_proto([250])) + b"\x3a\x02\1\2"
        count = size // 32 + 1
        data, crc = w.variant_payload([(b"", b"", [tensor])] * count)
        return data, crc, count
    width = {1: 4, 9: 8, 10: 1}[dtype]
    data = bytes(size // width * width)
    return data, w.mask(w.crc(data)), size // width


def overlaps(folder: Path, size: int, dials: Dials) -> Path:
    """Many tensors on the same bytes."""
    name = between(dials[0], 4, 400)
    count = between(dials[1], 1, size // (name + 40))
    dtype = picked(dials[2], 1, 7, 21, 9, 10)
    data, crc, elements = _values(dtype, max(8, size - count * (name + 40)))
    entry = w.entry(dtype, (elements,), size=len(data), crc=crc)
    rows = [(b"%0*d" % (name, i), entry) for i in range(count)]
    return _bundle(folder, rows, data, dials)


def slices(folder: Path, size: int, dials: Dials) -> Path:
    """A tensor of many slices: on the same bytes, of many axes, or in an order of their own."""
    axes = between(dials[0], 1, 60)
    count = between(dials[1], 1, size // (60 + 12 * axes))
    dtype = picked(dials[2], 1, 7, 9)
    data, crc, each = _values(dtype, max(8, size - count * (60 + 12 * axes)))
    rest = [(0, -1)] * (axes - 1)
    step = 1 if dials[3] < 0.5 else 7919  # a prime number: the slices come in another order
    pieces = [[(i * step % count * each, each), *rest] for i in range(count)]
    full = w.entry(dtype, (count * each, *[1] * (axes - 1)), slices=pieces)
    entry = w.entry(dtype, (each, *[1] * (axes - 1)), size=len(data), crc=crc)
    rows = [(w.slice_key(b"w", piece), entry) for piece in {str(p): p for p in pieces}.values()]
    return _bundle(folder, [*rows, (b"w", full)], data, dials)


def corners(folder: Path, size: int, dials: Dials) -> Path:
    """Slices that differ along many axes of two elements."""
    axes = between(dials[0], 1, 62)
    count = between(dials[1], 1, max(1, size // (60 + 20 * axes)))
    pieces = []
    for i in range(count):
        bits = i * 0x9E3779B97F4A7C15 >> 3
        pieces.append(
            [(bits >> a & 1, 1) if a % 8 < 8 * dials[2] else (0, -1) for a in range(axes)]
        )
    crc = w.mask(w.crc(bytes(4)))
    rows = {
        w.slice_key(b"w", piece): w.entry(
            1, [1 if length == 1 else 2 for _, length in piece], size=4, crc=crc
        )
        for piece in pieces
    }
    full = w.entry(1, (2,) * axes, slices=pieces)
    return _bundle(folder, [*rows.items(), (b"w", full)], bytes(4), dials)


def keys(folder: Path, size: int, dials: Dials) -> Path:
    """Long names that share their beginning; crcs that are all wrong."""
    name = between(dials[0], 8, size)
    count = between(dials[1], 1, size // between(dials[2], 12, 60))
    entry = w.entry(1, (4,), size=4 if dials[3] < 0.5 else 16, crc=7)
    rows = [(b"a" * name + b"%08d" % i, entry) for i in range(min(count, 200_000_000 // name))]
    return _bundle(folder, rows, bytes(16), dials)


def variants(folder: Path, size: int, dials: Dials) -> Path:
    """Variants of tensors whose few values repeat, some inside others."""
    repeat = between(dials[0], 1, 1 << 24)
    values = b"\x3a" + bytes([between(dials[1], 1, 100)]) * (1 + between(dials[1], 1, 100))
    tensor = w.int_field(1, 4) + w.bytes_field(2, w.shape_proto([repeat])) + values
    for _ in range(between(dials[2], 1, 60) - 1):
        inner = w.bytes_field(15, w.bytes_field(3, tensor))
        tensor = w.int_field(1, 21) + w.bytes_field(2, w.shape_proto([1])) + inner
    count = between(dials[3], 1, max(1, size // (len(tensor) + 12)))
    data, crc = w.variant_payload([(b"", b"", [tensor])] * count)
    entry = w.entry(21, (count,), size=len(data), crc=crc)
    return _bundle(folder, [(b"w", entry)], data, dials)


def v1_values(folder: Path, size: int, dials: Dials) -> Path:
    """Rows of very many fields: of values, or of others."""
    dtype, field = [
        (7, b"\x42\0"),
        (7, b"\x42\1a"),
        (9, b"\x50\1"),
        (9, b"\x08\1"),
        (1, b"\x0a\0"),
    ][picked(dials[0], 0, 1, 2, 3, 4)]
    compress = dials[1] > 0.3
    count = between(dials[2], 1, size // 50)
    each = max(1, size * (between(dials[3], 1, 25) if compress else 1) // len(field) // count)
    stored = field * each
    names = [b"%06d" % i for i in range(count)]
    if dials[1] < 0.6 and dtype == 9:
        stored = w.bytes_field(10, b"\1" * each * 2)
    meta = w.v1_meta([w.v1_tensor(n, (each,), dtype, [WHOLE]) for n in names], None)
    rows = [(w.slice_key(n, WHOLE), w.v1_data(n, WHOLE, stored)) for n in names]
    block_size = between(dials[4], 100, 1 << 20)
    table = w.table([(b"", meta), *sorted(rows)], compress=compress, block_size=block_size)
    (folder / "x").write_bytes(table)
    return folder / "x"


def v1_header(folder: Path, size: int, dials: Dials) -> Path:
    """A header of very many tensors or slices."""
    compress = dials[0] > 0.5
    room = size * (between(dials[1], 1, 20) if compress else 1)
    axes = between(dials[2], 1, 60)
    slices = between(dials[3], 1, max(1, room // (8 * axes)))
    pieces = [[(i, 1), *[(0, -1)] * (axes - 1)] for i in range(slices)]
    one = w.v1_tensor(b"%06d", (slices, *[1] * (axes - 1)), 10, pieces)
    count = max(1, room // len(one)) if dials[4] > 0.5 else 1
    meta = w.v1_meta([one.replace(b"%06d", b"%06d" % i, 1) for i in range(count)], None)
    rows = [(b"", meta)]
    if not compress:
        value = w.int_field(11, 1)
        rows += sorted((w.slice_key(b"000000", p), w.v1_data(b"000000", p, value)) for p in pieces)
    (folder / "x").write_bytes(w.table(rows, compress=compress))
    return folder / "x"


def graph_text(folder: Path, size: int, dials: Dials) -> Path:
    """A graph in text form of very many tokens."""
    token = [b"1,", b"a:1 ", b"{", b'"",', b"node{}", b"node{name:'a'op:'b'}", b"#", b"'a'"]
    body = token[picked(dials[0], *range(len(token)))]
    head = [b"node{name:'a'}zz:[", b"zz{", b"node{attr{key:'a'value{tensor{int_val:[", b""]
    text = head[picked(dials[1], 0, 1, 2, 3)] + body * (size // len(body))
    if dials[2] > 0.5:
        text = text.replace(b"}", b"}\n")
    (folder / "x.pbtxt").write_bytes(text)
    return folder / "x.pbtxt"


def graph(folder: Path, size: int, dials: Dials) -> Path:
    """A graph of constants that repeat, small nodes, or many inputs."""
    repeat = between(dials[0], 1, 1 << 30)
    values = b"\x3a\x01\1" if dials[1] < 0.5 else b"\x3a\x02\1\2"
    tensor = w.int_field(1, 4) + w.bytes_field(2, w.shape_proto([repeat])) + values
    attr = w.bytes_field(1, b"value") + w.bytes_field(2, w.bytes_field(8, tensor))
    inputs = between(dials[2], 1, 1000) - 1
    count = between(dials[3], 1, max(1, size // (40 + len(attr) + 5 * inputs)))
    nodes = b"".join(
        w.bytes_field(
            1,
            w.bytes_field(1, b"n%d" % i)
            + w.bytes_field(2, b"Const" if not inputs else b"AddN")
            + b"".join(w.bytes_field(3, b"n%d" % ((i * j + 1) % count)) for j in range(inputs))
            + w.bytes_field(5, attr),
        )
        for i in range(count)
    )
    (folder / "x.meta").write_bytes(w.bytes_field(2, nodes))
    return folder / "x.meta"


def names(folder: Path, size: int, dials: Dials) -> Path:
    """A folder of names that promise shards, each a file of a few bytes."""
    count = between(dials[0], 1, max(1, min(size // 60, 3000)))
    of = between(dials[1], 1, 99_999)
    kind = picked(dials[2], 0, 1, 2)
    for i in range(count):
        base = "a" if dials[3] < 0.5 else f"a{i}"
        number = i if kind == 0 else i % of
        ending = [f"-{number:05d}-of-{of:05d}", f".data-{number:05d}-of-{of:05d}", ".index"][kind]
        content = w.table([(b"", w.header(of) if kind else w.v1_meta([], None))])
        (folder / f"{base}{ending}").write_bytes(content)
    return folder


def state(folder: Path, size: int, dials: Dials) -> Path:
    """A state file of very many tokens."""
    token = [b"1,", b'"a",', b'"a"', b"@", b'all_model_checkpoint_paths:"a" ', b"#", b"{"]
    head = [b"all_model_checkpoint_timestamps:[", b"all_model_checkpoint_paths:[", b"", b'"']
    body = token[picked(dials[0], *range(len(token)))]
    text = b'model_checkpoint_path:"x"' + head[picked(dials[1], 0, 1, 2, 3)]
    line = b"\n" if dials[2] > 0.5 else b""
    (folder / "checkpoint").write_bytes(text + (body + line) * (size // len(body + line)))
    return folder


_CHECKPOINT = (
    ("ls", "{path}"),
    ("verify", "{path}"),
    ("verify", "{path}", "--json", "--level", "values"),
    ("show", "{path}", "w"),
    ("convert", "{path}", "{out}.npz"),
    ("convert", "{path}", "{out}/"),
)
_GRAPH = (
    ("meta", "{path}"),
    ("meta", "{path}", "--signatures", "--json"),
    ("graph", "{path}", "--dot"),
)
_FOLDER = (("ls", "{path}"), ("verify", "{path}", "--all"), ("convert", "{path}", "{out}.npz"))
KINDS: dict[str, tuple[Callable[[Path, int, Dials], Path], tuple[tuple[str, ...], ...]]] = {
    **{
        make.__name__: (make, _CHECKPOINT)
        for make in (overlaps, slices, corners, keys, variants, v1_values, v1_header)
    },
    **{make.__name__: (make, _GRAPH) for make in (graph_text, graph)},
    **{make.__name__: (make, _FOLDER) for make in (names, state)},
}
"""Each kind: how it is made, and the commands that meet it."""


class TooMuch(BaseException):
    """More work than is counted here."""


class Calls:
    """Counts the calls of Python and C functions, on all threads, in a block.

    Args:
        most: Ends the block with `TooMuch`.
    """

    def __init__(self, most: int) -> None:
        self.number, self._most = 0, most

    def _count(self, _frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self.number += 1
            if self.number > self._most:
                raise TooMuch

    def __enter__(self) -> Self:
        threading.setprofile(self._count)
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


@contextmanager
def quiet() -> Iterator[None]:
    """Send what the block prints nowhere."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as null:
        sys.stdout = sys.stderr = null
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def work_of(kind: str, size: int, dials: Dials, most: int) -> dict[str, tuple[int, int]]:
    """Make one, run its commands, and return the exit code and the calls of each.

    Raises:
        TooMuch: a command made more than `most` calls.
    """
    from tfckpt_reader.cli import main

    make, commands = KINDS[kind]
    done = {}
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "made")
        folder.mkdir()
        path = make(folder, size, dials)
        for number, command in enumerate(commands):
            words = [word.format(path=path, out=Path(top, f"out{number}")) for word in command]
            with quiet(), Calls(most) as calls:
                code = main(words)
            done[" ".join(command)] = code, calls.number
    return done
