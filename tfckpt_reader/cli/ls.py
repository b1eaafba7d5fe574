"""The command ``ls``: the tensors of a checkpoint, from its index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tfckpt_reader.cli import output
from tfckpt_reader.cli.choosing import VIEWS, add_names_option, add_role_options
from tfckpt_reader.cli.describe.notation import shape_text, size_text
from tfckpt_reader.cli.describe.tensor import role_facts, role_text, tensor_facts
from tfckpt_reader.cli.path_argument import CHECKPOINT, read_checkpoint
from tfckpt_reader.errors import TensorNotFoundError
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.objects.roles import by_names
from tfckpt_reader.objects.selection import Selection
from tfckpt_reader.objects.totals import ALL, NAMES, bytes_by_role, parameters, shares_text
from tfckpt_reader.text import count_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.objects.roles import Role
    from tfckpt_reader.tensor.spec import TensorSpec


class _Listing(NamedTuple):
    """Everything that is printed."""

    specs: list[TensorSpec]
    names: Mapping[str, str]
    """Key -> name to show."""
    roles: Mapping[str, Role]
    evidence: str
    """Of the roles: "names" or "all"."""
    is_object_based: bool
    notes: tuple[str, ...]
    version: str
    shards: int
    path: str


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``ls``."""
    add = parser.add_argument
    add("path", metavar="PATH", help=CHECKPOINT)
    add("glob", metavar="GLOB", nargs="*", default=[], help="list only names that match")
    add("--sort", choices=("name", "size"), default="name", help="order of lines")
    add_names_option(parser)
    add("--roles", action="store_true", help="show what each is: weight, optimizer slot, counter …")
    add_role_options(parser, "list")


def run(arguments: Namespace) -> int:
    """List the tensors of a checkpoint."""
    selection = Selection(arguments.glob, (), arguments.only, arguments.without)
    # Looking at graphs takes time, which a plain listing does not have.
    evidence = ALL if arguments.roles or selection.by_role or arguments.names != "key" else NAMES

    def listing(ckpt: Checkpoint) -> _Listing:
        names = ckpt.renamed(VIEWS[arguments.names])
        roles = ckpt.roles if evidence == ALL else by_names(ckpt.specs)
        selected = selection.apply(ckpt.specs, lambda: roles, names.name_of)
        if not selected.sources and (arguments.glob or selection.by_role):
            raise TensorNotFoundError(
                f"no tensor matches {_words(arguments)}", file=ckpt.reader.path
            )
        by_role = selected.notes if selection.by_role else ()
        return _Listing(
            [ckpt.specs[key] for key in selected.sources],
            names.name_of,
            roles,
            evidence,
            OBJECT_GRAPH in ckpt.specs,
            (*ckpt.notes, *names.notes_of(selected.sources), *by_role),
            ckpt.version,
            ckpt.reader.shard_count,
            ckpt.reader.prefix,
        )

    found = read_checkpoint(arguments, listing)
    output.print_notes(found.notes)
    if arguments.sort == "size":
        found.specs.sort(key=lambda spec: -(spec.nbytes or 0))
    if arguments.json:
        output.print_json(_document(found, arguments))
    else:
        output.print_lines(*_table(found, roles=arguments.roles), _summary(found))
    return 0


def _words(arguments: Namespace) -> str:
    options = (("--only", arguments.only), ("--without", arguments.without))
    roles = [f"{option} {word}" for option, words in options for word in words]
    return " ".join([*arguments.glob, *roles])


def _document(found: _Listing, arguments: Namespace) -> dict[str, Any]:
    roles, tensors = found.roles, []
    for spec in found.specs:
        facts = tensor_facts(spec)
        if arguments.names != "key":
            facts[VIEWS[arguments.names]] = found.names[spec.name]
        if arguments.roles:
            facts["role"] = role_facts(roles[spec.name])
        tensors.append(facts)
    return {
        "path": found.path,
        "version": found.version,
        "shards": found.shards,
        "bytes": sum(spec.nbytes or 0 for spec in found.specs),
        "object_based": found.is_object_based,
        "parameters": parameters(found.specs, roles),
        "roles": bytes_by_role(found.specs, roles),
        "roles_by": found.evidence,
        "notes": list(found.notes),
        "tensors": tensors,
    }


def _summary(found: _Listing) -> str:
    specs = found.specs
    total = sum(spec.nbytes or 0 for spec in specs)
    unknown = sum(spec.nbytes is None for spec in specs)
    shares = shares_text(bytes_by_role(specs, found.roles), found.evidence)
    return (
        f"{count_of(len(specs), 'tensor')}, {size_text(total)} ({total:,} bytes), "
        + (f"and {count_of(unknown, 'tensor')} of unknown size, " if unknown else "")
        + f"{found.version}, {count_of(found.shards, 'shard')}, "
        + ("object-based" if found.is_object_based else "name-based")
        + f"; {count_of(parameters(specs, found.roles), 'parameter')}"
        + (f"; {shares}" if shares else "")
    )


def _table(found: _Listing, *, roles: bool) -> list[str]:
    """Return a line per tensor; the name comes last: a long one disturbs no column."""
    columns = [
        (
            str(spec.dtype),
            shape_text(spec.shape),
            size_text(spec.nbytes),
            role_text(found.roles[spec.name]) if roles else "",
        )
        for spec in found.specs
    ]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    return [
        f"{dtype:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}  "
        + (f"{role:<{widths[3]}}  " if roles else "")
        + found.names[spec.name]
        + (f"  (in {count_of(len(spec.slices), 'slice')})" if spec.slices else "")
        for (dtype, shape, size, role), spec in zip(columns, found.specs, strict=True)
    ]
