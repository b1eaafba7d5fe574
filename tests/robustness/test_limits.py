"""Files that ask for too much: each ends in an answer or one of our errors, in little memory.

A child process reads them under 1 GiB of address space and a generous limit of processor time; it
must end well, whatever is in the file. Linux alone keeps such limits.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from project import ROOT
from sparse_files import small, write_block, write_index, write_sparse

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
    pytest.mark.slow,
]

MEMORY = 1 << 30
SECONDS = 240


DATA = ".data-00000-of-00001"
CHILD = """
import json, resource, sys, tempfile
import numpy as np
import tfckpt_reader as tfckpt

path, memory, seconds, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
opened = []

def ckpt():
    if not opened:
        opened.append(tfckpt.open(path))
    return opened[0]

def check(name):
    reader, spec = ckpt().reader, ckpt().specs[name]
    if reader.version == "V1":
        return reader.check(spec)
    for segment in reader.segments(spec):
        reader.layout(segment).check(segment)

def summed(array):
    return [list(array.shape), repr(array.reshape(-1)[-1]) if array.size else ""]

def verified(report):
    return [report.ok, sorted({problem.severity for problem in report.problems})]

def convert(_):
    with tempfile.TemporaryDirectory() as folder:
        return len(tfckpt.convert(path, folder + "/out.npz").written)

steps_by_name = {
    "open": lambda _: repr(ckpt()),
    "list": lambda _: len(list(ckpt())),
    "get": lambda name: summed(ckpt()[name]),
    "variant": lambda name: [list(tensor.shape) for v in ckpt()[name].flat for tensor in v.tensors],
    "rows": lambda name: summed(ckpt().read(name, rows=slice(-2, None))),
    "check": check,
    "stream": lambda name: sum(map(len, ckpt().reader.chunks(ckpt().specs[name]))),
    "verify": lambda _: verified(tfckpt.verify(path)),
    "convert": convert,
}
for step in steps:
    verb, _, name = step.partition(":")
    try:
        answer = steps_by_name[verb](name)
        said = {"answer": answer}
    except tfckpt.CheckpointError as error:
        said = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps(said), flush=True)
"""


class Said:
    """The result of a step: an answer, or one of our errors."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.answer = said.get("answer")
        self.error: str | None = said.get("error")
        self.text: str = said.get("text", "")

    @property
    def rows(self) -> int:
        """Of the array that was read."""
        assert self.answer is not None
        return int(self.answer[0][0])

    def __repr__(self) -> str:
        return f"{self.error}: {self.text}" if self.error else repr(self.answer)


