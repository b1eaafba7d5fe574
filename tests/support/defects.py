"""Bad checkpoints, each made from a good one by naming the byte or the field that is changed.

Builders for the tests of `verify`: given a folder, each writes a checkpoint there and returns what
to verify.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from project import FIXTURES

from tfckpt_reader.verification.report import Problem, Report

INDEX, DATA = ".index", ".data-00000-of-00001"
FLOATS = np.array([1.5, -2.0, 3.0, 4.0], np.float32)
INTS = np.array([7, 8, 9], np.int32)
WORDS = w.Strings([b"ab", b"", b"xyz"], (3,))
GRID = np.arange(1, 13, dtype=np.int16).reshape(3, 4)
TILES = [[(0, 2), (0, 4)], [(2, 1), (0, 3)], [(2, 1), (3, 1)]]
Build = Callable[[Path], Path]


def good() -> dict[str, Any]:
    """Floats, ints, strings, and a tensor without a byte: what is said of it moves no data."""
    return {"f": FLOATS, "i": INTS, "s": WORDS, "zero": np.zeros((0, 2), np.int16)}


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for suffix, contents in files.items():
        Path(folder, f"p{suffix}").write_bytes(contents)
    return folder / "p"


def bundle(folder: Path, tensors: Mapping[str, Any] | None = None, **options: Any) -> Path:
    return put(folder, w.bundle_files(good() if tensors is None else tensors, **options))


def unmerged(folder: Path) -> Path:
    """Make a part of a save without the other part."""
    return renamed(bundle(folder), "part-00000-of-00002")


def renamed(prefix: Path, name: str) -> Path:
    """Give the files of a bundle another base name."""
    for file in list(prefix.parent.glob(f"{prefix.name}.*")):
        file.rename(file.with_name(name + file.name.removeprefix(prefix.name)))
    return prefix.with_name(name)


def edited(folder: Path, key: bytes, **fields: Any) -> Path:
    """The good bundle with these fields of one entry changed, sealed again."""
    return bundle(folder, edit_rows=lambda rows: w.edit_entry(rows, key, **fields))


def poke(prefix: Path, suffix: str, offset: int, flip: int = 1) -> Path:
    """Flip bits of one byte of a file."""
    path = Path(f"{prefix}{suffix}")
    contents = bytearray(path.read_bytes())
    contents[offset] ^= flip
    path.write_bytes(contents)
    return prefix


def cut(prefix: Path, suffix: str, lost: int) -> Path:
    """Take bytes from the end of a file."""
    path = Path(f"{prefix}{suffix}")
    os.truncate(path, path.stat().st_size - lost)
    return prefix


def rows_of(tensors: Mapping[str, Any]) -> w.Rows:
    """The rows of the index, sorted, header first."""
    found: w.Rows = []

    def take(rows: w.Rows) -> w.Rows:
        found.extend(rows)
        return rows

    w.bundle_files(tensors, edit_rows=take)
    return found


def in_blocks(folder: Path, *blocks: tuple[bytes, slice]) -> Path:
    """The good bundle, its rows put into blocks by hand: the separator, and which rows."""
    prefix, rows = bundle(folder), rows_of(good())
    sealed = [(separator, w.seal(w.block(rows[which]))) for separator, which in blocks]
    Path(f"{prefix}{INDEX}").write_bytes(w.assemble(sealed))
    return prefix


def as_index(folder: Path, contents: bytes) -> Path:
    """The good data file under another index."""
    prefix = bundle(folder)
    Path(f"{prefix}{INDEX}").write_bytes(contents)
    return prefix


def one_block() -> tuple[bytes, bytes]:
    """The good rows as one sealed block, with its separator."""
    return b"zz", w.seal(w.block(rows_of(good())))


def index_of(*handles: tuple[bytes, int, int]) -> bytes:
    """A sealed index block: separator, offset and size of each data block."""
    rows = [(separator, w.handle(offset, size)) for separator, offset, size in handles]
    return w.seal(w.block(rows, restart_interval=1))


def gap_in_index(folder: Path) -> Path:
    """Three bytes between the data block and the metaindex."""
    separator, sealed = one_block()
    index = index_of((separator, 0, len(sealed) - 5))
    return as_index(folder, w.assemble([(separator, sealed + b"???")], index=index))


def full_metaindex(folder: Path) -> Path:
    """A metaindex with a row in it, its crc right."""
    separator, sealed = one_block()
    meta = w.seal(w.block([(b"filter", b"\0\0")]))
    index = index_of((separator, 0, len(sealed) - 5))
    behind = len(sealed) + len(meta)
    footer = w.footer((len(sealed), len(meta) - 5), (behind, len(index) - 5))
    return as_index(folder, sealed + meta + index + footer)


def shared_block(folder: Path) -> Path:
    """An empty data block that is the metaindex, too."""
    separator, sealed = one_block()
    empty = w.seal(w.block([]))
    first, second = (separator, 0, len(sealed) - 5), (b"zzz", len(sealed), len(empty) - 5)
    index = index_of(first, second)
    footer = w.footer(second[1:], (len(sealed) + len(empty), len(index) - 5))
    return as_index(folder, sealed + empty + index + footer)


def metaindex_crc(folder: Path) -> Path:
    prefix = bundle(folder)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    empty = w.seal(w.block([]))
    return poke(prefix, INDEX, contents.rindex(empty) + len(empty) - 1)


def long_varint(prefix: Path, suffix: str = INDEX) -> Path:
    """The footer's last number with a group of zeros more: one bit, and the same value."""
    handles = Path(f"{prefix}{suffix}").read_bytes()[-48:-8].rstrip(b"\0")
    return poke(prefix, suffix, len(handles) - 1 - 48, 0x80)


