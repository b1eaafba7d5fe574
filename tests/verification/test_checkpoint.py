"""Every kind of damage is found and rightly named, and nothing is said of what is sound.

Every code alone is in test_code_matrix.py; here is what a problem says, and what of two defects.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import (
    DATA,
    FLOATS,
    GRID,
    INDEX,
    INTS,
    SAVED_NAMES,
    TILES,
    VALUE,
    WORDS,
    Build,
    between,
    bundle,
    checkpoints,
    codes,
    edited,
    good,
    objects,
    odd_piece,
    only,
    overlapping,
    poke,
    put,
    real_model,
    refusing,
    same_bytes,
    shown,
    swapped,
    v1,
    v1_shards,
    v1_with_meta,
    with_file,
    with_hash,
    with_meta,
    without,
)
from project import FIXTURES
from sparse_files import linux_only, sparse_bundle

import tfckpt_reader as tfckpt
from tfckpt_reader import verify
from tfckpt_reader.storage import local as storage
from tfckpt_reader.storage import workers as crew
from tfckpt_reader.verification import findings
from tfckpt_reader.verification.checks import restored_keys, table_blocks
from tfckpt_reader.verification.report import Report


@pytest.mark.parametrize("count", [0, -1])
def test_impossible_shard_count(count: int, tmp_path: Path) -> None:
    assert codes(verify(bundle(tmp_path, header=w.header(count)))) == ["TFC202"]


def test_huge_shard_count(tmp_path: Path) -> None:
    # As after a merge with bundles that had no tensors: the file is there under a smaller count.
    assert codes(verify(bundle(tmp_path, header=w.header(1 << 30)))) == ["TFC307"]


def test_index_without_rows(tmp_path: Path) -> None:
    report = verify(bundle(tmp_path, edit_rows=lambda _: []))
    assert not report.ok
    assert report.tensors == 0


@pytest.mark.parametrize("size", range(1, 48))
def test_index_shorter_than_a_footer(size: int, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    contents = Path(f"{prefix}{INDEX}").read_bytes()
    Path(f"{prefix}{INDEX}").write_bytes(contents[-size:])  # the magic may be there
    report = verify(prefix)
    assert codes(report) == ["TFC101"]
    assert (report.version, report.tensors, report.nbytes) == ("V2", 0, 0)


def test_crc_names_tensor_file_and_place(tmp_path: Path) -> None:
    contents = FLOATS.tobytes()
    problem = only(verify(poke(bundle(tmp_path), DATA, 5)))
    changed = contents[:5] + bytes([contents[5] ^ 1]) + contents[6:]
    assert problem.tensor == "f"
    assert problem.file == str(tmp_path / f"p{DATA}")
    assert problem.offset == 0
    assert problem.expected == f"{w.mask(w.crc(contents)):#010x}"
    assert problem.got == f"{w.mask(w.crc(changed)):#010x}"


def test_short_file_names_every_tensor_that_is_lost(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    os.truncate(f"{prefix}{DATA}", 18)  # `f` has the first 16
    report = verify(prefix)
    assert set(codes(report)) == {"TFC302"}
    assert [p.tensor for p in report.problems] == ["i", "s", "zero"]
    assert {p.got for p in report.problems} == {"18 bytes"}
    assert report.problems[0].expected == "a file of at least 28 bytes"


def test_missing_file_is_one_problem_and_counts_its_tensors(tmp_path: Path) -> None:
    report = verify(without(tmp_path, DATA))
    problem = only(report)
    assert problem.file == str(tmp_path / f"p{DATA}")
    assert problem.tensor is None
    assert "4 tensors" in problem.what


def test_missing_v1_shards_are_told(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "p", {f"t{i}": FLOATS for i in range(5)}, shards=5)
    for lost in (1, 4):
        (tmp_path / f"p-{lost:05d}-of-00005").unlink()
    report = verify(tmp_path / "p")
    problem = only(report)
    assert problem.code == "TFC301"
    assert {"1", "4", "5"} <= set(re.findall(r"\d+", problem.what))  # 1 and 4 of 5
    assert report.tensors == 3


def test_nothing_of_v1_is_left(tmp_path: Path) -> None:
    v1_shards(tmp_path)
    for shard in range(2):
        poke(tmp_path / "p", f"-{shard:05d}-of-00002", 3)
    report = verify(tmp_path / "p")
    assert codes(report) == ["TFC104", "TFC104"]
    assert (report.version, report.tensors, report.nbytes) == ("V1", 0, 0)


def test_a_directory_for_a_data_file_is_one_problem(tmp_path: Path) -> None:
    prefix = without(tmp_path, DATA)
    Path(f"{prefix}{DATA}").mkdir()
    problem = only(verify(prefix))
    assert (problem.code, problem.file) == ("TFC309", f"{prefix}{DATA}")
    assert problem.what == "is not a regular file, with 4 tensors"


def test_a_web_page_for_a_data_file_says_so(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"f": np.zeros(1000, np.float32)})
    Path(f"{prefix}{DATA}").write_bytes(b"<html><title>404</title>")
    problem = only(verify(prefix))
    assert (problem.code, problem.tensor) == ("TFC302", "f")
    assert "HTML" in problem.what


def test_overlap_names_the_second(tmp_path: Path) -> None:
    problem = only(verify(same_bytes(tmp_path)))
    assert (problem.tensor, problem.offset) == ("zzz", 0)


@pytest.mark.parametrize("filler", [b"\0", b"\x01"])
def test_what_lies_between_is_told_with_its_place(filler: bytes, tmp_path: Path) -> None:
    problem = only(verify(between(filler)(tmp_path)))
    assert problem.offset == 3
    assert problem.what.startswith("1 byte ")


def test_tail_is_told_with_its_place_and_size(tmp_path: Path) -> None:
    size = len(w.bundle_files(good())[DATA])
    problem = only(verify(bundle(tmp_path, tail=bytes(1000))))
    assert problem.offset == size
    assert "1,000 bytes" in problem.what


def test_names_are_told_as_they_are_and_printed_escaped(tmp_path: Path) -> None:
    names = [b"a\x1b[31m", b"b\nc", b"\xff\xfe", "d\u202e".encode()]
    tensors: dict[Any, Any] = dict.fromkeys(names, FLOATS)
    path = put(tmp_path, w.bundle_files(tensors))
    Path(f"{path}{DATA}").write_bytes(bytes(64))
    report = verify(path)
    damaged = [p for p in report.problems if p.code == "TFC401"]
    found = [p.tensor.encode("utf-8", "surrogateescape") for p in damaged if p.tensor]
    assert sorted(found) == sorted(names)
    for problem in report.problems:
        assert str(problem).isprintable()


def test_report_counts_what_was_checked(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    report = verify(prefix)
    assert report.ok
    assert report.problems == ()
    assert (report.path, report.version) == (str(prefix), "V2")
    assert report.tensors == len(good())
    assert report.nbytes == Path(f"{prefix}{DATA}").stat().st_size


def test_v1_report(tmp_path: Path) -> None:
    report = verify(v1(tmp_path))
    assert (report.problems, report.version, report.tensors) == ((), "V1", 2)
    assert report.nbytes == FLOATS.nbytes + INTS.nbytes


def test_all_damaged_tensors_are_named(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {f"t{i}": FLOATS for i in range(100)}, shards=3)
    for shard in range(3):
        poke(prefix, f".data-{shard:05d}-of-00003", 20)  # in the second tensor of each
    report = verify(prefix)
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC401", f"t{i}") for i in (3, 4, 5)]


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


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("TFC203", {"dtype": None}),
        ("TFC203", {"shape": w.shape_proto((-1,))}),
        ("TFC901", {"dtype": 50}),
    ],
)
def test_a_bad_entry_does_not_accuse_the_data_file(
    code: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    report = verify(edited(tmp_path, b"i", **fields))
    assert codes(report) == [code], shown(report)


def test_a_bad_entry_does_not_hide_an_overlap(tmp_path: Path) -> None:
    # What is nobody's cannot be told any more; that two claim the same bytes can.
    def edit(rows: w.Rows) -> w.Rows:
        return [*w.replace_row(rows, b"zero", b"\xff"), (b"zzz", dict(rows)[b"f"])]

    report = verify(bundle(tmp_path, edit_rows=edit))
    assert codes(report) == ["TFC203", "TFC303"], shown(report)


@pytest.mark.parametrize("build", [overlapping, odd_piece])
def test_bad_slices_do_not_hide_a_damaged_piece(build: Build, tmp_path: Path) -> None:
    report = verify(poke(build(tmp_path), DATA, 0))
    assert sorted(codes(report)) == ["TFC204", "TFC401"], shown(report)


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_v1_shard_does_not_hide_the_other(damaged: int, tmp_path: Path) -> None:
    v1_shards(tmp_path)
    for shard, offset in ((damaged, 3), (1 - damaged, -9)):  # the header row; the padding
        poke(tmp_path / "p", f"-{shard:05d}-of-00002", offset)
    report = verify(tmp_path / "p")
    found = [(p.code, Path(p.file or "").name) for p in report.problems]
    assert ("TFC104", f"p-{damaged:05d}-of-00002") in found
    assert ("TFC102", f"p-{1 - damaged:05d}-of-00002") in found


def test_a_damaged_v1_block_names_its_tensors_too(tmp_path: Path) -> None:
    # In V1 the rows are the data: the block is broken, and with it each tensor that lies in it.
    path = v1(tmp_path, {"f": FLOATS, "g": FLOATS, "i": INTS}, block_size=1)
    at = path.read_bytes().index(FLOATS.tobytes())
    report = verify(poke(path, "", at))
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC104", None), ("TFC402", "f")]
    assert len({p.offset for p in report.problems}) == 1


def test_v1_rows_out_of_order_cannot_be_found(tmp_path: Path) -> None:
    # In V1 the header names the tensors and each is looked up: the search misses the first.
    report = verify(v1(tmp_path, edit_rows=lambda rows: [rows[0], rows[2], rows[1]]))
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC106", None), ("TFC204", "f")]


def test_a_wrong_size_of_strings_moves_its_neighbour_too(tmp_path: Path) -> None:
    # The entry says where the tensor ends: three bytes more are in the next tensor, or past the
    # end of the file; three fewer belong to nobody. TensorFlow reads all of these.
    tensors = {"s": WORDS, "t": FLOATS}
    for size, implied in ((15, "TFC303"), (9, "TFC304")):
        report = verify(bundle(
            tmp_path, tensors, edit_rows=lambda rows, size=size: w.edit_entry(rows, b"s", size=size)
        ))  # fmt: skip
        assert codes(report) == [implied, "TFC403"], shown(report)
        assert (report.problems[1].expected, report.problems[1].got) == ("12", str(size))
    for size, expected in ((15, ["TFC302"]), (9, ["TFC306", "TFC403"])):
        report = verify(bundle(
            tmp_path, {"s": WORDS},
            edit_rows=lambda rows, size=size: w.edit_entry(rows, b"s", size=size),
        ))  # fmt: skip
        assert codes(report) == expected, shown(report)


def small_files(kind: str) -> dict[str, bytes]:
    """One of each kind of byte in few of them: rows, footer, numbers, strings, padding, pieces."""
    some: dict[str, Any] = {
        "b": np.array([True, False, True]),
        "f": FLOATS[:2],
        "s": w.Strings([b"ab", b""], (2,)),
    }
    if kind == "V2":
        return w.bundle_files(some, alignment=2)
    if kind == "V2 blocks":
        variant = w.Variants([(b"T", b"m", [])], ())
        return w.bundle_files({"f": FLOATS[:1], "v": variant}, block_size=1, shards=2)
    if kind == "V2 snappy":
        pieces = w.Sliced(GRID[:2, :2], [[(0, 1), (0, -1)], [(1, 1), (0, -1)]])
        return w.bundle_files({"g": pieces}, compress=True, index_compress=True)
    if kind == "V2 big-endian":
        return w.bundle_files({"i": INTS[:1], "s": w.Strings([b"a"], ())}, big_endian=True)
    if kind == "V1":
        return {"": w.v1_table({"f": FLOATS[:2], "s": w.Strings([b"a"], ())})}
    return {"": w.v1_table({"g": w.Sliced(INTS, [[(0, 2)], [(2, 1)]])}, block_size=1)}


KINDS = ("V2", "V2 blocks", "V2 snappy", "V2 big-endian", "V1", "V1 blocks")


QUICK = ("V2", "V1")


SMALL = [
    pytest.param(kind, suffix, marks=[] if kind in QUICK else [pytest.mark.slow])
    for kind in KINDS
    for suffix, contents in small_files(kind).items()
    if contents
]


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these tests write thousands of files."""
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder in it
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_small_checkpoint_is_sound(kind: str, tmp_path: Path) -> None:
    report = verify(put(tmp_path, small_files(kind)))
    assert [c for c in codes(report) if c != "TFC305"] == [], shown(report)
    assert report.ok


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_bit_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    missed, strange = [], []
    for place in range(8 * len(files[suffix])):
        contents = bytearray(files[suffix])
        contents[place >> 3] ^= 1 << (place & 7)
        Path(f"{prefix}{suffix}").write_bytes(contents)
        report = verify(prefix)
        if report.ok:
            missed.append(divmod(place, 8))
        elif not any(p.file == f"{prefix}{suffix}" for p in report.problems):
            strange.append(shown(report))
    assert missed == [], f"(byte, bit) of {len(files[suffix])} bytes"
    assert strange == []


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_truncation_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    code = "TFC302" if suffix.startswith(".data") else "TFC101"
    for size in range(len(files[suffix])):
        Path(f"{prefix}{suffix}").write_bytes(files[suffix][:size])
        report = verify(prefix)
        assert not report.ok
        assert set(codes(report)) - {"TFC305"} == {code}, f"{size}: {shown(report)}"


