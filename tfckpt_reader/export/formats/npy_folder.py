"""A folder of .npy files and a manifest.

Knows specs and bytes, no checkpoint.

File names are safe on Linux, macOS and Windows. In the name of an array, ``/`` becomes ``.``, and
all but ASCII letters, digits, ``_`` and ``-`` becomes ``%`` and two hexadecimal digits for each
byte of UTF-8. So do a leading ``-`` or ``/``, and the first letter of a Windows device name. A name
longer than the limit is cut, and ends in ``~`` and the start of its SHA-256. Unless it was cut,
``urllib.parse.unquote(file[:-4].replace(".", "/"))`` returns the name.

``manifest.json``::

    {"format": "tfckpt_reader/npy", "version": 1, "tool": "tfckpt_reader 0.1.0", "source": "name",
     "arrays": {name: {"file", "dtype", "shape", "bytes", "crc32c", "tensor", "stored_from"}}}

dtype is NumPy's type string, bytes the size of the elements, crc32c their CRC-32C without the
header of the .npy file, tensor the name in the checkpoint, stored_from the TensorFlow type.
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
from tfckpt_reader.export.sinks import PortableArraySink
from tfckpt_reader.export.transfer import write_arrays
from tfckpt_reader.storage.filesystem import absolute_path
from tfckpt_reader.storage.workers import each
from tfckpt_reader.storage.writing.atomic import atomic_folder
from tfckpt_reader.storage.writing.offsets import write_at

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tfckpt_reader.export.transfer import Job
    from tfckpt_reader.tensor.spec import TensorSpec

MANIFEST = "manifest.json"
KIND, VERSION = "tfckpt_reader/npy", 1
"""The manifest's fields "format" and "version"."""
_SUFFIX = ".npy"
_LONGEST_NAME = 160
"""Letters of a file name: Windows limits the whole path to 260."""
_LARGEST_MANIFEST = 1 << 28
_SYNCED_AT_ONCE = 8
"""Files: a disk syncs them together in hardly more time than one of them."""
_FOR_WRITING = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789"
}


class NpyFolder(npy.NpyFormat):
    """A folder of .npy files."""

    suffix = "/"
    is_folder = True
    to_url = False

    def collision_key(self, name: str) -> str:
        """Return the file name in lower case: some file systems ignore case."""
        return file_name(name).lower()

    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:
        """Return the reason against a name: empty, or of a file that belongs to another."""
        if not name:
            return "its name is empty"
        for possible in npy.possible_names(name, spec):
            if possible != name and self.collision_key(possible) in keys:
                return f"its strings may need the file of {possible}, which belongs to a tensor"
        return None

    def files_to_replace(self, path: str) -> set[str]:
        """Return the names of the files in a folder, if a conversion wrote all of them.

        Raises:
            FileExistsError: the folder holds another file, or is none.
            OSError: it cannot be listed.
        """
        if not os.path.lexists(path):
            return set()
        if os.path.islink(path) or not os.path.isdir(path):
            raise FileExistsError(f"{path} is not a folder; choose another path")
        files = set(os.listdir(path))
        other = sorted(files - _listed(os.path.join(path, MANIFEST))) if files else []
        if other:
            raise FileExistsError(
                f"{path} holds {other[0]!r}, which no conversion wrote, and is not replaced; "
                "choose another folder"
            )
        return files

    def opened(self, path: str, *, replace: bool) -> AbstractContextManager[str]:
        """Yield the path of a new folder; rename it to `path` on success."""
        return atomic_folder(path, self.files_to_replace(path) if replace else (), replace=replace)

    def write(self, output: str, job: Job) -> None:
        """Write the files into an empty folder, each synced."""
        paths = [os.path.join(output, file_name(array.name)) for array in job.arrays]
        headers = [npy.header(array) for array in job.arrays]

        def finish(number: int, _buffer: memoryview) -> None:
            with _opened(paths[number]) as fd:
                write_at(fd, headers[number], 0)
                os.fsync(fd)

        sink = _FolderSink(paths, [len(header) for header in headers])
        crcs = write_arrays(job, sink, crc=CASTAGNOLI)
        with closing(each(range(len(paths)), finish, _SYNCED_AT_ONCE)) as finished:
            for _ in finished:
                pass
        with open(os.path.join(output, MANIFEST), "x", encoding="ascii", newline="\n") as file:
            file.writelines(_manifest(job, crcs))
            file.flush()
            os.fsync(file.fileno())


class _FolderSink(PortableArraySink):
    """Writes each array to a file of its own, which is opened for each write.

    Args:
        paths: Number of an array -> its file.
        offsets: Number of an array -> offset of its first byte.
    """

    def __init__(
        self, paths: Sequence[str] | Mapping[int, str], offsets: Sequence[int] | Mapping[int, int]
    ) -> None:
        self._paths, self._offsets = paths, offsets

    def __call__(self, number: int, first: int, data: bytes | memoryview) -> None:
        """Write bytes of an array."""
        with _opened(self._paths[number]) as fd:
            write_at(fd, data, self._offsets[number] + first)

    def part(self, numbers: Collection[int]) -> _FolderSink:
        """Return a sink for some of the arrays, which pickles."""
        paths = {number: absolute_path(self._paths[number]) for number in numbers}
        return _FolderSink(paths, {number: self._offsets[number] for number in numbers})

    def finish(self) -> None:
        """Do nothing: no file stays open, and its maker syncs it."""


def file_name(name: str) -> str:
    """Return the name of the file for an array."""
    text = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    text = text.replace(".", "%2E").replace("%2F", ".")
    if text[:1] in (".", "-") or text.split(".")[0].upper() in _DEVICES:
        text = f"%{ord('/' if text[0] == '.' else text[0]):02X}{text[1:]}"
    if len(text) + len(_SUFFIX) > _LONGEST_NAME:
        import hashlib

        mark = "~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        start = text[: _LONGEST_NAME - len(_SUFFIX) - len(mark)]
        text = re.sub("%[0-9A-F]?$", "", start) + mark
    return text + _SUFFIX


@contextmanager
def _opened(path: str) -> Iterator[int]:
    # Only for one write: the folder may hold more files than a process may have open.
    fd = os.open(path, _FOR_WRITING, 0o666)
    try:
        yield fd
    finally:
        os.close(fd)


def _manifest(job: Job, crcs: Sequence[int]) -> Iterator[str]:
    yield json.dumps({"format": KIND, "version": VERSION, **job.provenance})[:-1] + ', "arrays": {'
    before = "\n"
    for array, crc in zip(job.arrays, crcs, strict=True):
        entry = {
            "file": file_name(array.name),
            "dtype": array.type_name,
            "shape": list(array.shape),
            "bytes": array.nbytes,
            "crc32c": crc,
            "tensor": array.spec.name,
            "stored_from": str(array.spec.dtype),
        }
        yield f"{before} {json.dumps(array.name)}: {json.dumps(entry)}"
        before = ",\n"
    yield "\n}}\n"


def _listed(path: str) -> set[str]:
    """Return the files in a manifest, and its own name; none if it is not a manifest."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read(_LARGEST_MANIFEST))
        if document["format"] != KIND:
            return set()
        return {MANIFEST, *(str(entry["file"]) for entry in document["arrays"].values())}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()
