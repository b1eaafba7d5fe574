"""The .npz writer by itself: what it refuses, how it stores strings, and the archive it makes."""

from __future__ import annotations

import io
import itertools
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tfckpt_reader.errors import CorruptCheckpointError
from tfckpt_reader.export.formats import FORMATS
from tfckpt_reader.export.transfer import Job, OutputArray
from tfckpt_reader.formats.reader import Reader
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.spec import Segment, TensorSpec

NPZ = FORMATS["npz"]
STRING, FLOAT = DataType.STRING, DataType.FLOAT32
NUMPY_HAS = [d for d in DataType if d.itemsize and not d.needs_ml_dtypes]


def spec(name: str, dtype: DataType = FLOAT, shape: tuple[int, ...] = (2,)) -> TensorSpec:
    nbytes = prod(shape) * dtype.itemsize
    return TensorSpec(Segment(name, dtype, shape, nbytes, 0, 0, 0))


def refused(*specs: TensorSpec) -> dict[str, str]:
    found = {s.name: NPZ.refusal(s.name, s, {s.name for s in specs}) for s in specs}
    return {name: why for name, why in found.items() if why}


def objects(elements: Iterable[bytes], shape: tuple[int, ...] | None = None) -> NDArray[np.object_]:
    flat = list(elements)
    array = np.empty(len(flat), object)
    array[:] = flat
    return array if shape is None else array.reshape(shape)


class Bytes:
    """Gives the bytes of tensors by their names, in pieces, as a reader does."""

    def __init__(self, data: dict[str, list[bytes]]) -> None:
        self.data = data

    def read_many(
        self,
        specs: Sequence[TensorSpec],
        take: Callable[[int, int, memoryview], object],
        on_read: Callable[[int], None],
    ) -> None:
        for number, spec in enumerate(specs):
            done = 0
            for piece in self.data[spec.name]:
                take(number, done, memoryview(piece))
                done += len(piece)
                on_read(len(piece))

    def chunks(self, spec: TensorSpec) -> Iterator[memoryview]:
        return map(memoryview, self.data[spec.name])


def archive_of(
    arrays: Iterable[OutputArray],
    data: dict[str, list[bytes]] | None = None,
    on_read: Callable[[int], None] = lambda _: None,
    *,
    compress: bool = False,
) -> bytes:
    reader = cast("Reader", Bytes(data or {}))
    with tempfile.TemporaryFile() as file:
        NPZ.write(file, Job(reader, list(arrays), on_read, {}, compress))
        file.seek(0)
        return file.read()


def written(*arrays: OutputArray) -> bytes:
    return archive_of(arrays)


def made(name: str, descr: str, shape: tuple[int, ...], *pieces: bytes) -> OutputArray:
    """An array whose bytes are made apart, as those of strings are."""
    size = np.dtype(descr).itemsize
    return OutputArray(name, descr, shape, size, spec(name), chunks=lambda: iter(pieces))


def of_numbers(spec: TensorSpec, *, raw: bool) -> OutputArray:
    encoding = NPZ.encoding(spec.dtype, raw=raw)
    assert encoding is not None
    dtype, encode = encoding
    name = NPZ.type_names[dtype]
    return OutputArray(spec.name, name, spec.shape, dtype.itemsize, spec, encode)