@pytest.mark.parametrize(("kind", "suffix"), SMALL)
def test_every_byte_put_in_or_left_out_is_found(kind: str, suffix: str, fast_folder: Path) -> None:
    files = small_files(kind)
    prefix = put(fast_folder, files)
    whole = files[suffix]
    for place in range(len(whole) + 1):
        for changed in (whole[:place] + b"\0" + whole[place:], whole[:place] + whole[place + 1 :]):
            if changed != whole:
                Path(f"{prefix}{suffix}").write_bytes(changed)
                assert not verify(prefix).ok, place


def with_rows(kind: str, folder: Path, edit: Callable[[w.Rows], w.Rows]) -> Path:
    """A checkpoint of that kind, its rows edited and sealed again."""
    plain: dict[str, Any] = {"f": FLOATS[:2], "s": w.Strings([b"a"], ())}
    pieces: dict[str, Any] = {"g": w.Sliced(INTS, [[(0, 2)], [(2, 1)]])}
    if kind.startswith("V1"):
        tensors = plain if kind == "V1" else pieces
        return put(folder, {"": w.v1_table(tensors, edit_rows=edit)})
    tensors = {**pieces, "s": WORDS} if kind == "V2 snappy" else plain
    tensors["v"] = w.Variants([(b"T", b"m", [])], ())
    return put(folder, w.bundle_files(tensors, edit_rows=edit))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["V2", "V2 snappy", "V1", "V1 blocks"])
