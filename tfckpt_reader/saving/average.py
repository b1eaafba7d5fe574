"""The average of several checkpoints of one run.

Knows no destination. Floating-point and complex numbers are added as float64 and rounded once; all
other tensors, steps too, come from the newest checkpoint. Memory is a window of each tensor, except
of partitioned ones.
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tfckpt_reader.errors import UnsupportedError
from tfckpt_reader.export.elements import CAST_TYPES, Cast, is_floating, widened
from tfckpt_reader.formats.in_order import read_in_order
from tfckpt_reader.progress import no_progress
from tfckpt_reader.saving.edits import combine
from tfckpt_reader.storage.source import CHUNK
from tfckpt_reader.tensor.dense import shaped
from tfckpt_reader.tensor.dtypes import DataType, to_numpy
from tfckpt_reader.tensor.rows import copy_rows
from tfckpt_reader.tensor.spec import TensorSpec, Unplaced
from tfckpt_reader.text import count_of, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tfckpt_reader.checkpoint import Checkpoint
    from tfckpt_reader.export import Conversion
    from tfckpt_reader.export.plan import Options
    from tfckpt_reader.formats.reader import OnRead, Sink
    from tfckpt_reader.progress import Progress
    from tfckpt_reader.saving.edits import Path

_COMPLEX = (DataType.COMPLEX64, DataType.COMPLEX128)
_STEPS = re.compile(r"(?:.*/)?(?:global_step|step|iterations?)(?:/\.ATTRIBUTES/VARIABLE_VALUE)?")
"""Names of counters of steps."""
_STEP_IN_NAME = re.compile(r".*-(\d{1,18})")
_NEAR = 0.02
"""Checkpoints nearer than this part of the mean distance are said to be nearly the same."""
_EMA = "ExponentialMovingAverage"


def average(
    sources: Sequence[Path],
    dst: Path,
    options: Options | None = None,
    progress: Progress = no_progress,
) -> Conversion:
    """Write the average of checkpoints with the same tensors.

    Args:
        sources: Two checkpoints or more.
        dst: Prefix of the checkpoint to write.
        options: As for `convert`.
        progress: As for `convert`.

    Returns:
        As for `convert`. Notes say which checkpoint is the newest and why, and warn of steps that
        are nearly the same, and of moving averages among the weights.

    Raises:
        ValueError: there is only one.
        UnsupportedError: names, types or shapes differ.
        Exception: as for `convert`.
    """
    if len(sources) < 2:
        raise ValueError("an average is of two checkpoints or more")
    return combine(sources, dst, Average, options, progress)


class Average:
    """The average of checkpoints, as a `Reader`.

    Args:
        ckpts: The checkpoints.

    Raises:
        UnsupportedError: names, types or shapes differ.
    """

    version = "V2"
    shard_count = 1

    def __init__(self, ckpts: Sequence[Checkpoint]) -> None:
        _require_alike(ckpts)
        newest, self.notes = _newest(ckpts)
        self._all = [(each.reader, each.specs) for each in ckpts]
        self._newest = newest.reader
        self._last: tuple[str, NDArray[Any]] | None = None
        self.prefix, self.path = newest.reader.prefix, newest.reader.path
        averages = [name for name in newest.specs if _EMA in name]
        if averages and len(averages) < sum(map(_is_averaged, newest.specs.values())):
            self.notes.append(
                f"{count_of(len(averages), 'moving average')} lie among the weights; each was "
                f"averaged by itself: {shortened(', '.join(averages))}"
            )

    def lookup(self, name: str, rows: slice | None = None) -> TensorSpec | None:
        """Return the spec of one tensor, or None."""
        found = self._newest.lookup(name, rows)
        return None if found is None else _spec(found)

    def listing(self) -> dict[str, TensorSpec]:
        """Return the specs of all tensors, in key order."""
        return {name: _spec(found) for name, found in self._newest.listing().items()}

    def array(self, spec: TensorSpec, *, check: bool) -> NDArray[Any]:
        """Return a whole tensor."""
        import numpy as np

        if not _is_averaged(spec):
            return self._newest.array(spec, check=check)
        if self._last is None or self._last[0] != spec.name:  # its rows are read one after another
            data = b"".join(self.chunks(spec))
            dtype = to_numpy(spec.dtype)
            flat = np.frombuffer(data, dtype.newbyteorder("<") if dtype.kind in "fc" else dtype)
            self._last = spec.name, shaped(flat.astype(dtype), spec.shape, spec.dtype)
        return self._last[1]

    def read(
        self, spec: TensorSpec, rows: range, *, check: bool, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return some rows, owned, or written into `out`."""
        if not _is_averaged(spec):
            return self._newest.read(spec, rows, check=check, out=out)
        return copy_rows(self.array(spec, check=check), spec, rows, out)

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        """Yield a numeric tensor's portable bytes."""
        if not _is_averaged(spec):
            return self._newest.chunks(spec)
        return self._averaged(spec)

    def _averaged(self, spec: TensorSpec) -> Iterator[memoryview]:
        size = CHUNK - CHUNK % spec.dtype.itemsize
        streams = [_even(reader.chunks(specs[spec.name]), size) for reader, specs in self._all]
        rounded = _rounder(spec.dtype)
        for windows in zip(*streams, strict=True):
            yield rounded(_mean([_exact(window, spec.dtype) for window in windows]))

    def read_many(
        self, specs: Sequence[TensorSpec], sink: Sink, on_read: OnRead | None = None
    ) -> None:
        """Hand all bytes of numeric tensors to `sink`, one after another."""
        read_in_order(self, enumerate(specs), sink, on_read)