def loaded(archive: bytes) -> dict[str, NDArray[Any]]:
    """Every array by its key, through a loader that may not unpickle."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def strings(
    elements: Iterable[bytes], shape: tuple[int, ...] | None = None
) -> tuple[OutputArray, ...]:
    array = objects(elements, shape)
    return NPZ.string_arrays("s", spec("s", STRING, array.shape), lambda: array)


# What is refused.


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\0", "NUL"),
        ("\0", "NUL"),
        ("..", r"\.\."),
        ("../a", r"\.\."),
        ("a/..", r"\.\."),
        ("a/../b", r"\.\."),
        ("a\\..\\b", r"\.\."),
        ("..\\a", r"\.\."),
        ("/a", "absolute"),
        ("//a", "absolute"),
        ("\\a", "absolute"),
        ("C:\\a", "absolute"),
        ("c:a", "absolute"),
        ("\udcff", "UTF-8"),
        ("a" * 65536, "65535"),
        ("é" * 32768, "65535"),
    ],
)
def test_name_is_refused(name: str, why: str) -> None:
    found = refused(spec(name), spec("good"))
    assert list(found) == [name]
    assert re.search(why, found[name])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "file",
            "allow_pickle",
            "self",
            "__metadata__",
            "a/b.c",
            "...",
            "a..b",
            ".hidden",
            "a/.b",
        ),
        *("CON", "a\nb", "\x1b[31m", "é", "名前", "a b", "ab:c", "a\\b", "a.npy", "a/b/", "", "~"),
    ],
)
def test_name_is_taken(name: str) -> None:
    assert refused(spec(name), spec("good")) == {}
    values = np.array([1.5, -2], np.float32)
    member = made(name, "<f4", (2,), values.tobytes())
    other = made("good", "|u1", (1,), b"\7")
    found = loaded(written(member, other))
    assert set(found) == {name, "good"}
    np.testing.assert_array_equal(found[name], values)


def test_longest_names() -> None:
    """2 bytes tell the length of a file name in a zip: a number's is the name and `.npy`."""
    fits, too_long = "n" * (65535 - len(".npy")), "n" * (65536 - len(".npy"))
    assert list(refused(spec(fits), spec(too_long))) == [too_long]
    member = made(fits, "|u1", (1,), b"\7")
    assert loaded(written(member))[fits].tolist() == [7]
    behind = len("/__offsets__.npy")
    fits, too_long = "s" * (65535 - behind), "s" * (65536 - behind)
    assert list(refused(spec(fits, STRING), spec(too_long, STRING))) == [too_long]


def test_what_numpy_cannot_tell_apart() -> None:
    assert list(refused(spec("a"), spec("a.npy"))) == ["a.npy"]
    chain = refused(spec("a"), spec("a.npy"), spec("a.npy.npy"))
    assert list(chain) == ["a.npy", "a.npy.npy"]
    assert refused(spec("a.npy"), spec("b")) == {}


@pytest.mark.parametrize("end", ["/__bytes__", "/__offsets__"])
@pytest.mark.parametrize("more", ["", ".npy"])
def test_names_that_strings_may_need(end: str, more: str) -> None:
    assert list(refused(spec("s", STRING), spec(f"s{end}{more}"))) == ["s"]
    assert refused(spec("s", FLOAT), spec(f"s{end}{more}")) == {}
    assert refused(spec("s", STRING), spec(f"t{end}{more}")) == {}


def test_types_without_a_form() -> None:
    found = refused(spec("v", DataType.VARIANT), spec("r", DataType.RESOURCE), spec("s", STRING))
    assert set(found) == {"v", "r"}
    assert "variant" in found["v"]


def test_more_axes_than_numpy_has() -> None:
    most = 64
    try:
        np.empty((1,) * most)
    except ValueError:
        most = 32
    assert list(refused(spec("t", FLOAT, (1,) * most), spec("u", FLOAT, (1,) * (most + 1)))) == [
        "u"
    ]
    member = made("t", "<f4", (1,) * most, bytes(4))
    assert loaded(written(member))["t"].ndim == most


def test_all_are_refused_at_once() -> None:
    found = refused(spec("a"), spec("a.npy"), spec("/b"), spec("c\0"), spec("d", DataType.VARIANT))
    assert set(found) == {"a.npy", "/b", "c\0", "d"}
    assert len(set(found.values())) == 4


# Strings.


