"""Temporary files and folders: named for what they are, locked while they are written.

Independent of any format. They lie beside the final name, so that a rename suffices. The system
drops a lock with its process, however that ends: the next run knows from it what a killed one left.
"""

from __future__ import annotations

import errno
import os
import re
import time
import zlib
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from tfckpt_reader.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIX = ".tfckpt-unfinished"
"""Ending of a temporary name; it stays on disk only if the process is killed."""
REPLACED = ".tfckpt-replaced"
"""Ending of the old folder's temporary name; it stays on disk only if the process is killed."""
_UNFINISHED = re.compile(rf"(?s)\..*\.[0-9a-f]{{8}}([0-9a-f]{{8}}){re.escape(SUFFIX)}")
"""A temporary name; in the group, its machine."""
_NAME_BYTES = 100
"""Bytes of the final name within a temporary one: names have a limit, mostly of 255 bytes."""
_TRIES, _PAUSE = 200, 0.01
"""Tries to remove a folder into which threads still write, and the seconds between them."""

_ends: dict[object, Callable[[], None]] = {}
"""What is to be done at the end of each block of `at_any_end` that is running."""


@contextmanager
def at_any_end(end: Callable[[], None]) -> Iterator[None]:
    """Call `end` after the block; `clean_up` does so where a signal prevented it.

    Args:
        end: May be called again at any time; raises nothing.
    """
    key = object()
    _ends[key] = end
    try:
        yield
    finally:
        end()
        _ends.pop(key, None)


def clean_up() -> None:
    """Remove what is unfinished, after a signal: it can come between any two steps."""
    for end in reversed(list(_ends.values())):
        end()
    _ends.clear()


def name_beside(path: str, suffix: str) -> str:
    """Return a new name in the folder of a path."""
    folder, base = os.path.split(path)
    start = os.fsdecode(os.fsencode(base)[:_NAME_BYTES])
    return os.path.join(folder, f".{start}.{os.urandom(4).hex()}{_machine()}{suffix}")


@contextmanager
def unfinished(path: str, make: Callable[[str], None]) -> Iterator[str]:
    """Make a file or a folder beside `path`; yield its name; unless renamed, remove it at the end.

    Args:
        path: Its final name.
        make: Makes it, under a name that must be free.

    Raises:
        OSError: it cannot be made.
    """
    is_held = False
    while not is_held:
        name = name_beside(path, SUFFIX)
        lock: list[int] = []
        made: list[str] = []
        with at_any_end(partial(_release, made, lock)):
            made.append(name)
            try:
                make(name)
            except FileExistsError:
                made.clear()  # it belongs to somebody else
                raise
            is_held = _hold(name, lock)
            if is_held:
                yield name


def _release(made: list[str], lock: list[int]) -> None:
    while made:
        remove(made.pop())
    while lock:
        os.close(lock.pop())


def _hold(name: str, lock: list[int]) -> bool:
    """Lock what was made, where the system can; return whether it is still there.

    Another run may have locked it first, and removed it as a leftover.
    """
    try:
        lock.append(_locked(name))
        there = os.stat(name)
    except (FileNotFoundError, BlockingIOError):
        return False
    except (ImportError, OSError):
        return True
    return os.path.samestat(there, os.fstat(lock[0]))


def _locked(path: str) -> int:
    """Return a descriptor of a file or a folder; it holds a lock that ends with the process.

    Raises:
        BlockingIOError: another process has locked it.
        ImportError: Windows has no such locks, and removes no file that is open.
        OSError: it cannot be opened, or its file system has no locks.
    """
    import fcntl

    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove(path: str) -> None:
    """Remove a file, or a folder with all in it, as far as possible."""
    for _ in range(_TRIES):
        try:
            if not os.path.isdir(path):
                os.unlink(path)
            else:
                _remove_folder(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                return
            time.sleep(_PAUSE)
        else:
            return


def _remove_folder(path: str) -> None:
    folders = [path]
    for folder in folders:
        for name in os.listdir(folder):
            each = os.path.join(folder, name)
            if os.path.isdir(each) and not os.path.islink(each):
                folders.append(each)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(each)
    for folder in reversed(folders):
        os.rmdir(folder)


def remove_leftovers(folder: str) -> list[str]:
    """Remove what killed runs left in a folder, if they surely ended; return a line for each.

    What a run on another machine may still be writing is only named, as is the former folder of a
    run that was killed while it replaced it.
    """
    said: list[str] = []
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            match = _UNFINISHED.fullmatch(name)
            if name.endswith(REPLACED):
                said.append(f"{printable(name)} was there before a run that was killed")
            elif match and match[1] == _machine():
                said += _removed_if_dead(path)
            elif name.endswith(SUFFIX):
                said.append(f"{printable(name)} is unfinished: remove it if no run writes it")
    return said


def _removed_if_dead(path: str) -> list[str]:
    name = printable(os.path.basename(path))
    try:
        lock = _locked(path)
    except (BlockingIOError, FileNotFoundError):  # its run goes on, or has just ended
        return []
    except (ImportError, OSError):
        return [f"{name} is unfinished: remove it if no run writes it"]
    remove(path)
    os.close(lock)
    return [f"removed {name}, left by a run that was killed"]


@cache
def _machine() -> str:
    """Return eight digits for this machine: locks on shared folders may not reach others."""
    import socket

    return f"{zlib.crc32(os.fsencode(socket.gethostname())):08x}"
