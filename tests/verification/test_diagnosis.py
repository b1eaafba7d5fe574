"""The diagnosis names the cause of the problems: for each cause, and for no other."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import DATA, INDEX, Build, bundle, checkpoints, cut, poke, put, shown, v1, with_meta

from tfckpt_reader import verify
from tfckpt_reader.verification.codes import CODES, ERROR
from tfckpt_reader.verification.diagnosis import Facts, diagnose
from tfckpt_reader.verification.report import Problem

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n"
PAGE = b"<!DOCTYPE html><title>404</title>"
SECOND = ".data-00001-of-00002"
COUNT, EACH = 20, 20_000  # 400,000 bytes: some six of the pairs that a text mode touches


def weights(seed: int, **more: Any) -> dict[str, Any]:
    """Twenty tensors of random bytes, and a few that are the same whatever the seed."""
    generator = random.Random(seed)  # noqa: S311 - any bytes
    found: dict[str, Any] = {"step": np.array(7, np.int64)}
    for i in range(COUNT):
        found[f"w{i:02d}"] = np.frombuffer(generator.randbytes(EACH), np.uint8)
    return {**found, **more}


def saved(folder: Path, seed: int = 0, **options: Any) -> Path:
    return put(folder, w.bundle_files(weights(seed), **options))


def rewrite(prefix: Path, suffix: str, edit: Callable[[bytes], bytes]) -> Path:
    path = Path(f"{prefix}{suffix}")
    path.write_bytes(edit(path.read_bytes()))
    return prefix


def data(edit: Callable[[bytes], bytes]) -> Build:
    return lambda folder: rewrite(saved(folder), DATA, edit)


def index(edit: Callable[[bytes], bytes]) -> Build:
    """Enough tensors to make it likely that a length or an offset is a line feed."""
    tensors = {f"t{i:04d}": np.full(i % 40, i, np.int16) for i in range(300)}
    return lambda folder: rewrite(bundle(folder, tensors), INDEX, edit)


def v1_file(edit: Callable[[bytes], bytes]) -> Build:
    return lambda folder: rewrite(v1(folder, weights(0)), "", edit)


def to_crlf(contents: bytes) -> bytes:
    return contents.replace(b"\n", b"\r\n")


def unix2dos(contents: bytes) -> bytes:
    """What has a carriage return already stays as it is: there are some by chance."""
    assert b"\r\n" in contents
    return re.sub(rb"(?<!\r)\n", b"\r\n", contents)


def to_lf(contents: bytes) -> bytes:
    return contents.replace(b"\r\n", b"\n")


def lf_in_index(contents: bytes) -> bytes:
    """What `to_lf` makes of an index that has a pair: there is none in a small one by chance."""
    at = contents.index(b"\n", 50)
    return contents[: at - 1] + contents[at:]


def zeroed(begin: int, end: int | None = None) -> Callable[[bytes], bytes]:
    def edit(contents: bytes) -> bytes:
        last = len(contents) if end is None else end
        return contents[:begin] + bytes(last - begin) + contents[last:]

    return edit


def of_another_save(folder: Path, *, same: int = 0, older: float = 0) -> Path:
    """The data of another training run, of the same shapes; `same` tensors were not trained."""
    others = {name: array for name, array in weights(1).items() if name >= f"w{same:02d}"}
    other = w.bundle_files({**weights(0), **others})
    prefix = saved(folder)
    path = Path(f"{prefix}{DATA}")
    path.write_bytes(other[DATA])
    made = os.path.getmtime(f"{prefix}{INDEX}") - older
    os.utime(path, (made, made))
    return prefix


def few_of_another_save(folder: Path) -> Path:
    """What a small model has: weights that were trained, and counters and names that were not."""
    small = {f"s{i}": np.array(i, np.int64) for i in range(5)}
    trained = [{f"w{i}": weights(seed)[f"w{i:02d}"] for i in range(7)} for seed in (0, 1)]
    files, others = (w.bundle_files({**small, **each}) for each in trained)
    return put(folder, {INDEX: files[INDEX], DATA: others[DATA]})


def longer_other_save(folder: Path) -> Path:
    extra = np.zeros(100, np.uint8)
    return rewrite(saved(folder), DATA, lambda _: w.bundle_files(weights(1, z=extra))[DATA])


def shorter_other_save(folder: Path) -> Path:
    other = w.bundle_files(weights(1))[DATA]
    return rewrite(saved(folder), DATA, lambda _: other[: EACH * 10])


def renamed(folder: Path) -> Path:
    """An index of two data files beside one, which is the second of them."""
    prefix = saved(folder, shards=2)
    for shard in range(2):
        Path(f"{prefix}.data-{shard:05d}-of-00002").unlink()
    Path(f"{prefix}{DATA}").write_bytes(w.bundle_files(weights(0), shards=2)[SECOND])
    return prefix


def of_the_count_before(folder: Path) -> Path:
    """Files that were written when there were two."""
    prefix = saved(folder)
    os.rename(f"{prefix}{DATA}", f"{prefix}{SECOND}")
    return prefix


def missing(folder: Path) -> Path:
    prefix = saved(folder, shards=3)
    Path(f"{prefix}.data-00001-of-00003").unlink()
    return prefix


def exchanged_index(folder: Path) -> Path:
    """A SavedModel whose index is that of another one; data and fingerprint are its own."""
    (folder / "variables").mkdir()
    files, others = w.bundle_files(weights(0)), w.bundle_files(weights(1))
    prefix = folder / "variables" / "variables"
    Path(f"{prefix}{INDEX}").write_bytes(others[INDEX])
    Path(f"{prefix}{DATA}").write_bytes(files[DATA])
    (folder / "fingerprint.pb").write_bytes(w.int_field(5, 12345))
    return prefix


def exchanged_variables(folder: Path) -> Path:
    prefix = exchanged_index(folder)
    return rewrite(prefix, DATA, lambda _: w.bundle_files(weights(1))[DATA])


# Cause, how it is made, and what of it must be said, in just one line.
CASES: list[tuple[str, Build, str]] = [
    ("data of another save", of_another_save, r"20 of 21 tensors .* another save .*one save"),
    ("of which one tensor is equal",
     lambda d: of_another_save(d, same=1), "19 of 21 .* another save"),
    ("of which five are equal, and small", few_of_another_save, "7 of 12 .* another save"),
    ("a longer save", longer_other_save, "size does not fit either.* another save"),
    ("a shorter save", shorter_other_save, "size does not fit either.* another save"),
    ("an index of another save", exchanged_index, "the index does not belong here"),
    ("variables of another save", exchanged_variables, "fingerprint.pb .* another index"),
    ("one damaged tensor", lambda d: poke(saved(d), DATA, EACH * 3 + 9), r"damaged.* 'w03', of 21"),
    ("the only tensor", lambda d: poke(bundle(d, {"w": weights(0)["w00"]}), DATA, 9),
     "damaged, or of another save.* 'w'"),
    ("a sector", data(lambda c: c[:70_000] + b"?" * 60_000 + c[130_000:]),
     r"damaged.* 'w03', 'w04', 'w05', 'w06', of 21"),
    ("data cut off", lambda d: cut(saved(d), DATA, 30_000),
     "ends 30,000 bytes early and lacks 2 of 21 tensors"),
    ("data cut off by a byte", lambda d: cut(saved(d), DATA, 1),
     "ends 1 byte early and lacks 1 of 21"),
    ("nothing of the data", data(lambda _: b""), "this is empty"),
    ("an index cut off", lambda d: cut(saved(d), INDEX, 100), "cut off"),
    ("a V1 file cut off", v1_file(lambda c: c[:-1]), "this is no checkpoint|cut off"),
    ("a pointer for data", data(lambda _: LFS), "Git LFS pointer for 123,456 bytes.* git lfs pull"),
    ("a pointer for the index", index(lambda _: LFS), "Git LFS pointer.* git lfs pull"),
    ("a pointer for a V1 file", v1_file(lambda _: LFS), "Git LFS pointer.* git lfs pull"),
    ("a page for data", data(lambda _: PAGE), "HTML page.*Download it again"),
    ("a page for the index", index(lambda _: PAGE), "HTML page.*Download it again"),
    ("a long page for data", data(lambda c: PAGE + b" " * len(c)), "HTML page"),
    ("data zero from some byte on",
     data(zeroed(123_456)), "zeros, from byte 123,456 on, in 14 tensors"),
    ("data all zero", data(zeroed(0)), "zeros, from byte 0 on, in 21 tensors"),
    ("a hole in the data",
     data(zeroed(EACH * 4 + 8, EACH * 9 + 8)), "zeros, from byte .* in 5 tensors"),
    ("an index that ends in zeros", index(lambda c: c[:500] + bytes(len(c) - 500)),
     "zeros, from byte 500 on: an unfinished download"),
    ("an index of zeros", index(lambda c: bytes(len(c))), "zeros, from byte 0 on"),
    ("data moved as text", data(to_crlf), "line feed .* text.* binary"),
    ("data moved as text, pairs left alone", data(unix2dos), "line feed .* text.* binary"),
    ("data moved as text, the other way", data(to_lf), "removed.* text.* binary"),
    ("an index moved as text", index(to_crlf), "line feed .* text.* binary"),
    ("an index, the other way", index(lf_in_index), "carriage return .* text.* binary"),
    ("a V1 file moved as text", v1_file(to_crlf), "line feed .* text.* binary"),
    ("a pointer for the graph", lambda d: with_meta(d, graph=LFS),
     "Git LFS pointer.* git lfs pull"),
    ("the graph of another model", lambda d: with_meta(d, "a"),
     "restores 'global_step' and 3 more"),
    ("files of another count", of_the_count_before,
     r"has the size and the checksums of"),
    ("a file that was not copied", missing,
     "not all files were copied: .*data-00001-of-00003 belongs here too"),
    ("a damaged index", lambda d: poke(saved(d), INDEX, 40), "is damaged, 1 block .* data files"),
    ("a damaged V1 file", v1_file(lambda c: c[:70_000] + b"?" + c[70_001:]),
     "is damaged, 1 block of it with all rows. Copy"),
    ("a damaged tensor of a V1 file",
     lambda d: poke(v1(d, weights(0), block_size=1000), "", 300_000), "damaged. Affected: 'w"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "says"), [pytest.param(build, says, id=what) for what, build, says in CASES]
)
def test_cause(build: Build, says: str, tmp_path: Path) -> None:
    report = verify(build(tmp_path))
    assert not report.ok
    assert len(report.diagnosis) == 1, "\n".join([*report.diagnosis, shown(report)[:2000]])
    assert re.search(says, report.diagnosis[0]), report.diagnosis[0]
    assert report.diagnosis[0].isprintable()


def test_sound_checkpoints_have_no_diagnosis(tmp_path: Path) -> None:
    assert verify(saved(tmp_path)).diagnosis == ()
    for path in checkpoints():
        report = verify(path)
        assert bool(report.diagnosis) <= (not report.ok), path


# One cause must not pass for another.


@pytest.mark.parametrize("lost", [1, 2, 100, EACH, EACH * 5 + 1, EACH * 19])
def test_cut_off_is_never_something_else(lost: int, tmp_path: Path) -> None:
    (line,) = verify(cut(saved(tmp_path), DATA, lost)).diagnosis
    assert f"ends {lost:,} byte" in line


@pytest.mark.parametrize("place", range(8, COUNT * EACH, 33_333))
def test_a_bit_is_never_something_else(place: int, tmp_path: Path) -> None:
    (line,) = verify(poke(saved(tmp_path), DATA, place)).diagnosis
    assert "damaged. Affected: 'w" in line


def test_cut_off_and_damaged(tmp_path: Path) -> None:
    prefix = poke(cut(saved(tmp_path), DATA, 100), DATA, 50_000)
    cut_off, damaged = verify(prefix).diagnosis
    assert "ends 100 bytes early and lacks 1 of" in cut_off
    assert "Affected: 'w02'" in damaged


def test_another_count_and_another_number(tmp_path: Path) -> None:
    (line,) = verify(renamed(tmp_path)).diagnosis
    assert f"p{DATA} has the size and the checksums" in line
    assert SECOND in line


def test_each_file_has_its_own(tmp_path: Path) -> None:
    prefix = saved(tmp_path, shards=3)
    cut(prefix, ".data-00000-of-00003", 5)
    poke(prefix, ".data-00002-of-00003", 30_000)
    first, second = verify(prefix).diagnosis
    assert "data-00000-of-00003: it ends 5 bytes early" in first
    assert "data-00002-of-00003: it is damaged" in second


def test_zeros_that_were_saved_are_no_evidence(tmp_path: Path) -> None:
    """The tensor behind the damaged one is zero, as it should be."""
    tensors = {"a": weights(0)["w00"], "b": np.zeros(5000, np.uint8)}
    (line,) = verify(poke(bundle(tmp_path, tensors), DATA, 100)).diagnosis
    assert "Affected: 'a', of 2" in line


def test_a_few_zeros_are_no_evidence(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"a": np.array([5], np.int64), "b": np.array([6], np.int64)})
    (line,) = verify(rewrite(prefix, DATA, zeroed(8))).diagnosis
    assert "Affected: 'b'" in line


@pytest.mark.parametrize("extra", [b"\r\n", b"\n", b"x", b"\r\n\r\n"])
def test_bytes_behind_the_end_are_no_line_feeds(extra: bytes, tmp_path: Path) -> None:
    report = verify(rewrite(saved(tmp_path), DATA, lambda c: c + extra))
    assert [p.code for p in report.problems] == ["TFC306"]
    assert report.diagnosis == ()


def test_at_level_sizes(tmp_path: Path) -> None:
    (line,) = verify(cut(saved(tmp_path), DATA, 7), level="sizes").diagnosis
    assert "ends 7 bytes early" in line
    (line,) = verify(rewrite(saved(tmp_path), DATA, to_crlf), level="sizes").diagnosis
    assert "transferred as text" in line


def test_little_is_read_where_the_cause_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage in two tensors of a large file: the diagnosis reads about a sector of each."""
    from tfckpt_reader.storage.local import File
    from tfckpt_reader.verification import checkpoint as verification
    from tfckpt_reader.verification import evidence

    read = 0
    really = File._pread

    def pread(self: File, offset: int, buffer: memoryview) -> int:
        nonlocal read
        read += len(buffer)
        return really(self, offset, buffer)

    def gather(*arguments: Any) -> list[Facts]:
        monkeypatch.setattr(File, "_pread", pread)
        return evidence.gather(*arguments)

    monkeypatch.setattr(verification, "gather", gather)
    prefix = poke(poke(saved(tmp_path), DATA, 50_000), DATA, 350_000)
    assert len(verify(prefix).diagnosis) == 1
    assert 0 < read <= 2 * 512


