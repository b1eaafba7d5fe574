"""The .safetensors file: a JSON header, then the bytes, without gaps.

Knows specs and bytes, no checkpoint. The README of huggingface/safetensors defines it: 8 bytes of
header size, the header, the data; ``{"name": {"dtype", "shape", "data_offsets"}}``.

Arrays whose size is a multiple of 64 bytes come first, so that one of odd size does not move the
others off the borders at which memory is copied fastest. Then arrays are ordered by the size of
their elements, largest first, then by name: so each begins at a multiple of its element's size,
since the header ends at a multiple of 64.

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
from dataclasses import replace
from math import prod
from typing import IO, TYPE_CHECKING, ClassVar

from tfckpt_reader.export.formats.base import Format
from tfckpt_reader.export.sinks import FileSink
from tfckpt_reader.export.transfer import write_arrays
from tfckpt_reader.storage.writing.offsets import write_at
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from tfckpt_reader.export.transfer import Job, OutputArray
    from tfckpt_reader.tensor.spec import TensorSpec

TYPE_NAMES = {
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
METADATA = "__metadata__"
_ALIGNMENT = 64
"""Bytes at whose multiples the data begins, and all arrays of such sizes."""
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
LONGEST_HEADER = 100_000_000
"""Bytes; the safetensors library reads no longer one."""
_SURELY_SHORT = LONGEST_HEADER - (1 << 20)
"""The rest is for what does not depend on the arrays."""
_LARGEST_TENSOR = 1 << 60
"""Bytes: readers multiply axes in 64 bits, and count bits, before they reach an axis of 0."""


class Safetensors(Format):
    """A safetensors file."""

    suffix = ".safetensors"
    type_names: ClassVar = {
        dtype: TYPE_NAMES[dtype.numpy_name] for dtype in DataType if dtype.numpy_name in TYPE_NAMES
    }

    def tensor_refusal(self, spec: TensorSpec) -> str | None:
        """Return the reason against a tensor: its dtype or its size."""
        if self.encoding(spec.dtype, raw=False) is None:
            in_npz = spec.dtype in (DataType.STRING, DataType.COMPLEX128)
            advice = "; an .npz holds them" if in_npz else ""
            return f"{spec.dtype} tensors cannot be stored in a .safetensors{advice}"
        if prod(filter(None, spec.shape)) * spec.dtype.itemsize > _LARGEST_TENSOR:
            return f"its shape is more than readers of the format can count: {list(spec.shape)}"
        return None

    def name_refusal(self, name: str, spec: TensorSpec, keys: Container[str]) -> str | None:  # noqa: ARG002 - equal names only collide
        """Return the reason against the one reserved name."""
        return "the format reserves that name" if name == METADATA else None

    def refusal_of_all(
        self, arrays: Sequence[OutputArray], provenance: Mapping[str, str]
    ) -> str | None:
        """Return the reason if the header would be longer than its limit."""
        # Making the header takes longer: JSON has at most 6 bytes a character, and here 21 an axis.
        if sum(256 + 6 * len(each.name) + 21 * len(each.shape) for each in arrays) < _SURELY_SHORT:
            return None
        size = len(_layout(arrays, provenance)[0]) - 8
        if size <= LONGEST_HEADER:
            return None
        return (
            f"the names and shapes of {len(arrays):,} arrays are more than a .safetensors header "
            f"holds: {size:,} bytes, at most {LONGEST_HEADER:,}"
        )

    def write(self, output: IO[bytes], job: Job) -> None:
        """Write the file."""
        head, ordered, offsets = _layout(job.arrays, job.provenance)
        size = len(head) + sum(array.nbytes for array in ordered)
        sink = FileSink(output.name, offsets, output.fileno(), size)
        write_at(output.fileno(), head, 0)
        del head  # of many arrays it is large
        write_arrays(replace(job, arrays=ordered), sink)


def _layout(
    arrays: Sequence[OutputArray], provenance: Mapping[str, str]
) -> tuple[bytes, list[OutputArray], list[int]]:
    """Return the size and text of the header, the arrays in order, and their file offsets."""
    ordered = sorted(
        arrays, key=lambda array: (array.nbytes % _ALIGNMENT > 0, -array.itemsize, array.name)
    )
    # Text grows entry by entry: one dictionary of all would take five times the memory.
    text = bytearray(f'{{"{METADATA}":{_json({"format": "tf", **provenance})}', "utf-8")
    begins, end = [], 0
    for array in ordered:
        begin, end = end, end + array.nbytes
        begins.append(begin)
        shape = ",".join(map(str, array.shape))
        fields = f'"dtype":"{array.type_name}","shape":[{shape}],"data_offsets":[{begin},{end}]'
        text += f",{_json(array.name)}:{{{fields}}}".encode()
    text += b"}"
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    head = len(text).to_bytes(8, "little") + text
    return head, ordered, [len(head) + begin for begin in begins]
