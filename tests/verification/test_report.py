"""Reports: codes, problems, the collector, and the sums."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from tfckpt_reader.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    ChecksumError,
    CorruptCheckpointError,
    ErrorKind,
    TensorNotFoundError,
    TruncatedError,
    UnsupportedError,
)
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION, WARNING
from tfckpt_reader.verification.findings import Findings, code_of, code_of_data
from tfckpt_reader.verification.report import Problem, Report

# What the issue asks for: these are errors, this is information, these do not fail a build.
ERRORS = {
    *("not-a-table", "footer", "metaindex", "block", "index-gap", "key-order", "duplicate-key"),
    *("separator", "no-header", "header", "entry", "slices", "shard-missing", "shard-short"),
    *("overlap", "hole", "trailing", "crc", "value", "string-size", "unsupported"),
    *("fingerprint", "other-index", "graph-key", "object-key", "graph"),
    *(
        "state-newest",
        "index-missing",
        "unmerged",
        "unreadable",
        "unreadable-folder",
        "shard-unreadable",
        "changed",
    ),
    *("stray-slice", "shard-count", "unmerged"),  # TensorFlow cannot read those tensors
}
HARMLESS = {
    "padding": INFORMATION,
    "stray-shard": INFORMATION,
    "name": WARNING,
    **dict.fromkeys(("nan", "infinite", "all-zero", "constant", "denormal"), WARNING),
    "state-kept": WARNING,
    "graph-shape": WARNING,
    "state-text": WARNING,
}


def problem(code: str = "TFC401", **fields: object) -> Problem:
    plain: dict[str, object] = {
        "code": code,
        "severity": CODES[code].severity,
        "file": None,
        "offset": None,
        "tensor": None,
        "what": "words",
        "expected": None,
        "got": None,
    }
    return Problem(**{**plain, **fields})  # type: ignore[arg-type]


def report(*problems: Problem, tensors: int = 0, nbytes: int = 0, path: str = "p") -> Report:
    return Report(path, "V2", tensors, nbytes, problems)


@pytest.mark.parametrize("code", CODES)
def test_code_is_complete(code: str) -> None:
    assert re.fullmatch(r"TFC\d{3}", code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", CODES[code].name)
    for words in (CODES[code].meaning, CODES[code].cure):
        assert words[0].isupper() or words.startswith("fingerprint.pb ")
        assert words[-1] in ".?"
        assert words.isascii()


def test_severities_are_those_of_the_issue() -> None:
    found = {code.name: code.severity for code in CODES.values()}
    assert len(found) == len(CODES), "a name is used twice"
    assert found == {**dict.fromkeys(ERRORS, ERROR), **HARMLESS}


@pytest.mark.parametrize("code", CODES)
def test_ok_is_no_error(code: str) -> None:
    assert report(problem(code)).ok == (CODES[code].severity != ERROR)
    assert not report(problem(code), problem("TFC401"), problem("TFC305")).ok


def test_ok_of_nothing() -> None:
    assert report().ok


def test_problem_in_one_line() -> None:
    full = problem(
        file="dir/p.index", offset=7, tensor="a/b", what="is bad", expected=3, got="four"
    )
    text = str(full)
    assert text.startswith("error TFC401 crc: dir/p.index: byte 7: tensor 'a/b': is bad")
    assert text.endswith("(expected 3, found four)")
    assert str(problem()) == "error TFC401 crc: words"
    assert str(problem(expected=3)) == "error TFC401 crc: words (expected 3)"
    assert str(problem(got=4)) == "error TFC401 crc: words (found 4)"
    assert str(problem(offset=0)) == "error TFC401 crc: byte 0: words"


@pytest.mark.parametrize("field", ["file", "tensor", "what", "expected", "got"])
@pytest.mark.parametrize("nasty", ["\x1b[31m", "a\nb", "\r", "\u202e", "\u2028", "\udcff", "\0"])
def test_nothing_in_a_problem_breaks_the_line(field: str, nasty: str) -> None:
    text = str(problem(**{field: nasty}))
    assert text.isprintable()
    assert text.encode("utf-8")


def test_problem_is_a_value() -> None:
    assert problem() == problem()
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem().code = "TFC402"  # type: ignore[misc]


def test_report_counts_by_severity() -> None:
    one = report(problem("TFC401"), tensors=1, nbytes=1)
    assert str(one) == "p: 1 error (1 tensor, 1 byte checked)"
    some = report(
        *(problem(code) for code in ("TFC305", "TFC401", "TFC601", "TFC302", "TFC308", "TFC206")),
        tensors=1234,
        nbytes=5678901,
    )
    assert (
        str(some) == "p: 2 errors, 2 warnings, 2 remarks (1,234 tensors, 5,678,901 bytes checked)"
    )
    assert str(report()) == "p: sound (0 tensors, 0 bytes checked)"


def test_report_path_is_escaped() -> None:
    assert str(report(path="a\nb\x1b")).isprintable()


def test_findings_take_the_severity_of_the_code() -> None:
    findings = Findings()
    for code in CODES:
        findings.add(code, "words", expected=1, got=b"x")
    assert [p.code for p in findings.problems] == list(CODES)
    assert [p.severity for p in findings.problems] == [c.severity for c in CODES.values()]
    assert {(p.expected, p.got) for p in findings.problems} == {("1", "b'x'")}


def test_findings_refuse_an_unknown_code() -> None:
    with pytest.raises(KeyError):
        Findings().add("TFC999", "words")


def fail(error: Exception) -> None:
    raise error


def test_collect_turns_an_error_into_a_problem() -> None:
    findings = Findings()
    where: dict[str, Any] = {"file": "f", "offset": 3, "tensor": "t", "structure": "data block"}
    where["kind"] = ErrorKind.BLOCK
    error = ChecksumError("masked crc does not match", expected=1, got=2, **where)
    with findings.collect("TFC104"):
        fail(error)
    (found,) = findings.problems
    assert found.what == "data block: masked crc does not match"
    assert (found.code, found.severity) == ("TFC104", ERROR)
    assert (found.file, found.offset, found.tensor) == ("f", 3, "t")
    assert (found.expected, found.got) == ("1", "2")


def test_collect_lets_other_errors_out() -> None:
    findings = Findings()
    with pytest.raises(ZeroDivisionError), findings.collect("TFC104"):
        fail(ZeroDivisionError())
    assert findings.problems == []


def test_collect_takes_the_better_code() -> None:
    findings = Findings()
    with findings.collect("TFC203"):
        fail(CorruptCheckpointError("overlap", kind=ErrorKind.SLICES))
    with findings.collect("TFC203"):
        fail(CorruptCheckpointError("is odd", structure="shape"))
    assert [p.code for p in findings.problems] == ["TFC204", "TFC203"]


def test_findings_count_errors() -> None:
    findings = Findings()
    for code in ("TFC305", "TFC206", "TFC104", "TFC901"):
        findings.add(code, "words")
    assert findings.errors == 2


def test_unreadable_and_unsupported_have_their_own_codes() -> None:
    findings = Findings()
    with findings.collect("TFC203"):
        fail(UnsupportedError("dtype number 50 is not known", structure="data block"))
    findings.add_error("TFC402", UnsupportedError("more memory is needed"))
    findings.add_error("TFC501", CheckpointError("cannot be opened"))
    findings.add_error("TFC309", CheckpointError("cannot be opened"))
    assert [p.code for p in findings.problems] == ["TFC901", "TFC901", "TFC354", "TFC309"]
    with pytest.raises(CheckpointError), findings.collect("TFC104"):
        fail(CheckpointError("cannot be read"))


def test_a_foreign_file_comes_with_advice() -> None:
    findings = Findings()
    problem = "this is an HTML page"
    wrong_file = CorruptCheckpointError(problem, kind=ErrorKind.FOREIGN, advice="Get it")
    findings.add_error("TFC101", wrong_file)
    findings.add_error("TFC101", CorruptCheckpointError("is short", advice="Get it"))
    assert [p.what for p in findings.problems] == ["this is an HTML page. Get it", "is short"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ChecksumError("crc", kind=ErrorKind.BLOCK), "TFC104"),
        (CorruptCheckpointError("crc", kind=ErrorKind.BLOCK), "TFC104"),
        (TruncatedError("short", kind=ErrorKind.TABLE), "TFC101"),
        (CorruptCheckpointError("not the message", kind=ErrorKind.HEADER), "TFC202"),
        (CorruptCheckpointError("below 0", kind=ErrorKind.HEADER), "TFC202"),
        (CorruptCheckpointError("descend", kind=ErrorKind.KEY_ORDER), "TFC106"),
        (CorruptCheckpointError("overlap", kind=ErrorKind.SLICES), "TFC204"),
        (
            CorruptCheckpointError("outside", kind=ErrorKind.SLICES, structure="slice 0,1:-"),
            "TFC204",
        ),
        (CorruptCheckpointError("is short"), "TFC402"),
        (CorruptCheckpointError("is odd", structure="something else"), "TFC402"),
    ],
)
def test_code_of_an_error_by_its_kind(error: CheckpointError, code: str) -> None:
    assert code_of(error, "TFC402") == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckpointNotFoundError("gone"), "TFC301"),
        (TruncatedError("short"), "TFC302"),
        (TruncatedError("short", structure="index entry"), "TFC302"),
        (ChecksumError("crc"), "TFC401"),
        (CorruptCheckpointError("size", kind=ErrorKind.ENTRY), "TFC203"),
        (CorruptCheckpointError("lengths", structure="string lengths"), "TFC402"),
        (TensorNotFoundError("none"), "TFC402"),
    ],
)
def test_code_of_an_error_in_data(error: CheckpointError, code: str) -> None:
    assert code_of_data(error) == code
