"""The house: which room may import which, no circles, and nothing too long to be read."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

import pytest

import tfckpt_reader

ROOT = Path(tfckpt_reader.__file__).parent
PACKAGE = "tfckpt_reader"
MODULES = sorted(ROOT.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
LONGEST_SPINE = 3000

_BASE = ("errors", "text", "progress")
_BYTES = (*_BASE, "encoding", "storage")
ROOMS: dict[str, tuple[str, ...]] = {
    "version": (),
    "progress": (),
    "text": (),
    "errors": ("text",),
    "encoding": _BASE,
    "storage": _BASE,
    "protobuf": (*_BASE, "encoding"),
    "table": _BYTES,
    "tensor": (*_BASE, "encoding", "protobuf"),
    "paths": (*_BYTES, "protobuf", "table"),
    "formats": (*_BYTES, "protobuf", "table", "tensor", "paths"),
    "objects": (*_BASE, "encoding", "protobuf", "tensor"),
    "graph": (*_BYTES, "protobuf", "tensor", "paths", "objects"),
    "specs": (*_BASE, "tensor", "paths", "formats"),
    "lazy": (*_BASE, "storage", "tensor", "paths"),
    "checkpoint": (*_BASE, "tensor", "paths", "formats", "objects", "graph", "specs", "lazy"),
    "verification": (
        *_BYTES,
        "protobuf",
        "table",
        "tensor",
        "paths",
        "formats",
        "objects",
        "graph",
    ),
    "export": (*_BYTES, "version", "tensor", "paths", "formats", "objects", "checkpoint"),
    "saving": (
        *_BYTES,
        "version",
        "protobuf",
        "tensor",
        "paths",
        "formats",
        "objects",
        "checkpoint",
        "export",
    ),
    "compat": (*_BASE, "storage", "tensor", "paths", "checkpoint"),
    "frameworks": (
        "errors",
        "text",
        "storage",
        "tensor",
        "paths",
        "objects",
        "graph",
        "lazy",
        "checkpoint",
        "verification",
        "export",
    ),
}
"""Each room, from the ground up, and the rooms that it may import."""
ABOVE = ("cli", "__main__", "")
"""They may import every room; nothing imports them."""

SPINE = [
    "errors",
    "storage/source",
    "storage/local",
    "encoding/coding",
    "encoding/checksum",
    "table/format",
    "table/block",
    "table/table",
    "tensor/dtypes",
    "tensor/spec",
    "tensor/dense",
    "formats/v2/index",
    "formats/v2/shards",
    "formats/v2/segments",
    "formats/v2/bundle",
    "formats/reader",
    "specs",
    "checkpoint",
]
"""The way of a byte to an array, in reading order."""

_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """The dotted name; a package is its `__init__.py`."""
    parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """The room of a module, by its dotted name; "" for the package itself."""
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


NAMES = {module_name(path): path for path in MODULES}


def imported(tree: ast.AST) -> set[str]:
    """Names of the package's own modules that a tree imports: anywhere, for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in NAMES}
        if not isinstance(node, ast.ImportFrom):
            continue
        assert node.level == 0, f"line {node.lineno}: a relative import"
        base = node.module or ""
        inner = {f"{base}.{alias.name}" for alias in node.names}
        modules = inner & set(NAMES)
        # `from package import name` needs the package itself only for what is no module.
        found |= modules if len(modules) == len(inner) else {*modules, base} & set(NAMES)
    return found


IMPORTS = {name: imported(tree_of(path)) - {name} for name, path in NAMES.items()}


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


def test_each_room_is_in_the_table() -> None:
    assert {room(name) for name in NAMES} - set(ABOVE) == set(ROOMS)


def test_the_table_points_down() -> None:
    seen: set[str] = set()
    for name, below in ROOMS.items():
        assert set(below) <= seen, name
        seen.add(name)


@pytest.mark.parametrize("name", NAMES)
def test_imports_keep_to_the_table(name: str) -> None:
    mine = room(name)
    others = {room(other): other for other in IMPORTS[name]}
    others.pop(mine, None)
    if mine in ABOVE:
        assert mine == "" or "" not in others or name.startswith(f"{PACKAGE}.cli")
        return
    assert {r: other for r, other in others.items() if r not in ROOMS[mine]} == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: IMPORTS[name] for name in NAMES}).prepare()


ASKS_FILES = {"exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "samefile"}
ASKS_FILES |= {"stat", "lstat", "listdir", "scandir", "walk", "access", "join", "split", "dirname"}
"""Functions of os and os.path that know nothing of URLs, as `storage.filesystem` does."""
ABOUT_FILES = ("paths.", "formats.", "graph.decode.", "verification.", "export.sources.")
WRITERS = {"formats.v2.replace", "formats.v2.writer"}
"""They write, and on this machine only."""


@pytest.mark.parametrize("name", [name.removeprefix(f"{PACKAGE}.") for name in NAMES])
def test_questions_about_files_go_through_the_seam(name: str) -> None:
    if not name.startswith(ABOUT_FILES) or name in WRITERS:
        return
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(tree_of(NAMES[f"{PACKAGE}.{name}"]))
        if isinstance(node, ast.Call)
    ]
    asked = [call for call in calls if call.startswith("os.") and call.split(".")[-1] in ASKS_FILES]
    assert asked == []
    assert "open" not in calls


def test_public_names_come_from_modules() -> None:
    from tfckpt_reader import _HOME

    assert {f"{PACKAGE}.{name}" for name in _HOME} <= set(NAMES)


def test_the_spine_is_short() -> None:
    lines = {
        part: len((ROOT / f"{part}.py").read_text(encoding="utf-8").splitlines()) for part in SPINE
    }
    assert sum(lines.values()) <= LONGEST_SPINE, lines


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
    late = "from tfckpt_reader.errors import x\nif TYPE_CHECKING:\n    import tfckpt_reader.text\n"
    late += "def f():\n    from tfckpt_reader.table import table\n"
    found_imports = imported(ast.parse(late))
    assert found_imports == {f"{PACKAGE}.{m}" for m in ("errors", "text", "table.table")}
    assert f"{PACKAGE}.formats.v2.bundle" in IMPORTS[f"{PACKAGE}.formats.opening"]
