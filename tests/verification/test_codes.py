"""The table of what `verify` finds, and the page that is made of it."""

from __future__ import annotations

import runpy

import pytest
from project import DOCS

from tfckpt_reader.verification.codes import CODES, LEVELS, reaches


def test_the_page_is_current() -> None:
    made: str = runpy.run_path(str(DOCS / "build_codes.py"))["page"]()
    assert (DOCS / "codes.md").read_text("utf-8") == made, "run: python docs/build_codes.py"


def test_the_page_has_each_code_once() -> None:
    lines = (DOCS / "codes.md").read_text("utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| TFC")]
    assert sorted(row[0].strip("| ") for row in rows) == sorted(CODES)
    assert all(len(row) == 5 for row in rows), "a | in a text"


def test_levels_are_in_order() -> None:
    for number, level in enumerate(LEVELS):
        assert [reaches(level, wanted) for wanted in LEVELS] == [
            place <= number for place in range(len(LEVELS))
        ]


@pytest.mark.parametrize("code", CODES)
def test_codes_are_in_order_and_have_a_level(code: str) -> None:
    assert CODES[code].level in LEVELS
    assert list(CODES) == sorted(CODES)
