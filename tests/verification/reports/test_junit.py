"""JUnit: one case per file and per scope, read back by junitparser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from report_parsers import parsed
from reports import hostile_reports, names, problem, report

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import ERROR, WARNING
from tfckpt_reader.verification.report import MOST, OTHER, Report, coverage_of
from tfckpt_reader.verification.reports.junit import cases, junit


def test_a_case_per_file_and_per_scope() -> None:
    files = ("runs/m.index", "runs/m.data-00000-of-00001")
    one = problem(tensor="bert/a/b", file=files[1])
    two = problem("TFC302", file=files[1])
    three = problem("TFC301", file="runs/m.data-00001-of-00002")
    lost = problem("TFC203", tensor="gone/x")
    covered = coverage_of(files, ["bert/a/b", "bert/c", "cls/d", "step"])
    found = {c.name: c for c in cases(report(one, two, three, lost, coverage=covered))}
    assert {name: c.problems for name, c in found.items()} == {
        "file m.index": (),
        "file m.data-00000-of-00001": (two,),
        "file m.data-00001-of-00002": (three,),
        "tensors without a scope": (),
        "tensors bert/": (one,),
        "tensors cls/": (),
        "tensors gone/": (lost,),
    }
    assert covered.scopes["bert"] == 2


def test_a_million_scopes_are_few_cases() -> None:
    covered = coverage_of([f"f{i}" for i in range(5000)], (f"s{i}/x" for i in range(5000)))
    assert len(covered.files) == MOST
    assert len(covered.scopes) == MOST + 1
    assert sum(covered.scopes.values()) == 5000
    late = problem(tensor="s4999/x")
    found = [c for c in cases(report(late, coverage=covered)) if c.problems]
    assert [c.name for c in found] == [f"tensors {OTHER}/"]


def test_names_beyond_the_coverage_are_in_few_cases_too() -> None:
    """Entries that say nothing of their tensors, and files that are not there."""
    lost = [problem("TFC203", tensor=f"s{i}/x") for i in range(5000)]
    missing = [problem("TFC301", file=f"runs/f{i}") for i in range(5000)]
    found = cases(report(*lost, *missing))
    assert [len(c.problems) for c in found] == [*[1] * MOST, 5000 - MOST] * 2
    names = [c.name for c in found]
    assert names[0] == "file f0"
    assert (names[MOST], names[-1]) == (f"file {OTHER}", f"tensors {OTHER}/")


def test_junit_says_which_case_fails() -> None:
    covered = coverage_of(["runs/m.index"], ["a/x", "b/y"])
    bad = problem(tensor="a/x", offset=7, expected="1", got="2")
    warned = problem("TFC601", file="runs/m.index")
    xml = parsed(junit([report(bad, warned, coverage=covered), report(path="other")]))
    assert (xml.tests, xml.failures, xml.errors) == (3, 1, 0)
    first, second = xml
    assert (first.name, first.tests, first.failures, second.name) == ("runs/m", 3, 1, "other")
    found = {case.name: case for case in first}
    assert found["tensors b/"].is_passed
    assert found["file m.index"].is_passed
    assert "TFC601" in found["file m.index"].system_out
    (failure,) = found["tensors a/"].result
    assert (failure.type, failure.text) == ("TFC401", str(bad))
    properties = {p.name: p.value for p in first.properties()}
    assert properties == {"version": "V2", "level": "data", "tensors": "3", "bytes": "40"}


def test_junit_strictly() -> None:
    warned = [report(problem("TFC601", file="runs/m.index"))]
    assert parsed(junit(warned)).failures == 0
    assert parsed(junit(warned, strict=True)).failures == 1
    assert parsed(junit([report(problem("TFC305"))], strict=True)).failures == 0


def test_junit_of_nothing_and_of_failure() -> None:
    assert parsed(junit([])).tests == 0
    xml = parsed(junit([], failed=["p: there is no checkpoint here"]))
    assert (xml.tests, xml.errors) == (1, 1)
    ((case,),) = list(xml)
    assert case.result[0].message == "p: there is no checkpoint here"


def test_junit_stays_small() -> None:
    many = [problem(tensor=f"a/{i}") for i in range(50_000)]
    text = junit([report(*many)])
    assert len(text) < 10_000
    assert "… and 49,980 more" in text


@given(hostile_reports(), names, st.booleans())
def test_junit_of_anything(reports: list[Report], why: str, strict: bool) -> None:
    xml = parsed(junit(reports, strict=strict, failed=[why]))
    suites = list(xml)
    assert [suite.name for suite in suites[:-1]] == [printable(r.path) for r in reports]
    for suite, its in zip(suites, reports, strict=False):
        expected = cases(its)
        assert [case.name for case in suite] == [printable(case.name) for case in expected]
        bad = {ERROR, WARNING} if strict else {ERROR}
        failing = [any(p.severity in bad for p in case.problems) for case in expected]
        assert [not case.is_passed for case in suite] == failing
        for case, of in zip(suite, expected, strict=True):
            texts = [r.text for r in case.result] or [case.system_out or ""]
            assert set(texts[0].split("\n")) - {""} == {str(p) for p in of.problems}
    assert xml.errors == 1