def test_sealed_nonsense_never_raises(kind: str, fast_folder: Path) -> None:
    """Every bit of every row under right crcs: a report comes out; what it calls sound reads."""
    original: w.Rows = []

    def take(rows: w.Rows) -> w.Rows:
        original[:] = rows
        return rows

    with_rows(kind, fast_folder, take)
    for number, (key, value) in enumerate(original):
        for place in range(8 * len(value)):
            changed = bytearray(value)
            changed[place >> 3] ^= 1 << (place & 7)
            rows = [*original[:number], (key, bytes(changed)), *original[number + 1 :]]
            prefix = with_rows(kind, fast_folder, lambda _, rows=rows: rows)  # type: ignore[misc]
            report = verify(prefix)
            assert shown(report)
            if report.ok:
                with tfckpt.open(prefix) as ckpt:
                    assert len(dict(ckpt)) >= report.tensors - 1  # a stray slice is counted


@pytest.mark.parametrize("path", list(checkpoints()), ids=lambda p: str(p.relative_to(FIXTURES)))
def test_fixtures_are_sound(path: Path) -> None:
    # TensorFlow cannot read the oddity; partial.ckpt stores one slice of two.
    exceptions = {"registered_merge_oddity": ["TFC307"], "partial.ckpt": ["TFC204"]}
    expected = next((c for part, c in exceptions.items() if part in path.parts), [])
    report = verify(path)
    assert codes(report) == expected, shown(report)
    assert report.tensors > 0


