"""Event files taken apart, and the graphs that are written to them."""

from __future__ import annotations

import struct
from pathlib import Path

import writers as w
from described import DESCRIBED
from graphs import text
from project import FIXTURES

NAME = "events.out.tfevents.0000000000.tfckpt"
GRAPHS = [path for path, _ in DESCRIBED] + [
    *sorted(FIXTURES.rglob("*.meta")),
    *sorted(FIXTURES.rglob("saved_model.pb")),
]


def values(message: bytes, number: int) -> list[bytes]:
    """Return the contents of all fields of one number, which are bytes or messages."""
    found = []
    for field in (field for each, field in w.split_fields(message) if each == number):
        _, size_at = w._varint_at(field, 0)
        _, start = w._varint_at(field, size_at)
        found.append(field[start:])
    return found


def nodes_in(path: Path) -> list[bytes]:
    (graph,) = values(records(path)[1], 4)
    return values(graph, 1)


def function(*nodes: bytes) -> bytes:
    signature = text(1, "f") + text(2, text(1, "x") + w.int_field(3, 1))
    return text(1, signature) + b"".join(text(3, each) for each in nodes)


def records(path: Path) -> list[bytes]:
    """The records of an event file, which must be sound and all of it."""
    data, found = path.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == w.masked(data[:8])
        found.append(data[12 : 12 + size])
        assert data[12 + size : 16 + size] == w.masked(found[-1])
        data = data[16 + size :]
    return found
