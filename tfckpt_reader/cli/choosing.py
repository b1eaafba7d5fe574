"""Options of several commands that choose tensors and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.objects.selection import GROUPS

if TYPE_CHECKING:
    from argparse import ArgumentParser, _ActionsContainer

VIEWS = {"key": "key", "full": "full_name", "object": "object_path"}
"""Word of ``--names`` -> kind of names."""


def add_role_options(parser: ArgumentParser, verb: str) -> None:
    """Add ``--only`` and ``--without``."""
    words = ", ".join(GROUPS)
    for option, what in (("--only", f"{verb} only"), ("--without", f"do not {verb}")):
        text = f"{what} tensors of this role: {words}; may be repeated"
        parser.add_argument(
            option, action="append", default=[], choices=tuple(GROUPS), metavar="ROLE", help=text
        )


def add_names_option(parser: _ActionsContainer, default: str = "key") -> None:
    """Add ``--names``."""
    text = "names: checkpoint keys, full names (as Keras and layers call variables), object paths"
    parser.add_argument("--names", choices=tuple(VIEWS), default=default, help=text)
