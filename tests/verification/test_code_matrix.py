"""The matrix: every code that `verify` has, each from a good checkpoint with one thing changed.

The table names the byte or the field. A defect must be found under its code and under no other, at
the level of its code and not before. Where one change cannot but make two problems, a test of
another file of this folder says why.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from code_matrix import CASES, OF_FOLDERS
from defects import (
    Build,
    codes,
)

from tfckpt_reader import Report, verify, verify_all
from tfckpt_reader.verification.codes import CODES, ERROR, LEVELS, reaches

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
    of_races = {"TFC357"}  # in test_changed.py
    assert {code for code, _, _ in CASES} == set(CODES) - of_races