def damaged_block(folder: Path) -> Path:
    """The block that has only the row of the empty tensor."""
    prefix = in_blocks(folder, (b"s", slice(4)), (b"zz", slice(4, None)))
    return poke(prefix, INDEX, Path(f"{prefix}{INDEX}").read_bytes().index(b"zero"))


def odd_block(folder: Path) -> Path:
    """The same block, of a compression that does not exist."""
    rows = rows_of(good())
    blocks = [(b"s", w.seal(w.block(rows[:4]))), (b"zz", w.seal(w.block(rows[4:]), kind=2))]
    return as_index(folder, w.assemble(blocks))


def block_past_end(folder: Path) -> Path:
    """An index block with one more entry, whose handle points past the end of the file."""
    separator, sealed = one_block()
    index = index_of((separator, 0, len(sealed) - 5), (b"zzz", 1 << 40, 100))
    return as_index(folder, w.assemble([(separator, sealed)], index=index))


def twice(folder: Path) -> Path:
    return bundle(folder, edit_rows=lambda rows: [*rows[:2], *rows[1:]])


def swapped(folder: Path) -> Path:
    return bundle(folder, edit_rows=lambda rows: [rows[0], rows[2], rows[1], *rows[3:]])


def out_of_order(folder: Path) -> Path:
    """`i` comes behind the block of `f`, `s` and `zero`, under a separator of its own."""
    prefix, rows = bundle(folder), rows_of(good())
    blocks = [[rows[0], rows[1], rows[3], rows[4]], [rows[2]]]
    sealed = [
        (mark, w.seal(w.block(part))) for mark, part in zip((b"zz", b"zzz"), blocks, strict=True)
    ]
    Path(f"{prefix}{INDEX}").write_bytes(w.assemble(sealed))
    return prefix


def of_zero(value: bytes) -> Build:
    """The entry of the tensor without bytes becomes `value`."""
    return lambda folder: bundle(folder, edit_rows=lambda rows: w.replace_row(rows, b"zero", value))


def zero_with(**fields: Any) -> Build:
    return lambda folder: edited(folder, b"zero", **fields)


def with_header(header: bytes) -> Build:
    return lambda folder: bundle(folder, header=header)