# The function alone.


def problem(code: str = "TFC401", **fields: Any) -> Problem:
    severity = CODES[code].severity
    plain = {"file": "f", "offset": 0, "tensor": "t", "what": "", "expected": None, "got": None}
    return Problem(code, severity, **{**plain, **fields})


OTHER = Facts("f", 100, needed=100, tensors=10, whole=10, failing=10)


def test_time_is_a_hint_and_never_the_reason() -> None:
    for older, words in (
        (0, None), (3000, None), (7200, "2 hours older"), (-7200, "2 hours newer"),
        (86400, "1 day older"), (-86400 * 400, "400 days newer"),
    ):  # fmt: skip
        (line,) = diagnose([problem()], [replace(OTHER, older=older)])
        assert "belongs to another save" in line
        assert ("(a hint: it is" in line) == (words is not None)
        assert words is None or words in line
        assert diagnose([problem()], [replace(OTHER, failing=1, older=older)]) == diagnose(
            [problem()], [replace(OTHER, failing=1, older=None)]
        )


def test_warnings_have_no_diagnosis() -> None:
    for code, kind in CODES.items():
        found = diagnose([problem(code)], [OTHER])
        assert bool(found) == (kind.severity == ERROR), code


def test_few_of_many_names_are_shown() -> None:
    problems = [problem(tensor=f"t{i}") for i in range(8)]
    (line,) = diagnose(problems, [replace(OTHER, tensors=100, whole=100, failing=8)])
    assert "'t4' and 3 more, of 100 tensors" in line
    assert "'t5'" not in line


