"""A checkpoint as JAX arrays.

Knows no other framework.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tfckpt_reader.checkpoint import open  # noqa: A004 - the verb of that module
from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.frameworks.tensors import chosen, framework, named
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import jax
    from numpy.typing import NDArray

    from tfckpt_reader.checkpoint import Checkpoint

_NARROWER = {
    DataType.INT64: "int32",
    DataType.UINT64: "uint32",
    DataType.FLOAT64: "float32",
    DataType.COMPLEX128: "complex64",
}
"""Types of 64 bits, and those that JAX silently makes of them unless they are enabled."""
_ENABLE = 'Enable 64-bit types first: jax.config.update("jax_enable_x64", True)'


def load_checkpoint(
    path: str | os.PathLike[str] | bytes,
    *,
    device: jax.Device | jax.sharding.Sharding | None = None,
    names: str = "key",
    only: str | Sequence[str] = (),
) -> dict[str, jax.Array]:
    """Read all tensors of a checkpoint as JAX arrays.

    Every crc is compared, and every type is kept, bfloat16 and float8 bit for bit. Unless 64-bit
    types are enabled, JAX has none: then tensors of int64, float64 and their like become 32 bits
    wide if each value stays the same, and a warning names them. The object graph is left out.

    Args:
        path: The checkpoint, as for `tfckpt_reader.open`.
        device: Where the arrays go. Default: JAX's own.
        names: "key", "full_name" (Keras's path of a variable) or "object_path". A tensor without
            one of its own keeps its key.
        only: "weights" leaves out optimizer slots, counters and the like; or other roles, as for
            `tfckpt_reader.convert`. Default: all.

    Raises:
        UnsupportedError: JAX is not installed, some tensors hold strings or variants, or a value
            of 64 bits does not fit into 32.
        CheckpointError: as for `tfckpt_reader.open` and reading.
    """
    jax = framework("jax")
    with open(path) as ckpt:
        specs = chosen(ckpt, names, only)
        narrowed = {} if jax.config.jax_enable_x64 else _narrowed(ckpt, specs)
        if narrowed:
            warnings.warn(
                f"{count_of(len(narrowed), 'tensor')} of 64 bits became 32 bits wide, all values "
                f"unchanged: {named(narrowed)}. {_ENABLE}",
                stacklevel=2,
            )
        return {
            name: jax.device_put(
                narrowed[name] if name in narrowed else ckpt.read(spec.name), device
            )
            for name, spec in specs.items()
        }


def _narrowed(ckpt: Checkpoint, specs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the tensors of 64 bits with 32 bits, by name.

    Raises:
        UnsupportedError: some have values that would change; all are named.
    """
    import numpy as np

    narrowed, refused = {}, []
    for name, spec in specs.items():
        if spec.dtype not in _NARROWER:
            continue
        wide = ckpt[spec.name]
        with np.errstate(all="ignore"):
            narrow = wide.astype(_NARROWER[spec.dtype])
        narrowed[name] = narrow
        if not np.array_equal(narrow, wide, equal_nan=wide.dtype.kind in "fc"):
            refused.append(f"{quoted(name)} {spec.dtype} to {_NARROWER[spec.dtype]}")
    if refused:
        raise UnsupportedError(
            f"{count_of(len(refused), 'tensor')} would change in JAX, which has no 64-bit types "
            f"unless they are enabled: {shortened(', '.join(refused))}",
            file=ckpt.reader.path,
            advice=_ENABLE,
        )
    return narrowed
