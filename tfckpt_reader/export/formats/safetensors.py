"""Write arrays as a .safetensors file: a JSON header, then the bytes, without gaps.

Sees specs and bytes, never a checkpoint file. The format's own README tells it: 8 bytes
of header size, the header, the data; ``{"name": {"dtype", "shape", "data_offsets"}}``.

Arrays are ordered by the size of their elements, largest first, then by name: so each begins at a
multiple of its element's size, since the header ends at a multiple of 8.

How a dtype is stored:

==============================  ==============================  ====================
TensorFlow                      in the file                     with ``raw``
==============================  ==============================  ====================
bool, integers, float16/32/64   the same                        the same
complex64                       C64                             the same
quantised                       their integers                  the same
bfloat16                        BF16                            U16, the bits
float8_e5m2, float8_e4m3fn,     F8_E5M2, F8_E4M3,               U8, the bits
and their fnuz kinds            F8_E5M2FNUZ, F8_E4M3FNUZ
float8_e4m3b11fnuz, float4      F32                             U8, the bits
int4, int2 / uint4, uint2       I8 / U8                         U8, the bits
complex128, string, variant,    refused
resource
==============================  ==============================  ====================
"""

from __future__ import annotations

import json
from functools import cache
from math import prod
from typing import IO, TYPE_CHECKING

from tfckpt_reader.export.arrays import Form, Stored
from tfckpt_reader.export.elements import widened
from tfckpt_reader.export.transfer import at
from tfckpt_reader.export.transfer import write as transport
from tfckpt_reader.storage.atomic import write_at
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from tfckpt_reader.formats.reader import Reader
    from tfckpt_reader.tensor.spec import TensorSpec

_KINDS = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "bfloat16": "BF16",
    "complex64": "C64",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
}
"""NumPy's or ml_dtypes' name of a type -> the format's."""
_ELSEWHERE = {
    DataType.STRING: "; an .npz holds them",
    DataType.COMPLEX128: "; an .npz holds them",
}
"""What to do about types that it lacks."""
_METADATA = "__metadata__"
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LONGEST_HEADER = 100_000_000
"""Bytes; the safetensors library reads no longer one."""
_LARGEST_TENSOR = 1 << 60
"""Bytes: readers multiply axes in 64 bits, and count bits, before they come to one that is 0."""


@cache
def form(dtype: DataType, *, raw: bool) -> Form | None:
    """Return how numbers of a dtype are stored; None for what has no form."""
    wider = widened(dtype)
    if raw and wider is not None:
        return Form(f"U{8 * dtype.itemsize}", dtype.itemsize)
    if dtype.itemsize and dtype.numpy_name in _KINDS:
        return Form(_KINDS[dtype.numpy_name], dtype.itemsize)
    if wider is None:
        return None
    target, change = wider
    return Form(_KINDS[target.numpy_name], target.itemsize, change)


def why_refused(name: str, spec: TensorSpec, _names: Container[str]) -> str | None:
    """Say why a file cannot hold a tensor under a name; None if it can."""
    if form(spec.dtype, raw=False) is None:
        return (
            f"{spec.dtype} tensors have no form in a .safetensors{_ELSEWHERE.get(spec.dtype, '')}"
        )
    if prod(filter(None, spec.shape)) * spec.dtype.itemsize > _LARGEST_TENSOR:
        return f"its shape is more than readers of the format can count: {list(spec.shape)}"
    if name == _METADATA:
        return "the format keeps that name for itself"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return None


def write(
    file: IO[bytes],
    reader: Reader,
    arrays: Sequence[Stored],
    wrote: Callable[[int], None],
    about: Mapping[str, str],
) -> None:
    """Write the file; `wrote` is told the bytes read."""
    head, ordered, begins = _layout(arrays, about)
    write_at(file.fileno(), head, 0)
    del head  # of many arrays it is large
    transport(at(file.fileno(), begins), reader, ordered, wrote)


def too_much(arrays: Sequence[Stored], about: Mapping[str, str]) -> str | None:
    """Say why a file cannot hold all of the arrays, if it cannot: its header has a limit."""
    size = len(_layout(arrays, about)[0]) - 8
    if size <= _LONGEST_HEADER:
        return None
    return (
        f"the names and shapes of {len(arrays):,} arrays are more than a .safetensors header "
        f"holds: {size:,} bytes, at most {_LONGEST_HEADER:,}"
    )


def _layout(
    arrays: Sequence[Stored], about: Mapping[str, str]
) -> tuple[bytes, list[Stored], list[int]]:
    """Return the size and text of the header, the arrays in order, and where each begins."""
    ordered = sorted(arrays, key=lambda stored: (-stored.itemsize, stored.name))
    # Text as it grows: a dictionary of it all would take five times the memory.
    text = bytearray(f'{{"{_METADATA}":{_json({"format": "tf", **about})}', "utf-8")
    places, end = [], 0
    for stored in ordered:
        begin, end = end, end + stored.nbytes
        places.append(begin)
        shape = ",".join(map(str, stored.shape))
        fields = f'"dtype":"{stored.kind}","shape":[{shape}],"data_offsets":[{begin},{end}]'
        text += f",{_json(stored.name)}:{{{fields}}}".encode()
    text += b"}"
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return head, ordered, [len(head) + place for place in places]
