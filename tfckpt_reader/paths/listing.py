"""The names in a folder, listed once per command and grouped by checkpoint.

Opens no file. A name can claim any number of shards: only existing files are listed. FORMAT 1.1.
"""

from __future__ import annotations

import re

from tfckpt_reader.storage.answers import answers, asked_once
from tfckpt_reader.storage.filesystem import absolute_path, list_names

V1_SHARD = re.compile(r"(?s)(.*)-(\d{5,19}|\?{5})-of-(\d{5,19}|\?{5})")
"""Base, number and count in the name of a V1 shard, or in TensorFlow's pattern for a set of them.
Names from a state file can have any length, and Python refuses to convert very long numbers."""
DATA_FILE = re.compile(r"(?s)(.*)\.data-(\d{5,})-of-(\d{5,})")
"""Prefix, number and count in the name of a V2 data file."""
_SYSTEM_FILE = re.compile(r"(?si)\._.*|\.DS_Store|Thumbs\.db|desktop\.ini|\.fuse_hidden.*|\.nfs.*")
_COPY = re.compile(
    r"(?si).*~|#.*#|\.#.*|~\$.*|\..*\.sw[a-p]|.*\.(bak|orig)|[.~]~.*"  # editors
    r"|.*\([^)]*conflict[^)]*\).*|.*[._]sync-conflict-\d{8}-.*|.*_conflict-\d{8}-.*"  # file sync
    r"|.*\.(part|partial|crdownload|download|filepart|opdownload|aria2|!ut|tmp|gstmp)"  # downloads
    r"|\..*\.(index|meta|data-\d{5,}-of-\d{5,})\.[a-z0-9]{6}"  # rsync
)
_OF_CHECKPOINT = re.compile(r"(?s).*(\.index|\.data-\d{5,}-of-\d{5,}|-\d{5,}-of-\d{5,}|ckpt).*")


class Listing:
    """The files of checkpoints in one folder, by their names.

    Attributes:
        names: All names but those of leftovers, sorted.
        leftovers: Names of other programs' files: a system's, and copies made by editors, by the
            synchronisation of folders, and by downloads.
        data_files: Base of V2 data files, leftovers too -> count in the name -> numbers.
        v1_shards: Base of V1 shards, leftovers too -> count in the name -> number -> name.
    """

    def __init__(self, names: list[str]) -> None:
        self.names: list[str] = []
        self.leftovers: list[str] = []
        self.data_files: dict[str, dict[int, set[int]]] = {}
        self.v1_shards: dict[str, dict[int, dict[int, str]]] = {}
        for name in names:
            if _SYSTEM_FILE.fullmatch(name) or _COPY.fullmatch(name):
                self.leftovers.append(name)
            else:
                self.names.append(name)
            if match := DATA_FILE.fullmatch(name):
                counts = self.data_files.setdefault(match[1], {})
                counts.setdefault(int(match[3]), set()).add(int(match[2]))
            elif shard := parse_v1_shard(name):
                sets = self.v1_shards.setdefault(shard[0], {})
                sets.setdefault(shard[2], {})[shard[1]] = name

    def hidden(self, base: str = "") -> list[str]:
        """Return the leftovers that may hold a file of a checkpoint whose names begin with `base`.

        A system's file ``._NAME`` holds nothing of NAME.
        """
        return [
            name
            for name in self.leftovers
            if _OF_CHECKPOINT.fullmatch(name)
            and name.lstrip(".~#").startswith(base)
            and not (_SYSTEM_FILE.fullmatch(name) and name[2:] in self.names)
        ]


listed_once = asked_once
"""List no folder a second time inside the block; an outer block counts."""


def listing(folder: str) -> Listing:
    """Return the names in a folder; none where it is unreadable. "" is the current one."""
    known = answers()
    if known is None:
        return Listing(list_names(folder))
    key = "listing", absolute_path(folder)
    if key not in known:
        known[key] = Listing(list_names(folder))
    found: Listing = known[key]
    return found


def remember(folder: str, names: list[str]) -> Listing:
    """Return the names in a folder, listed already, and keep them for the block of `listed_once`.

    Those without any file of a checkpoint are not kept: a search meets very many.
    """
    result, known = Listing(names), answers()
    if known is not None and any(map(_OF_CHECKPOINT.fullmatch, result.names)):
        known["listing", absolute_path(folder)] = result
    return result


def parse_v1_shard(name: str) -> tuple[str, int, int] | None:
    """Return base, number and count in the name of a V1 shard; None for any other name."""
    match = V1_SHARD.fullmatch(name)
    if match is None or not (match[2].isdigit() and match[3].isdigit()):
        return None
    return match[1], int(match[2]), int(match[3])
