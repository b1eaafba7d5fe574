"""The package's shape: imports point down, and nothing grows too long to be read."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

import tfckpt_reader

ROOT = Path(tfckpt_reader.__file__).parent
PACKAGE = "tfckpt_reader"
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_FUNCTION = 50
_RANK = re.compile(r"^Rank (\d+): \S", re.MULTILINE)
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """The dotted name; a package is its `__init__.py`."""
    parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def rank(path: Path) -> int:
    found = _RANK.findall(ast.get_docstring(tree_of(path)) or "")
    assert len(found) == 1, f"{label(path)}: its docstring has {len(found)} lines 'Rank N: …'"
    return int(found[0])


NAMES = {module_name(path): path for path in MODULES}


def import_nodes(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports that can run, those inside functions too; not those for type checkers."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node
        return
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = iter(node.orelse)
    for child in children:
        yield from import_nodes(child)


def imported_modules(path: Path) -> set[str]:
    """Names of the package's own modules that a module imports."""
    found: set[str] = set()
    for node in import_nodes(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in NAMES}
            continue
        assert node.level == 0, f"{label(path)}:{node.lineno}: a relative import"
        base = node.module or ""
        if base.split(".")[0] != PACKAGE:
            continue
        inner = {f"{base}.{alias.name}" for alias in node.names}
        modules = inner & set(NAMES)
        # `from package import name` needs the package itself only for what is no module.
        found |= modules if len(modules) == len(inner) else {*modules, base}
    return found


def lazy_modules() -> set[str]:
    """The modules that the package's `__getattr__` imports by name."""
    from tfckpt_reader import _HOME

    return {f"{PACKAGE}.{name}" for name in _HOME}


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = getattr(child, "name", "")
        path = f"{inside}.{name}".strip(".") if name else inside
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield path, child
        yield from functions(child, path)


def code_lines(source: str, function: Function) -> int:
    """Lines of a function that hold code: no blank ones, no comments, no docstring."""
    first = min([function.lineno, *(node.lineno for node in function.decorator_list)])
    lines = source.splitlines(keepends=True)[first - 1 : function.end_lineno]
    indent = len(lines[0]) - len(lines[0].lstrip())
    text = "".join(line[indent:] if line.strip() else line for line in lines)
    taken: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE and token.type != tokenize.ENDMARKER:
            taken |= set(range(token.start[0], token.end[0] + 1))
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        end = docstring.end_lineno or docstring.lineno
        taken -= set(range(docstring.lineno - first + 1, end - first + 2))
    return len(taken)


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_rank_is_told(path: Path) -> None:
    assert rank(path) >= 0


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_imports_point_down(path: Path) -> None:
    mine = rank(path)
    wrong = {name: other for name in imported_modules(path) if (other := rank(NAMES[name])) >= mine}
    assert not wrong, f"{module_name(path)} has rank {mine}"


def test_public_names_come_from_below() -> None:
    top = rank(NAMES[PACKAGE])
    missing = lazy_modules() - set(NAMES)
    assert not missing
    assert all(rank(NAMES[name]) < top for name in lazy_modules())


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    lengths = {name: code_lines(source, node) for name, node in functions(ast.parse(source))}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}


def test_the_checks_see_what_they_should() -> None:
    source = (
        'def f():\n    """Text.\n\n    More.\n    """\n    # why\n\n    return (\n    1,\n    )\n'
    )
    (found,) = functions(ast.parse(source))
    assert found[0] == "f"
    assert code_lines(source, found[1]) == 4
    late = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\ndef f():\n    import c\n"
    assert [ast.unparse(node) for node in import_nodes(ast.parse(late))] == ["import b", "import c"]
    modules = imported_modules(NAMES[f"{PACKAGE}.checkpoint"])
    assert {f"{PACKAGE}.errors", f"{PACKAGE}.bundle"} <= modules
    assert f"{PACKAGE}.spec" not in modules
