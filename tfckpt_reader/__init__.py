"""Read TensorFlow checkpoints without TensorFlow.

The public names. They are imported when first used, so that ``tfckpt ls`` starts fast.

    import tfckpt_reader as tfckpt

    with tfckpt.open("runs/bert/model.ckpt-20000") as ckpt:
        kernel = ckpt["bert/pooler/dense/kernel"]
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` would take longer than all the rest
if TYPE_CHECKING:
    from tfckpt_reader.checkpoint import Checkpoint, open  # noqa: A004
    from tfckpt_reader.errors import (
        CheckpointError,
        CheckpointNotFoundError,
        ChecksumError,
        CorruptCheckpointError,
        TensorNotFoundError,
        TruncatedError,
        UnsupportedError,
    )
    from tfckpt_reader.export import convert
    from tfckpt_reader.graph.meta_graph import MetaGraph, read_meta_graph
    from tfckpt_reader.graph.render import EventFile, to_dot, write_event_file
    from tfckpt_reader.lazy import LazyTensor
    from tfckpt_reader.paths.locate import latest_checkpoint
    from tfckpt_reader.paths.retention import Kept, kept_checkpoints
    from tfckpt_reader.saving.save import save
    from tfckpt_reader.saving.saver import Saver
    from tfckpt_reader.tensor.dtypes import DataType
    from tfckpt_reader.tensor.spec import TensorSlice, TensorSpec
    from tfckpt_reader.tensor.tensor_proto import Variant
    from tfckpt_reader.verification.checkpoint import Problem, Report, verify
    from tfckpt_reader.verification.folder import verify_all
    from tfckpt_reader.version import __version__ as __version__

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointNotFoundError",
    "ChecksumError",
    "CorruptCheckpointError",
    "DataType",
    "EventFile",
    "Kept",
    "LazyTensor",
    "MetaGraph",
    "Problem",
    "Report",
    "Saver",
    "TensorNotFoundError",
    "TensorSlice",
    "TensorSpec",
    "TruncatedError",
    "UnsupportedError",
    "Variant",
    "convert",
    "kept_checkpoints",
    "latest_checkpoint",
    "open",
    "read_meta_graph",
    "save",
    "to_dot",
    "verify",
    "verify_all",
    "write_event_file",
]

_HOME = {
    "checkpoint": ("Checkpoint", "open"),
    "tensor.dtypes": ("DataType",),
    "errors": (
        "CheckpointError",
        "CheckpointNotFoundError",
        "ChecksumError",
        "CorruptCheckpointError",
        "TensorNotFoundError",
        "TruncatedError",
        "UnsupportedError",
    ),
    "export": ("convert",),
    "lazy": ("LazyTensor",),
    "graph.meta_graph": ("MetaGraph", "read_meta_graph"),
    "paths.retention": ("Kept", "kept_checkpoints"),
    "graph.render": ("EventFile", "to_dot", "write_event_file"),
    "saving.save": ("save",),
    "saving.saver": ("Saver",),
    "tensor.spec": ("TensorSlice", "TensorSpec"),
    "paths.locate": ("latest_checkpoint",),
    "tensor.tensor_proto": ("Variant",),
    "verification.checkpoint": ("Problem", "Report", "verify"),
    "verification.folder": ("verify_all",),
    "version": ("__version__",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
