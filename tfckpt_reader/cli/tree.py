"""The command ``tree``: the scopes of names, or the objects, with their totals."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli import output
from tfckpt_reader.cli.choosing import VIEWS, add_names_option, add_role_options
from tfckpt_reader.cli.describe.notation import shape_text, size_text
from tfckpt_reader.cli.path_argument import CHECKPOINT, read_checkpoint
from tfckpt_reader.objects.selection import Selection
from tfckpt_reader.objects.totals import ALL, bytes_by_role, shares_text
from tfckpt_reader.objects.tree import Scope, scopes_of
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from tfckpt_reader.checkpoint import Checkpoint

_DEPTH, _MOST_DEPTH = 3, 100


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``tree``."""
    parser.add_argument("path", metavar="PATH", help=CHECKPOINT)
    depth = f"levels to show (default: {_DEPTH}); what lies below is counted in the last"
    parser.add_argument("--depth", type=_depth, default=_DEPTH, metavar="N", help=depth)
    add_names_option(parser, "full")
    add_role_options(parser, "count")


def _depth(text: str) -> int:
    if text.isdecimal() and len(text) < 4 and 1 <= int(text) <= _MOST_DEPTH:
        return int(text)
    raise ArgumentTypeError(f"a depth is from 1 to {_MOST_DEPTH}, not {text!r}")


def run(arguments: Namespace) -> int:
    """Print the scopes of a checkpoint."""
    selection = Selection(only=arguments.only, without=arguments.without)

    def counted(ckpt: Checkpoint) -> tuple[Scope, dict[str, int], tuple[str, ...]]:
        names = ckpt.renamed(VIEWS[arguments.names])
        selected = selection.apply(ckpt.specs, lambda: ckpt.roles, names.name_of)
        specs = [ckpt.specs[key] for key in selected.sources]
        root = scopes_of(specs, names.name_of, ckpt.roles, arguments.depth)
        nbytes = bytes_by_role(specs, ckpt.roles)
        return root, nbytes, (*ckpt.notes, *names.notes_of(selected.sources), *selected.notes)

    root, nbytes, notes = read_checkpoint(arguments, counted)
    output.print_notes(notes)
    if arguments.json:
        output.print_json({"notes": list(notes), "roles": nbytes, **_facts(root)})
        return 0
    lines = list(root.lines())
    shares = shares_text(nbytes, ALL)
    columns = [_columns(scope) for _, scope in lines]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    output.print_lines(
        *(
            "  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
            + f"  {'  ' * level}{_label(scope)}"
            for row, (level, scope) in zip(columns, lines, strict=True)
        ),
        f"{count_of(root.tensors, 'tensor')}, {count_of(root.parameters, 'parameter')}, "
        f"{size_text(root.nbytes)}{f'; {shares}' if shares else ''}",
    )
    return 0


def _columns(scope: Scope) -> tuple[str, str, str]:
    parameters = count_of(scope.parameters, "parameter") if scope.parameters else ""
    return count_of(scope.tensors, "tensor"), parameters, size_text(scope.nbytes)


def _label(scope: Scope) -> str:
    own = scope.own
    slash = "/" if scope.tensors > (own is not None) else ""
    kind = "" if own is None else f"  {own.dtype} {shape_text(own.shape)}"
    return f"{scope.name}{slash}{kind}"


def _facts(root: Scope) -> dict[str, Any]:
    """Return a scope as JSON, with those below it; built from the leaves up."""
    made: dict[int, dict[str, Any]] = {}
    for scope in (*reversed([each for _, each in root.lines()]), root):
        facts = {
            "name": scope.name,
            "tensors": scope.tensors,
            "parameters": scope.parameters,
            "bytes": scope.nbytes,
        }
        if scope.own is not None:
            facts |= {"dtype": str(scope.own.dtype), "shape": list(scope.own.shape)}
        below = [made.pop(id(each)) for each in scope.scopes.values()]
        made[id(scope)] = {**facts, "scopes": below} if below else facts
    return made[id(root)]
