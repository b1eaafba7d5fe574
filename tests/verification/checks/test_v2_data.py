"""Damaged data of V2: tensor, file and offset are named, whatever else happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import (
    DATA,
    FLOATS,
    INDEX,
    WORDS,
    between,
    bundle,
    codes,
    good,
    only,
    poke,
    put,
    same_bytes,
    shown,
)
from failing_disks import failing, refuse_data

from tfckpt_reader import verify
from tfckpt_reader.storage import local as storage
from tfckpt_reader.storage import workers as crew
from tfckpt_reader.verification import findings
from tfckpt_reader.verification.report import Report


def test_crc_names_tensor_file_and_place(tmp_path: Path) -> None:
    contents = FLOATS.tobytes()
    problem = only(verify(poke(bundle(tmp_path), DATA, 5)))
    changed = contents[:5] + bytes([contents[5] ^ 1]) + contents[6:]
    assert problem.tensor == "f"
    assert problem.file == str(tmp_path / f"p{DATA}")
    assert problem.offset == 0
    assert problem.expected == f"{w.mask(w.crc(contents)):#010x}"
    assert problem.got == f"{w.mask(w.crc(changed)):#010x}"


def test_overlap_names_the_second(tmp_path: Path) -> None:
    problem = only(verify(same_bytes(tmp_path)))
    assert (problem.tensor, problem.offset) == ("zzz", 0)


@pytest.mark.parametrize("filler", [b"\0", b"\x01"])
def test_bytes_between_tensors_are_reported_with_offset(filler: bytes, tmp_path: Path) -> None:
    problem = only(verify(between(filler)(tmp_path)))
    assert problem.offset == 3
    assert problem.what.startswith("1 byte ")


def test_tail_is_reported_with_offset_and_size(tmp_path: Path) -> None:
    size = len(w.bundle_files(good())[DATA])
    problem = only(verify(bundle(tmp_path, tail=bytes(1000))))
    assert problem.offset == size
    assert "1,000 bytes" in problem.what


def test_names_are_reported_raw_and_printed_escaped(tmp_path: Path) -> None:
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


# Two defects: one must not hide, or invent, the other.


def test_all_damaged_tensors_are_named(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {f"t{i}": FLOATS for i in range(100)}, shards=3)
    for shard in range(3):
        poke(prefix, f".data-{shard:05d}-of-00003", 20)  # in the second tensor of each
    report = verify(prefix)
    assert [(p.code, p.tensor) for p in report.problems] == [("TFC401", f"t{i}") for i in (3, 4, 5)]


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


def test_progress_is_reported_inside_a_large_tensor(tmp_path: Path) -> None:
    calls: list[int] = []
    prefix = bundle(tmp_path, {"t": np.zeros(4 << 20, np.uint8)})
    verify(prefix, on_progress=lambda done, _: calls.append(done))
    assert len({done for done in calls if done < 4 << 20}) >= 3


# Files that change, disks that fail.


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
    assert (problem.code, problem.file) == ("TFC357", f"{prefix}{DATA}")
    assert str(problem.expected).startswith(f"{4 << 20:,} bytes")
    assert str(problem.got).startswith("100 bytes")


@pytest.mark.parametrize("after", range(3))
def test_file_is_cut_between_tensors(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {f"t{i}": np.full(1 << 20, i, np.uint8) for i in range(3)})
    report = changing(prefix, 1, monkeypatch, after=after)
    assert codes(report) == ["TFC357"], shown(report)


def test_file_is_cut_before_a_hole_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = bundle(tmp_path, {"a": FLOATS, "b": FLOATS}, alignment=64)
    # The first two reads are of what lies between and behind the tensors.
    report = changing(prefix, 1, monkeypatch, after=0)
    assert codes(report) == ["TFC357"], shown(report)


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
    assert done.stdout == "TFC357 None\n"


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


def test_a_hole_that_a_disk_does_not_give_is_not_called_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = bundle(tmp_path, {"a": FLOATS, "b": FLOATS}, alignment=64)
    failing(monkeypatch, DATA)
    assert codes(verify(prefix, level="sizes")) == ["TFC309"]


def test_padding_is_one_remark_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tensors are filled up: such a file is sound, and must not seem to be cut."""
    monkeypatch.setattr(findings, "MOST_PROBLEMS", 10)
    tensors = {f"t{i:02d}": FLOATS[:3] for i in range(30)}
    prefix = bundle(tmp_path, tensors, shards=2, alignment=16)
    report = verify(prefix)
    assert report.ok
    assert [(p.code, p.offset) for p in report.problems] == [("TFC305", 12), ("TFC305", 12)]
    assert report.problems[0].what == "60 bytes in 15 places that no tensor claims, all zero"
