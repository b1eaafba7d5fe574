"""Write tensors as a NumPy .npz archive: a zip of .npy files, stored, not compressed.

Rank 9: sees specs and bytes, never a checkpoint file. Nothing is ever pickled.

How a dtype is stored:

==============================  =====================================  ====================
TensorFlow                      in the archive                         with ``raw``
==============================  =====================================  ====================
what NumPy has, bool included   the same                               the same
quantised                       their integers                         the same
bfloat16                        float32                                uint16, the bits
float8 kinds, float4            float32                                uint8, the bits
int4, int2 / uint4, uint2       int8 / uint8                           uint8, the bits
string                          ``S<n>`` if no element ends in NUL and padding at most doubles
                                the size; else two members: ``name/__bytes__`` (uint8, all
                                strings joined) and ``name/__offsets__`` (int64, count + 1)
variant, resource               refused
==============================  =====================================  ====================
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING

from tfckpt_reader.dtypes import DataType, to_numpy
from tfckpt_reader.export.widen import widened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tfckpt_reader.spec import TensorSpec

_LONGEST_NAME = 0xFFFF
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the same input makes the same archive."""
_ABSOLUTE = re.compile(r"/|\\|[A-Za-z]:")
_BYTES, _OFFSETS = "/__bytes__", "/__offsets__"


@dataclass(frozen=True, slots=True)
class Member:
    """One array in the archive, its bytes made while it is written."""

    name: str
    """Its key: the member's file name without ``.npy``."""
    descr: str
    """NumPy's type string: ``<f4``."""
    shape: tuple[int, ...]
    nbytes: int
    pieces: Iterator[bytes | memoryview]
    """Its bytes in order; a piece need not outlive the next."""


def refusals(specs: Mapping[str, TensorSpec]) -> dict[str, str]:
    """Return the tensors that an archive cannot hold, or NumPy not tell apart: name -> why."""
    keys = set(specs)
    found = {name: _why_refused(spec, keys) for name, spec in specs.items()}
    return {name: why for name, why in found.items() if why}


def _why_refused(spec: TensorSpec, keys: set[str]) -> str | None:
    name, is_string = spec.name, spec.dtype is DataType.STRING
    if not spec.dtype.itemsize and not is_string:
        return f"{spec.dtype} tensors have no form in an .npz"
    if not _numpy_holds(spec.shape):
        return (
            f"its shape is more than NumPy holds: {len(spec.shape)} axes, {spec.elements} elements"
        )
    if name.endswith(".npy") and name.removesuffix(".npy") in keys:
        return f"NumPy cannot tell it from {name.removesuffix('.npy')}"
    members = (name + _BYTES, name + _OFFSETS) if is_string else (name,)
    for member in members:
        if is_string and {member, member + ".npy"} & keys:
            return f"NumPy could not tell {member}, which strings may need, from a tensor"
    return _why_unsafe(members[-1], name)


def _numpy_holds(shape: tuple[int, ...]) -> bool:
    """Tell whether the NumPy at hand has arrays of a shape; it limits axes, and strides too."""
    import numpy as np

    try:
        np.empty(shape if 0 in shape else (0,) * len(shape), "c16")
    except ValueError:
        return False
    return True


def _why_unsafe(member: str, name: str) -> str | None:
    try:
        size = len(member.encode("utf-8"))
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if "\0" in name:
        return "its name holds a NUL"
    if ".." in re.split(r"[/\\]", name):
        return "its name climbs out of its folder with .."
    if _ABSOLUTE.match(name):
        return "its name is an absolute path"
    if size + len(".npy") > _LONGEST_NAME:
        return f"the name of its file is longer than {_LONGEST_NAME} bytes"
    return None


def stored_size(spec: TensorSpec, *, raw: bool) -> int:
    """Return the bytes that a tensor takes in the archive; for strings about that."""
    wider = None if raw else widened(spec.dtype)
    return spec.elements * wider[0].itemsize if wider else spec.nbytes or 0


def numeric_member(spec: TensorSpec, pieces: Iterator[memoryview], *, raw: bool) -> Member:
    """Return the member for numbers, given their little-endian bytes."""
    wider = widened(spec.dtype)
    if wider is None:
        descr = to_numpy(spec.dtype).newbyteorder("<").str
        return Member(spec.name, descr, spec.shape, spec.nbytes or 0, pieces)
    if raw:
        descr = f"<u{spec.dtype.itemsize}" if spec.dtype.itemsize > 1 else "|u1"
        return Member(spec.name, descr, spec.shape, spec.nbytes or 0, pieces)
    target, convert = wider
    descr = to_numpy(target).newbyteorder("<").str
    nbytes = prod(spec.shape) * target.itemsize
    return Member(spec.name, descr, spec.shape, nbytes, map(convert, pieces))


def string_members(spec: TensorSpec, array: NDArray[np.object_]) -> list[Member]:
    """Return the one or two members for strings."""
    import numpy as np

    elements: list[bytes] = array.reshape(-1).tolist()
    longest = max(map(len, elements), default=0)
    payload = sum(map(len, elements))
    padded = longest * len(elements) <= 2 * payload
    if padded and not any(element.endswith(b"\0") for element in elements):
        width = max(longest, 1)
        pieces = (element.ljust(width, b"\0") for element in elements)
        return [Member(spec.name, f"|S{width}", spec.shape, width * len(elements), pieces)]
    offsets = np.zeros(len(elements) + 1, "<i8")
    np.cumsum([len(element) for element in elements], out=offsets[1:])
    return [
        Member(spec.name + _BYTES, "|u1", (payload,), payload, iter(elements)),
        Member(
            spec.name + _OFFSETS, "<i8", offsets.shape, offsets.nbytes, iter([offsets.tobytes()])
        ),
    ]


def write(file: IO[bytes], members: Iterable[Member], wrote: Callable[[int], None]) -> None:
    """Write the archive; `wrote` is told the bytes of each piece."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for member in members:
            header = _npy_header(member)
            info = zipfile.ZipInfo(member.name + ".npy", _EPOCH)
            info.filename = member.name + ".npy"  # ZipInfo rewrites backslashes on Windows
            info.file_size = len(header) + member.nbytes
            with archive.open(info, "w") as stream:
                stream.write(header)
                for piece in member.pieces:
                    stream.write(piece)
                    wrote(len(piece))


def _npy_header(member: Member) -> bytes:
    from numpy.lib.format import write_array_header_1_0

    header = io.BytesIO()
    fields = {"descr": member.descr, "fortran_order": False, "shape": member.shape}
    write_array_header_1_0(header, fields)
    return header.getvalue()
