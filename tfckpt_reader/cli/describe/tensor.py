"""One tensor of a checkpoint, without its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.cli.describe.notation import shape_text

if TYPE_CHECKING:
    from tfckpt_reader.tensor.spec import TensorSpec


def tensor_facts(spec: TensorSpec) -> dict[str, Any]:
    """Return the dtype, shape, size and location of a tensor."""
    facts: dict[str, Any] = {
        "name": spec.name,
        "dtype": str(spec.dtype),
        "shape": list(spec.shape),
        "bytes": spec.nbytes,
        "shard": spec.shard,
        "offset": spec.offset,
        "crc32c": spec.crc32c,
    }
    if spec.slices:
        facts["slices"] = [
            {
                "start": list(each.start),
                "shape": list(each.shape),
                "shard": each.shard,
                "offset": each.offset,
                "bytes": each.nbytes,
            }
            for each in spec.slices
        ]
    return facts


def tensor_lines(spec: TensorSpec) -> list[str]:
    """Return a line per fact, a line per slice."""
    lines = [
        f"name    {spec.name}",
        f"dtype   {spec.dtype}",
        f"shape   {shape_text(spec.shape)}",
        f"bytes   {'?' if spec.nbytes is None else f'{spec.nbytes:,}'}",
    ]
    if spec.offset is not None:
        lines.append(f"stored  shard {spec.shard}, offset {spec.offset:,}, crc {spec.crc32c:#010x}")
    return lines + [
        f"slice   {each}" + ("" if each.shard is None else f" in shard {each.shard}")
        for each in spec.slices
    ]
