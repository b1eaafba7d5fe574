"""The PATH argument that every command has.

Rank 14: knows no command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfckpt_reader.locate import locate

if TYPE_CHECKING:
    from argparse import Namespace

    from tfckpt_reader.folder import Location


def location(arguments: Namespace) -> str | Location:
    """Return the path as given, or with --latest the checkpoint that it picks."""
    path: str = arguments.path
    return locate(path, latest=True) if arguments.latest else path
