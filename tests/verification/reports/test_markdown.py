"""Markdown, read back by markdown-it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from reports import all_problems, hostile_reports, names, problem, report

from tfckpt_reader.text import printable
from tfckpt_reader.verification.codes import CODES
from tfckpt_reader.verification.report import Report
from tfckpt_reader.verification.reports import markdown
from tfckpt_reader.verification.reports.markdown import escaped


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


def test_markdown_shows_the_problems() -> None:
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
def test_markdown_begins_with_the_verdict(code: str, verdict: str) -> None:
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