def _is_averaged(spec: TensorSpec) -> bool:
    return spec.dtype in _COMPLEX or is_floating(spec.dtype)


def _spec(spec: TensorSpec) -> TensorSpec:
    """Return the spec of an averaged tensor without stored bytes; of any other as it is."""
    if not _is_averaged(spec):
        return spec
    size = spec.elements * spec.dtype.itemsize
    segment = Unplaced(spec.name, spec.dtype, spec.shape, size)
    parts = (each._replace(segment=_slice(each.segment)) for each in spec.slices)
    return TensorSpec(segment, tuple(parts))


def _slice(segment: Any) -> Unplaced:
    return Unplaced(segment.name, segment.dtype, segment.shape, segment.nbytes)


def _even(chunks: Iterable[memoryview], size: int) -> Iterator[bytes]:
    """Yield the bytes of chunks of any sizes in windows of one size; the last may be shorter."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= size:
            yield bytes(pending[:size])
            del pending[:size]
    if pending:
        yield bytes(pending)


def _exact(data: bytes, dtype: DataType) -> NDArray[Any]:
    """Return portable bytes as float64 or complex128."""
    import numpy as np

    if dtype in _COMPLEX:
        return np.frombuffer(data, f"<c{dtype.itemsize}").astype("c16")
    wide = widened(dtype)
    raw: bytes | memoryview = data
    if wide is not None and wide.encode is not None:
        raw = wide.encode(memoryview(data))
    numbers = np.frombuffer(raw, to_numpy(dtype if wide is None else wide.dtype).newbyteorder("<"))
    return numbers.astype("f8")


def _mean(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the mean, also of numbers of which the sum is too large."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        mean: NDArray[Any] = sum(arrays[1:], arrays[0]) / len(arrays)
        beyond = ~np.isfinite(mean)
        if beyond.any():
            mean[beyond] = sum(array[beyond] / len(arrays) for array in arrays)
    return mean


def _rounder(dtype: DataType) -> Any:
    """Return a function from float64 or complex128 to portable bytes of a type."""
    if dtype in CAST_TYPES.values():
        cast = Cast(DataType.FLOAT64, dtype)
        return lambda numbers: cast(memoryview(numbers.astype("<f8").view("u1")))
    if dtype in _COMPLEX:
        return lambda numbers: memoryview(numbers.astype(f"<c{dtype.itemsize}").view("u1"))
    if dtype is DataType.FLOAT64:
        return lambda numbers: memoryview(numbers.astype("<f8").view("u1"))
    return lambda numbers: memoryview(numbers.astype(to_numpy(dtype)).view("u1"))


def _require_alike(ckpts: Sequence[Checkpoint]) -> None:
    first, *others = ({n: (s.dtype, s.shape) for n, s in c.specs.items()} for c in ckpts)
    for ckpt, found in zip(ckpts[1:], others, strict=True):
        different = sorted(n for n in first.keys() | found.keys() if first.get(n) != found.get(n))
        if different:
            raise UnsupportedError(
                f"{count_of(len(different), 'tensor')} absent, or of another type or shape, in one "
                f"of both: {shortened(', '.join(map(quoted, different)))}",
                file=ckpt.reader.path,
                advice="Only checkpoints with the same tensors have an average",
            )


def _newest(ckpts: Sequence[Checkpoint]) -> tuple[Checkpoint, list[str]]:
    """Return the newest checkpoint, by its step, or the last one; and notes."""
    steps = [_step(each) for each in ckpts]
    labels = [os.path.basename(each.reader.prefix) for each in ckpts]
    known = [step for step in steps if step is not None]
    if len(known) < len(steps):
        return ckpts[-1], [f"counters and text are those of the last one, {labels[-1]}"]
    order = sorted(range(len(steps)), key=lambda i: known[i])
    newest = order[-1]
    notes = [f"counters and text are those of the newest, {labels[newest]} (step {known[newest]})"]
    near = _NEAR * (known[newest] - known[order[0]]) / (len(order) - 1)
    for one, other in pairwise(order):
        if known[other] - known[one] <= near:
            pair = f"{labels[one]} and {labels[other]}"
            notes.append(f"{pair} are nearly the same: steps {known[one]} and {known[other]}")
    return ckpts[newest], notes


def _step(ckpt: Checkpoint) -> int | None:
    """Return the step of a checkpoint: a counter in it, or the number at the end of its name."""
    for name, spec in ckpt.specs.items():
        whole = spec.dtype in (DataType.INT64, DataType.INT32) and not spec.shape
        if whole and _STEPS.fullmatch(name):
            return int(ckpt[name])
    named = _STEP_IN_NAME.fullmatch(os.path.basename(ckpt.reader.prefix))
    return int(named[1]) if named else None
