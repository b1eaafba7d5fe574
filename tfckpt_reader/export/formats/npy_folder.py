"""Write arrays as a folder of .npy files, whose types `npy` tells, and a list: manifest.json.

Sees specs and bytes, never a checkpoint file.

File names are safe on Linux, macOS and Windows. In the name of an array, ``/`` becomes ``.``, and
all but ASCII letters, digits, ``_`` and ``-`` becomes ``%`` and two hexadecimal digits for each
byte of UTF-8. So does what a name may not begin with, and the first letter of what Windows takes
for a device. A name that would be too long is cut, and ends in ``~`` and the start of its SHA-256.
Unless it was cut, a name comes back by ``urllib.parse.unquote(file[:-4].replace(".", "/"))``.

The list is JSON::

    {"format": "tfckpt_reader/npy", "version": 1, "tool": "tfckpt_reader 0.1.0", "source": "name",
     "arrays": {name: {"file", "dtype", "shape", "bytes", "crc32c", "tensor", "stored_from"}}}

dtype is NumPy's type string, bytes the size of the elements, crc32c their CRC-32C as they lie
behind the header of the .npy file, tensor the checkpoint's name, stored_from its TensorFlow type.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from tfckpt_reader.encoding.checksum import CASTAGNOLI
from tfckpt_reader.export.formats import npy
from tfckpt_reader.export.transfer import write as transport
from tfckpt_reader.storage.atomic import write_at
from tfckpt_reader.storage.workers import each

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from tfckpt_reader.export.arrays import Stored
    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.tensor.spec import TensorSpec

MANIFEST = "manifest.json"
KIND, VERSION = "tfckpt_reader/npy", 1
"""What the list says of itself."""
_END = ".npy"
_LONGEST_NAME = 160
"""Letters of a file name: Windows has 260 for the whole path."""
_LARGEST_MANIFEST = 1 << 28
_SYNCED_AT_ONCE = 8
"""Files: a disk takes them together, in hardly more time than it takes one of them."""
_FOR_WRITING = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789"
}


def file_name(name: str) -> str:
    """Return the name of the file for an array."""
    text = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    text = text.replace(".", "%2E").replace("%2F", ".")
    if text[:1] in (".", "-") or text.split(".")[0].upper() in _DEVICES:
        text = f"%{ord('/' if text[0] == '.' else text[0]):02X}{text[1:]}"
    if len(text) + len(_END) > _LONGEST_NAME:
        import hashlib

        mark = "~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        start = text[: _LONGEST_NAME - len(_END) - len(mark)]
        text = re.sub("%[0-9A-F]?$", "", start) + mark
    return text + _END


def same(name: str) -> str:
    """Return what two arrays may not have in common: systems differ in telling A from a."""
    return file_name(name).lower()


def why_refused(name: str, spec: TensorSpec, taken: Container[str]) -> str | None:
    """Say why a folder cannot hold a tensor under a name; None if it can.

    Args:
        name: What it shall be called.
        spec: The tensor.
        taken: What `same` returns for the names of all that shall be in the folder.
    """
    why = npy.why_not_held(spec)
    if why is not None:
        return why
    if not name:
        return "its name is empty"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    for part in npy.parts(name, spec):
        if part != name and same(part) in taken:
            return f"the file of {part}, which strings may need, is that of a tensor"
    return None


def write(
    folder: str,
    reader: Reader,
    arrays: Sequence[Stored],
    wrote: Callable[[int], None],
    about: Mapping[str, str],
) -> None:
    """Write the files, each synced, into an empty folder; `wrote` is told the bytes read."""
    paths = [os.path.join(folder, file_name(stored.name)) for stored in arrays]
    heads = [npy.header(stored) for stored in arrays]

    def put(number: int, first: int, piece: bytes | memoryview) -> None:
        with _opened(paths[number]) as fd:
            write_at(fd, piece, len(heads[number]) + first)

    def finish(number: int, _buffer: memoryview) -> None:
        with _opened(paths[number]) as fd:
            write_at(fd, heads[number], 0)
            os.fsync(fd)

    crcs = transport(put, reader, arrays, wrote, crc=CASTAGNOLI)
    with closing(each(range(len(paths)), finish, _SYNCED_AT_ONCE)) as finished:
        for _ in finished:
            pass
    with open(os.path.join(folder, MANIFEST), "x", encoding="ascii", newline="\n") as file:
        file.writelines(_manifest(arrays, crcs, about))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _opened(path: str) -> Iterator[int]:
    # For a moment only: there may be more files than a process may have open.
    fd = os.open(path, _FOR_WRITING, 0o666)
    try:
        yield fd
    finally:
        os.close(fd)


def _manifest(
    arrays: Sequence[Stored], crcs: Sequence[int], about: Mapping[str, str]
) -> Iterator[str]:
    """Yield the text of the list, a line for each array."""
    yield json.dumps({"format": KIND, "version": VERSION, **about})[:-1] + ', "arrays": {'
    before = "\n"
    for stored, crc in zip(arrays, crcs, strict=True):
        entry = {
            "file": file_name(stored.name),
            "dtype": stored.kind,
            "shape": list(stored.shape),
            "bytes": stored.nbytes,
            "crc32c": crc,
            "tensor": stored.spec.name,
            "stored_from": str(stored.spec.dtype),
        }
        yield f"{before} {json.dumps(stored.name)}: {json.dumps(entry)}"
        before = ",\n"
    yield "\n}}\n"


def files_to_replace(folder: str) -> set[str]:
    """Return the names of the files in a folder that was written by `write`, or is empty.

    Raises:
        FileExistsError: something else is in it, which nobody asked to remove.
        OSError: it cannot be looked into.
    """
    found = set(os.listdir(folder))
    if not found:
        return found
    other = sorted(found - _listed(os.path.join(folder, MANIFEST)))
    if other:
        raise FileExistsError(
            f"{folder} holds {other[0]!r}, which no conversion has put there, and is not replaced; "
            "name another folder"
        )
    return found


def _listed(path: str) -> set[str]:
    """Return the files that a list lists, and itself; none if it is no such list."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LARGEST_MANIFEST))
        if document["format"] != KIND:
            return set()
        return {MANIFEST, *(str(entry["file"]) for entry in document["arrays"].values())}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()
