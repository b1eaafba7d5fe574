"""The matrix: every code that `verify` has, each from a good checkpoint with one thing changed.

The table names the byte or the field. A defect must be found under its code and under no other, at
the level of its code and not before. Where one change cannot but make two problems, a test of
test_verify.py says why.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import writers as w
from defects import (
    DATA,
    F_KEY,
    F_META,
    FLOATS,
    GRID,
    I_META,
    INDEX,
    INTS,
    NO_SLICE,
    OTHER_SLICE,
    SAVED_NAMES,
    SHORT_ROW,
    VALUE,
    WHOLE,
    Build,
    as_index,
    between,
    block_past_end,
    bundle,
    codes,
    cut,
    damaged_block,
    edited,
    empty_state,
    filled,
    folder_for_data,
    folder_for_fingerprint,
    full_metaindex,
    gap_in_index,
    good,
    in_blocks,
    long_varint,
    longer_nothing,
    longer_strings,
    longer_variant,
    lost_piece,
    metaindex_crc,
    numbers,
    objects,
    odd_block,
    odd_piece,
    of_zero,
    one_shared_byte,
    out_of_order,
    overlapping,
    pipe_for_data,
    pipe_for_index,
    poke,
    put,
    raw,
    real_model,
    same_bytes,
    saved_model,
    shared_block,
    stray_piece,
    swapped,
    too_deep,
    twice,
    v1,
    v1_hole,
    v1_meta,
    v1_rows,
    v1_with_meta,
    v1_without_shard,
    with_file,
    with_hash,
    with_header,
    with_meta,
    with_state,
    without,
    without_index,
    without_variables,
    zero_with,
)

from tfckpt_reader import Report, verify, verify_all
from tfckpt_reader.verification.codes import CODES, ERROR, LEVELS, reaches

CASES: list[tuple[str, str, Build]] = [
    ("TFC101", "a bit of the magic", lambda d: poke(bundle(d), INDEX, -1)),
    ("TFC101", "the index ends one byte early", lambda d: cut(bundle(d), INDEX, 1)),
    ("TFC101", "an empty index", lambda d: as_index(d, b"")),
    ("TFC101", "a web page for an index", lambda d: as_index(d, b"<!DOCTYPE html><p>404")),
    ("TFC101", "a V1 file ends one byte early", lambda d: cut(v1(d), "", 1)),
    ("TFC102", "a bit of the footer's padding", lambda d: poke(bundle(d), INDEX, -9)),
    ("TFC102", "a footer's number in one byte too many", lambda d: long_varint(bundle(d))),
    ("TFC102", "the same in V1", lambda d: long_varint(v1(d), "")),
    ("TFC103", "a bit of the metaindex's crc", metaindex_crc),
    ("TFC103", "a row in the metaindex", full_metaindex),
    ("TFC104", "a bit of a row in the second block", damaged_block),
    ("TFC104", "a block of an unknown compression", odd_block),
    ("TFC104", "a handle past the end", block_past_end),
    ("TFC105", "three bytes between blocks", gap_in_index),
    ("TFC105", "a block that is the metaindex too", shared_block),
    ("TFC106", "two rows of a block swapped", swapped),
    ("TFC106", "a key behind the block it belongs in", out_of_order),
    ("TFC107", "a row twice", twice),
    ("TFC107", "a row twice in V1", v1_rows(lambda rows: [*rows, rows[-1]])),
    ("TFC108", "a separator below a key of its block",
     lambda d: in_blocks(d, (b"e", slice(2)), (b"zz", slice(2, None)))),
    ("TFC108", "a separator above the next block's first key",
     lambda d: in_blocks(d, (b"j", slice(2)), (b"zz", slice(2, None)))),
    ("TFC201", "no header row", lambda d: bundle(d, edit_rows=lambda rows: rows[1:])),
    ("TFC201", "no header row in V1", v1_rows(lambda rows: rows[1:])),
    ("TFC202", "a header that is no message", with_header(b"\xff")),
    ("TFC202", "producer -1", with_header(w.header(producer=-1))),
    ("TFC202", "endianness 2", with_header(w.header(endianness=2))),
    ("TFC202", "a V1 header that is no message",
     v1_rows(lambda rows: w.replace_row(rows, b"", b"\xff"))),
    ("TFC202", "producer -1 in V1", v1_meta(F_META, I_META, versions=w.version_def(-1))),
    ("TFC203", "an entry that is no message", of_zero(b"\xff")),
    ("TFC203", "dtype 0", zero_with(dtype=None)),
    ("TFC203", "dtype 101, a reference", zero_with(dtype=101)),
    ("TFC203", "a negative dimension", zero_with(shape=w.shape_proto((0, -5)))),
    ("TFC203", "more elements than 2^63",
     lambda d: edited(d, b"f", shape=w.shape_proto((1 << 32, 1 << 32)))),
    ("TFC203", "a shape that is beyond 2^63 before it comes to 0",
     zero_with(shape=w.shape_proto((1 << 62, 4, 0)))),
    ("TFC203", "rank 300", zero_with(shape=w.shape_proto([0] * 300))),
    ("TFC203", "a shape of fewer bytes than the size",
     lambda d: edited(d, b"f", shape=w.shape_proto((3,)))),
    ("TFC203", "a negative offset", zero_with(offset=-8)),
    ("TFC203", "a negative shard", zero_with(shard=-1)),
    ("TFC203", "a shard beyond those that there are", zero_with(shard=7)),
    ("TFC203", "a negative dimension in V1", v1_meta(w.v1_tensor(b"f", (-4,), 1, [WHOLE]), I_META)),
    ("TFC204", "slices that overlap", overlapping),
    ("TFC204", "a slice without a row", lost_piece),
    ("TFC204", "a slice of another shape", odd_piece),
    ("TFC204", "a slice that is all of its tensor",
     lambda d: bundle(d, {"g": w.Sliced(GRID, [[(0, -1), (0, -1)]])})),
    ("TFC204", "a scalar in slices", lambda d: bundle(d, {"g": w.Sliced(FLOATS[0], [[]])})),
    ("TFC204", "a slice that reaches outside",
     lambda d: bundle(d, {"g": w.Sliced(FLOATS, [[(0, 4)]])},
                      edit_rows=lambda rows: w.edit_entry(rows, b"g", shape=w.shape_proto((3,))))),
    ("TFC204", "a hole behind a slice in V1", v1_hole),
    ("TFC204", "a V1 tensor without slices",
     v1_meta(F_META, I_META, w.v1_tensor(b"n", (4,), 1, []))),
    ("TFC204", "a V1 slice without a row",
     v1_rows(lambda rows: w.replace_row(rows, F_KEY, None))),
    ("TFC205", "the row of a slice that no tensor has", stray_piece),
    ("TFC205", "the same in V1", v1_meta(I_META)),
    ("TFC206", "a name that is not UTF-8", lambda d: bundle(d, {"\udcff": FLOATS})),
    ("TFC206", "the same in V1", lambda d: v1(d, {"\udcff": FLOATS})),
    ("TFC301", "no data file", lambda d: without(d, DATA)),
    ("TFC301", "one of two data files", lambda d: without(d, ".data-00001-of-00002", shards=2)),
    ("TFC301", "one of two V1 shards", v1_without_shard),
    ("TFC302", "the data file ends one byte early",
     lambda d: cut(bundle(d, {"f": FLOATS}), DATA, 1)),
    ("TFC303", "two tensors at one place", same_bytes),
    ("TFC303", "a byte that two tensors share", one_shared_byte),
    ("TFC304", "a byte between tensors, not zero", between(b"\x01")),
    ("TFC305", "a byte between tensors, zero", between(b"\0")),
    ("TFC306", "a byte behind the last tensor", lambda d: bundle(d, tail=b"\0")),
    ("TFC307", "two shards in the header, one on disk", with_header(w.header(2))),
    ("TFC307", "more shards in the header than there can be", with_header(w.header(1 << 30))),
    ("TFC308", "a data file of another count", with_file(".data-00002-of-00003", b"")),
    ("TFC308", "a data file that no tensor lies in",
     lambda d: put(d, {**w.bundle_files(good(), shards=2, placement=dict.fromkeys(good(), 0)),
                       ".data-00001-of-00002": b"?"})),
    ("TFC401", "a bit of a tensor", lambda d: poke(bundle(d), DATA, 5)),
    ("TFC401", "the crc in an entry", lambda d: edited(d, b"i", crc=0)),
    ("TFC401", "the crc in the entry of a tensor without bytes", zero_with(crc=1)),
    ("TFC402", "more strings than bytes", raw(w.STRING, (9,), b"\1\1")),
    ("TFC402", "a variant longer than its tensor", raw(w.VARIANT, (1,), b"\x7f?????")),
    ("TFC402", "three values for four elements in V1",
     v1_rows(lambda rows: w.replace_row(rows, F_KEY, SHORT_ROW))),
    ("TFC402", "a V1 row that says it is of another slice",
     v1_rows(lambda rows: w.replace_row(rows, F_KEY, OTHER_SLICE))),
    ("TFC402", "a V1 row whose slice is no message",
     v1_rows(lambda rows: w.replace_row(rows, F_KEY, NO_SLICE))),
    ("TFC402", "values for a V1 tensor without elements",
     v1_meta(w.v1_tensor(b"f", (0,), 1, [WHOLE]), I_META)),
    ("TFC403", "padding counted with the strings", longer_strings),
    ("TFC403", "two bytes behind a variant", longer_variant),
    ("TFC403", "two bytes behind no strings", longer_nothing),
    ("TFC501", "a fingerprint that is no message",
     lambda d: saved_model(d, b"\xff")),
    ("TFC501", "a fingerprint of a million bytes",
     lambda d: saved_model(d, bytes(1_000_000))),
    ("TFC501", "a fingerprint that stayed in Git LFS",
     lambda d: saved_model(d, b"version https://git-lfs.github.com/spec/v1\n")),
    ("TFC502", "a bit of the hash of the index", lambda d: real_model(d, edit=with_hash(1))),
    ("TFC502", "another index", lambda d: saved_model(d, w.int_field(5, 1))),
    ("TFC503", "a graph that restores one tensor more",
     lambda d: with_meta(d, *SAVED_NAMES[:3])),
    ("TFC503", "the same beside V1", lambda d: v1_with_meta(d, *SAVED_NAMES[1:])),
    ("TFC504", "an object whose value is not there",
     lambda d: objects(d, "a" + VALUE, "b" + VALUE, tensors={"a" + VALUE: INTS})),
    ("TFC505", "a .meta that is no message", lambda d: with_meta(d, graph=b"\xff\xff")),
    ("TFC505", "an empty .meta", lambda d: with_meta(d, graph=b"")),
    ("TFC505", "a .meta that stayed in Git LFS",
     lambda d: with_meta(d, graph=b"version https://git-lfs.github.com/spec/v1\nsize 5\n")),
    ("TFC402", "a graph of objects that is no message", lambda d: objects(d, graph=b"\xff")),
    ("TFC601", "a weight that is NaN", numbers(float("nan"))),
    ("TFC601", "a V1 weight that is NaN",
     lambda d: v1(d, {"f": np.array([1, float("nan")], np.float32), "i": INTS})),
    ("TFC602", "a weight that is infinite", numbers(float("-inf"))),
    ("TFC602", "the same in half precision",
     lambda d: bundle(d, {"g": np.array([1, 2, float("inf")], np.float16)})),
    ("TFC603", "a grid of zeros", filled(0)),
    ("TFC603", "a grid of minus zeros", filled(-0.0)),
    ("TFC603", "a V1 grid of zeros", lambda d: v1(d, {"g": np.zeros((3, 4), np.float64)})),
    ("TFC604", "a grid of ones", filled(1, np.float64)),
    ("TFC605", "all weights denormal", numbers(*(n * 1e-42 for n in range(12)))),
    ("TFC901", "dtype 50", zero_with(dtype=50)),
    ("TFC901", "for newer readers", with_header(w.header(min_consumer=2))),
    ("TFC901", "not for readers of version 1", with_header(w.header(bad_consumers=[1]))),
    ("TFC901", "for newer readers, V1",
     v1_meta(F_META, I_META, versions=w.version_def(1, min_consumer=2))),
    ("TFC309", "a folder for a data file", folder_for_data),
    ("TFC309", "a pipe for a data file", pipe_for_data),
    ("TFC351", "a newest checkpoint that is not there", with_state("q")),
    ("TFC351", "an empty state file", empty_state),
    ("TFC352", "an older checkpoint that is not there", with_state("p", "p", "o")),
    ("TFC353", "data without an index", without_index),
    ("TFC353", "a SavedModel without its variables", without_variables),
    ("TFC354", "a pipe for an index", pipe_for_index),
    ("TFC354", "a folder for a fingerprint", folder_for_fingerprint),
    ("TFC355", "a folder that lies too deep", too_deep),
]  # fmt: skip

OF_FOLDERS = {"TFC351", "TFC352", "TFC353", "TFC354", "TFC355"}
"""What only a search through folders comes upon: there, that is what is verified."""
each_case = pytest.mark.parametrize(
    ("code", "build"), [pytest.param(c, b, id=f"{c}: {what}") for c, what, b in CASES]
)


def reports_of(code: str, path: Path, level: str) -> tuple[Report, ...]:
    return verify_all(path, level=level) if code in OF_FOLDERS else (verify(path, level=level),)


@each_case
def test_defect_has_its_code_and_no_other(code: str, build: Build, tmp_path: Path) -> None:
    reports = reports_of(code, build(tmp_path), "values")
    (problem,) = (problem for report in reports for problem in report.problems)
    assert problem.code == code, problem
    assert problem.severity == CODES[code].severity
    assert all(report.ok for report in reports) == (problem.severity != ERROR)
    assert problem.file is not None
    assert problem.file.startswith(str(tmp_path))
    assert str(problem).isprintable()


@each_case
def test_the_level_of_a_code_is_the_first_that_finds_it(
    code: str, build: Build, tmp_path: Path
) -> None:
    path = build(tmp_path)
    for level in LEVELS:
        reports = reports_of(code, path, level)
        assert {report.level for report in reports} == {level}
        found = [each for report in reports for each in codes(report)]
        if reaches(level, CODES[code].level):
            assert found == [code], level
        else:  # a V1 file is its own index
            early = [[], [code]] if reports[0].version == "V1" else [[]]
            assert found in early, level


def test_every_code_is_in_the_table() -> None:
    assert {code for code, _, _ in CASES} == set(CODES)
