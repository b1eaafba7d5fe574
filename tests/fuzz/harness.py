"""Common code of the fuzz targets: input as choices, bytes as a source, the way to atheris.

A target is a module with ``one(data)``, which raises just if its invariant is broken, and
``seeds()``, inputs to begin with. It needs atheris only when it is run as a script.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tfckpt_reader.errors import TruncatedError

T = TypeVar("T")
CORPUS = Path(__file__).resolve().parent / "corpus"
EDGES = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 127, 128, 254, 255, 256, 300, 65535, 65536, 1 << 24),
    *((1 << power) + step for power in (31, 32, 40, 62, 63, 64) for step in (-1, 0, 1)),
    *(-1, -2, -4, -(1 << 31), -(1 << 62), -(1 << 63)),
)
"""Numbers that break arithmetic."""


class Choices:
    """Fuzz input as a run of choices; zeros for ever once it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end."""
        piece = self._data[self._at : self._at + count]
        self._at += count
        return piece

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(max(0, len(self._data) - self._at))

    def below(self, limit: int) -> int:
        """A number in range(limit), from one or two bytes."""
        if limit <= 1:
            return 0
        return int.from_bytes(self.take(1 if limit <= 256 else 2), "little") % limit

    def flag(self) -> bool:
        return bool(self.below(2))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def some(self, most: int) -> bytes:
        """A byte of length, and up to that many bytes."""
        return self.take(self.below(most + 1))

    def number(self) -> int:
        """An edge, or up to nine bytes of a number, signed."""
        if self.flag():
            return self.pick(EDGES)
        return int.from_bytes(self.take(1 + self.below(9)), "little", signed=True)


class Memory:
    """Bytes as a ByteSource."""

    map: memoryview | None = None
    window = 1 << 20

    def __init__(self, data: bytes, name: str = "memory") -> None:
        self.name = name
        self.size = len(data)
        self._data = data

    def read(self, offset: int, size: int) -> memoryview:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise TruncatedError("past the end", file=self.name, offset=offset)
        return memoryview(self._data)[offset : offset + size]

    def readinto(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.read(offset, len(buffer))


class Folder:
    """A folder in memory where there is one, empty at each use, gone at the end."""

    def __init__(self) -> None:
        shared = "/dev/shm"  # noqa: S108 - never written by name
        where = shared if os.access(shared, os.W_OK) else None
        self._holder = tempfile.TemporaryDirectory(prefix="tfckpt-fuzz-", dir=where)
        self.path = self._holder.name

    def fill(self, files: dict[str, bytes]) -> None:
        """Make these the only files."""
        for name in set(os.listdir(self.path)).difference(files):
            path = os.path.join(self.path, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        for name, contents in files.items():
            # A new file each time: what is mapped from the last one must not change.
            path = os.path.join(self.path, name)
            with open(path + "~", "wb") as file:
                file.write(contents)
            os.replace(path + "~", path)


def wire_fields(message: bytes) -> list[tuple[int, int, Any]] | None:
    """(number, wire type, value) of each field; None for what is no message, or has groups."""
    fields: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(message):
        tag, at = varint_at(message, at)
        wire = tag & 7
        if tag < 8 or tag >> 32 or wire not in (0, 1, 2, 5):
            return None
        if wire == 0:
            found: Any
            found, at = varint_at(message, at)
            if found < 0:
                return None
        else:
            size, at = varint_at(message, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            found = message[at : at + max(size, 0)]
            at += size
            if size < 0 or at > len(message):
                return None
        fields.append((tag >> 3, wire, found))
    return fields


def varint_at(message: bytes, at: int) -> tuple[int, int]:
    """The varint and the offset after it; -1 for none."""
    value = 0
    for shift, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value & (1 << 64) - 1, at + shift + 1
    return -1, len(message)


def signed(value: int, bits: int) -> int:
    """The low bits of a number, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def edited(data: bytes, choices: Choices) -> bytes:
    """The bytes with one edit: flipped, set, cut out, put in, doubled, or cut off."""
    at = choices.below(len(data) + 1)
    kind = choices.below(6)
    if kind == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << choices.below(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + choices.take(1) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[at + 1 + choices.below(16) :]
    if kind == 3:
        return data[:at] + choices.some(12) + data[at:]
    if kind == 4:
        return data[:at] + data[at : at + 1 + choices.below(64)] + data[at:]
    return data[:at]


def mutants(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` inputs made from the seeds at random, the same for the same number `seed`."""
    rng = random.Random(seed)  # noqa: S311 - to repeat is the point
    for number in range(count):
        data = seeds[number % len(seeds)] if seeds else b""
        for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
            data = edited(data, Choices(rng.randbytes(24)))
        if rng.random() < 0.2:
            data += rng.randbytes(rng.randrange(64))
        if rng.random() < 0.05 and seeds:
            data = data[: len(data) // 2] + rng.choice(seeds)
        yield data


def corpus(target: str) -> list[bytes]:
    """The committed inputs of a target, in order of name."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]


def main(target: str) -> None:
    """Fuzz a target of this folder; the arguments are libFuzzer's.

    ``--write-seeds`` writes the target's seeds into its corpus instead.
    """
    if "--write-seeds" in sys.argv:
        module = importlib.import_module(f"fuzz_{target}")
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(module.seeds()):
            (CORPUS / target / f"seed-{number:02d}").write_bytes(data)
        return
    # Only here: the targets themselves need no more than the tests do.
    atheris: Any = importlib.import_module("atheris")

    # What is there already was not instrumented.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tfckpt_reader"]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["tfckpt_reader"]):
        import tfckpt_reader

        for found in pkgutil.walk_packages(tfckpt_reader.__path__, "tfckpt_reader."):
            if not found.name.startswith(("tfckpt_reader.cli", "tfckpt_reader.__main__")):
                importlib.import_module(found.name)
        for name in [name for name in sys.modules if name.partition(".")[0] == "fuzz"]:
            del sys.modules[name]
        one: Callable[[bytes], None] = importlib.import_module(f"fuzz_{target}").one
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
