"""Escapes of names in keys, and paths for display."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tfckpt_reader.objects.paths import escaped, object_path, unescaped

TABLE = {
    "a/b": "a.Sb",
    "a.b": "a..b",
    "a..b": "a....b",
    "d/.S": "d.S..S",
    ".S": "..S",
    "/": ".S",
    ".ATTRIBUTES": "..ATTRIBUTES",
    "A/.ATTRIBUTES/B": "A.S..ATTRIBUTES.SB",
}
"""Of TensorFlow's own tests."""


@pytest.mark.parametrize(("name", "part"), TABLE.items())
def test_escapes(name: str, part: str) -> None:
    assert escaped(name) == part
    assert unescaped(part) == name


@given(st.text(alphabet="./SA.a", max_size=12))
def test_escapes_are_undone(name: str) -> None:
    assert unescaped(escaped(name)) == name


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a..b/c.Sd/.ATTRIBUTES/VARIABLE_VALUE", "a.b/c/d"),
        ("v/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE", "v/.OPTIMIZER_SLOT/opt/m"),
        ("tb/.ATTRIBUTES/table-keys", "tb/table-keys"),
        ("/.ATTRIBUTES/v1", "v1"),
        ("..ATTRIBUTES/.ATTRIBUTES/VARIABLE_VALUE", ".ATTRIBUTES"),
        ("dense/kernel", ""),
    ],
)
def test_path_of_a_key(key: str, path: str) -> None:
    assert object_path(key) == path
