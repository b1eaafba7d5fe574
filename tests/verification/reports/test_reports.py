"""Reports in other formats, read back by those who read such formats, whatever names hold."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_parsers import SCHEMA, command_of, parsed, run_of, validate

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES, ERROR, INFORMATION, LEVELS, WARNING
from tfckpt_reader.verification.report import MOST, OTHER, Problem, Report, coverage_of
from tfckpt_reader.verification.reports import github, locations, markdown
from tfckpt_reader.verification.reports.github import annotated, harmless
from tfckpt_reader.verification.reports.json_report import document, documents, json_stream
from tfckpt_reader.verification.reports.junit import cases, junit
from tfckpt_reader.verification.reports.markdown import escaped
from tfckpt_reader.verification.reports.sarif import sarif

NASTY = [
    "]]>", "::error file=x::y", "##[error]pwned", "::stop-commands::x", "%0A::add-mask::x", "a\nb",
    "\x1b[31mred", "\x00", "\udcff", "\ufffe", "\u202e", "<script>alert(1)</script>", "&lt;&#10;",
    'a"b', "a'b", "| a | b |", "`code`", "**bold**", "[x](http://y)", "http://x.y", "www.x.y",
    "@somebody", "$x^2$", "_a_", "~~a~~", "![i](j)", "{{ inject }}", "${{ secrets.X }}", "a,b:c=d",
    "\\", "a\r\nb", " ", "", "-", "#1", "a:b", "\U0001f600", "x" * 500, "a@b.c", "\x85", "\u2028",
]  # fmt: skip
names = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(), max_size=20),
    st.lists(st.sampled_from(NASTY), max_size=4).map("/".join),
)


def problem(code: str = "TFC401", **fields: Any) -> Problem:
    plain = dict.fromkeys(("file", "offset", "tensor", "expected", "got"))
    return Problem(
        **{"code": code, "severity": CODES[code].severity, "what": "w", **plain, **fields}
    )


def report(*problems: Problem, path: str = "runs/m", **fields: Any) -> Report:
    return Report(path, fields.pop("version", "V2"), 3, 40, problems, **fields)


@st.composite
def hostile_reports(draw: st.DrawFn) -> list[Report]:
    optional = st.one_of(st.none(), names)
    problems = st.builds(
        problem,
        st.sampled_from(list(CODES)),
        file=optional,
        offset=st.one_of(st.none(), st.integers(-(1 << 63), 1 << 63)),
        tensor=optional,
        what=names,
        expected=optional,
        got=optional,
    )
    return [
        report(
            *draw(st.lists(problems, max_size=4)),
            path=draw(names),
            version=draw(st.sampled_from(["V1", "V2", ""])),
            notes=tuple(draw(st.lists(names, max_size=2))),
            level=draw(st.sampled_from(LEVELS)),
            diagnosis=tuple(draw(st.lists(names, max_size=2))),
            coverage=coverage_of(
                draw(st.lists(names, max_size=3)), draw(st.lists(names, max_size=3))
            ),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]


def all_problems(reports: Sequence[Report]) -> list[Problem]:
    return [problem for report in reports for problem in report.problems]


# Cases.


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
    assert found["tensors bert/"].contents == "2 tensors"


def test_a_million_scopes_are_few_cases() -> None:
    covered = coverage_of([f"f{i}" for i in range(5000)], (f"s{i}/x" for i in range(5000)))
    assert len(covered.files) == MOST
    assert len(covered.scopes) == MOST + 1
    assert sum(covered.scopes.values()) == 5000
    late = problem(tensor="s4999/x")
    found = [c for c in cases(report(late, coverage=covered)) if c.problems]
    assert [c.name for c in found] == [f"tensors {OTHER}/"]


def test_what_nobody_could_cover_is_in_few_cases_too() -> None:
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


# SARIF.


def sarif_text(reports: list[Report], **options: Any) -> str:
    return "".join(sarif(reports, **options))


def test_sarif_says_where(tmp_path: Path) -> None:
    bad = problem(file=str(tmp_path / "a b" / "m.data"), offset=12, tensor="a/x")
    remark = problem("TFC305", file="/elsewhere/m.data")
    text = sarif_text([report(remark, bad)], version="1.2.3", top=str(tmp_path))
    run = run_of(text)
    first, second = run["results"]
    assert (first["level"], second["level"]) == ("error", "note")
    where = first["locations"][0]
    assert where["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/m.data"
    assert where["physicalLocation"]["region"] == {"byteOffset": 12}
    assert where["logicalLocations"][0]["fullyQualifiedName"] == "a/x"
    elsewhere = second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert elsewhere == Path("/elsewhere/m.data").as_uri()
    assert run["invocations"][0]["executionSuccessful"]


def test_sarif_rules_are_the_codes() -> None:
    run = run_of(sarif_text([report(problem("TFC302"))], version="1"))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    assert rules[run["results"][0]["ruleIndex"]]["id"] == "TFC302"
    for rule in rules:
        code = CODES[rule["id"]]
        assert (rule["shortDescription"]["text"], rule["help"]["text"]) == (code.meaning, code.cure)
        assert re.fullmatch(r"([A-Z][a-z]*)+", rule["name"])
    levels = {rule["defaultConfiguration"]["level"] for rule in rules}
    assert levels == {"error", "warning", "note"}


def fingerprints(*problems: Problem) -> list[str]:
    run = run_of(sarif_text([report(*problems)], version="1"))
    return [one["partialFingerprints"]["tfckptProblem/v1"] for one in run["results"]]


def test_fingerprints_stay_when_bytes_move() -> None:
    before = fingerprints(problem(file="m", tensor="t", offset=1, got="a"))
    assert before == fingerprints(problem(file="m", tensor="t", offset=9, got="b"))
    others = [problem(file="m", tensor="u"), problem(file="n", tensor="t"), problem("TFC402")]
    assert not set(before) & set(fingerprints(*others))
    twice = fingerprints(problem(file="m"), problem(file="m"))
    assert len(set(twice)) == 2


def test_sarif_of_failure_and_of_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    from tfckpt_reader.verification.reports import sarif as module

    run = run_of(sarif_text([], version="1", failed=["no checkpoint"]))
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "no checkpoint"
    monkeypatch.setattr(module, "_MOST", 2)
    run = run_of(sarif_text([report(problem("TFC305"), problem(), problem())], version="1"))
    assert [one["ruleId"] for one in run["results"]] == ["TFC401", "TFC401"]
    assert "1 problem more" in str(run["invocations"])


@given(hostile_reports(), names)
def test_sarif_of_anything(reports: list[Report], why: str) -> None:
    run = run_of(sarif_text(reports, version="1", top="/top", failed=[why]))
    assert len(run["results"]) == len(all_problems(reports))
    prints = [one["partialFingerprints"]["tfckptProblem/v1"] for one in run["results"]]
    assert len(set(prints)) == len(prints)
    found = {
        unquote_to_bytes(one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        for one in run["results"]
    }
    told = {locations.path_of(p, r) for r in reports for p in r.problems}
    assert found == {b"file://" + os.fsencode(os.path.abspath(path)) for path in told}


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


def test_the_diagnosis_is_told_everywhere() -> None:
    why = "the download was cut off"
    bad = report(problem("TFC302"), problem(), diagnosis=(why,))
    first, second = (command_of(line)[2] for line in annotated([bad]))
    assert why in first
    assert why not in second
    assert f"diagnosis: {why}" in junit([bad])
    assert f"* runs/m: {why}" in markdown.markdown([bad]).splitlines()
    assert document(bad)["diagnosis"] == [why]


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


# Markdown.


def texts_of(page: str) -> tuple[list[str], list[list[str]]]:
    """The cells of each table row, and every other line; as a renderer of GitHub's kind sees it."""
    renderer = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False})
    tokens = renderer.parse(page)
    rows: list[list[str]] = []
    others: list[str] = []
    inside = False
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        inside = {"td_open": True, "th_open": True, "td_close": False, "th_close": False}.get(
            token.type, inside
        )
        if token.type != "inline":
            assert token.type not in ("html_block", "fence", "code_block", "blockquote_open")
            continue
        children = token.children or []
        comments = {child.content for child in children if child.type == "html_inline"}
        kinds = {child.type for child in children} - {"html_inline"}
        assert comments <= {"<!-- -->"}
        assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
        text = "".join("\0" if c.type == "html_inline" else c.content for c in children)
        # To find addresses and mentions, GitHub takes neighbouring texts together.
        assert not re.search(r"@[^\0]", text)
        text = text.replace("\0", "")
        (rows[-1] if inside else others).append(text)
    return others, rows


