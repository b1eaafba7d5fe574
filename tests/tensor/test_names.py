"""Choosing names by globs."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfckpt_reader.tensor.names import select

NAMES = ["dense/kernel", "dense/bias", "Dense/kernel", "dense/kernel/.ATTRIBUTES/VALUE", "step", ""]


def test_all_by_default_in_their_order() -> None:
    assert select(NAMES) == NAMES
    assert select(iter(reversed(NAMES))) == NAMES[::-1]
    assert select([]) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", NAMES),
        ("dense/*", ["dense/kernel", "dense/bias", "dense/kernel/.ATTRIBUTES/VALUE"]),
        ("*kernel", ["dense/kernel", "Dense/kernel"]),
        ("[dD]ense/k*l", ["dense/kernel", "Dense/kernel"]),
        ("[!d]*", ["Dense/kernel", "step"]),
        ("ste?", ["step"]),
        ("ste", []),
        ("tep", []),
        ("STEP", []),
        ("dense.kernel", []),
        ("*.ATTRIBUTES*", ["dense/kernel/.ATTRIBUTES/VALUE"]),
        ("", [""]),
        ("?*", NAMES[:-1]),
        ("[", []),
        ("(step|dense/bias)", []),
    ],
)
def test_pattern(pattern: str, found: list[str]) -> None:
    assert select(NAMES, [pattern]) == found
    assert select(NAMES, (), [pattern]) == [name for name in NAMES if name not in found]


def test_several_patterns_are_alternatives() -> None:
    assert select(NAMES, ["*bias", "s*p"]) == ["dense/bias", "step"]
    three = ["dense/kernel", "Dense/kernel", "dense/kernel/.ATTRIBUTES/VALUE"]
    assert select(NAMES, ["*a*i*", "*t*p", "*e*e*e*"]) == [*three, "step"]
    assert select(NAMES, ["dense/*"], ["*bias", "*VALUE"]) == ["dense/kernel"]


def test_exclusion_wins() -> None:
    assert select(NAMES, ["step"], ["step"]) == []
    assert select(NAMES, ["step"], ["s*"]) == []
    assert select(NAMES, ["*"], ["*"]) == []


@pytest.mark.parametrize(
    "name", ["a[0]", "a*", "[", "a?b", "[!x]", "a\\b", "(a|b)", "a\nb", "\udcff"]
)
def test_a_name_is_a_pattern_for_itself(name: str) -> None:
    assert select([name, "other"], [name]) == [name]
    assert select([name, "other"], (), [name]) == ["other"]


def test_a_name_that_is_a_pattern_matches_both_ways() -> None:
    assert select(["a[0]", "a0", "b"], ["a[0]"]) == ["a[0]", "a0"]


def test_stars_cross_newlines() -> None:
    assert select(["a\nb", "a\n", "ab"], ["a*b"]) == ["a\nb", "ab"]
    assert select(["a\n", "a"], ["a"]) == ["a"]


def test_many_stars_end() -> None:
    assert select(["a" * 3000], ["*a" * 40 + "b"]) == []
    assert select(["a" * 3000], ["*a" * 40]) == ["a" * 3000]


def test_many_patterns() -> None:
    assert select(["t999", "u"], [f"t{i}" for i in range(1000)]) == ["t999"]
    assert select(["t999", "u"], [f"t{i}*" for i in range(1000)]) == ["t999"]


letters = st.text("ab*?[]!-/\n", max_size=6)


@given(st.lists(letters), st.lists(letters, max_size=3), st.lists(letters, max_size=3))
def test_as_fnmatch_says(names: list[str], include: list[str], exclude: list[str]) -> None:
    def matches(name: str, patterns: list[str]) -> bool:
        return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)

    expected = [
        name
        for name in names
        if (not include or matches(name, include)) and not matches(name, exclude)
    ]
    assert select(names, include, exclude) == expected
