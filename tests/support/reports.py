"""Reports with names that could do harm, for every form of report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tfckpt_reader.verification.codes import CODES, LEVELS
from tfckpt_reader.verification.report import Problem, Report, coverage_of

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