def test_markdown_shows_what_is_wrong() -> None:
    bad = problem(file="/top/m_1.data", tensor="a_b/*c*|d", offset=5, expected="1", got="2")
    others, rows = texts_of(markdown.markdown([report(path="/top/good"), report(bad)], top="/top"))
    assert others[0] == "TensorFlow checkpoints: 1 bad"
    assert rows[1] == ["bad", "runs/m", "3", "40", "1"]
    assert rows[2] == ["ok", "good", "3", "40", "0"]
    assert rows[4] == ["error", "TFC401", "m_1.data", "5", "a_b/*c*|d", "w (expected 1, found 2)"]
    assert others[-1].endswith(f"{CODES['TFC401'].meaning} {CODES['TFC401'].cure}")


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("TFC401", "1 bad"), ("TFC601", "1 with warnings"), ("TFC305", "all sound")],
)
def test_markdown_says_at_the_top_what_it_comes_to(code: str, verdict: str) -> None:
    title, *_ = markdown.markdown([report(problem(code)), report()]).splitlines()
    assert title == f"## TensorFlow checkpoints: {verdict}"


@given(names)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    shown = printable(name if len(name) <= 300 else name[:300] + f"… ({len(name)} letters)")
    _, rows = texts_of(f"| a | b |\n|---|---|\n| {escaped(name)} | x |\n")
    assert rows[1] == [shown.strip(" "), "x"]
    assert "www." not in escaped(name)


