"""TensorFlow in a child process, which may die of what it reads without taking the tests along.

A server process imports TensorFlow once and forks a worker from itself; the worker answers calls
over a pipe until it dies or takes too long, and then the next call gets a new one. A death costs
a fork, not another import. What the worker prints goes to a file, of which the last cry of a
dead one is kept.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import resource
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import writers as w

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

PLAIN = {11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"}
"""The integers that the quantised types are."""
_MEMORY = 12 << 30
_PATIENCE = 60.0


@dataclass(frozen=True)
class Value:
    """A tensor, as something that compares bit for bit."""

    shape: tuple[int, ...]
    data: bytes | tuple[bytes, ...]
    """Elements in C order, little-endian, insignificant bits zero; or strings."""


@dataclass(frozen=True)
class Refusal:
    """No tensor: the kind of the exception and its text, or how the process died."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {re.sub(r'[{][{].*?[}][}] ', '', self.text)}"


Listing: TypeAlias = dict[bytes, tuple[int, tuple[int, ...]]]
"""Name -> dtype number, shape."""


def value_of(array: Any) -> Value:
    """Return the value of what NumPy has, or TensorFlow gave."""
    array = np.asarray(array, object if isinstance(array, bytes) else None)
    if array.dtype.kind == "O":
        return Value(array.shape, tuple(array.reshape(-1).tolist()))  # `flat` ends at 32 axes
    if array.dtype.kind == "b":
        array = array.view(np.uint8) != 0
    return Value(array.shape, w.dense_payload(array))


class Readers:
    """TensorFlow's two readers in this very process; their exceptions come through."""

    def __init__(self) -> None:
        self.tf: Any = importlib.import_module("tensorflow")
        self.reader = lru_cache(maxsize=1)(self.tf.train.load_checkpoint)

    def listing(self, path: str) -> Listing:
        """List all tensors by a new checkpoint reader."""
        self.reader.cache_clear()
        reader = self.reader(path)
        dtypes = reader.get_variable_to_dtype_map()
        shapes = reader.get_variable_to_shape_map()
        return {
            name.encode(): (dtypes[name].as_datatype_enum, tuple(shape))
            for name, shape in shapes.items()
        }

    def get(self, path: str, name: bytes) -> Value:
        """Read a tensor by the checkpoint reader."""
        try:
            return value_of(self.reader(path).get_tensor(name))
        except Exception:
            self.reader.cache_clear()  # having failed once, it would die of the next call
            raise

    def restore(self, path: str, name: bytes, dtype: int, piece: str = "") -> Value:
        """Read a tensor, or a piece of it such as ``4 5 0,2:-``, by the op RestoreV2."""
        (tensor,) = self.tf.raw_ops.RestoreV2(
            prefix=path,
            tensor_names=[name],
            shape_and_slices=[piece],
            dtypes=[self.tf.DType(dtype)],
        )
        if dtype in PLAIN:
            tensor = self.tf.bitcast(tensor, PLAIN[dtype])
        return value_of(tensor.numpy())


def _serve(pipe: Connection, log: str) -> None:
    """Answer until the pipe closes."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for fd in (1, 2):
        os.dup2(out, fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    readers = Readers()
    while True:
        try:
            call, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = getattr(readers, call)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answer = Refusal(type(error).__name__, str(error))
        pipe.send(answer)


class TensorFlow:
    """The calls of `Readers` to a worker; a context manager. `deaths` counts those it lost."""

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tensorflow", "writers"])
        fd, self._log = tempfile.mkstemp(suffix=".log")
        os.close(fd)
        self._process: Any = None
        self._pipe: Any = None
        self.deaths = 0

    def listing(self, path: str) -> Listing | Refusal:
        return cast("Listing | Refusal", self._call("listing", path))

    def get(self, path: str, name: bytes) -> Value | Refusal:
        return cast("Value | Refusal", self._call("get", path, name))

    def restore(self, path: str, name: bytes, dtype: int, piece: str = "") -> Value | Refusal:
        return cast("Value | Refusal", self._call("restore", path, name, dtype, piece))

    def _call(self, *call: Any) -> Any:
        if self._process is None:
            self._start()
        self._pipe.send((call[0], call[1:]))
        try:
            if self._pipe.poll(_PATIENCE):
                return self._pipe.recv()
        except (EOFError, OSError):
            pass
        else:
            self._process.kill()
        return self._bury()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(other, self._log), daemon=True)
        self._process.start()
        other.close()

    def _bury(self) -> Refusal:
        self._stop()
        self.deaths += 1
        with open(self._log, encoding="utf-8", errors="replace") as log:
            text = log.read()
        cry = re.search(r"(Check failed:.*|.*terminate called.*|.*bad_alloc.*)", text)
        return Refusal("died", cry[1] if cry else text[-200:].strip())

    def _stop(self) -> None:
        if self._process is not None:
            self._pipe.close()
            self._process.join()
            self._process.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        os.unlink(self._log)