@pytest.mark.parametrize(
    ("elements", "width"),
    [
        ([b"ab", b"c"], 2),
        ([b"a\0b"], 3),
        ([b"\0a"], 2),
        ([b""], 1),
        ([], 1),
        ([b"", b""], 1),
        ([b"abcd", b"", b"ab", b"ab"], 4),  # 16 for 8: twice, no more
    ],
)
def test_strings_of_one_width(elements: list[bytes], width: int) -> None:
    (member,) = strings(elements)
    assert (member.name, member.type_name) == ("s", f"|S{width}")
    assert member.nbytes == width * len(elements)
    found = loaded(written(member))["s"]
    assert found.dtype == np.dtype(f"S{width}")
    assert found.tolist() == elements


@pytest.mark.parametrize(
    "elements",
    [
        [b"a\0"],
        [b"\0"],
        [b"a\0", b"bbbbbb"],
        [b"abcd", b"", b"ab", b"a"],  # 16 for 7: more than twice
        [b"x" * 1000, b"", b"", b"y"],
    ],
)
def test_strings_as_bytes_and_offsets(elements: list[bytes]) -> None:
    found = loaded(written(*strings(elements)))
    assert set(found) == {"s/__bytes__", "s/__offsets__"}
    joined, offsets = found["s/__bytes__"], found["s/__offsets__"]
    assert (joined.dtype.name, offsets.dtype.name) == ("uint8", "int64")
    assert offsets.shape == (len(elements) + 1,)
    pairs = itertools.pairwise(offsets)
    assert [joined[a:b].tobytes() for a, b in pairs] == elements


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (2, 0, 3)])
def test_shape_of_strings(shape: tuple[int, ...]) -> None:
    elements = [bytes([97 + i]) for i in range(prod(shape))]
    found = loaded(written(*strings(elements, shape)))["s"]
    assert found.shape == shape
    assert found.reshape(-1).tolist() == elements


@given(st.lists(st.binary(max_size=6), max_size=8))
def test_strings_come_back(elements: list[bytes]) -> None:
    members = strings(elements)
    found = loaded(written(*members))
    longest, payload = max(map(len, elements), default=0), sum(map(len, elements))
    ends_in_nul = any(element.endswith(b"\0") for element in elements)
    if ends_in_nul or longest * len(elements) > 2 * payload:
        offsets, joined = found["s/__offsets__"], found["s/__bytes__"].tobytes()
        pairs = itertools.pairwise(offsets)
        assert [joined[a:b] for a, b in pairs] == elements
    else:
        assert found["s"].tolist() == elements
    for member in members:
        assert found[member.name].nbytes == member.nbytes


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_strings_come_in_few_pieces(end: bytes) -> None:
    """Each costs calls to the system; and none is much larger than its last string."""
    elements = [b"%09d" % i + end for i in range(100_000)]
    member = strings(elements)[0]
    assert member.chunks is not None
    pieces = [bytes(piece) for piece in member.chunks()]
    assert b"".join(pieces) == b"".join(elements)
    assert len(pieces) <= 5
    assert max(map(len, pieces)) < (1 << 18) + 10


# Numbers.


@pytest.mark.parametrize("dtype", NUMPY_HAS, ids=str)
@pytest.mark.parametrize("raw", [False, True])
def test_numbers_stay_what_they_are(dtype: DataType, raw: bool) -> None:
    plain = np.dtype(dtype.numpy_name)
    data = bytes([0, 1] * 2 * plain.itemsize)[: 2 * plain.itemsize]
    if dtype is DataType.BOOL:
        data = b"\0\1"
    member = of_numbers(spec("t", dtype), raw=raw)
    found = loaded(archive_of([member], {"t": [data]}))["t"]
    assert found.dtype == plain.newbyteorder("<")
    assert found.tobytes() == data