def sliced(folder: Path, edit: Callable[[w.Rows], w.Rows] | None = None) -> Path:
    return bundle(folder, {"g": w.Sliced(GRID, TILES)}, edit_rows=edit)


def overlapping(folder: Path) -> Path:
    return bundle(folder, {"g": w.Sliced(GRID, [[(0, 2), (0, 4)], [(1, 2), (0, 4)]])})


def lost_piece(folder: Path) -> Path:
    """The last piece has no row; its two bytes, the last of the file, go too."""
    lost = w.slice_key(b"g", TILES[2])
    return cut(sliced(folder, lambda rows: w.replace_row(rows, lost, None)), DATA, 2)


def odd_piece(folder: Path) -> Path:
    """A piece whose row has the right size and another shape."""
    key = w.slice_key(b"g", TILES[1])
    return sliced(folder, lambda rows: w.edit_entry(rows, key, shape=w.shape_proto((3, 1))))


def stray_piece(folder: Path) -> Path:
    row = w.slice_key(b"nobody", [(0, 1)]), w.entry(5, (0,), crc=w.mask(w.crc(b"")))
    return bundle(folder, edit_rows=lambda rows: sorted([*rows, row]))


def without(folder: Path, *suffixes: str, **options: Any) -> Path:
    prefix = bundle(folder, **options)
    for suffix in suffixes:
        Path(f"{prefix}{suffix}").unlink()
    return prefix


def same_bytes(folder: Path) -> Path:
    """Two entries of the same place and crc."""
    return bundle(folder, edit_rows=lambda rows: [*rows, (b"zzz", dict(rows)[b"f"])])


def one_shared_byte(folder: Path) -> Path:
    """Two tensors of four bytes each, in seven."""
    data = bytes(range(1, 8))
    rows: w.Rows = [(b"", w.header())]
    for name, offset in ((b"a", 0), (b"b", 3)):
        place = {"offset": offset, "size": 4, "crc": w.mask(w.crc(data[offset : offset + 4]))}
        rows.append((name, w.entry(4, (4,), **place)))
    return put(folder, {INDEX: w.table(rows), DATA: data})


def between(filler: bytes) -> Build:
    """One byte between two tensors, and none behind the second."""
    tensors = {"a": np.array([1, 2, 3], np.int8), "b": FLOATS}
    return lambda folder: bundle(folder, tensors, alignment=4, filler=filler)


def with_file(suffix: str, contents: bytes) -> Build:
    return lambda folder: put(folder, {**w.bundle_files(good()), suffix: contents})


def raw(dtype: int, shape: tuple[int, ...], payload: bytes, crc: int | None = None) -> Build:
    return lambda folder: bundle(folder, {"t": w.Raw(dtype, shape, payload, crc)})


def longer_strings(folder: Path) -> Path:
    """12 bytes of strings, 4 of padding, and an entry that claims them all."""
    tensors = {"s": WORDS, "t": FLOATS}
    edit: Callable[[w.Rows], w.Rows] = lambda rows: w.edit_entry(rows, b"s", size=16)  # noqa: E731
    return bundle(folder, tensors, alignment=8, edit_rows=edit)


def longer_variant(folder: Path) -> Path:
    payload, crc = w.variant_payload([(b"T", b"", [])])
    return raw(w.VARIANT, (1,), payload + b"??", crc)(folder)


def longer_nothing(folder: Path) -> Path:
    """No string at all: 4 bytes of checksum, and 2 that are not part of it."""
    payload, crc = w.string_payload([])
    return raw(w.STRING, (0,), payload + b"??", crc)(folder)


def v1(folder: Path, tensors: Mapping[str, Any] | None = None, **options: Any) -> Path:
    w.write_v1(folder / "p", {"f": FLOATS, "i": INTS} if tensors is None else tensors, **options)
    return folder / "p"


def v1_shards(folder: Path) -> Path:
    w.write_v1_shards(folder / "p", {"f": FLOATS, "i": INTS}, shards=2)
    return folder / "p"


def v1_rows(edit: Callable[[w.Rows], w.Rows]) -> Build:
    return lambda folder: v1(folder, edit_rows=edit)