@pytest.mark.parametrize("nasty", ["a\nb", "\x1b[31m", "\udcff", "x" * 5000])
def test_names_are_escaped_and_short(nasty: str) -> None:
    problems = [problem(tensor=nasty, file=nasty), problem("TFC301", file=nasty)]
    fact = replace(OTHER, file=nasty, failing=1)
    for line in diagnose(problems, [fact]):
        assert line.isprintable()
        assert line.count("x") < 11_000


# Data that a program took for text.


def replaced(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode()


def latin(data: bytes) -> bytes:
    return data.decode("latin-1").encode()


def stripped(data: bytes) -> bytes:
    return bytes(byte & 0x7F for byte in data)


def text(_: bytes) -> bytes:
    return b"not at all what TensorFlow writes\n" * 5


FLOAT_WEIGHTS = {
    f"w{i:02d}": np.random.default_rng(i).normal(size=64).astype(np.float32) for i in range(20)
}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (replaced, "EF BF BD"),
        (latin, "encoded in UTF-8"),
        (stripped, "above 127"),
        (text, "is text"),
    ],
)
@pytest.mark.parametrize("suffix", [DATA, INDEX, "fingerprint.pb", "saved_model.pb"])
def test_mangled_by_a_program_for_text(
    edit: Callable[[bytes], bytes], words: str, suffix: str, tmp_path: Path
) -> None:
    if suffix.startswith("."):
        path = rewrite(bundle(tmp_path, FLOAT_WEIGHTS), suffix, edit)
    else:
        path = tmp_path / "model"
        shutil.copytree(Path(__file__).parents[2] / "fixtures" / "saved_model", path)
        file = path / suffix
        file.write_bytes(edit(file.read_bytes()))
    report = verify(path)
    if (edit, suffix) == (stripped, "fingerprint.pb"):
        return  # too small to tell
    assert not report.ok
    (line,) = report.diagnosis
    assert words in line
    assert "another save" not in line
    assert "does not fit its message" not in shown(report)