@pytest.mark.parametrize(
    ("dtype", "wide", "raw"),
    [
        (DataType.BFLOAT16, "<f4", "<u2"),
        (DataType.FLOAT8_E5M2, "<f4", "|u1"),
        (DataType.FLOAT8_E4M3FNUZ, "<f4", "|u1"),
        (DataType.FLOAT4_E2M1FN, "<f4", "|u1"),
        (DataType.INT4, "|i1", "|u1"),
        (DataType.INT2, "|i1", "|u1"),
        (DataType.UINT4, "|u1", "|u1"),
        (DataType.UINT2, "|u1", "|u1"),
    ],
    ids=str,
)
def test_numbers_that_numpy_lacks(dtype: DataType, wide: str, raw: str) -> None:
    data = bytes([1, 0, 3, 2])[: 2 * dtype.itemsize]
    for is_raw, descr in ((False, wide), (True, raw)):
        member = of_numbers(spec("t", dtype), raw=is_raw)
        found = loaded(archive_of([member], {"t": [data]}))["t"]
        assert found.dtype == np.dtype(descr)
        assert found.shape == (2,)
        assert found.nbytes == member.nbytes
        if is_raw:
            assert found.tobytes() == data


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4), (1,) * 20, (100000,)])
def test_shape_of_numbers(shape: tuple[int, ...]) -> None:
    values = np.arange(prod(shape), dtype="<i4").reshape(shape)
    pieces = [values.tobytes()[i : i + 1000] for i in range(0, values.nbytes, 1000)]
    member = of_numbers(spec("t", DataType.INT32, shape), raw=False)
    found = loaded(archive_of([member], {"t": pieces}))
    assert found["t"].shape == shape
    np.testing.assert_array_equal(found["t"], values)


# The archive.


def many() -> Iterator[OutputArray]:
    for i in range(5):
        yield made(f"d/t{i}", "<i8", (2,), bytes(8), bytes([i]) * 8)


def test_archive_is_a_plain_zip() -> None:
    archive = written(*many())
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        assert zipped.testzip() is None
        members = zipped.infolist()
    assert [m.filename for m in members] == [f"d/t{i}.npy" for i in range(5)]
    for member in members:
        assert member.compress_type == zipfile.ZIP_STORED
        assert member.file_size == member.compress_size
        assert member.date_time == (1980, 1, 1, 0, 0, 0)
        assert not member.flag_bits & 0x08, "sizes belong in front of the data"


def test_archive_is_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(*many())
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert written(*many()) == first


def test_names_are_marked_as_utf8() -> None:
    member = made("é", "|u1", (1,), b"\7")
    with zipfile.ZipFile(io.BytesIO(written(member))) as zipped:
        (info,) = zipped.infolist()
    assert info.flag_bits & 0x800
    assert info.filename == "é.npy"


def test_empty_archive_loads() -> None:
    assert loaded(written()) == {}


def test_progress_counts_every_byte() -> None:
    read: list[int] = []
    archive_of(many(), on_read=read.append)
    assert read == [8] * 10


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("pieces", [[], [b"ab"], [b"abcd"]])
def test_a_tensor_of_another_size_is_refused(pieces: list[bytes], compress: bool) -> None:
    """Its place was kept by its size: too few bytes or too many would be a wrong archive."""
    arrays = [of_numbers(spec("t", DataType.UINT8, (3,)), raw=False)]
    with pytest.raises(CorruptCheckpointError, match="changed while it was read") as caught:
        archive_of(arrays, {"t": pieces}, compress=compress)
    assert caught.value.tensor == "t"


def test_size_is_known_before_the_data() -> None:
    """A zip tells the size in front, too: 4 bytes at 22 of the local header."""
    archive = written(made("t", "|u1", (3,), b"abc"))
    compressed, plain = struct.unpack("<2I", archive[18:26])
    assert compressed == plain == len(archive[30 + len("t.npy") :].split(b"PK\1\2")[0])


@pytest.mark.slow
def test_more_members_than_two_bytes_can_count() -> None:
    count = (1 << 16) + 3
    numbers = (struct.pack("<I", i) for i in range(count))
    members = (made(f"t{i}", "<u4", (), n) for i, n in enumerate(numbers))
    archive = written(*members)
    with np.load(io.BytesIO(archive)) as found:
        assert len(found.files) == count
        assert [int(found[f"t{i}"]) for i in (0, 65535, count - 1)] == [0, 65535, count - 1]