@given(hostile_reports(), names)
def test_markdown_of_anything(reports: list[Report], why: str) -> None:
    _, rows = texts_of(markdown.markdown(reports, failed=[why]))
    body = [row for row in rows if row[0] not in ("", "severity")]
    assert sorted({len(row) for row in body}) in ([], [5], [5, 6])
    shown = sorted(row[1] for row in body if len(row) == 6)
    assert shown == sorted(p.code for p in all_problems(reports))


@pytest.mark.parametrize("largest", [0, 10, 60, 500, 5000])
def test_markdown_is_bounded(largest: int) -> None:
    many = [report(*(problem(tensor="ü" * 50) for _ in range(300)), path=f"p{i}") for i in range(9)]
    page = markdown.markdown(many, largest=largest)
    assert len(page.encode()) <= largest
    assert ("cut off" in page) == (largest >= 60)
    assert len(markdown.markdown(many).encode()) < markdown.LARGEST
    wide = [report(path="\U0001f600" * 300) for _ in range(5000)]
    assert len(markdown.markdown(wide).encode()) < markdown.LARGEST


def printed(found: dict[str, Any]) -> Any:
    """A document as whoever reads what is printed has it."""
    return json.loads("".join(json_stream(found)))


documents_of_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents_of_anything)
def test_json_stream_is_json(found: Any) -> None:
    def lazy(value: Any) -> Any:
        if isinstance(value, list):
            return map(lazy, value)
        return {k: lazy(v) for k, v in value.items()} if isinstance(value, dict) else value

    assert "".join(json_stream(found)) == json.dumps(found, indent=1)
    text = "".join(json_stream(lazy(found)))
    assert json.loads(text) == found
    assert text.isascii()


def test_json_stream_has_an_item_on_each_line() -> None:
    found = {"problems": iter([{"a": [1, 2]}, {"a": []}]), "none": iter([])}
    lines = '{\n "problems": [\n  {"a": [1, 2]},\n  {"a": []}\n ],\n "none": []\n}'
    assert "".join(json_stream(found)) == lines


@given(hostile_reports(), names)
def test_json_of_anything_is_as_described(reports: list[Report], why: str) -> None:
    validate(printed(documents(reports, [why])))
    for one in reports:
        validate(printed(document(one)))


def test_every_field_is_described() -> None:
    described = json.loads(SCHEMA.read_text("utf-8"))["$defs"]
    many = printed(documents([report(problem())], ["why"]))
    for name, found in (("many", {"schema": 1, **many}), ("report", many["reports"][0])):
        assert set(described[name]["properties"]) == set(found)
        assert set(described[name]["required"]) == set(found)
    assert set(described["problem"]["properties"]) == set(many["reports"][0]["problems"][0])


def test_the_description_refuses_what_is_not_so() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    good = printed(document(report(problem())))
    validate(good)
    for key in good:
        with pytest.raises(jsonschema.ValidationError):
            validate({**good, key: {}})
    with pytest.raises(jsonschema.ValidationError):
        validate({**good, "problems": [{}]})


def test_sums() -> None:
    bad = report(problem(), problem("TFC601"), problem("TFC305"))
    found = documents([bad, report()])
    assert {k: found[k] for k in ("errors", "warnings", "remarks")} == {
        "errors": 1,
        "warnings": 1,
        "remarks": 1,
    }
    assert (found["checkpoints"], found["tensors"], found["bytes"], found["ok"]) == (
        2,
        6,
        80,
        False,
    )
    assert documents([report()])["ok"]
    assert not documents([report()], ["why"])["ok"]