def test_sound_in_every_layout(tmp_path: Path) -> None:
    tensors = {**good(), "g": w.Sliced(GRID, TILES), "v": w.Variants([(b"T", b"m", [])], (1,))}
    layouts: list[dict[str, Any]] = [
        {"block_size": 1, "restart_interval": 1},
        {"separators": "last", "handle_suffix": b"extra", "block_size": 50},
        {"compress": True, "index_compress": True},
        {"header": w.header(producer=7)},
        {"shards": 5},
    ]
    for number, layout in enumerate(layouts):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = verify(bundle(folder, tensors, **layout))
        assert codes(report) == [], f"{layout}: {shown(report)}"
        assert report.tensors == len(tensors)
    swapped_bytes, old = tmp_path / "big", tmp_path / "v1"
    swapped_bytes.mkdir()
    old.mkdir()
    assert codes(verify(bundle(swapped_bytes, good(), big_endian=True))) == []
    assert codes(verify(v1(old, {"g": w.Sliced(GRID, TILES), "f": FLOATS}))) == []


def test_nothing_there_raises(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no", tmp_path / "no" / "such"):
        with pytest.raises(tfckpt.CheckpointNotFoundError):
            verify(path)


@pytest.mark.parametrize("suffix", ["", INDEX, DATA])
def test_any_path_to_it_will_do(suffix: str, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    paths: list[str | bytes | Path] = [f"{prefix}{suffix}", f"{prefix}{suffix}".encode()]
    for path in (*paths, Path(f"{prefix}{suffix}"), tmp_path):
        report = verify(path)
        assert report.ok
        assert report.path == str(prefix)
        assert bool(report.notes) == (os.fsdecode(path) != str(prefix))


@pytest.mark.parametrize(
    "contents", [b"<html>", b"PK\x03\x04", b"", b"junk" * 50], ids=["html", "zip", "empty", "junk"]
)
def test_another_file_is_a_finding(contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(contents)
    report = verify(path)
    assert codes(report) == ["TFC101"]
    assert (report.version, report.tensors, report.path) == ("", 0, str(path))
    assert report.problems[0].file == str(path)


def test_an_index_that_cannot_be_opened_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path)
    really = os.open

    def refuse(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith(INDEX):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(tfckpt.CheckpointError, match="Permission denied") as caught:
        verify(prefix)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_finding_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(tfckpt.CheckpointError, match="not a regular file"):
        verify(tmp_path / "x")


def test_a_folder_that_is_called_missing(tmp_path: Path) -> None:
    folder = tmp_path / "what is missing"
    folder.mkdir()
    v1(folder)
    assert verify(folder).problems == ()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_to_nowhere_is_a_missing_file(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, shards=2, placement=dict.fromkeys(good(), 0))
    stray = Path(f"{prefix}.data-00001-of-00002")
    stray.unlink()
    stray.symlink_to("nowhere")
    assert verify(prefix).ok  # nobody needs it
    used = Path(f"{prefix}.data-00000-of-00002")
    used.unlink()
    used.symlink_to("nowhere")
    assert "TFC301" in codes(verify(prefix))


def test_a_data_file_with_leading_zeros_too_many(tmp_path: Path) -> None:
    prefix = with_file(".data-000007-of-00001", b"?")(tmp_path)
    assert set(codes(verify(prefix))) <= {"TFC308"}


def test_progress_goes_up_to_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = verify(bundle(tmp_path), on_progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {report.nbytes}
    assert calls[-1][0] == report.nbytes


def test_progress_is_told_inside_a_large_tensor(tmp_path: Path) -> None:
    calls: list[int] = []
    prefix = bundle(tmp_path, {"t": np.zeros(4 << 20, np.uint8)})
    verify(prefix, on_progress=lambda done, _: calls.append(done))
    assert len({done for done in calls if done < 4 << 20}) >= 3


def test_interrupting_is_possible(tmp_path: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(bundle(tmp_path), on_progress=interrupt)


def changing(prefix: Path, size: int, monkeypatch: pytest.MonkeyPatch, *, after: int) -> Report:
    """Verify, the data file being cut to `size` before its read number `after` + 1."""
    path = f"{prefix}{DATA}"
    reads = []
    really = storage.File._pread
    monkeypatch.setattr(crew, "processors", lambda: 1)  # so that reads have an order

    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        if self.name == path:
            reads.append(offset)
            if len(reads) == after + 1:
                os.truncate(path, size)
        return really(self, offset, buffer)

    monkeypatch.setattr(storage.File, "_pread", pread)
    report = verify(prefix)
    assert len(reads) > after
    return report


@pytest.mark.parametrize("after", range(4))
def test_file_is_cut_while_a_tensor_is_read(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {"t": np.zeros(4 << 20, np.uint8)})
    problem = only(changing(prefix, 100, monkeypatch, after=after))
    assert (problem.code, problem.tensor) == ("TFC302", "t")
    assert problem.expected == f"{4 << 20:,} bytes"
    assert problem.got == "100 bytes"


@pytest.mark.parametrize("after", range(3))
def test_file_is_cut_between_tensors(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {f"t{i}": np.full(1 << 20, i, np.uint8) for i in range(3)})
    report = changing(prefix, 1, monkeypatch, after=after)
    assert [(p.code, p.tensor) for p in report.problems] == [
        ("TFC302", f"t{i}") for i in range(after, 3)
    ]


def test_file_is_cut_before_a_hole_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {"a": FLOATS, "b": FLOATS}, alignment=64)
    # The first two reads are of what lies between and behind the tensors.
    report = changing(prefix, 1, monkeypatch, after=0)
    assert "TFC302" in codes(report), shown(report)


def test_cut_for_real_while_it_runs(tmp_path: Path) -> None:
    """In a process of its own: were the file mapped, a signal would end it."""
    prefix = bundle(tmp_path, {f"t{i}": np.zeros(3 << 20, np.uint8) for i in range(3)})
    script = (
        "import os, sys\nimport tfckpt_reader as t\n"
        "from tfckpt_reader.storage import workers\n"
        "workers.processors = lambda: 1\npath = sys.argv[1]\n"
        "report = t.verify(path, on_progress=lambda done, _:"
        " os.truncate(path + '.data-00000-of-00001', 1 << 20))\n"
        "print(*(f'{p.code} {p.tensor}' for p in report.problems), sep=',')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(prefix)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = done.stdout.strip().split(",")
    assert {"TFC302 t1", "TFC302 t2"} <= set(found) <= {f"TFC302 t{i}" for i in range(3)}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_mapped(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = put(tmp_path, small_files(kind))
    mapped = []
    really = mmap.mmap

    def record(fileno: int, *arguments: Any, **more: Any) -> Any:
        mapped.append(fileno)
        return really(fileno, *arguments, **more)

    monkeypatch.setattr(mmap, "mmap", record)
    assert verify(prefix).ok
    assert set(mapped) <= {-1}  # memory of its own


PEAK = """
import re, sys
import tfckpt_reader as t
report = t.verify(sys.argv[1])
assert report.ok, [str(p) for p in report.problems]
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_kib(path: Path) -> int:
    """Most memory that a process of its own held while it verified: its own since its start."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_the_checkpoint(tmp_path: Path) -> None:
    peaks = []
    for size in (200_000_000, 2_000_000_000):
        prefix = sparse_bundle(tmp_path, size)
        peaks.append(peak_kib(prefix))
        os.truncate(f"{prefix}{DATA}", 0)
    assert max(peaks) - min(peaks) < 8 << 10, peaks


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_a_hole(tmp_path: Path) -> None:
    peaks = []
    for size in (10_000_000, 200_000_000):
        place = {"offset": size, "size": 16, "crc": w.mask(w.crc(bytes(16)))}
        rows = [(b"", w.header()), (b"a", w.entry(1, (4,), **{**place, "offset": 0}))]
        rows.append((b"b", w.entry(1, (4,), **place)))
        prefix = put(tmp_path, {INDEX: w.table(rows), DATA: b""})
        os.truncate(f"{prefix}{DATA}", size + 16)
        peaks.append(peak_kib(prefix))
    assert max(peaks) - min(peaks) < 8 << 10, peaks


@linux_only
@pytest.mark.slow
def test_memory_does_not_grow_with_a_v1_file(tmp_path: Path) -> None:
    peaks = []
    for count in (20, 100):
        tensors = {f"t{i:03d}": np.zeros(1 << 16, np.float64) for i in range(count)}
        peaks.append(peak_kib(v1(tmp_path, tensors)))
    assert max(peaks) - min(peaks) < 16 << 10, peaks  # 10 and 50 MB


MANY = 100_000


CLI_PEAK = """
import re, sys
from tfckpt_reader.cli import main
main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def very_many(folder: Path, kind: str) -> Path:
    """100,000 small tensors, or slices of one; all of them damaged; with graphs beside them."""
    names = [f"model/layer_{i // 100:05d}/block_{i % 100:02d}/weights" for i in range(MANY)]
    if "slices" in kind:
        pieces = [[(i, 1), (0, 4)] for i in range(MANY)]
        whole = np.arange(MANY * 4, dtype=np.float32).reshape(MANY, 4)
        tensors: dict[str, Any] = {"embedding": w.Sliced(whole, pieces)}
    else:
        tensors = {name: np.array([i, 1, 2, 3], np.float32) for i, name in enumerate(names)}
    if "V1" in kind:
        return v1(folder, tensors)
    if "objects" in kind:
        nodes = (
            w.bytes_field(2, w.bytes_field(2, n.encode()) + w.bytes_field(3, n.encode()))
            for n in names
        )
        graph = b"".join(w.bytes_field(1, node) for node in nodes)
        tensors["_CHECKPOINTABLE_OBJECT_GRAPH"] = w.Strings([graph], ())
    prefix = bundle(folder, tensors)
    if "graph" in kind:
        Path(f"{prefix}.meta").write_bytes(graph_that_saves([name.encode() for name in names]))
    if "damaged" in kind:
        data = Path(f"{prefix}{DATA}")
        data.write_bytes(bytes(byte ^ 1 for byte in data.read_bytes()))
    return prefix


def graph_that_saves(keys: list[bytes]) -> bytes:
    """A MetaGraphDef of a variable per key, about 20 MB of them, and of a Saver's ops."""

    def node(name: bytes, op: bytes, inputs: list[bytes], attribute: bytes) -> bytes:
        ins = b"".join(w.bytes_field(3, each) for each in inputs)
        pair = w.bytes_field(1, b"value") + w.bytes_field(2, attribute)
        parts = w.bytes_field(1, name) + w.bytes_field(2, op) + ins + w.bytes_field(5, pair)
        return w.bytes_field(1, parts)

    def texts(values: list[bytes]) -> bytes:
        stored = b"".join(w.bytes_field(8, value) for value in values)
        return w.bytes_field(8, w.int_field(1, w.STRING) + stored)

    nodes = [node(key, b"VarHandleOp", [], w.bytes_field(2, bytes(60))) for key in keys]
    nodes.append(node(b"save/names", b"Const", [], texts(keys)))
    nodes.append(node(b"save/slices", b"Const", [], texts([b""] * len(keys))))
    inputs = [b"save/prefix", b"save/names", b"save/slices", *keys]
    nodes.append(node(b"save/SaveV2", b"SaveV2", inputs, b""))
    return w.bytes_field(2, b"".join(nodes))


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        *("sound", "damaged", "slices", "damaged slices", "graph", "damaged graph"),
        *("objects and graph", "V1"),
    ],
)
def test_very_many_tensors_take_little_memory(kind: str, tmp_path: Path) -> None:
    prefix = very_many(tmp_path, kind)
    options = ["--level", "values", "--json", "--sarif", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", CLI_PEAK, "verify", str(prefix), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[-1:]) == (0, "\n"), done.stderr
    report = json.loads(done.stdout)
    damaged = MANY if "damaged" in kind else 0
    assert len(report["problems"]) == damaged
    assert {problem["code"] for problem in report["problems"]} <= {"TFC401"}
    header = 13_000 if kind == "V1" else 0  # KiB of the largest row, twice
    assert int(done.stderr) < 150_000 + header, "KiB at its peak"


def test_the_sparse_writer_writes_what_it_says(tmp_path: Path) -> None:
    prefix = sparse_bundle(tmp_path, 3_000_000, tensors=3)
    assert codes(verify(prefix)) == []
    with tfckpt.open(prefix) as ckpt:
        assert {name: (spec.nbytes, spec.shape) for name, spec in ckpt.specs.items()} == {
            f"t{i}": (1_000_000, (1_000_000,)) for i in range(3)
        }


def test_the_search_ends_at_some_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of ten tensors is damaged; three are named, and it is said that there are more."""
    prefix = bundle(tmp_path, {f"t{i}": FLOATS for i in range(10)})
    data = Path(f"{prefix}{DATA}")
    data.write_bytes(bytes(byte ^ 1 for byte in data.read_bytes()))
    assert codes(verify(prefix)) == ["TFC401"] * 10
    monkeypatch.setattr(findings, "MOST_PROBLEMS", 3)
    report = verify(prefix)
    assert codes(report) == ["TFC401"] * 3 + ["TFC901"]
    assert "more than 3 problems" in report.problems[-1].what
    assert not report.ok


def test_no_level_but_data_reads_what_a_tensor_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path)
    monkeypatch.setattr(storage.File, "_pread", refuse_data(storage.File._pread))
    for level in ("index", "sizes"):
        report = verify(prefix, level=level)
        assert (report.ok, report.tensors, report.nbytes) == (True, len(good()), 0)
    with pytest.raises(AssertionError, match="data was read"):
        verify(prefix, level="data")


def test_a_file_that_is_claimed_again_and_again_is_not_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index of some kilobytes could keep a reader busy for hours."""
    size = 64 << 20
    rows = [(b"t%02d" % i, w.entry(4, (size,), size=size)) for i in range(40)]
    prefix = put(tmp_path, {INDEX: w.table([(b"", w.header()), *rows]), DATA: b""})
    os.truncate(f"{prefix}{DATA}", size)
    monkeypatch.setattr(storage.File, "_pread", refuse_data(storage.File._pread))
    report = verify(prefix)
    assert codes(report) == ["TFC303"] * 39 + ["TFC901"]
    assert "2,684,354,560 bytes of 67,108,864" in report.problems[-1].what


def refuse_data(really: Any) -> Any:
    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        assert not self.name.endswith(DATA), "data was read"
        return int(really(self, offset, buffer))

    return pread


def test_there_are_no_other_levels(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    for level in ("", "all", "DATA"):
        with pytest.raises(ValueError, match="index, sizes, data, values"):
            verify(prefix, level=level)


def test_the_level_is_told(tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    assert str(verify(prefix)).endswith("(4 tensors, 40 bytes checked)")
    assert str(verify(prefix, level="index")).endswith("checked at level index)")


def test_a_graph_of_the_same_names_is_fine(tmp_path: Path) -> None:
    assert codes(verify(with_meta(tmp_path))) == []
    assert codes(verify(with_meta(tmp_path, *SAVED_NAMES, "and/more"))) == []


def test_a_table_is_saved_under_longer_keys(tmp_path: Path) -> None:
    values = {"t/.ATTRIBUTES/table-keys": INTS, "t/.ATTRIBUTES/table-values": INTS}
    assert codes(verify(objects(tmp_path, "t/.ATTRIBUTES/table", tensors=values))) == []
    assert codes(verify(objects(tmp_path, "u/.ATTRIBUTES/table", tensors=values))) == ["TFC504"]
    assert codes(verify(objects(tmp_path, "s/.ATTRIBUTES/table", tensors=values))) == ["TFC504"]


def test_a_graph_of_another_model(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path, "a", "b")
    report = verify(prefix)
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC503", n) for n in SAVED_NAMES]
    assert {p.file for p in report.problems} == {f"{prefix}.meta"}
    (line,) = report.diagnosis
    assert "restores 'global_step' and 3 more" in line


def test_a_graph_that_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left aside, and that is said."""
    prefix = with_meta(tmp_path, "a", "b")
    monkeypatch.setattr(restored_keys, "_LARGEST_GRAPH", 10)
    report = verify(prefix)
    assert report.problems == ()
    (note,) = report.notes
    assert note.startswith(f"{prefix}.meta was not compared: it has ")


def test_a_thousand_keys_are_not_told_one_by_one(tmp_path: Path) -> None:
    prefix = objects(tmp_path, *(f"{n:04d}{VALUE}" for n in range(1000)))
    report = verify(prefix)
    assert set(codes(report)) == {"TFC504"}
    assert len(report.problems) == 101
    assert "900 keys more" in report.problems[-1].what


def test_a_damaged_index_does_not_accuse_the_graph(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path)
    poke(prefix, INDEX, Path(f"{prefix}{INDEX}").read_bytes().index(b"v1", 20))
    assert codes(verify(prefix)) == ["TFC104"]
    prefix = v1_with_meta(tmp_path, *SAVED_NAMES)
    poke(prefix, "", -9)
    assert codes(verify(Path(f"{prefix}"))) == ["TFC104"]


def test_damaged_objects_are_told_once(tmp_path: Path) -> None:
    prefix = objects(tmp_path, "a" + VALUE)
    assert codes(verify(poke(prefix, DATA, -3))) == ["TFC401"]


def test_a_very_large_graph_is_left_aside(tmp_path: Path) -> None:
    prefix = with_meta(tmp_path, "a")
    os.truncate(f"{prefix}.meta", 100 << 20)
    report = verify(prefix)
    assert codes(report) == []
    assert any("was not compared" in note for note in report.notes)


def test_a_data_file_that_cannot_be_opened_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, shards=2)
    refusing(monkeypatch, ".data-00001-of-00002")
    problem = only(verify(prefix))
    assert problem.code == "TFC309"
    assert problem.file == f"{prefix}.data-00001-of-00002"
    assert problem.what == "cannot be opened: Permission denied, with 2 tensors"


def test_a_disk_that_cannot_be_read_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path)
    really = storage.File._pread

    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        if self.name.endswith(DATA):
            raise OSError(5, "Input/output error")
        return really(self, offset, buffer)

    monkeypatch.setattr(storage.File, "_pread", pread)
    report = verify(prefix)
    assert set(codes(report)) == {"TFC309"}
    assert {p.tensor for p in report.problems} == {"f", "i", "s"}
    assert report.diagnosis == ()


def failing(monkeypatch: pytest.MonkeyPatch, end: str, begin: int = 0) -> None:
    """A disk that does not give the bytes from `begin` on of files of such names, the end apart."""
    really = storage.File._pread

    def pread(self: storage.File, offset: int, buffer: memoryview) -> int:
        if self.name.endswith(end) and begin <= offset < self.size // 2:
            raise OSError(5, "Input/output error")
        return really(self, offset, buffer)

    monkeypatch.setattr(storage.File, "_pread", pread)


@pytest.mark.parametrize("build", [bundle, v1])
def test_an_index_that_a_disk_does_not_give_is_not_called_damaged(
    build: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(tmp_path, {"f": FLOATS, "g": FLOATS, "i": INTS}, block_size=1)
    failing(monkeypatch, "" if build is v1 else INDEX, 1)
    with pytest.raises(tfckpt.CheckpointError, match=r"byte \d+: cannot be read: Input") as caught:
        verify(path)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


def test_a_hole_that_a_disk_does_not_give_is_not_called_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {"a": FLOATS, "b": FLOATS}, alignment=64)
    failing(monkeypatch, DATA)
    assert codes(verify(prefix, level="sizes")) == ["TFC309"]


@pytest.mark.parametrize("name", ["fingerprint.pb", "saved_model.pb"])
def test_what_lies_beside_and_cannot_be_opened_does_not_hide_the_rest(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = real_model(tmp_path)
    poke(model / "variables" / "variables", DATA, 1)
    refusing(monkeypatch, name)
    found = {(p.code, os.path.basename(p.file or "")) for p in verify(model).problems}
    assert found == {("TFC354", name), ("TFC401", f"variables{DATA}")}


def test_a_v1_file_that_cannot_be_opened_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = v1(tmp_path)
    refusing(monkeypatch, str(path))
    with pytest.raises(tfckpt.CheckpointError, match="Permission denied") as caught:
        verify(path)
    assert not isinstance(caught.value, tfckpt.CorruptCheckpointError)


def test_a_v1_shard_that_cannot_be_opened_does_not_hide_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1_shards(tmp_path)
    poke(tmp_path / "p", "-00001-of-00002", -9)  # the padding of the footer
    refusing(monkeypatch, "-00000-of-00002")
    report = verify(tmp_path / "p")
    found = [(p.code, Path(p.file or "").name) for p in report.problems]
    assert found == [("TFC309", "p-00000-of-00002"), ("TFC102", "p-00001-of-00002")]


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_a_checkpoint_without_tensors_lacks_what_the_graph_restores(
    version: str, tmp_path: Path
) -> None:
    prefix = with_meta(tmp_path)
    bundle(tmp_path, {})
    if version == "V1":
        Path(f"{prefix}{INDEX}").unlink()
        v1(tmp_path, {})
    report = verify(prefix)
    assert report.version == version
    assert codes(report) == ["TFC503"] * 4
    assert {p.tensor for p in report.problems} == set(SAVED_NAMES)


@pytest.mark.parametrize("prefix", ["variables", "./variables", "../variables/variables"])
def test_a_saved_model_is_one_from_within(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder need not be in the path to be known."""
    model = real_model(tmp_path, edit=with_hash(1))
    Path(model, "saved_model.pb").write_bytes(b"\xff\xff")
    monkeypatch.chdir(model / "variables")
    report = verify(prefix)
    assert codes(report) == ["TFC502", "TFC505"]
    graph = report.problems[1].file
    assert graph is not None
    assert os.path.samefile(graph, model / "saved_model.pb")


def test_an_index_that_is_replaced_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened once: what is reported is of one file."""
    prefix = bundle(tmp_path)
    really = table_blocks.check_table

    def check_table(*arguments: Any) -> Any:
        rows = really(*arguments)
        Path(f"{prefix}{INDEX}").write_bytes(b"something else")
        return rows

    monkeypatch.setattr("tfckpt_reader.verification.checks.v2.check_table", check_table)
    assert codes(verify(prefix)) == []


def test_an_empty_data_file_that_the_header_counts_is_no_stray(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, shards=2, placement=dict.fromkeys(good(), 0))
    assert codes(verify(prefix)) == []
    Path(f"{prefix}.data-00001-of-00002").write_bytes(b"?")
    assert codes(verify(prefix)) == ["TFC308"]
    assert codes(verify(bundle(tmp_path / "..", {}))) == []


def test_padding_is_one_remark_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tensors are filled up: such a file is sound, and must not seem to be cut."""
    monkeypatch.setattr(findings, "MOST_PROBLEMS", 10)
    tensors = {f"t{i:02d}": FLOATS[:3] for i in range(30)}
    prefix = bundle(tmp_path, tensors, shards=2, alignment=16)
    report = verify(prefix)
    assert report.ok
    assert [(p.code, p.offset) for p in report.problems] == [("TFC305", 12), ("TFC305", 12)]
    assert report.problems[0].what == "60 bytes in 15 places that no tensor claims, all zero"


@pytest.mark.parametrize("make", ["stray", "lost"])
def test_many_problems_take_no_longer_each(make: str, tmp_path: Path) -> None:
    """Twice as many: about twice the work, counted in lines and calls that run."""

    def work(count: int) -> int:
        folder = tmp_path / f"{count}"
        folder.mkdir()
        names = [b"n%06d" % i for i in range(count)]
        if make == "stray":
            crc = w.mask(w.crc(b""))
            rows = [(w.slice_key(name, [(0, 1)]), w.entry(5, (0,), crc=crc)) for name in names]
            path = bundle(folder, {}, edit_rows=lambda old: sorted([*old, *rows]))
        else:
            meta = w.v1_meta((w.v1_tensor(name, (1,), 1, [[(0, 1)]]) for name in names), None)
            path = v1(folder, {}, edit_rows=lambda old: w.replace_row(old, b"", meta))
        steps = 0

        def trace(_frame: Any, _event: str, _argument: Any) -> Any:
            nonlocal steps
            steps += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            report = verify(path)
        finally:
            sys.settrace(before)
        assert len(report.problems) == count
        return steps

    assert work(400) < 3 * work(200)


def test_a_name_that_begins_with_nul_is_no_slice(tmp_path: Path) -> None:
    tensors = {"\0a": FLOATS, "\0b": w.Sliced(INTS, [[(0, 1)], [(1, 2)]]), "c": INTS}
    report = verify(bundle(tmp_path, tensors))
    assert codes(report) == []
    assert report.tensors == 3