def v1_meta(*tensors: bytes, versions: bytes | None = None) -> Build:
    """The header lists these instead of what is there."""
    value = w.v1_meta(tensors, w.version_def() if versions is None else versions)
    return v1_rows(lambda rows: w.replace_row(rows, b"", value))


def v1_hole(folder: Path) -> Path:
    """A slice of four rows, and a header that counts five."""
    value = w.v1_meta([w.v1_tensor(b"f", (5,), 1, [[(0, 4)]])], w.version_def())
    tensors = {"f": w.Sliced(FLOATS, [[(0, 4)]])}
    return v1(folder, tensors, edit_rows=lambda rows: w.replace_row(rows, b"", value))


def v1_without_shard(folder: Path) -> Path:
    prefix = v1_shards(folder)
    Path(f"{prefix}-00001-of-00002").unlink()
    return prefix


def saved_model(folder: Path, fingerprint: bytes) -> Path:
    """A SavedModel's variables, and beside them a fingerprint: by default it is right."""
    (folder / "variables").mkdir()
    (folder / "fingerprint.pb").write_bytes(fingerprint)
    for suffix, contents in w.bundle_files(good()).items():
        (folder / "variables" / f"variables{suffix}").write_bytes(contents)
    return folder / "variables" / "variables"


def real_model(folder: Path, *, edit: Callable[[bytes], bytes] = bytes) -> Path:
    """A SavedModel that TensorFlow wrote, its fingerprint edited."""
    shutil.copytree(FIXTURES / "saved_model", folder / "model")
    path = folder / "model" / "fingerprint.pb"
    path.write_bytes(edit(path.read_bytes()))
    return folder / "model"


def folder_for_fingerprint(folder: Path) -> Path:
    model = real_model(folder)
    (model / "fingerprint.pb").unlink()
    (model / "fingerprint.pb").mkdir()
    return model


def with_hash(change: int) -> Callable[[bytes], bytes]:
    """Flip bits of the hash of the index: field 5 is a varint of ten bytes at most."""

    def edit(contents: bytes) -> bytes:
        at = contents.index(b"\x28") + 1
        return contents[:at] + bytes([contents[at] ^ change]) + contents[at + 1 :]

    return edit


SAVED: dict[str, np.ndarray[Any, Any]] = {
    "global_step": np.array(7, np.int64),
    "v1": np.linspace(1, 2, 784 * 200, dtype=np.float32).reshape(784, 200),
    "v2": np.linspace(1, 2, 200, dtype=np.float32),
    "v3": np.linspace(1, 2, 100, dtype=np.float32),
}
"""What the .meta of the fixture saver_tf1 restores."""
SAVED_NAMES = tuple(SAVED)


def with_meta(folder: Path, *names: str, graph: bytes | None = None, **others: Any) -> Path:
    """Tensors of these names beside the graph of a Saver, or beside these bytes."""
    if graph is None:
        graph = (FIXTURES / "saver_tf1" / "model.ckpt-1.meta").read_bytes()
    prefix = bundle(folder, {n: others.get(n, SAVED.get(n, INTS)) for n in names or SAVED})
    Path(f"{prefix}.meta").write_bytes(graph)
    return prefix


def v1_with_meta(folder: Path, *names: str) -> Path:
    prefix = v1(folder, {name: SAVED.get(name, INTS) for name in names})
    shutil.copy(FIXTURES / "saver_tf1" / "model.ckpt-1.meta", f"{prefix}.meta")
    return prefix


VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def objects(
    folder: Path, *keys: str, graph: bytes | None = None, tensors: Mapping[str, Any] | None = None
) -> Path:
    """A checkpoint of objects: a graph that names these keys, or these bytes, and some tensors."""
    nodes = [
        w.bytes_field(2, w.bytes_field(1, b"VARIABLE_VALUE") + w.bytes_field(3, key.encode()))
        for key in keys
    ]
    stored = b"".join(w.bytes_field(1, node) for node in nodes) if graph is None else graph
    return bundle(
        folder, {"_CHECKPOINTABLE_OBJECT_GRAPH": w.Strings([stored], ()), **(tensors or {})}
    )