LAYERS = {
    f"w{i:02d}": np.random.default_rng(i).normal(size=1500).astype(np.float32) for i in range(12)
}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda c: b"\xef\xbb\xbf" + c, "3 bytes too late"),
        (lambda c: c[:6007] + c[6011:], "4 bytes too early"),
        (lambda c: c.replace(b"\r", b""), "a carriage return"),
        (lambda c: c.replace(b"\r", b"\n"), "a carriage return"),
        (lambda c: c.expandtabs(4), "a tab"),
        (lambda c: c.replace(b"\0", b""), "a zero"),
        (lambda c: c.decode("latin1").encode("utf-16"), "UTF-16"),
    ],
)
def test_bytes_inserted_removed_or_replaced(
    edit: Callable[[bytes], bytes], words: str, tmp_path: Path
) -> None:
    lines = verify(rewrite(bundle(tmp_path, LAYERS), DATA, edit)).diagnosis
    assert words in lines[0]
    assert not any("another save" in line for line in lines)


@pytest.mark.parametrize("value", [b"\xff", b"\x3f"])
def test_a_file_of_one_byte_is_not_called_text(value: bytes, tmp_path: Path) -> None:
    (line,) = verify(rewrite(bundle(tmp_path, LAYERS), DATA, lambda c: value * len(c))).diagnosis
    assert "carriage return" not in line


