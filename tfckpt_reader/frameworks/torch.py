"""A checkpoint as PyTorch tensors.

Knows no other framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open  # noqa: A004 - the verb of that module
from tfckpt_reader.frameworks.tensors import chosen, framework
from tfckpt_reader.tensor.dtypes import DataType

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

_BITS = {
    DataType.BFLOAT16: ("int16", "bfloat16"),
    DataType.FLOAT8_E5M2: ("uint8", "float8_e5m2"),
    DataType.FLOAT8_E4M3FN: ("uint8", "float8_e4m3fn"),
    DataType.FLOAT8_E5M2FNUZ: ("uint8", "float8_e5m2fnuz"),
    DataType.FLOAT8_E4M3FNUZ: ("uint8", "float8_e4m3fnuz"),
}
"""Types that NumPy lacks: the integers that hold their bits, and PyTorch's type."""
_WIDER = {
    DataType.FLOAT8_E4M3B11FNUZ: "float32",
    DataType.FLOAT4_E2M1FN: "float32",
    DataType.INT4: "int8",
    DataType.UINT4: "uint8",
    DataType.INT2: "int8",
    DataType.UINT2: "uint8",
}
"""Types that PyTorch lacks too: the next wider one, which holds each value exactly."""


def load_checkpoint(
    path: str | os.PathLike[str] | bytes,
    *,
    device: torch.device | str | None = None,
    names: str = "key",
    only: str | Sequence[str] = (),
) -> dict[str, torch.Tensor]:
    """Read all tensors of a checkpoint as PyTorch tensors: owned, writable, contiguous.

    Every crc is compared. bfloat16 and float8 keep each bit; float4, float8_e4m3b11fnuz and
    integers below 8 bits, which PyTorch cannot compute with, become the next wider type, exactly.
    The object graph is left out.

    Args:
        path: The checkpoint, as for `tfckpt_reader.open`.
        device: Where the tensors go. Default: the processor's memory.
        names: "key", "full_name" (Keras's path of a variable) or "object_path". A tensor without
            one of its own keeps its key.
        only: "weights" leaves out optimizer slots, counters and the like; or other roles, as for
            `tfckpt_reader.convert`. Default: all.

    Raises:
        UnsupportedError: PyTorch is not installed, or some tensors hold strings or variants.
        CheckpointError: as for `tfckpt_reader.open` and reading.
    """
    torch = framework("torch")
    torch.empty(0, device=device)  # an unknown device is an error before anything is read
    with open(path) as ckpt:
        specs = chosen(ckpt, names, only)
        arrays = ckpt.load(spec.name for spec in specs.values())
    return {
        name: _tensor(torch, arrays.pop(spec.name), spec.dtype).to(device)
        for name, spec in specs.items()
    }


def _tensor(torch: Any, array: NDArray[Any], dtype: DataType) -> torch.Tensor:
    """Return an owned array as a tensor in the same memory; in memory of its own if widened."""
    if dtype in _BITS:
        bits, name = _BITS[dtype]
        return torch.from_numpy(array.view(bits)).view(getattr(torch, name))
    return torch.from_numpy(array.astype(_WIDER[dtype]) if dtype in _WIDER else array)