def numbers(*values: float) -> Build:
    """A grid of floats, the first of them these."""
    grid = np.linspace(1, 2, 12, dtype=np.float32)
    grid[: len(values)] = values
    return lambda folder: bundle(folder, {"g": grid.reshape(3, 4), "i": INTS})


def filled(value: float, dtype: Any = np.float32) -> Build:
    return lambda folder: bundle(folder, {"g": np.full((3, 4), value, dtype), "i": INTS})


WHOLE = [(0, -1)]
F_META = w.v1_tensor(b"f", (4,), 1, [WHOLE])
I_META = w.v1_tensor(b"i", (3,), 3, [WHOLE])
F_KEY = w.slice_key(b"f", WHOLE)
OTHER_SLICE = w.v1_data(b"f", [(0, 4)], w.tensor_proto(FLOATS))
NO_SLICE = w.bytes_field(
    2, w.bytes_field(1, b"f") + w.bytes_field(2, b"\xff") + w.bytes_field(3, w.tensor_proto(FLOATS))
)
SHORT_ROW = w.v1_data(b"f", WHOLE, w.tensor_proto(FLOATS[:3]))


# What only a search through folders comes upon.


def at(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state(folder: Path, newest: str, *kept: str) -> Path:
    """A state file that names these checkpoints."""
    lines = [f'model_checkpoint_path: "{newest}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in kept]
    Path(folder, "checkpoint").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def with_state(*names: str) -> Build:
    """A folder with the checkpoint `p`, and a state file that names these."""

    def build(folder: Path) -> Path:
        bundle(folder)
        return state(folder, *names)

    return build


def empty_state(folder: Path) -> Path:
    bundle(folder)
    Path(folder, "checkpoint").write_bytes(b"")
    return folder


def without_index(folder: Path) -> Path:
    without(folder, INDEX)
    return folder


def without_variables(folder: Path) -> Path:
    shutil.rmtree(real_model(folder) / "variables")
    return folder


def pipe_for_index(folder: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(f"{without(folder, INDEX)}{INDEX}")
    return folder


def folder_for_data(folder: Path) -> Path:
    prefix = without(folder, DATA)
    Path(f"{prefix}{DATA}").mkdir()
    return prefix


def pipe_for_data(folder: Path) -> Path:
    prefix = without(folder, DATA)
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(f"{prefix}{DATA}")
    return prefix


def too_deep(folder: Path) -> Path:
    """A checkpoint, and a folder whose path is longer than a system call takes."""
    if os.open not in os.supports_dir_fd:
        pytest.skip("no folder can be made from within another here")
    bundle(folder)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return folder


def refusing(monkeypatch: pytest.MonkeyPatch, *ends: str) -> None:
    """Files of such names cannot be opened; root, who runs many a test, could."""
    really, plainly = os.open, open

    def refuse(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith(ends):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *arguments, **more)

    def refuse_too(path: Any, *arguments: Any, **more: Any) -> Any:
        if str(path).endswith(ends):
            raise PermissionError(13, "Permission denied", path)
        return plainly(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr("builtins.open", refuse_too)


# What came of it.


def codes(report: Report) -> list[str]:
    return [problem.code for problem in report.problems]


def only(report: Report) -> Problem:
    assert len(report.problems) == 1, "\n".join(map(str, report.problems))
    return report.problems[0]


def shown(report: Report) -> str:
    return "\n".join([str(report), *map(str, report.problems)])


# Sound ones.


def checkpoints() -> Iterator[Path]:
    """Every checkpoint of the fixtures: V2 by its index, V1 by its file or first shard."""
    for index in sorted(FIXTURES.rglob("*.index")):
        yield index.with_suffix("")
    for path in sorted(FIXTURES.glob("v1*/*")):
        if path.name != "checkpoint" and path.suffix != ".meta":
            yield path