def limited(path: Path, *steps: str, memory: int = MEMORY) -> list[Said]:
    """Take the steps in a child process. It must come to its end, and only our errors may leave."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    # Each thread of a numerical library takes address space.
    env = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(memory), str(SECONDS), *steps],
        capture_output=True,
        text=True,
        env=env,
        timeout=4 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr[-2000:]}"
    return [Said(json.loads(line)) for line in done.stdout.splitlines()]


# The table.


@pytest.mark.parametrize("count", [20_000, pytest.param(10**6, marks=pytest.mark.slow)])
def test_many_entries(tmp_path: Path, count: int) -> None:
    rows = [(b"", w.header()), *((b"n%07d/kernel" % i, small()) for i in range(count))]
    prefix = write_index(tmp_path / "x", rows)
    get, listed, missing, verified = limited(
        prefix, "get:n0000077/kernel", "list", "get:m0000077/kernel", "verify"
    )
    assert get.answer is not None
    assert get.answer[0] == [2]
    assert listed.answer == count or listed.error == "UnsupportedError"
    assert missing.error in ("TensorNotFoundError", "UnsupportedError")
    assert verified.answer is not None
    assert verified.answer[0] is False  # all lie on the same bytes


@pytest.mark.parametrize("compress", [False, True])
def test_keys_that_share_a_long_prefix(tmp_path: Path, compress: bool) -> None:
    """2 MB that stand for 6.5 GB of keys."""
    value, long = small(), b"k" * 65536
    first = w.varint(0) + w.varint(len(long) + 4) + w.varint(len(value)) + long + bytes(4) + value
    head = w.varint(65536) + w.varint(4) + w.varint(len(value))
    others = b"".join(head + struct.pack(">I", i) + value for i in range(1, 100_000))
    header = w.header()
    entries = b"\0\0" + w.varint(len(header)) + header + first + others
    prefix = write_block(tmp_path / "x", entries + struct.pack("<II", 0, 1), compress=compress)
    listed, verified, converted = limited(prefix, "list", "verify", "convert")
    assert listed.error == "UnsupportedError"
    assert converted.error == "UnsupportedError"
    assert verified.answer is not None
    assert verified.answer[0] is False


@pytest.mark.parametrize("count", [10**5, pytest.param(10**6, marks=pytest.mark.slow)])
def test_one_block_many_times(tmp_path: Path, count: int) -> None:
    """An index block that names the same data block again and again."""
    data = w.seal(w.block([(b"", w.header()), (b"x", small())]))
    handle = w.handle(0, len(data) - 5)
    index = w.block([(b"y", handle)] * count, restart_interval=1000)
    prefix = tmp_path / "x"
    Path(f"{prefix}.index").write_bytes(w.assemble([(b"", data)], index=w.seal(index)))
    Path(f"{prefix}{DATA}").write_bytes(bytes(8))
    get, listed, verified = limited(prefix, "get:x", "list", "verify")
    assert get.answer is not None
    assert listed.error == "CorruptCheckpointError"
    assert "overlap" in listed.text
    assert verified.answer is not None
    assert verified.answer[0] is False


def snappy_bomb(size: int) -> bytes:
    """A valid snappy stream of zeros: a literal byte, and copies of 64 bytes from 1 byte back."""
    return w.varint(size) + b"\0\0" + b"\xfe\1\0" * ((size - 1) // 64) + bytes(0)


@pytest.mark.parametrize("index", [False, True])
def test_snappy_expands_beyond_memory(tmp_path: Path, index: bool) -> None:
    """56 MB, validly compressed, that expand to 1.2 GB: an error, not the end of the process."""
    size = 64 * 18_750_000 + 1
    bomb = snappy_bomb(size)
    assert len(bomb) < 57_000_000
    prefix = tmp_path / "x"
    sealed = w.seal(bomb, kind=1)
    table = w.assemble([], index=sealed) if index else w.assemble([(b"~", sealed)])
    Path(f"{prefix}.index").write_bytes(table)
    opened, verified = limited(prefix, "open", "verify")
    assert opened.error == "UnsupportedError"
    assert verified.answer is not None
    assert verified.answer[0] is False


def test_snappy_expands_to_memory(tmp_path: Path) -> None:
    """10 MB that expand to 200 MB of nothing: there is room, but no block comes out."""
    prefix = write_block(tmp_path / "x", snappy_bomb(64 * 3_000_000 + 1), kind=1)
    (opened,) = limited(prefix, "open")
    assert opened.error == "CorruptCheckpointError"


def test_many_snappy_bombs(tmp_path: Path) -> None:
    """60 blocks of 1 MB, each 21 MB of one value; a value of each may be kept, not each block."""
    zeros = bytes(20 << 20)
    blocks = [(b"", w.seal(w.block([(b"", w.header())])))]
    for i in range(60):
        value = small() + w.bytes_field(99, zeros)
        blocks.append((b"n%02d" % i, w.seal(w.block([(b"n%02d" % i, value)]), compress=True)))
    prefix = tmp_path / "x"
    Path(f"{prefix}.index").write_bytes(w.assemble(blocks))
    Path(f"{prefix}{DATA}").write_bytes(bytes(8))
    listed, get, verified = limited(prefix, "list", "get:n07", "verify")
    assert listed.answer == 60 or listed.error == "UnsupportedError"
    assert get.answer is not None
    assert verified.answer is not None


# Messages.


WIDE: dict[str, Callable[[], bytes]] = {
    "unknown fields": lambda: small() + b"\x50\1" * 10**6,
    "unknown groups, deep": lambda: small() + b"\x53" * 10**6 + b"\x54" * 10**6,
    "axes": lambda: w.int_field(1, 1) + w.bytes_field(2, b"\x12\0" * 10**6),
    "shapes": lambda: w.int_field(1, 1) + b"\x12\0" * 10**6,
    "slices": lambda: w.int_field(1, 1) + b"\x3a\0" * 30_000,
    "extents": lambda: w.int_field(1, 1) + w.bytes_field(7, b"\x0a\0" * 10**5),
    "scalars again and again": lambda: small() + w.int_field(4, 0) * 10**6,
}


@pytest.mark.parametrize("kind", WIDE)
def test_wide_entry(tmp_path: Path, kind: str) -> None:
    prefix = write_index(tmp_path / "x", [(b"", w.header()), (b"x", WIDE[kind]())])
    listed, got, verified = limited(prefix, "list", "get:x", "verify")
    harmless = kind in ("unknown fields", "scalars again and again")
    assert (got.error is None) == harmless
    assert listed.answer in (1, None)
    assert verified.answer is not None
    assert verified.answer[0] == harmless


def test_wide_headers(tmp_path: Path) -> None:
    wide = w.header(bad_consumers=[3] * 10**6)
    prefix = write_index(tmp_path / "x", [(b"", wide), (b"x", small())])
    (got,) = limited(prefix, "get:x")
    assert got.answer is not None
    w.write_v1(tmp_path / "v1", {}, versions=w.version_def(bad_consumers=[3] * 10**6))
    (listed,) = limited(tmp_path / "v1", "list")
    assert listed.answer == 0


# Slices.


def sliced_rows(count: int) -> list[tuple[bytes, bytes]]:
    """A vector in slices of one element, all on the same four bytes."""
    pieces = [[(i, 1)] for i in range(count)]
    rows = [(w.slice_key(b"p", piece), small((1,))) for piece in pieces]
    return sorted([(b"", w.header()), *rows, (b"p", w.entry(1, (count,), slices=pieces))])


@pytest.mark.parametrize("block_size", [1 << 18, 1 << 40])
@pytest.mark.parametrize("count", [5_000, pytest.param(10**6, marks=pytest.mark.slow)])
def test_many_slices(tmp_path: Path, count: int, block_size: int) -> None:
    """In small blocks, and in a single one, which must not be read anew for each."""
    prefix = write_index(tmp_path / "x", sliced_rows(count), block_size=block_size)
    got, listed, rows = limited(prefix, "get:p", "list", "rows:p")
    for said, shape in ((got, count), (rows, 2)):
        assert said.error == "UnsupportedError" or said.rows == shape
    assert listed.answer == 1 or listed.error == "UnsupportedError"


@pytest.mark.parametrize("block_size", [1 << 18, 1 << 40])
def test_many_slices_streamed(tmp_path: Path, block_size: int) -> None:
    prefix = write_index(tmp_path / "x", sliced_rows(5_000), block_size=block_size)
    streamed, verified, converted = limited(prefix, "stream:p", "verify", "convert")
    assert streamed.answer == 20_000
    assert verified.answer is not None
    assert converted.answer == 1


def test_slices_of_many_axes(tmp_path: Path) -> None:
    """A slice that is cut along 30 axes has 2^30 corners."""
    pieces = [[(0, 1)] * 30, [(1, 1)] * 30]
    rows = [(w.slice_key(b"p", piece), small((1,) * 30)) for piece in pieces]
    full = (b"p", w.entry(1, (2,) * 30, slices=pieces))
    prefix = write_index(tmp_path / "x", [(b"", w.header()), *rows, full])
    got, rows_of, verified = limited(prefix, "get:p", "rows:p", "verify")
    assert got.error in ("UnsupportedError", "CorruptCheckpointError")
    assert rows_of.error in ("UnsupportedError", "CorruptCheckpointError")
    assert verified.answer is not None
    assert verified.answer[0] is False


def test_slices_of_a_huge_tensor(tmp_path: Path) -> None:
    """4 TB in two slices, of which neither is there."""
    shape = (1 << 20, 1 << 20)
    pieces = [[(0, 1 << 19), (0, -1)], [(1 << 19, 1 << 19), (0, -1)]]
    half = w.entry(1, (1 << 19, 1 << 20), size=1 << 41)
    rows = [(w.slice_key(b"p", piece), half) for piece in pieces]
    prefix = write_index(
        tmp_path / "x", [(b"", w.header()), *rows, (b"p", w.entry(1, shape, slices=pieces))]
    )
    got, row, verified, converted = limited(prefix, "get:p", "rows:p", "verify", "convert")
    for said in (got, row, converted):
        assert said.error == "TruncatedError"
    assert verified.answer is not None
    assert verified.answer[0] is False


@pytest.mark.parametrize("block_size", [1 << 18, 1 << 40])
@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_v1_slices(tmp_path: Path, count: int, block_size: int) -> None:
    tensors: dict[str, Any] = {
        "p": w.Sliced(np.arange(count, dtype=np.float32), [[(i, 1)] for i in range(count)])
    }
    w.write_v1(tmp_path / "v1", tensors, block_size=block_size)
    got, rows, streamed, verified = limited(
        tmp_path / "v1", "get:p", "rows:p", "stream:p", "verify"
    )
    assert got.answer is not None
    assert got.answer[0] == [count]
    assert rows.answer is not None
    assert streamed.answer == 4 * count
    assert verified.answer is not None
    assert verified.answer[0] is True


def test_many_v1_tensors(tmp_path: Path) -> None:
    """A header that lists 20,000 tensors of which none is there."""
    metas = [w.v1_tensor(b"n%06d" % i, (1 << 40,), 1, [[(0, -1)]]) for i in range(20_000)]
    (tmp_path / "v1").write_bytes(w.table([(b"", w.v1_meta(metas, None))]))
    listed, got, verified = limited(tmp_path / "v1", "list", "get:n000007", "verify")
    assert listed.answer == 20_000
    assert got.error == "CorruptCheckpointError"
    assert verified.answer is not None
    assert verified.answer[0] is False


# Data.


@pytest.mark.parametrize("meta", [b"", w.bytes_field(1, b"a")])
def test_v1_header_of_equal_tensors(tmp_path: Path, meta: bytes) -> None:
    """A few hundred KB that name 3 million tensors without a row."""
    header = w.bytes_field(1, w.bytes_field(1, meta) * 3_000_000)
    (tmp_path / "x").write_bytes(
        w.assemble([(b"~", w.seal(w.block([(b"", header)]), compress=True))])
    )
    opened, verified = limited(tmp_path / "x", "open", "verify")
    assert opened.error == "UnsupportedError"
    assert verified.answer is not None
    assert verified.answer[0] is False


def test_strings_that_are_not_there(tmp_path: Path) -> None:
    for count in (1 << 30, 1 << 40, 1 << 62):
        entry = w.entry(7, (count,), size=8)
        prefix = write_index(tmp_path / f"x{count}", [(b"", w.header()), (b"x", entry)])
        got, rows, verified = limited(prefix, "get:x", "rows:x", "verify")
        assert got.error == "CorruptCheckpointError"
        assert rows.error == "CorruptCheckpointError"
        assert verified.answer is not None
        assert verified.answer[0] is False


@pytest.mark.parametrize("power", [pytest.param(27, marks=pytest.mark.slow), 40])
def test_strings_in_a_sparse_file(tmp_path: Path, power: int) -> None:
    """As many empty strings as the file has zeros."""
    count = 1 << power
    entry = w.entry(7, (count,), size=count + 4)
    prefix = write_sparse(tmp_path / "x", count + 4, entry)
    got, rows, checked, verified = limited(prefix, "get:x", "rows:x", "check:x", "verify")
    for said in (got, rows, checked):
        assert said.error in ("UnsupportedError", "ChecksumError")
    assert verified.answer is not None
    assert verified.answer[0] is False


def test_variant_bomb(tmp_path: Path) -> None:
    """1,000 variants in 30 KB, each a tensor of 2^26 elements that one value stands for."""
    shape = w.bytes_field(2, w.shape_proto((1 << 26,)))
    tensors = {
        "values": w.int_field(1, 1) + shape + w.fixed32_field(5, 1),
        "zeros": w.int_field(1, 1) + shape,
        "two": w.int_field(1, 1) + shape + w.fixed32_field(5, 1) * 2,
        "strings": w.int_field(1, 7) + shape + w.bytes_field(8, b"s"),
        "bools": w.int_field(1, 10) + shape + w.int_field(11, 1),
    }
    variants = {k: w.Variants([(b"t", b"", [t])] * 1000, (1000,)) for k, t in tensors.items()}
    w.write_bundle(tmp_path / "x", variants)
    *got, verified = limited(tmp_path / "x", *(f"variant:{k}" for k in tensors), "verify")
    for said in got:
        assert said.error == "UnsupportedError" or said.answer == [[1 << 26]] * 1000
    assert verified.answer is not None


def test_far_offset(tmp_path: Path) -> None:
    """A tensor at the end of a shard of a terabyte."""
    right = np.arange(4, dtype=np.float32).tobytes()
    offset = (1 << 40) + 3
    entry = w.entry(1, (4,), offset=offset, size=16, crc=w.mask(w.crc(right)))
    prefix = write_sparse(tmp_path / "x", offset, entry, right)
    got, rows, checked, streamed = limited(prefix, "get:x", "rows:x", "check:x", "stream:x")
    assert got.answer is not None
    assert got.answer[0] == [4]
    assert "3.0" in got.answer[1]
    assert rows.answer is not None
    assert rows.answer[0] == [2]
    assert checked.error is None
    assert streamed.answer == 16


def test_zeros_of_a_terabyte(tmp_path: Path) -> None:
    """Only the rows asked for are read; all of it is more than there is memory for."""
    count = 1 << 38
    entry = w.entry(1, (count // 4, 4), size=4 * count)
    prefix = write_sparse(tmp_path / "x", 4 * count, entry)
    got, rows = limited(prefix, "get:x", "rows:x")
    assert got.error == "UnsupportedError"
    assert rows.answer is not None
    assert rows.answer[0] == [2, 4]


@pytest.mark.slow
def test_more_than_4_gib(tmp_path: Path) -> None:
    """A tensor of 5 GiB, its crc right: sums and streams need no memory to speak of."""
    size, zeros, crc = 5 << 30, bytes(1 << 24), 0
    for _ in range(size // len(zeros)):
        crc = w.crc(zeros, crc)
    entry = w.entry(4, (5, 1 << 30), size=size, crc=w.mask(crc))
    prefix = write_sparse(tmp_path / "x", size, entry)
    got, rows, checked, streamed, verified = limited(
        prefix, "get:x", "rows:x", "check:x", "stream:x", "verify"
    )
    assert got.error == "UnsupportedError"
    assert rows.error == "UnsupportedError"  # two rows of a GiB each
    assert checked.error is None
    assert streamed.answer == size
    assert verified.answer is not None
    assert verified.answer[0] is True


def test_one_range_for_many_tensors(tmp_path: Path) -> None:
    """1,000 tensors on the same 16 MiB."""
    size = 16 << 20
    data = bytes(size)
    value = w.entry(1, (size // 4,), size=size, crc=w.mask(w.crc(data)))
    rows = [(b"", w.header()), *((b"n%05d" % i, value) for i in range(1_000))]
    prefix = write_index(tmp_path / "x", rows)
    Path(f"{prefix}{DATA}").write_bytes(data)
    listed, verified = limited(prefix, "list", "verify")
    assert listed.answer == 1_000
    assert verified.answer is not None
    assert verified.answer[0] is False


# State files.


STATES: dict[str, bytes] = {
    "timestamps": b'model_checkpoint_path: "ck"\nall_model_checkpoint_timestamps: ['
    + b"0," * (8 << 20)
    + b"0]",
    "paths": b'model_checkpoint_path: "ck"\n' + b'all_model_checkpoint_paths: "a"\n' * 30_000,
    "deep": b"a {" * 10**5,
    "deep unknown": b'model_checkpoint_path: "ck"\n' + b"a { " * 10**4 + b"} " * 10**4,
    "literals": b"model_checkpoint_path: " + b'"" ' * 300_000,
    "blank": b"\n" * (1 << 24),
    "one line": b"x" * (100 << 20),
    "escapes": b'model_checkpoint_path: "' + b"\\001" * 250_000 + b'"',
}


@pytest.mark.parametrize("kind", STATES)
def test_state_file(tmp_path: Path, kind: str) -> None:
    w.write_bundle(tmp_path / "ck", {"x": np.ones(2, np.float32)})
    (tmp_path / "checkpoint").write_bytes(STATES[kind])
    by_folder, by_file = limited(tmp_path, "list"), limited(tmp_path / "checkpoint", "list")
    for said in (*by_folder, *by_file):
        assert said.answer == 1 or said.error is not None
        assert len(said.text) < 4000
