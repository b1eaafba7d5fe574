"""SARIF, read back by sarif-tools and checked by its schema."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from report_parsers import run_of
from reports import all_problems, hostile_reports, names, problem, report

from tfckpt_reader.storage.filesystem import is_url
from tfckpt_reader.verification.codes import CODES
from tfckpt_reader.verification.report import Problem, Report
from tfckpt_reader.verification.reports.sarif import sarif


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
    told = {p.file or r.path for r in reports for p in r.problems}
    assert found == {
        os.fsencode(path if is_url(path) else f"file://{os.path.abspath(path)}") for path in told
    }
