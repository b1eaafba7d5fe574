"""The folders of the tests: they mirror the package, and helpers are in support/."""

from __future__ import annotations

import ast
from pathlib import Path

from project import TESTS

import tfckpt_reader

PACKAGE = Path(tfckpt_reader.__file__).parent
ACROSS_ROOMS = {
    "benchmarks",
    "conformance",
    "contracts",
    "fuzz",
    "remote",
    "robustness",
    "support",
    "tensorflow",
}
"""Folders beside those that mirror a room."""
LONGEST_FILE = 700
FILES = sorted(TESTS.rglob("*.py"))


def label(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def test_folders_mirror_the_package() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    mirrored = {
        folder for folder in folders if folder.parts[:1] not in {(n,) for n in ACROSS_ROOMS}
    }
    assert [str(folder) for folder in mirrored if not (PACKAGE / folder).is_dir()] == []


def test_files_are_short() -> None:
    lines = {label(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def imported(path: Path) -> list[str]:
    """The modules that a file imports, anywhere in it."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return modules


def test_no_test_is_imported() -> None:
    for path in FILES:
        names = [name.split(".")[-1] for name in imported(path)]
        assert [name for name in names if name.startswith("test_")] == [], label(path)
