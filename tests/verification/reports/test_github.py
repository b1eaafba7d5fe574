"""Annotations of GitHub, parsed as its runner does."""

from __future__ import annotations

from hypothesis import given
from report_parsers import command_of
from reports import all_problems, hostile_reports, names, problem, report

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION
from tfckpt_reader.verification.report import Report
from tfckpt_reader.verification.reports import github
from tfckpt_reader.verification.reports.github import annotated, harmless


def test_an_annotation() -> None:
    bad = problem(file="/top/a,b: c/m.data", tensor="100%", offset=3)
    (line,) = annotated([report(bad, bad)], top="/top")
    name, properties, message = command_of(line)
    assert (name, properties["file"]) == ("error", "a,b: c/m.data")
    assert properties["title"] == "TFC401 crc"
    first, more, cure = message.split("\n")
    assert first == "byte 3: tensor '100%': w"
    assert "1 more" in more
    assert cure == f"{CODES['TFC401'].meaning} {CODES['TFC401'].cure}"


def test_remarks_are_no_annotations() -> None:
    assert CODES["TFC305"].severity == INFORMATION
    assert annotated([report(problem("TFC305"))]) == []


def test_ten_annotations_and_every_checkpoint_has_its_turn() -> None:
    messy = report(*(problem(file=f"f{i}") for i in range(30)), path="messy")
    others = [report(problem("TFC302", file=f"g{i}"), path=f"other{i}") for i in range(4)]
    warned = [report(problem("TFC601", file=f"h{i}")) for i in range(12)]
    lines = [command_of(line) for line in annotated([messy, *others, *warned], failed=["why"])]
    errors = [line for line in lines if line[0] == "error"]
    warnings = [line for line in lines if line[0] == "warning"]
    assert (len(errors), len(warnings)) == (github.MOST, github.MOST)
    assert errors[0][2] == "why"
    shown = [line[1].get("file") for line in errors]
    assert shown[1:6] == ["f0", "g0", "g1", "g2", "g3"]
    assert errors[-1][2].startswith("26 more")
    assert warnings[-1][2].startswith("3 more")


def test_very_many_failures_leave_no_room() -> None:
    lines = annotated([report(problem())], failed=[f"p{i}" for i in range(30)])
    assert len(lines) == github.MOST
    assert "22 more" in lines[-2]


@given(hostile_reports(), names)
def test_annotations_of_anything(reports: list[Report], why: str) -> None:
    lines = annotated(reports, top="/top", failed=[why])
    for line in lines:
        name, properties, message = command_of(line)
        assert name in ("error", "warning")
        assert set(properties) <= {"file", "title"}
        assert all(part.isprintable() for part in message.split("\n"))
    told = {p.severity for p in all_problems(reports)} - {INFORMATION}
    assert {command_of(line)[0] for line in lines} == told | {ERROR}
    assert len(lines) <= 2 * github.MOST


@given(names)
def test_a_harmless_line(name: str) -> None:
    line = harmless(printable(name))
    assert not line.lstrip().startswith("::")
    assert "##[" not in line