def test_little_is_summed_in_search_of_a_moved_tensor(tmp_path: Path) -> None:
    """Very many bytes too many, and tensors that nothing equals: the search ends."""
    many = {f"w{i}": np.random.default_rng(i).integers(0, 256, 60_000, np.uint8) for i in range(9)}
    prefix = rewrite(bundle(tmp_path, many), DATA, lambda c: c[::-1] + bytes(60_000))
    (line,) = verify(prefix).diagnosis
    assert "another save" in line


def test_data_files_that_were_mixed_up(tmp_path: Path) -> None:
    prefix = bundle(tmp_path, LAYERS, shards=2)
    first, second = (Path(f"{prefix}.data-{n:05d}-of-00002") for n in range(2))
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    (line,) = verify(prefix).diagnosis
    assert f"{first}: it holds the tensors of {second}" in line
    second.write_bytes(one)
    for line in verify(prefix).diagnosis:
        assert "mixed up" in line
        assert "another save" not in line


def test_strings_may_be_text(tmp_path: Path) -> None:
    words = w.Strings(["\ufffd".encode() * 9 + b"word" * 99] * 9, (9,))
    prefix = poke(bundle(tmp_path, {"s": words}), DATA, 40)
    (line,) = verify(prefix).diagnosis
    assert "it is damaged" in line
