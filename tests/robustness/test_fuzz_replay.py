"""The fuzz targets on inputs that are the same each time: the corpus, and what was found once.

New inputs are for ``python tests/fuzz/fuzz_<target>.py``: no unrelated change fails by luck.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import harness
import pytest

# Runs of each target; a run of the last takes a hundred times as long as one of the first.
RUNS = {
    "snappy": 4000,
    "strings": 4000,
    "entries": 3000,
    "table": 1500,
    "slices": 1500,
    "v1": 800,
    "state": 800,
    "bundle": 250,
    "graph": 3000,
}

# Inputs that once broke an invariant, and how.
FOUND: list[tuple[str, bytes, str]] = [
    (
        "table",
        (
            b"\x02\x03\x03\x00\x05\x00\x03\x01b\x00\x00\t\x01\xff\x04\x02\x00\x05\x00\x03\x01b\x00\x00\t"
            b"\x01\xff\x04\x02\x00\x05\x00\x03\x01b\x00\x00\t\x01\xff\x04\x02"
        ),
        "a block began with a key no greater than the separator before it: listed, not looked up",
    ),
    (
        "table",
        (
            b"\x02\x03\x03\x01a\x02xy\x01b\x01b\x00\x10\xf4w\x05@\x03\x01b\x00\x00\t\x01\xff\x04\x02\x00"
            b"\x05\x00\x03\x01b\x00\xc7\xca\x00\t\x01\xff\x04\x02"
        ),
        "two blocks with one separator, the second beginning with the last key of the first",
    ),
    (
        "table",
        b"\x02\x03\x03\x03a\x02xy\x01b\x00\x02ab\x011\x01\x00\x01\x05\x00\x03\x01b\x00\x01\t\x01",
        "a restart point was not at an entry: a lookup found another row than the listing",
    ),
    (
        "state",
        b"\x01\xc2\xb6\x8d\x01\x00\x05a/b\xff\x00\x01\x00\x0f\x0f",
        "a NUL in the path that a state file names: ValueError",
    ),
    (
        "v1",
        b"\x00\x0e\x03\x03\x01\x03\x03\x01\x03",
        "a zero byte where a field of a message belongs was read past",
    ),
    (
        "v1",
        (
            b"\x01\x06\x02\x02\x02\x00\x02\x01\x03\x00$\x01\x01\x00\xe9\t\t\t\t\t|<-\t\t\x01\x03\x00\x04"
            b"\x01\x01"
        ),
        "a string that is repeated lost the NULs at its end",
    ),
    (
        "v1",
        b"\x01\x00\x02\xff\xff\xff\xff\xf5\x00",
        "a TensorProto without elements whose shape NumPy cannot hold: ValueError",
    ),
    (
        "v1",
        b"\x7f\x00\x00\xff\xfb\xca\x00",
        "one value stood for more bytes than NumPy counts: ValueError",
    ),
    (
        "v1",
        (
            b"N\x85\x85"
            + b"\xb3" * 22
            + b"\xff" * 4
            + b"\xb3" * 41
            + b"\x01\x00"
            + b"\xb3" * 16
            + b"N"
        ),
        "a float that began in one packed run and ended in the next was put together",
    ),
    (
        "bundle",
        b"8\x00\x00\x80?\xb8%/z)\n",
        "the slice of a tensor without rows was missed by verify, and not by reading",
    ),
    (
        "graph",
        b"\x03\x1c\x03\x10 $(,048<@MHLPTX]`dhlpt",
        "the output of a node without a name was listed under a name that did not mean it",
    ),
]


def target(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Its function, and the inputs to begin with."""
    if name == "bundle":
        pytest.importorskip("ml_dtypes", reason="its checkpoints hold types that NumPy lacks")
    module = importlib.import_module(f"fuzz_{name}")
    return module.one, [*module.seeds(), *harness.corpus(name)]


@pytest.mark.parametrize("name", RUNS)
def test_corpus(name: str) -> None:
    one, inputs = target(name)
    assert len(inputs) > len(harness.corpus(name)) > 0
    for data in inputs:
        assert len(data) < 4096
        one(data)


@pytest.mark.parametrize("name", RUNS)
def test_mutants(name: str) -> None:
    one, inputs = target(name)
    for data in harness.mutants(inputs, RUNS[name], seed=20):
        one(data)


@pytest.mark.parametrize(("name", "data", "how"), FOUND, ids=range(len(FOUND)))
def test_found(name: str, data: bytes, how: str) -> None:
    assert how
    target(name)[0](data)


def test_all_targets_run() -> None:
    """Each target has its place here, its corpus, and an invariant in its first line."""
    modules = sorted(path.stem for path in harness.CORPUS.parent.glob("fuzz_*.py"))
    assert modules == sorted(f"fuzz_{name}" for name in RUNS)
    for name in RUNS:
        docstring = importlib.import_module(f"fuzz_{name}").__doc__ or ""
        assert len(docstring.splitlines()[0]) > 40
