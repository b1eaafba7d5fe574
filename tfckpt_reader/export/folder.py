"""Write arrays as a folder of .npy files, whose types `npy` tells, and a list: manifest.json.

Rank 8: sees specs and bytes, never a checkpoint file.

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
from typing import TYPE_CHECKING
from urllib.parse import quote

from tfckpt_reader.checksum import CASTAGNOLI
from tfckpt_reader.export import npy
from tfckpt_reader.export.stored import Payload, Stored
from tfckpt_reader.export.transport import write as transport
from tfckpt_reader.export.transport import write_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tfckpt_reader.reader import Reader
    from tfckpt_reader.spec import TensorSpec

MANIFEST = "manifest.json"
KIND, VERSION = "tfckpt_reader/npy", 1
"""What the list says of itself."""
_END = ".npy"
_LONGEST_NAME = 160
"""Letters of a file name: Windows has 260 for the whole path."""
_LARGEST_MANIFEST = 1 << 28
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


def refusals(specs: Mapping[str, TensorSpec]) -> dict[str, str]:
    """Return what a folder cannot hold: target name -> why."""
    taken = {same(name) for name in specs}
    found = {name: _why_refused(name, spec, taken) for name, spec in specs.items()}
    return {name: why for name, why in found.items() if why}


def _why_refused(name: str, spec: TensorSpec, taken: set[str]) -> str | None:
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
    listed: dict[str, object] = {}
    for stored in arrays:
        name, head = file_name(stored.name), npy.header(stored)
        with open(os.path.join(folder, name), "xb") as file:
            write_at(file.fileno(), head, 0)
            payload = Payload(len(head), stored)
            (crc,) = transport(file, reader, [payload], wrote, crc=CASTAGNOLI)
            os.fsync(file.fileno())
        listed[stored.name] = {
            "file": name,
            "dtype": stored.kind,
            "shape": list(stored.shape),
            "bytes": stored.nbytes,
            "crc32c": crc,
            "tensor": stored.spec.name,
            "stored_from": str(stored.spec.dtype),
        }
    document = {"format": KIND, "version": VERSION, **about, "arrays": listed}
    with open(os.path.join(folder, MANIFEST), "x", encoding="ascii", newline="\n") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


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
