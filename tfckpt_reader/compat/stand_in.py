"""A module `tensorflow` for scripts that only read checkpoints.

Knows no checkpoint: it gives the names of this room the places where TensorFlow has them.
"""

from __future__ import annotations

import logging
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from tfckpt_reader.compat import dtypes, errors, gfile, inspection, reader, state

VERSION = "2.21.0"
"""The TensorFlow whose behaviour this is."""
TOP = "tensorflow"
_ONLY = "tfckpt_reader.compat stands in for TensorFlow and only reads checkpoints"


class MissingNameError(AttributeError):
    """A name of TensorFlow that the stand-in does not have."""


class MissingModuleError(ModuleNotFoundError):
    """A module of TensorFlow that the stand-in does not have."""


def _public(module: ModuleType) -> dict[str, Any]:
    """Return the functions and classes that a module of this room defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    }


def _as_bytes(text: str | bytes, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding) if isinstance(text, str) else bytes(text)


def _as_text(text: str | bytes, encoding: str = "utf-8") -> str:
    return text if isinstance(text, str) else bytes(text).decode(encoding)


def _nothing(*_: object, **__: object) -> None:
    """Do nothing: no graph is built and nothing is executed here."""


_READER = _public(reader)
_STATE = _public(state)
_TRAIN = {**_READER, **_STATE}
_ERRORS = {name: value for name, value in _public(errors).items() if isinstance(value, type)}
_DTYPES = {**dtypes.BY_NAME, "DType": dtypes.DType, "as_dtype": dtypes.as_dtype}
_GFILE = {**_public(gfile), **gfile.V1_NAMES}
_LOGGING = {
    **{name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")},
    **{name: getattr(state.logger, name) for name in ("debug", "info", "warning", "error")},
    "warn": state.logger.warning,
    "set_verbosity": state.logger.setLevel,
    "get_verbosity": state.logger.getEffectiveLevel,
}
_SWITCHES = ("disable_eager_execution", "enable_eager_execution", "disable_v2_behavior")
_API: dict[str, dict[str, Any]] = {
    "": {
        **_DTYPES,
        **dict.fromkeys(_SWITCHES, _nothing),
        "__version__": VERSION,
        "VERSION": VERSION,
        "get_logger": lambda: state.logger,
    },
    ".version": {"VERSION": VERSION},
    ".train": _TRAIN,
    ".dtypes": _DTYPES,
    ".errors": _ERRORS,
    ".gfile": _GFILE,
    ".io": {},
    ".io.gfile": _GFILE,
    ".logging": _LOGGING,
}
_COMPAT = {
    "as_bytes": _as_bytes,
    "as_str": _as_text,
    "as_text": _as_text,
    "as_str_any": lambda value: _as_text(value) if isinstance(value, bytes) else str(value),
}
_PYTHON = {
    "checkpoint.checkpoint_management": _STATE,
    "framework.dtypes": _DTYPES,
    "framework.errors": _ERRORS,
    "framework.errors_impl": _ERRORS,
    "platform.gfile": _GFILE,
    "pywrap_tensorflow": _READER,
    "tools.inspect_checkpoint": _public(inspection),
    "training.checkpoint_management": _STATE,
    "training.checkpoint_utils": _TRAIN,
    "training.py_checkpoint_reader": _READER,
    "util.compat": _COMPAT,
}
MODULES: dict[str, dict[str, Any]] = {
    **{f"{TOP}{module}": names for module, names in _API.items()},
    f"{TOP}.compat": _COMPAT,
    **{f"{TOP}.compat.v1{module}": names for module, names in _API.items()},
    **{f"{TOP}.compat.v2{module}": names for module, names in _API.items()},
    f"{TOP}.contrib.framework": _TRAIN,
    **{f"{TOP}.python.{module}": names for module, names in _PYTHON.items()},
}
"""Each module of the stand-in and its names; those between exist too."""


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python itself looks for these
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise MissingNameError(f"{_ONLY}; it has no {self.__name__}.{name}")


class _Finder:
    """Says which module is missing; the existing ones are in ``sys.modules``."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name.startswith(f"{TOP}."):
            # Without `name`: ``from tensorflow import x`` would replace the error by its own.
            raise MissingModuleError(f"{_ONLY}; it has no module {name}")


def modules() -> dict[str, ModuleType]:
    """Return the modules of a new stand-in, by their full names."""
    made: dict[str, ModuleType] = {}
    for full in MODULES:
        steps = full.split(".")
        for length in range(1, len(steps) + 1):
            name = ".".join(steps[:length])
            if name in made:
                continue
            module = made[name] = _Module(name)
            module.__spec__ = ModuleSpec(name, None, is_package=True)
            module.__path__ = []
            vars(module).update(MODULES.get(name, {}))
            if length > 1:
                setattr(made[".".join(steps[: length - 1])], steps[length - 1], module)
    return made


def install(*, force: bool = False) -> None:
    """Make ``import tensorflow`` mean the stand-in, in this process.

    Args:
        force: Do so where TensorFlow itself could be imported, too.

    Raises:
        ImportError: TensorFlow is imported already, or could be.
    """
    present = sys.modules.get(TOP)
    if isinstance(present, _Module):
        return
    if present is not None:
        raise ImportError("TensorFlow itself is imported already: nothing can stand in for it")
    spec = find_spec(TOP)
    if spec is not None and spec.origin and not force:
        raise ImportError(f"TensorFlow itself is installed here: {spec.origin}")
    sys.modules.update(modules())
    sys.meta_path.insert(0, _Finder)
