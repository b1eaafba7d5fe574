"""What TensorFlow writes and reads, and what the package makes of the same files.

Way one: random checkpoints written by TensorFlow, read by both; every name, dtype, shape and bit
must agree with what was written. Way two: the files of `writers`, changed in every way that their
checksums allow, read by both; where both give a tensor it is the same one, and where only
TensorFlow gives one the reason is on a list here. TensorFlow reads such files in a process of its
own (`tf_oracle`), since it often dies of them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import resource
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_oracle
import writers as w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from project import FIXTURES
from tf_oracle import Value, value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.storage.local import File
from tfckpt_reader.table.table import Table

pytestmark = pytest.mark.tensorflow

Extents = list[tuple[int, int]]
QUANTISED = tuple(tf_oracle.PLAIN)
SUB_BYTE = {29: 0x0F, 30: 0x0F, 31: 0x03, 32: 0x03, 33: 0x0F}
ALL = sorted({*w.DTYPES.values(), *QUANTISED})
V1 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 19)
VARIABLES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 18, 19)


def examples(count: int) -> settings:
    """Run this many examples, the same ones each time; a failure prints how to repeat it."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="session")
def readers() -> tf_oracle.Readers:
    """TensorFlow in this process, for files that it wrote itself."""
    tensorflow().get_logger().setLevel("ERROR")
    return tf_oracle.Readers()


@pytest.fixture
def long(request: pytest.FixtureRequest) -> None:
    """Skip the long runs unless `-m` asks for them."""
    if "slow" not in request.config.option.markexpr:
        pytest.skip('run by -m "slow"')


def tensorflow() -> Any:
    return importlib.import_module("tensorflow")


# Random tensors.


def numpy_type(number: int) -> np.dtype[Any]:
    """The dtype of arrays of a TensorFlow dtype."""
    if number > 23 or number == 14:
        importlib.import_module("ml_dtypes")  # it teaches NumPy the names
    names = (name for name, other in w.DTYPES.items() if other == number)
    plain = next(names, "object" if number == 21 else "")  # a variant
    return np.dtype(tf_oracle.PLAIN.get(number) or plain)


# Upper halves of floats: zeros, infinities, quiet and signalling NaNs of every width.
HALVES = [0, 0x8000, 1, 0x3C00, 0x7C00, 0x7C01, 0x7E2A, 0xFE00, 0x7F80, 0x7FA1, 0xFFC0, 0x7FF0]
HALVES += [0xFFF4, 0x7FF8, 0xFFFF, 0x7FFF]
LENGTHS = (0, 0, 1, 2, 3, 7, 127, 128, 300, 16384)


def random_array(number: int, shape: Sequence[int], seed: int) -> w.Array:
    """Random bits, a third of the elements with an odd upper half."""
    rng = np.random.default_rng(seed)
    count = prod(shape)
    if number == w.STRING:
        array = np.empty(count, object)
        array[:] = [random_string(rng) for _ in range(count)]
        return array.reshape(shape)
    dtype = numpy_type(number)
    raw = rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8)
    if dtype.itemsize > 1 and count:
        top = raw.view("<u2").reshape(-1, max(1, dtype.itemsize // (4 if dtype.kind == "c" else 2)))
        odd = rng.random(len(top)) < 1 / 3
        top[odd, -1] = rng.choice(HALVES, odd.sum())
        top[odd & (rng.random(len(top)) < 1 / 2), :-1] = 0
    raw &= 1 if number == 10 else SUB_BYTE.get(number, 0xFF)
    return raw.view(dtype).reshape(shape)


def random_string(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.002:
        return rng.bytes(70_000)
    text = rng.bytes(
        int(rng.choice(LENGTHS, p=[0.15, 0.15, 0.2, 0.1, 0.1, 0.2, 0.03, 0.03, 0.03, 0.01]))
    )
    return text + bytes(int(rng.integers(0, 3))) if rng.random() < 0.3 else text


SHAPES = st.one_of(
    st.just(()),
    st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple),
    st.sampled_from([(0,), (1,), (9000,), (300, 3), (2, 0, 3), (1, 1, 1, 1, 1, 1), (64, 65)]),
)
LONG = "a/very/long/scope/that/many/names/share/" * 2
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.builds("{}{:03d}/{}".format, st.just(LONG), st.integers(0, 999), st.sampled_from("bk")),
    st.sampled_from(
        [
            "a",
            "a/",
            "/",
            "a:0",
            " ",
            "\0",
            "\0a\0\1",
            "a\0",
            "\xff",
            "имя/ß/名前",
            "a\nb",
            "..",
            "*?[x]",
        ]
    ),
    st.sampled_from(["x" * 300, "\U0010ffff", "%s", "a/.ATTRIBUTES/VARIABLE_VALUE", "\x7f", "\\"]),
)
BYTE_NAMES = st.binary(min_size=1, max_size=6).map(lambda b: b.decode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Item:
    """A tensor and the pieces to save it in; none to save it whole."""

    dtype: int
    array: w.Array
    pieces: tuple[Extents, ...] = ()

    def __repr__(self) -> str:
        return f"Item({self.dtype}, {list(self.array.shape)}, {self.pieces})"

    @property
    def sliced(self) -> bool:
        """Whether TensorFlow stores pieces: one of the full shape is stored as the tensor."""
        return len(self.pieces) > 1


@st.composite
def partitions(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Extents, ...]:
    """Cut a box by guillotine; whole axes are said to be whole, or given numbers."""
    boxes: list[Extents] = [[(0, size) for size in shape]]
    for _ in range(draw(st.integers(0, 5))):
        box = boxes.pop(draw(st.integers(0, len(boxes) - 1)))
        long = [axis for axis, (_, size) in enumerate(box) if size > 1]
        halves = [box]
        if long:
            axis = draw(st.sampled_from(long))
            start, size = box[axis]
            cut = draw(st.integers(1, size - 1))
            ends = (start, cut), (start + cut, size - cut)
            halves = [[*box[:axis], end, *box[axis + 1 :]] for end in ends]
        boxes += halves
    return tuple(
        [
            (0, -1) if extent == (0, size) and (not size or draw(st.booleans())) else extent
            for extent, size in zip(box, shape, strict=True)
        ]
        for box in draw(st.permutations(boxes))
    )


@st.composite
def items(draw: st.DrawFn, dtypes: Sequence[int], *, sliced: bool = True) -> Item:
    number, shape = draw(st.sampled_from(dtypes)), draw(SHAPES)
    array = random_array(number, shape, draw(st.integers(0, (1 << 32) - 1)))
    cut = sliced and shape and draw(st.booleans())
    return Item(number, array, draw(partitions(shape)) if cut else ())


@dataclass(frozen=True)
class Plan:
    """A checkpoint to write: its tensors, over how many files, and rows to read of each."""

    tensors: dict[str, Item]
    shards: int
    rows: slice

    def parts(self) -> list[list[tuple[bytes, str, w.Typed]]]:
        """Rows of a save op, key, slice and value, dealt to as many files as there shall be."""
        rows = [row for name, item in self.tensors.items() for row in save_rows(name, item)]
        return [rows[i :: self.shards] for i in range(min(self.shards, len(rows)))]


BOUNDS = st.one_of(st.none(), st.integers(-7, 7))


def plans(
    dtypes: Sequence[int], names: st.SearchStrategy[str] = NAMES, *, sliced: bool = True
) -> st.SearchStrategy[Plan]:
    tensors = st.dictionaries(names, items(dtypes, sliced=sliced), min_size=1, max_size=6)
    return st.builds(Plan, tensors, st.integers(1, 3), st.builds(slice, BOUNDS, BOUNDS))


def spec_of(shape: Sequence[int], piece: Extents) -> str:
    """A slice as the save ops take it: sizes, then start and length per axis."""
    axes = ("-" if extent == (0, -1) else "{},{}".format(*extent) for extent in piece)
    return " ".join([*map(str, shape), ":".join(axes)])


def save_rows(name: str, item: Item) -> list[tuple[bytes, str, w.Typed]]:
    key = name.encode("utf-8", "surrogateescape")
    if not item.pieces:
        return [(key, "", w.Typed(item.dtype, item.array))]
    return [
        (key, spec_of(item.array.shape, p), w.Typed(item.dtype, w.cut(item.array, p)))
        for p in item.pieces
    ]


# Both read.


def assert_canonical(array: w.Array, dtype: int) -> None:
    """What is promised of every array."""
    assert array.dtype == numpy_type(dtype)
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.aligned
    mask = 1 if dtype == 10 else SUB_BYTE.get(dtype)
    if mask and array.size:
        assert array.view(np.uint8).max() <= mask


def assert_ours(path: str, expected: Mapping[str, Item], rows: slice) -> None:
    """The package reads just these tensors, by every way there is."""
    with tfckpt.open(path) as ckpt, tfckpt.open(path, mmap=False) as copied:
        for name, item in expected.items():  # looked up before any listing
            assert value_of(copied[name]) == value_of(item.array)
        assert list(ckpt) == sorted(expected, key=lambda n: n.encode("utf-8", "surrogateescape"))
        for name, item in expected.items():
            spec = ckpt.specs[name]
            assert (int(spec.dtype), spec.shape) == (item.dtype, item.array.shape)
            assert_array(ckpt[name], item, item.array, writeable=False)
            assert_array(ckpt[name], item, item.array, writeable=False)
            assert_array(ckpt.read(name), item, item.array, writeable=True)
            if spec.shape:
                some = ckpt.read(name, rows=rows)
                assert_array(some, item, item.array[rows], writeable=True)
                checked = ckpt.read(name, rows=rows, check=True)
                assert value_of(checked) == value_of(some)


def assert_array(array: w.Array, item: Item, expected: w.Array, *, writeable: bool) -> None:
    assert isinstance(array, np.ndarray)
    assert value_of(array) == value_of(expected)
    assert_canonical(array, item.dtype)
    assert array.flags.writeable is writeable


def assert_theirs(readers: tf_oracle.Readers, path: str, expected: Mapping[str, Item]) -> None:
    """TensorFlow reads them too, but for slices of some dtypes."""
    tf = tensorflow()
    listing = {
        name.encode("utf-8", "surrogateescape"): (item.dtype, item.array.shape)
        for name, item in expected.items()
    }
    try:
        assert readers.listing(path) == listing
    except UnicodeDecodeError:
        assert any("\udc80" <= c <= "\udcff" for name in expected for c in name)
    for name, item in expected.items():
        key = name.encode("utf-8", "surrogateescape")
        for read in (readers.get, readers.restore):
            arguments = (item.dtype,) if read == readers.restore else ()
            try:
                got = read(path, key, *arguments)
            except (tf.errors.OpError, ValueError, RuntimeError):
                assert refuses(path, item, read.__name__)
            else:
                assert got == value_of(item.array)


def refuses(path: str, item: Item, call: str) -> bool:
    """Whether TensorFlow is known not to read such a tensor."""
    if Path(path + ".index").exists():
        return item.sliced and item.dtype in {7, 15, 16, 17, 19, *range(22, 29), 31, 32, 33}
    return call == "get" and (item.sliced or item.dtype in {8, 11, 12, 13, 17, 18, 19})


def assert_both(readers: tf_oracle.Readers, path: Path | str, plan: Plan) -> None:
    assert_ours(str(path), plan.tensors, plan.rows)
    assert_theirs(readers, str(path), plan.tensors)


# Way one: TensorFlow writes.


def constant(value: w.Typed) -> Any:
    tf = tensorflow()
    tensor = tf.constant(
        value.array, None if value.dtype in QUANTISED else tf.DType(value.dtype), value.array.shape
    )
    return tf.bitcast(tensor, tf.DType(value.dtype)) if value.dtype in QUANTISED else tensor


def save_v2(prefix: Path, rows: Sequence[tuple[bytes, str, w.Typed]]) -> None:
    keys, specs, values = zip(*rows, strict=True)
    tensorflow().raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=keys,
        shape_and_slices=specs,
        tensors=list(map(constant, values)),
    )


def save_v1(path: Path, rows: Sequence[tuple[bytes, str, w.Typed]]) -> None:
    keys, specs, values = zip(*rows, strict=True)
    raw_ops, data = tensorflow().raw_ops, list(map(constant, values))
    if any(specs):
        raw_ops.SaveSlices(
            filename=str(path), tensor_names=keys, shapes_and_slices=specs, data=data
        )
    else:
        raw_ops.Save(filename=str(path), tensor_names=keys, data=data)


def write_v2(folder: Path, plan: Plan) -> Path:
    """Save whole, or in parts that are merged."""
    parts = plan.parts()
    prefix = folder / "model.ckpt-1"
    if len(parts) == 1:
        save_v2(prefix, parts[0])
        return prefix
    names = [folder / f"temp/part-{i:05d}" for i in range(len(parts))]
    for name, rows in zip(names, parts, strict=True):
        save_v2(name, rows)
    tensorflow().raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=list(map(str, names)), destination_prefix=str(prefix)
    )
    return prefix


def write_v1(folder: Path, plan: Plan) -> Path:
    """Save one file, or a set of shards."""
    parts = plan.parts()
    if len(parts) == 1:
        save_v1(folder / "model.ckpt", parts[0])
        return folder / "model.ckpt"
    for i, rows in enumerate(parts):
        save_v1(folder / f"model.ckpt-{i:05d}-of-{len(parts):05d}", rows)
    return folder / f"model.ckpt-?????-of-{len(parts):05d}"


Writer = Callable[[Path, Plan], Path]


def check_v2(readers: tf_oracle.Readers, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_both(readers, write_v2(Path(folder), plan), plan)


def check_v1(readers: tf_oracle.Readers, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_both(readers, write_v1(Path(folder), plan), plan)


@examples(200)
@given(plan=plans(ALL))
def test_v2(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@examples(30)
@given(plan=plans(ALL, BYTE_NAMES))
def test_v2_names_of_any_bytes(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@examples(150)
@given(plan=plans(V1))
def test_v1(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v1(readers, plan)


@pytest.mark.parametrize("write", [write_v2, write_v1])
def test_many_names(readers: tf_oracle.Readers, tmp_path: Path, write: Writer) -> None:
    """The index takes several blocks, whose separators TensorFlow shortens."""
    names = [f"{LONG}layer_{i:05d}/{i % 7 * 'kernel'}" for i in range(6000)]
    tensors = {name: Item(3, np.arange(i % 4, dtype=np.int32)) for i, name in enumerate(names)}
    path = str(write(tmp_path, Plan(tensors, 1, slice(None))))
    table = Table(File(path + ".index" if write is write_v2 else path))
    assert len(list(table.handles())) > 1
    assert_ours(path, tensors, slice(1, 3))
    assert len(readers.listing(path)) == len(names)
    for name, item in tensors.items():
        assert readers.get(path, name.encode()) == value_of(item.array)


def variables(name: str, item: Item, device: str) -> Any:
    """A variable of the graph, a list of its pieces if it has some; what to initialize it with."""
    v1 = tensorflow().compat.v1
    made: list[Any] = []
    feeds: dict[Any, w.Array] = {}
    pieces = item.pieces if item.array.size else ()  # such a variable cannot be a slice
    for piece in pieces or ((),):
        value = w.cut(item.array, piece)
        dtype = tensorflow().DType(item.dtype)
        with tensorflow().device(device):
            start = v1.placeholder(dtype, value.shape)
            made.append(v1.Variable(start))
        feeds[start] = value
        if piece:
            whole = [(0, n) if e == (0, -1) else e for e, n in zip(piece, value.shape, strict=True)]
            offsets, sizes = zip(*whole, strict=True)
            info = v1.Variable.SaveSliceInfo(name, list(item.array.shape), offsets, sizes)
            made[-1]._set_save_slice_info(info)
    return (made if pieces else made[0]), feeds


def write_by_saver(folder: Path, plan: Plan, version: int) -> str:
    """Save variables of a TensorFlow 1 graph, over two devices if it is to be sharded."""
    tf = tensorflow()
    v1 = tf.compat.v1
    config = v1.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        to_save: dict[str, Any] = {}
        feeds: dict[Any, w.Array] = {}
        for i, (name, item) in enumerate(plan.tensors.items()):
            to_save[name], more = variables(name, item, f"/cpu:{i % min(2, plan.shards)}")
            feeds |= more
        session.run(v1.global_variables_initializer(), feeds)
        saver = v1.train.Saver(
            to_save, sharded=plan.shards > 1, write_version=version, max_to_keep=None
        )
        return str(saver.save(session, str(folder / "model.ckpt"), global_step=plan.shards))


def check_saver(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_by_saver(Path(folder), plan, version)
        assert_both(readers, path, plan)
        with tfckpt.open(folder) as ckpt:  # by the state file
            assert len(ckpt) == len(plan.tensors)
            assert ckpt.version == f"V{version}"


@examples(30)
@given(plan=plans(VARIABLES), version=st.sampled_from([1, 2]))
def test_saver(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    check_saver(readers, plan, version)


def escaped(name: str) -> str:
    """A name as an object-based checkpoint has it."""
    return name.replace(".", "..").replace("/", ".S")


def write_checkpoint(folder: Path, plan: Plan, cuts: int) -> str:
    """Save by tf.train.Checkpoint, which cuts the largest tensor in this many or so."""
    tf = tensorflow()
    made = {
        name: tf.Variable(constant(w.Typed(item.dtype, item.array)))
        for name, item in plan.tensors.items()
    }
    options = tf.train.CheckpointOptions()
    if cuts:
        largest = max(64, *(item.array.nbytes // cuts for item in plan.tensors.values()))
        policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=largest)
        options = tf.train.CheckpointOptions(experimental_sharding_callback=policy)
    return str(tf.train.Checkpoint(by=made).write(str(folder / "ckpt"), options))


def check_checkpoint(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_checkpoint(Path(folder), plan, cuts)
        keys = {
            f"by/{escaped(name)}/.ATTRIBUTES/VARIABLE_VALUE": item
            for name, item in plan.tensors.items()
            if item.array.size or not cuts  # the policy forgets those without elements
        }
        graph = np.array(readers.reader(path).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"), object)
        keys["_CHECKPOINTABLE_OBJECT_GRAPH"] = Item(w.STRING, graph)
        assert_ours(path, keys, plan.rows)
        assert set(readers.listing(path)) == {key.encode() for key in keys}


@examples(30)
@given(plan=plans(VARIABLES, sliced=False), cuts=st.integers(0, 7))
def test_checkpoint(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    check_checkpoint(readers, plan, cuts)


# Way two: files changed, and sealed again.


@dataclass
class Spoilt:
    """A checkpoint that was changed: its files by suffix, the path to open, and what was done."""

    files: dict[str, bytes]
    suffix: str
    before: dict[bytes, tuple[int, Value | None]]
    """Dtype number and value of each tensor before the change."""
    done: list[str]
    twice: bool
    """Whether a key comes twice: TensorFlow then lists the last, and finds the first."""

    def __repr__(self) -> str:
        return f"<Spoilt: {'; '.join(self.done)}>"


class Spoiler:
    """Changes rows, data and blocks of a checkpoint at random; knows how to seal them again."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rows: w.Rows = []
        self.data: dict[str, bytes] = {}
        self.layout: dict[str, Any] = {}
        self.tweaks: list[str] = []
        self.done: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def upto(self, most: int, least: int = 0) -> int:
        return self.draw(st.integers(least, max(least, most)))

    def say(self, *words: object) -> None:
        self.done.append(" ".join(map(str, words)))

    def edited(self, data: bytes) -> bytes:
        """A few bytes changed, gone or new."""
        at, byte = (
            self.upto(len(data)),
            bytes([self.pick(0, 1, 2, 8, 0x7F, 0x80, 0xFF, self.upto(255))]),
        )
        how = self.pick("set", "drop", "insert", "cut", "xor")
        self.say(how, at, byte)
        if how == "cut":
            return data[:at]
        if how == "xor":
            byte = bytes([data[at] ^ 1 << self.upto(7)]) if at < len(data) else b""
        return data[:at] + (b"" if how == "drop" else byte) + data[at + (how != "insert") :]

    # Rows.

    def row(self) -> int:
        """One of the rows, seldom the header."""
        last = len(self.rows) - 1
        return self.upto(last, min(last, 1) if self.upto(9) else 0)

    def row_gone(self) -> None:
        at = self.row()
        self.say("no row", self.rows.pop(at)[0])

    def row_twice(self) -> None:
        at, other = self.row(), self.row()
        self.say("row", self.rows[at][0], "twice, with the value of", self.rows[other][0])
        self.rows.insert(at + self.upto(1), (self.rows[at][0], self.rows[other][1]))

    def rows_swapped(self) -> None:
        a, b = self.row(), self.row()
        self.say("rows", self.rows[a][0], "and", self.rows[b][0], "swapped")
        self.rows[a], self.rows[b] = self.rows[b], self.rows[a]

    def values_swapped(self) -> None:
        a, b = self.row(), self.row()
        self.say("values of", self.rows[a][0], "and", self.rows[b][0], "swapped")
        (ka, va), (kb, vb) = self.rows[a], self.rows[b]
        self.rows[a], self.rows[b] = (ka, vb), (kb, va)

    def row_renamed(self) -> None:
        at = self.row()
        key = self.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([k for k, _ in self.rows]))
        )
        self.say("row", self.rows[at][0], "renamed", key)
        self.rows[at] = key, self.rows[at][1]
        if self.upto(2):
            self.rows.sort()

    def row_edited(self) -> None:
        at = self.row()
        key, value = self.rows[at]
        self.say("value of", key)
        self.rows[at] = key, self.edited(value)

    def row_longer(self) -> None:
        at = self.row()
        key, value = self.rows[at]
        more = self.pick(
            w.int_field(99, 1),
            w.bytes_field(15, b"abc"),
            w.fixed32_field(40, 1),
            b"\x81\x06" + bytes(8),  # field 96, eight bytes
            b"\x83\x06\x84\x06",  # field 96, an empty group
            b"\x83\x06\x08\x01\x84\x06",
            b"\x84\x06",
            b"\x86\x06",
            b"\x00\x00",
            b"\x02\x00",
            value,
            self.rows[self.row()][1],
        )
        self.say("value of", key, "longer by", more)
        self.rows[at] = key, value + more

    # The table.

    def laid_out(self) -> None:
        self.layout = {
            "block_size": self.pick(1, 60, 200, 262144),
            "restart_interval": self.pick(1, 2, 16, 1 << 20),
            "compress": self.pick(False, True),
            "index_compress": self.pick(False, True),
            "separators": self.pick("short", "last"),
            "handle_suffix": self.pick(b"", b"more"),
        }
        self.say("layout", self.layout)

    @property
    def twice(self) -> bool:
        """Whether a key comes twice."""
        return len({key for key, _ in self.rows}) < len(self.rows)

    def table(self) -> bytes:
        """The rows as a file, its blocks spoilt if there are `tweaks`."""
        if not self.tweaks:
            return w.table(self.rows, **self.layout)
        size = self.upto(4, 1)
        groups = [self.rows[i : i + size] for i in range(0, len(self.rows), size)] or [[]]
        keys = [group[-1][0] if group else b"" for group in groups]
        blocks = [w.block(g, restart_interval=self.pick(1, 2, 16)) for g in groups]
        kinds = [self.pick(0, 0, 1) for _ in groups]
        for tweak in self.tweaks:
            at = self.upto(len(blocks) - 1)
            if tweak == "contents":
                self.say("block", at)
                blocks[at] = self.edited(blocks[at])
            elif tweak == "restarts":
                blocks[at] = self.restarts(blocks[at])
            elif tweak == "separator":
                keys[at] = self.pick(b"", keys[at - 1], keys[at] + b"\0", b"\xff\xff", keys[at][:1])
                self.say("separator of block", at, keys[at])
            elif tweak == "kind":
                kinds[at] = self.pick(1, 2, 3, 255)
                self.say("kind of block", at, kinds[at])
        stored = [
            w.seal(block, compress=True) if kind == 1 and self.upto(5) else w.seal(block, kind=kind)
            for block, kind in zip(blocks, kinds, strict=True)
        ]
        return self.assembled(list(zip(keys, stored, strict=True)))

    def restarts(self, block: bytes) -> bytes:
        """Other restart points, or another number of them."""
        count = int.from_bytes(block[-4:], "little")
        entries, points = block[: -4 - 4 * count], block[-4 - 4 * count : -4]
        how = self.pick("count", "point", "none", "again")
        if how == "count":
            count = self.pick(0, count + 1, count - 1, 1 << 30, 0xFFFFFFFF) & 0xFFFFFFFF
        elif how == "none":
            points, count = b"", 0
        elif how == "again":
            points, count = points + points[-4:], count + 1
        else:
            at = 4 * self.upto(count - 1)
            point = self.pick(
                0, 1, len(entries), len(entries) - 1, self.upto(len(entries)), 1 << 31
            )
            points = points[:at] + (point & 0xFFFFFFFF).to_bytes(4, "little") + points[at + 4 :]
        self.say("restarts", how, count, points)
        return entries + points + count.to_bytes(4, "little")

    def assembled(self, blocks: list[tuple[bytes, bytes]]) -> bytes:
        """The file; its index block and footer are spoilt too if they are to be."""
        offsets = np.cumsum([0, *(len(stored) for _, stored in blocks)]).tolist()
        rows = [
            (key, w.handle(offset, len(stored) - 5))
            for (key, stored), offset in zip(blocks, offsets, strict=False)
        ]
        if "index rows" in self.tweaks:
            at, other = self.upto(len(rows) - 1), self.upto(len(rows) - 1)
            how = self.pick("gone", "twice", "swapped", "edited", "longer")
            self.say("index row", at, how, other)
            if how == "gone":
                rows.pop(at)
            elif how == "twice":
                rows.insert(at, (rows[at][0], rows[other][1]))
            elif how == "swapped":
                rows[at], rows[other] = rows[other], rows[at]
            elif how == "edited":
                rows[at] = rows[at][0], self.edited(rows[at][1])
            else:
                rows[at] = rows[at][0], rows[at][1] + b"more"
        index = w.block(rows, restart_interval=self.pick(1, 1, 4))
        if "index block" in self.tweaks:
            self.say("index block")
            index = self.edited(index) if self.upto(1) else self.restarts(index)
        file = w.assemble(blocks, index=w.seal(index, compress=self.pick(False, True)))
        if "footer" in self.tweaks:
            self.say("footer")
            file = file[:-48] + self.edited(file[-48:])
        return file

    def run(self, changes: Sequence[str]) -> None:
        for change in changes:
            if change.startswith("table: "):
                self.tweaks.append(change[7:])
            elif self.rows or not self.done:
                getattr(self, change)()


TABLE_CHANGES = [
    *("row_gone", "row_twice", "rows_swapped", "values_swapped", "row_renamed", "row_edited"),
    *("row_edited", "row_longer", "laid_out", "laid_out", "table: contents", "table: contents"),
    *("table: restarts", "table: separator", "table: kind", "table: index rows"),
    *("table: index block", "table: footer"),
]
SMALL = st.sampled_from([(), (1,), (3,), (2, 3), (4, 5), (0, 2), (2, 2, 2)])
KEYS = ("a", "a/b", "b", "c/\xff", "\0k", "layer_00001/kernel", "layer_00002/kernel")


@st.composite
def sound(draw: st.DrawFn, dtypes: Sequence[int], *, v1: bool) -> w.Typed | w.Sliced:
    """A tensor to store, whole or in pieces: in a bundle, more than one."""
    number, shape = draw(st.sampled_from(dtypes)), draw(SMALL)
    whole = w.Typed(number, random_array(number, shape, draw(st.integers(0, 99))))
    if not shape or draw(st.integers(0, 1)):
        return whole
    pieces = draw(partitions(shape))
    return w.Sliced(whole, pieces) if v1 or len(pieces) > 1 else whole


@st.composite
def odd(draw: st.DrawFn) -> w.Raw:
    """A tensor of bytes that no writer would write."""
    number, shape = draw(st.sampled_from(ALL)), draw(SMALL)
    if number == w.STRING:
        return draw(odd_strings(shape))
    size = prod(shape) * numpy_type(number).itemsize
    return w.Raw(number, shape, np.random.default_rng(size).bytes(size))


@st.composite
def odd_strings(draw: st.DrawFn, shape: tuple[int, ...]) -> w.Raw:
    """Strings whose lengths lie, take too many bytes, or leave some over; both crcs are right."""
    values = [draw(st.binary(max_size=5)) for _ in range(prod(shape))]
    lengths = [len(v) + draw(st.sampled_from([0, 0, 0, 0, 1, -1, 200, 1 << 33])) for v in values]
    lengths = [max(0, n) for n in lengths]
    coded, running = b"", 0
    for n in lengths:
        code, more = w.varint(n), draw(st.sampled_from([0, 0, 0, 1, 3, 9]))
        more = min(more, draw(st.sampled_from([10, 11])) - len(code))
        code = code[:-1] + bytes([code[-1] | 0x80 if more else code[-1]])
        coded += code + (b"\x80" * (more - 1) + b"\0" if more else b"")
        running = w.crc(n.to_bytes(4 if n < 1 << 32 else 8, "little"), running)
    stored = w.mask(running).to_bytes(4, "little")
    body = b"".join(values) + draw(st.binary(max_size=4))
    crc = w.mask(w.crc(stored + body[: sum(lengths)], running))
    return w.Raw(w.STRING, shape, coded + stored + body, crc)


def fields_in(message: bytes) -> list[tuple[int, bytes]]:
    """The fields of a message; none if it is no message any more."""
    try:
        return w.split_fields(message)
    except (IndexError, KeyError):
        return []


def numbers_in(message: bytes) -> dict[int, int]:
    """The numbers in the fields of a message; of other fields, zero."""
    numbers = {}
    for number, data in fields_in(message):
        tag, end = w._varint_at(data, 0)
        numbers[number] = w._varint_at(data, end)[0] if tag & 7 == 0 else 0
    return numbers


class BundleSpoiler(Spoiler):
    """Changes that only a bundle knows."""

    def entry(self) -> tuple[int, dict[int, int]]:
        """Where a row is, and the numbers in its entry."""
        at = self.upto(len(self.rows) - 1, min(1, len(self.rows) - 1))
        return at, numbers_in(self.rows[at][1])

    def set(self, at: int, **fields: Any) -> None:
        key, value = self.rows[at]
        self.say("entry", key, fields)
        if fields_in(value):
            ((_, changed),) = w.edit_entry([(key, value)], key, **fields)
            self.rows[at] = key, changed

    def sealed(self, at: int) -> None:
        """Give an entry of numbers the crc of the bytes it points at now."""
        numbers = numbers_in(self.rows[at][1])
        suffix = f".data-{numbers.get(3, 0):05d}-of-"
        data = next((d for name, d in self.data.items() if name.startswith(suffix)), b"")
        begin, size = numbers.get(4, 0), numbers.get(5, 0)
        if numbers.get(1) not in (7, 21) and 7 not in numbers and begin + size <= len(data):
            self.set(at, crc=w.mask(w.crc(data[begin : begin + size])))

    def changed(self, at: int, **fields: Any) -> None:
        self.set(at, **fields)
        if self.upto(2):
            self.sealed(at)

    def dtype(self) -> None:
        at, _ = self.entry()
        unknown = (0, 20, 21, 34, 99, 100, 101, 107, -1, 1 << 31, 1 << 32)
        self.changed(at, dtype=self.pick(*(ALL if self.upto(4) else unknown)))

    def shape(self) -> None:
        at, _ = self.entry()
        small = st.lists(st.integers(0, 6), max_size=4).map(tuple)
        odd: list[Any] = [(1,) * rank for rank in (9, 33, 65, 254, 255)]
        odd += [(-1,), (2, -3), (1 << 62, 4), (1 << 28,), (1 << 31, 0), (1 << 40,), (1 << 63, 2)]
        unknown = b"\x18\x01"  # rank
        odd += [None, unknown, w.shape_proto((2,)) + unknown, b"\x12\x02\x1a\x00"]
        odd += [b"\x12\x05\x0a\x01x\x08\x03"]  # a size with a name
        self.changed(at, shape=self.draw(small if self.upto(2) else st.sampled_from(odd)))

    def recast(self) -> None:
        """Another dtype, and the shape that fits."""
        at, numbers = self.entry()
        dtype = self.pick(*ALL)
        item = 1 if dtype == w.STRING else numpy_type(dtype).itemsize
        self.changed(at, dtype=dtype, shape=(numbers.get(5, 0) // item,))

    def place(self) -> None:
        at, numbers = self.entry()
        offset = numbers.get(4, 0)
        if self.upto(2):
            self.changed(
                at, offset=self.pick(0, 1, offset + 1, offset - 1, 8, -1, 1 << 62, (1 << 63) - 1)
            )
        else:
            self.changed(at, shard=self.pick(0, 1, 2, -1, 7, 100_000, (1 << 31) - 1))

    def size(self) -> None:
        at, numbers = self.entry()
        size = numbers.get(5, 0)
        self.changed(
            at,
            size=self.pick(0, 1, 4, size + 1, size - 1, size + 3, size - 3, -1, 1 << 40, 1 << 62),
        )

    def crc(self) -> None:
        at, _ = self.entry()
        self.set(at, crc=self.pick(None, 0, 0xFFFFFFFF, w.mask(0)))

    def slices(self) -> None:
        at, _ = self.entry()
        extent = st.one_of(
            st.just((0, -1)),
            st.tuples(st.integers(0, 4), st.integers(1, 5)),
            st.sampled_from([(-1, 2), (0, 0), (1, -1), (0, -5), (1 << 62, 1 << 62), (0, 1 << 40)]),
        )
        pieces = st.lists(st.lists(extent, max_size=3), max_size=3)
        self.set(at, slices=self.draw(pieces))

    def slices_mixed(self) -> None:
        """Drop, repeat or exchange the slices of a tensor that has some."""
        sliced = [i for i, (_, value) in enumerate(self.rows) if b":" in value and i]
        if not sliced:
            return
        at = self.pick(*sliced)
        key, value = self.rows[at]
        fields = fields_in(value)
        pieces = [f for f in fields if f[0] == 7]
        kept = self.draw(st.lists(st.sampled_from(pieces), max_size=4)) if pieces else []
        self.say("slices of", key, len(pieces), "now", len(kept))
        self.rows[at] = key, b"".join(f for n, f in [f for f in fields if f[0] != 7] + kept)

    def header(self) -> None:
        value = self.pick(
            w.header(0),
            w.header(2),
            w.header(3),
            w.header(-1),
            w.header(100_000),
            w.header(endianness=1),
            w.header(endianness=2),
            w.header(endianness=-1),
            w.header(producer=0),
            w.header(producer=-1),
            w.header(min_consumer=1),
            w.header(min_consumer=2),
            w.header(producer=9, bad_consumers=(1,)),
            w.header(bad_consumers=(0, 2)),
            w.int_field(1, 1),
            b"",
        )
        self.say("header", value)
        self.rows = [(key, value if not key else old) for key, old in self.rows]

    def bytes_changed(self) -> None:
        """Change data, then seal every entry again."""
        suffix = self.pick(*self.data)
        self.say("data", suffix)
        self.data[suffix] = self.edited(self.data[suffix])
        for at in range(1, len(self.rows)):
            self.sealed(at)

    def file_gone(self) -> None:
        if self.data and not self.upto(3):
            suffix = self.pick(*self.data)
            self.say("no file", suffix)
            del self.data[suffix]


BUNDLE_CHANGES = [
    *("dtype", "shape", "shape", "recast", "recast", "place", "place", "size", "size", "crc"),
    *("slices", "slices", "slices_mixed", "slices_mixed", "header", "bytes_changed", "file_gone"),
]


@st.composite
def spoilt_bundles(draw: st.DrawFn) -> Spoilt:
    kinds = st.one_of(sound(ALL, v1=False), sound(ALL, v1=False), odd())
    tensors: dict[str, Any] = draw(
        st.dictionaries(st.sampled_from(KEYS), kinds, min_size=1, max_size=4)
    )
    spoiler = BundleSpoiler(draw)

    def keep(rows: w.Rows) -> w.Rows:
        spoiler.rows = rows
        return rows

    files = w.bundle_files(
        tensors,
        shards=draw(st.sampled_from([1, 1, 2, 3])),
        big_endian=draw(st.integers(0, 5)) == 0,
        alignment=draw(st.sampled_from([1, 1, 8, 42])),
        tail=draw(st.sampled_from([b"", b"", b"0123456789"])),
        edit_rows=keep,
    )
    del files[".index"]
    spoiler.data = files
    changes = BUNDLE_CHANGES * 2 + TABLE_CHANGES
    spoiler.run(draw(st.lists(st.sampled_from(changes), min_size=1, max_size=3)))
    spoiler.say("of", {name: describe(tensor) for name, tensor in tensors.items()})
    before = {key_of(name): original(tensor) for name, tensor in tensors.items()}
    files = {".index": spoiler.table(), **spoiler.data}
    return Spoilt(files, "", before, spoiler.done, spoiler.twice)


def original(tensor: Any) -> tuple[int, Value | None]:
    """Dtype number and value; no value of bytes that say nothing clear."""
    if isinstance(tensor, w.Raw):
        return tensor.dtype, None
    dtype, array = w.typed(tensor.whole if isinstance(tensor, w.Sliced) else tensor)
    return dtype, value_of(array)


def describe(tensor: Any) -> str:
    if isinstance(tensor, w.Sliced):
        return f"{describe(tensor.whole)} in {list(tensor.pieces)}"
    shape = tensor.shape if isinstance(tensor, w.Raw) else tensor.array.shape
    return f"{type(tensor).__name__.lower()} {tensor.dtype} {list(shape)}"


class V1Spoiler(Spoiler):
    """Changes that only V1 knows, made to one file before its rows are."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(draw)
        self.metas: list[dict[str, Any]] = []
        self.pieces: list[dict[str, Any]] = []
        self.versions: bytes | None = w.version_def()

    def add(self, name: str, tensor: w.Typed | w.Sliced) -> None:
        key, whole = key_of(name), tensor.whole if isinstance(tensor, w.Sliced) else tensor
        dtype, array = w.typed(whole)
        pieces = tensor.pieces if isinstance(tensor, w.Sliced) else [[(0, -1)] * array.ndim]
        self.metas.append({"name": key, "shape": array.shape, "dtype": dtype, "slices": pieces})
        for piece in pieces:
            value = w.Typed(dtype, w.cut(array, piece))
            proto = w.tensor_proto(value, packed=self.pick(True, True, False))
            self.pieces.append({"name": key, "extents": piece, "proto": proto, "value": value})

    def finish(self) -> None:
        """Make the rows."""
        meta = w.v1_meta([w.v1_tensor(**meta) for meta in self.metas], self.versions)
        rows = [
            (
                piece.get("key", w.slice_key(piece["name"], piece["extents"])),
                w.v1_data(piece.get("label", piece["name"]), piece["extents"], piece["proto"]),
            )
            for piece in self.pieces
        ]
        self.rows = [(b"", meta), *sorted(rows)]

    def meta(self) -> None:
        meta = self.pick(*self.metas)
        before = dict(meta)
        what = self.pick("name", "shape", "dtype", "slices", "gone", "twice")
        if what == "name":
            meta["name"] = self.pick(b"", b"other", b"\xff", *(m["name"] for m in self.metas))
        elif what == "shape":
            small = st.lists(st.integers(0, 6), max_size=3).map(tuple)
            odd = [(-1,), (1 << 62, 4), (1 << 28,), b"\x18\x01", (2, 3, 1), (1,) * 255]
            meta["shape"] = self.draw(st.one_of(small, st.sampled_from(odd)))
        elif what == "dtype":
            meta["dtype"] = self.pick(*range(34), 40, 101, 107, -1)
        elif what == "slices":
            meta["slices"] = self.slices()
        elif what == "gone":
            self.metas.remove(meta)
        else:
            self.metas.append(dict(meta))
        self.say("meta", before["name"], what, before.get(what, ""), meta.get(what, ""))
        if not self.metas:
            self.metas.append(before)

    def slices(self) -> list[Extents | bytes]:
        extent = st.one_of(
            st.just((0, -1)),
            st.tuples(st.integers(0, 4), st.integers(1, 5)),
            st.sampled_from([(-1, 2), (0, 0), (1, -1), (0, -5), (1 << 62, 1 << 62)]),
        )
        return self.draw(st.lists(st.lists(extent, max_size=3), max_size=3))

    def renumbered(self) -> None:
        """Other extents for a slice, in the header and at its row."""
        piece = self.pick(*self.pieces)
        meta = next((m for m in self.metas if piece["extents"] in m["slices"]), None)
        if meta is None or not piece["extents"] or isinstance(meta["shape"], bytes):
            return
        axis = self.upto(len(piece["extents"]) - 1)
        size = meta["shape"][axis] if axis < len(meta["shape"]) else 1
        changed = list(piece["extents"])
        changed[axis] = self.pick(
            (0, size), (0, -1), (0, size + 1), (1, size), (0, max(1, size - 1))
        )
        meta["slices"] = [changed if s == piece["extents"] else s for s in meta["slices"]]
        self.say("slice", piece["name"], piece["extents"], "now", changed)
        piece["extents"] = changed

    def version(self) -> None:
        self.versions = self.pick(
            None,
            b"",
            w.version_def(9),
            w.version_def(-1),
            w.version_def(1, 1),
            w.version_def(2, 2),
            w.version_def(2, 0, (1,)),
            w.version_def(2, 0, (2,)),
        )
        self.say("versions", self.versions)

    def piece(self) -> None:
        if not self.pieces:
            return
        piece = self.pick(*self.pieces)
        what = self.pick("label", "key", "gone", "proto", "proto", "proto", "proto", "proto")
        self.say("data", piece["name"], piece["extents"], what)
        if what == "label":
            piece["label"] = self.pick(b"", b"other", b"\xff")
        elif what == "key":
            piece["key"] = self.pick(b"", b"k", w.slice_key(piece["name"], [(0, 1)]))
        elif what == "gone":
            self.pieces.remove(piece)
        else:
            piece["proto"] = self.proto(piece["value"], piece["proto"])

    def proto(self, value: w.Typed, coded: bytes) -> bytes:
        """The values in another form, or other values."""
        how = self.pick(
            *(
                "dtype",
                "less",
                "more",
                "twice",
                "label",
                "content",
                "ints",
                "mixed",
                "none",
                "wire",
            ),
            *("long", "edit", "extra"),
        )
        flat = value.array.reshape(-1)
        half = [
            w.Typed(value.dtype, part) for part in (flat[: len(flat) // 2], flat[len(flat) // 2 :])
        ]
        ints = b"".join(map(w.varint, [300, -1, 1 << 40, 2, 65536, 1][: max(1, value.array.size)]))
        number = w._VALUE.get(value.dtype, (7, 0))[0] if value.dtype != w.STRING else 8
        self.say("values", how)
        if how == "dtype":
            other = self.pick(*V1)
            return w.tensor_proto(w.Typed(other, random_array(other, value.array.shape, 1)))
        if how == "long":  # varints that take more bytes than they need
            many = b"".join(self.pick(b"\x81\x00", b"\x01", b"\x80" * 9 + b"\x01") for _ in flat)
            return w.bytes_field(number, many)
        forms: dict[str, Callable[[], bytes]] = {
            "less": lambda: w.tensor_proto(w.Typed(value.dtype, flat[:-1])),
            "more": lambda: coded + w.tensor_proto(w.Typed(value.dtype, flat[:1])),
            "twice": lambda: coded + coded,
            "label": lambda: w.tensor_proto(value, label=True),
            "content": lambda: w.bytes_field(4, bytes(16)) + (coded if self.upto(1) else b""),
            "ints": lambda: w.bytes_field(number, ints),
            "mixed": lambda: w.tensor_proto(half[0]) + w.tensor_proto(half[1], packed=False),
            "none": lambda: b"",
            "wire": lambda: w.int_field(number, 1) if self.upto(1) else w.fixed32_field(number, 1),
            "edit": lambda: self.edited(coded),
            "extra": lambda: coded + self.draw(st.sampled_from(EXTRA)),
        }
        return forms[how]()


EXTRA = (w.int_field(7, 1), w.int_field(50, 1), b"\x83\x06\x84\x06")
V1_CHANGES = ["meta", "meta", "renumbered", "version", "piece", "piece", "piece"]


def key_of(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


@st.composite
def spoilt_v1(draw: st.DrawFn) -> Spoilt:
    """One file, or two shards that have some of the pieces each."""
    tensors = draw(
        st.dictionaries(st.sampled_from(KEYS), sound(V1, v1=True), min_size=1, max_size=3)
    )
    shards = draw(st.sampled_from([1, 1, 2]))
    spoilers = [V1Spoiler(draw) for _ in range(shards)]
    for name, tensor in tensors.items():
        if isinstance(tensor, w.Typed):
            draw(st.sampled_from(spoilers)).add(name, tensor)
            continue
        for i, spoiler in enumerate(spoilers):
            own = tensor.pieces[i::shards]
            if own:
                spoiler.add(name, w.Sliced(tensor.whole, own))
    files, done = {}, list[str]()
    for i, spoiler in enumerate(spoilers):
        if spoiler.metas:
            spoiler.run(draw(st.lists(st.sampled_from(V1_CHANGES), max_size=2)))
        spoiler.finish()
        spoiler.run(draw(st.lists(st.sampled_from(TABLE_CHANGES), max_size=1)))
        files[f"-{i:05d}-of-{shards:05d}" if shards > 1 else ""] = spoiler.table()
        done += spoiler.done
    done.append(f"of { ({name: describe(tensor) for name, tensor in tensors.items()}) }")
    before = {key_of(name): original(tensor) for name, tensor in tensors.items()}
    suffix = f"-?????-of-{shards:05d}" if shards > 1 else ""
    return Spoilt(files, suffix, before, done, any(s.twice for s in spoilers))


# What each makes of them.


Ours = dict[bytes, "tuple[int, Value] | tfckpt.CheckpointError"]

# What the package says of a tensor, or of a whole index, that TensorFlow reads, and why it may.
# The second word must be among what was done to it.
JUSTIFIED = [
    # Of the row of a slice TensorFlow reads where the bytes are, and takes dtype and shape from
    # the tensor's. No writer makes them differ.
    ("its row disagrees with the tensor's", "entry|value|row"),
    # Of a slice that is the whole tensor TensorFlow takes the full entry for the row, and looks for
    # no other. No writer makes such slices: it stores the tensor plain.
    ("the index has no row for it", "slices|entry|value"),
    # TensorFlow reads neither name nor slice in a V1 row. No writer gives it others than the key's.
    ("row holds values of another tensor", "label|value|row|block"),
    ("row holds values of another slice", "key|value|row|block|swapped|renamed"),
    # Of strings that claim bytes past the end of the file TensorFlow refuses up to some MiB, as we
    # do ("Read less bytes than requested"); a GiB or more it does not look ahead for, and reads.
    ("the file ends before the tensor does", r"entry b'[^']*' \{'size': \d{9,}\}"),
    # A group. No message of TensorFlow has had one; V1 values are walked by hand.
    ("unknown wire type", "extra|longer|edit"),
    # TensorFlow sees only the restart points that its search happens to touch.
    ("restart points do not ascend", "restarts|block"),
    # FORMAT 2.7: which keys TensorFlow finds then is chance.
    ("keys are not in ascending order", "swapped|renamed|row|block"),
    ("come before those of the block before", "swapped|renamed|row|block"),
    # Separators that lie: the same.
    ("a lookup of the block's (first|last) key", "separator|index|row|block"),
    ("the file has no row for it|there is no tensor", "separator|index|swapped|renamed|twice"),
]
# The same for a listing: of a damaged block TensorFlow loses the tensors, and says nothing (FORMAT
# 2.7); of a row that only a slice has, it looks at nothing when it lists. Here one bad row or block
# is an error of the whole listing; each tensor that can be found can still be read.
UNLISTED = r"""(?x)
    masked\ crc | restart\ (points|array) | keys?\ | lookup | blocks\ overlap | varint
    | compression | snappy | points\ past\ the\ end | slice | shape | dtype
    | protobuf\ message | VN\ checkpoint
"""
# Where only the package gives a value, and another than was written, it must be for one of these.
UNREAD = r"""(?x)
    not\ (yet\ )?supported | No\ such\ file | ^died | UnicodeDecodeError
    | saved\ tensor\ slices\ at\ the\ beginning
"""


def attempt(read: Callable[[], w.Array]) -> Value | tfckpt.CheckpointError:
    try:
        return value_of(read())
    except tfckpt.CheckpointError as error:
        return error


@dataclass
class Mine:
    """What the package makes of a checkpoint."""

    listed: set[bytes] | tfckpt.CheckpointError
    found: Ours
    notes: tuple[str, ...] = ()


def read_ours(path: str, names: Iterable[bytes]) -> Mine:
    """Read all that is listed, and these."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        ckpt, copied = tfckpt.open(path), tfckpt.open(path, mmap=False)
    except tfckpt.CheckpointError as error:
        return Mine(error, dict.fromkeys(names, error))
    listed: set[bytes] | tfckpt.CheckpointError
    try:
        listed = {key_of(name) for name in ckpt}
    except tfckpt.CheckpointError as error:
        listed = error
    keys = {*names, *(listed if isinstance(listed, set) else ())} - {b""}
    found = {key: read_one(ckpt, copied, key.decode("utf-8", "surrogateescape")) for key in keys}
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 19, f"took {grown} KiB of memory"
    return Mine(listed, found, ckpt.notes)


def read_one(
    ckpt: tfckpt.Checkpoint, copied: tfckpt.Checkpoint, name: str
) -> tuple[int, Value] | tfckpt.CheckpointError:
    """Read a tensor in each way there is; they agree."""
    view = attempt(lambda: ckpt[name])
    ways = [attempt(lambda: copied[name]), attempt(lambda: ckpt.read(name))]
    if isinstance(view, tfckpt.CheckpointError):
        assert all(isinstance(way, tfckpt.CheckpointError) for way in ways), (view, ways)
        return view
    assert ways == [view, view]
    dtype = int(ckpt.specs[name].dtype)
    assert_canonical(ckpt[name], dtype)
    if view.shape:
        some = ckpt.read(name, rows=slice(1, 3))
        assert value_of(some) == value_of(ckpt[name][1:3])
    return dtype, view


class Tally:
    """How many tensors each read, and why not; of each reason the first case."""

    def __init__(self) -> None:
        self.cases = self.both = self.neither = 0
        self.groups: dict[str, Counter[str]] = defaultdict(Counter)
        self.samples: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"<Tally of {self.cases} cases>"

    def note(self, group: str, kind: str, *case: object) -> None:
        self.groups[group][kind] += 1
        self.samples.setdefault((group, kind), " ".join(map(str, case)))

    def __str__(self) -> str:
        lines = [f"{self.cases} cases; tensors: both read {self.both}, neither {self.neither}"]
        for what, group in sorted(self.groups.items()):
            lines.append(f"  {what}: {group.total()}")
            lines += [f"  {count:6} {kind}" for kind, count in group.most_common()]
        return "\n".join(lines)


def kind_of(error: tfckpt.CheckpointError | tf_oracle.Refusal) -> str:
    """An error without what changes from case to case."""
    text = str(error) if isinstance(error, tf_oracle.Refusal) else error.problem
    text = re.sub(r"/\S*/model\.ckpt\S*|'[^']*'|\"[^\"]*\"|key \S*;|(?<=for tensor )\S*", "…", text)
    text = re.sub(r" = \[?[-0-9,:]*\]?|: extent = .*| \[Op:RestoreV2\]", "", text)
    return re.sub(r"-?\d+", "N", text)[:100]


@dataclass
class Comparison:
    """One checkpoint, read by both."""

    tf: tf_oracle.TensorFlow
    case: Spoilt
    path: str
    tally: Tally

    def run(self) -> None:
        self.listing = self.tf.listing(self.path)
        self.known = {} if isinstance(self.listing, tf_oracle.Refusal) else self.listing
        self.mine = read_ours(self.path, {*self.known, *self.case.before})
        for key, got in self.mine.found.items():
            self.judge(key, got, self.theirs(key, got))

    def dtype(self, key: bytes, got: object) -> int | None:
        """What to ask TensorFlow for."""
        if key in self.known:
            return self.known[key][0]
        if isinstance(got, tuple):
            return int(got[0])
        return self.case.before[key][0] if key in self.case.before else None

    def theirs(self, key: bytes, got: object) -> Value | tf_oracle.Refusal:
        """What TensorFlow reads: by its reader or, where that refuses, RestoreV2.

        Of V1, RestoreV2 has the word: the reader makes up what is not stored.
        """
        dtype, v1 = self.dtype(key, got), ".index" not in self.case.files
        their: Value | tf_oracle.Refusal
        if isinstance(self.listing, tf_oracle.Refusal):
            their = self.listing
            if v1:
                return their  # any bad tensor spoils a V1 file
        else:
            their = self.tf.get(self.path, key)
        agreed = isinstance(got, tuple) and their == got[1]
        if dtype is None or agreed or (isinstance(their, Value) and not v1):
            return their
        return self.tf.restore(self.path, key, dtype)

    def judge(
        self,
        key: bytes,
        got: tuple[int, Value] | tfckpt.CheckpointError,
        their: Value | tf_oracle.Refusal,
    ) -> None:
        """Where both have a value it is one; where only one has, there is a reason."""
        if isinstance(their, tf_oracle.Refusal):
            self.only_ours(key, got, their)
            return
        if isinstance(got, tuple):
            assert got[1] == their, f"{key!r}: TensorFlow reads {their}, not {got[1]}"
            twice = self.case.twice or any("twice" in note for note in self.mine.notes)
            assert twice or got[0] == self.dtype(key, got), f"{key!r}: {self.known}"
            self.tally.both += 1
        else:
            self.only_theirs(key, got, their)
        if key in self.known:
            self.require_listed(key)

    def only_ours(self, key: bytes, got: object, their: tf_oracle.Refusal) -> None:
        if not isinstance(got, tuple):
            self.tally.neither += 1
            return
        if got == self.case.before.get(key):
            self.tally.note("only ours reads, what was written", kind_of(their), self.case, key)
            return
        # Another tensor may have spoilt a V1 file for TensorFlow; no elements, nothing wrong.
        spared = their is self.listing or not prod(got[1].shape)
        assert spared or re.search(UNREAD, str(their)), f"{key!r}: {got} is read, though: {their}"
        self.tally.note("only ours reads, something else", kind_of(their), self.case, key, got)

    def only_theirs(self, key: bytes, error: tfckpt.CheckpointError, their: Value) -> None:
        listed, kind = self.mine.listed, kind_of(error)
        if isinstance(listed, tfckpt.CheckpointError) and kind_of(listed) == kind:
            kind = f"(listing) {kind}"  # it could not be opened, or this name needs the listing
            reason = re.search(UNLISTED, kind) is not None
        elif not their.data and isinstance(error, tfckpt.TruncatedError):
            reason = True  # no bytes, but at a place where the file has none
        else:
            done = str(self.case)
            reason = any(re.search(a, kind) and re.search(b, done) for a, b in JUSTIFIED)
        assert reason, f"{key!r}: TensorFlow reads it: {error}"
        self.tally.note("only TensorFlow reads, and may", kind, self.case, key, error)

    def require_listed(self, key: bytes) -> None:
        listed = self.mine.listed
        if isinstance(listed, set):
            assert key in listed
            return
        kind = kind_of(listed)
        assert re.search(UNLISTED, kind), f"{key!r} is not listed: {listed}"
        self.tally.note("ours does not list, and may not", kind, self.case, key, listed)


def compare(tf: tf_oracle.TensorFlow, case: Spoilt, tally: Tally) -> None:
    """Both read a checkpoint; every tensor that both have is the same."""
    tally.cases += 1
    with tempfile.TemporaryDirectory() as folder:
        base = f"{folder}/model.ckpt"
        for suffix, contents in case.files.items():
            Path(base + suffix).write_bytes(contents)
        Comparison(tf, case, base + case.suffix, tally).run()


@pytest.fixture(scope="module")
def worker() -> Iterator[tf_oracle.TensorFlow]:
    with tf_oracle.TensorFlow() as tf:
        yield tf


@pytest.fixture(scope="module")
def tallies(
    request: pytest.FixtureRequest, worker: tf_oracle.TensorFlow
) -> Iterator[dict[str, Tally]]:
    """Counts to add to, printed in the end."""
    counts: dict[str, Tally] = defaultdict(Tally)
    yield counts
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for name, tally in counts.items():
            print(f"\nspoilt {name}: {tally}")  # noqa: T201 - who runs this wants to see it
            if request.config.option.verbose > 0:
                for (group, kind), case in tally.samples.items():
                    print(f"{group}: {kind}\n    {case}")  # noqa: T201
        print(f"TensorFlow died {worker.deaths} times")  # noqa: T201


Tallies = dict[str, Tally]


@examples(600)
@given(case=spoilt_bundles())
def test_spoilt_v2(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Spoilt) -> None:
    compare(worker, case, tallies["V2"])


@examples(1000)
@given(case=spoilt_v1())
def test_spoilt_v1(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Spoilt) -> None:
    compare(worker, case, tallies["V1"])


@pytest.mark.parametrize("big_endian", [False, True])
def test_no_header(worker: tf_oracle.TensorFlow, tmp_path: Path, big_endian: bool) -> None:
    """The header alone says which end of a number comes first; TensorFlow needs it."""
    value = np.array([1, 2, 3], np.int32)
    w.write_bundle(
        tmp_path / "p", {"x": value}, big_endian=big_endian, edit_rows=lambda rows: rows[1:]
    )
    assert isinstance(worker.restore(f"{tmp_path}/p", b"x", 3), tf_oracle.Refusal)
    try:
        got = tfckpt.open(tmp_path / "p")["x"]
    except tfckpt.CheckpointError:
        return
    assert value_of(got) == value_of(value)


# The same, ten times as long.


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(2000)
@given(plan=plans(ALL))
def test_v2_long(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v2(readers, plan)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(1500)
@given(plan=plans(V1))
def test_v1_long(readers: tf_oracle.Readers, plan: Plan) -> None:
    check_v1(readers, plan)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(300)
@given(plan=plans(VARIABLES), version=st.sampled_from([1, 2]))
def test_saver_long(readers: tf_oracle.Readers, plan: Plan, version: int) -> None:
    check_saver(readers, plan, version)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(300)
@given(plan=plans(VARIABLES, sliced=False), cuts=st.integers(0, 7))
def test_checkpoint_long(readers: tf_oracle.Readers, plan: Plan, cuts: int) -> None:
    check_checkpoint(readers, plan, cuts)


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(6000)
@given(case=spoilt_bundles())
def test_spoilt_v2_long(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Spoilt) -> None:
    compare(worker, case, tallies["V2, long"])


@pytest.mark.slow
@pytest.mark.usefixtures("long")
@examples(10000)
@given(case=spoilt_v1())
def test_spoilt_v1_long(worker: tf_oracle.TensorFlow, tallies: Tallies, case: Spoilt) -> None:
    compare(worker, case, tallies["V1, long"])


# The fixtures.

RECORDS = [
    pytest.param(
        FIXTURES / file.stem / record["prefix"], record, id=f"{file.stem}-{record['prefix']}"
    )
    for file in sorted(FIXTURES.glob("*.json"))
    for record in json.loads(file.read_text())["checkpoints"]
]


def digest(value: Value) -> str:
    """The sha256 of a value as the fixtures have it."""
    data = value.data
    if isinstance(data, tuple):
        data = b"".join(len(text).to_bytes(8, "little") + text for text in data)
    return hashlib.sha256(data).hexdigest()


def readable(
    readers: tf_oracle.Readers, path: str, key: bytes, dtype: int, *, v1: bool = False
) -> Value | None:
    """A tensor as TensorFlow reads it; None if it does not."""
    tf = tensorflow()
    for read in (readers.restore,) if v1 else (readers.get, readers.restore):
        try:
            return read(path, key, *((dtype,) if read == readers.restore else ()))
        except (tf.errors.OpError, ValueError, RuntimeError):
            continue
    return None


@pytest.mark.parametrize(("path", "record"), RECORDS)
def test_fixture(readers: tf_oracle.Readers, path: Path, record: dict[str, Any]) -> None:
    """TensorFlow at hand reads what the package reads; else the fixture says what was written."""
    listing = readers.listing(str(path))
    told = record["variables"]
    with tfckpt.open(path) as ckpt:
        assert {key_of(name) for name in ckpt} == set(listing)
        for key, (dtype, shape) in listing.items():
            name = key.decode()
            assert (int(ckpt.specs[name].dtype), ckpt.specs[name].shape) == (dtype, shape)
            if told.get(name, {}).get("refuse"):
                with pytest.raises(tfckpt.CheckpointError):
                    ckpt[name]
            elif dtype == w.VARIANT:
                assert ckpt[name].shape == shape
            else:
                value = value_of(ckpt[name])
                theirs = readable(readers, str(path), key, dtype, v1=ckpt.version == "V1")
                assert value == theirs or (theirs is None and digest(value) == told[name]["sha256"])


# Paths.


def assert_alike(readers: tf_oracle.Readers, path: str, *, some: bool = False) -> list[str]:
    """Both read the same from a path; the package perhaps more, if TensorFlow reads `some` only."""
    listing = readers.listing(path)
    assert listing
    with tfckpt.open(path) as ckpt:
        assert set(listing) <= {key_of(name) for name in ckpt}
        assert some or len(listing) == len(ckpt)
        for key in listing:
            assert readers.get(path, key) == value_of(ckpt[key.decode()])
        return list(ckpt.notes)


def some_tensors(start: int) -> dict[str, w.Typed]:
    """Three tensors whose values tell which checkpoint they are of."""
    values = (np.arange(start, start + 6).reshape(2, 3), np.array(start / 3), np.array([start] * 4))
    return {f"v{i}": w.Typed(w.DTYPES[v.dtype.name], v) for i, v in enumerate(values)}


def save_some(path: Path, start: int, *, v1: bool = False, shard: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = list(some_tensors(start).items())
    rows = [
        (name.encode(), "", value) for name, value in tensors if shard in (None, int(name[1]) % 2)
    ]
    (save_v1 if v1 else save_v2)(path, rows)


def state_file(folder: Path, newest: str, *older: str) -> None:
    lines = [f'model_checkpoint_path: "{newest}"']
    lines += [f'all_model_checkpoint_paths: "{path}"' for path in (*older, newest)]
    (folder / "checkpoint").write_text("\n".join(lines))


def two_shards(folder: Path) -> None:
    for shard in (0, 1):
        save_some(folder / f"f-{shard:05d}-of-00002", 5, v1=True, shard=shard)


@pytest.mark.parametrize(
    "name",
    [
        *("model.ckpt", "model.ckpt-1", "dir/", "a b", "имя/ß", "a*b", "a?b", "{a,b}", "100%"),
        *("-", "a.index", "a.data-00000-of-00001", "a-00000-of-00001", "x.meta", "checkpoint"),
    ],
)
def test_prefix(readers: tf_oracle.Readers, tmp_path: Path, name: str) -> None:
    prefix = f"{tmp_path}/{name}"
    if name.endswith("/"):
        os.makedirs(prefix)
    for other, start in (("", 1), ("0", 2), (".old", 3)):
        tensorflow().raw_ops.SaveV2(
            prefix=prefix + other,
            tensor_names=["v"],
            shape_and_slices=[""],
            tensors=[tensorflow().constant([start])],
        )
    if name.endswith("/"):  # to TensorFlow's helper that is a folder; to the op it is a prefix
        with tfckpt.open(prefix) as ckpt:
            assert readers.restore(prefix, b"v", 3) == value_of(ckpt["v"])
    else:
        assert_alike(readers, prefix)


def test_one_path_in_every_form(
    readers: tf_oracle.Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_some(tmp_path / "d/p", 1)
    assert_alike(readers, f"file://{tmp_path}/d/p")
    assert_alike(readers, f"{tmp_path}/d/../d//p")
    monkeypatch.chdir(tmp_path / "d")
    for path in ("p", "./p", "../d/p"):
        assert_alike(readers, path)
    expected = readers.get("p", b"v0")
    for form in (Path("p"), b"p"):
        with tfckpt.open(form) as ckpt:
            assert value_of(ckpt["v0"]) == expected


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("v1", [False, True])
def test_folder_with_state(
    readers: tf_oracle.Readers, tmp_path: Path, v1: bool, absolute: bool
) -> None:
    names = ["m-3", "m-10", "m-7"]
    for i, name in enumerate(names):
        save_some(tmp_path / name, i, v1=v1)
    for newest in names:  # what the file says, not what was written last
        told = f"{tmp_path}/{newest}" if absolute else newest
        state_file(tmp_path, told, *names)
        assert_alike(readers, str(tmp_path))
        assert_alike(readers, f"{tmp_path}/")
        assert tfckpt.latest_checkpoint(tmp_path) == tensorflow().train.latest_checkpoint(tmp_path)


def test_folder_with_state_of_shards(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    two_shards(tmp_path)
    for newest in ("f-?????-of-00002", "./f-?????-of-00002"):
        state_file(tmp_path, newest)
        assert_alike(readers, str(tmp_path))


def test_manager_folder(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    tf = tensorflow()
    variable = tf.Variable([1.0, 2.0])
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=variable), str(tmp_path), 2)
    for _ in range(3):
        variable.assign_add([1.0, 1.0])
        manager.save()
        assert_alike(readers, str(tmp_path))
        assert tfckpt.latest_checkpoint(tmp_path) == manager.latest_checkpoint


def test_v1_shards(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    two_shards(tmp_path)
    for pattern in ("?????-of-00002", "?????-of-?????"):
        assert_alike(readers, f"{tmp_path}/f-{pattern}")
    for shard in ("00000-of-00002", "00001-of-00002"):  # TensorFlow reads that one alone
        assert_alike(readers, f"{tmp_path}/f-{shard}", some=True)
    os.unlink(tmp_path / "f-00001-of-00002")
    notes = assert_alike(readers, f"{tmp_path}/f-?????-of-00002")
    assert "shard 1 of 2 is missing" in notes[0]


def test_v2_before_v1(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    save_some(tmp_path / "p", 1, v1=True)
    save_some(tmp_path / "p", 2)
    assert_alike(readers, f"{tmp_path}/p")


def test_prefix_that_is_a_folder_too(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    """TensorFlow's helper takes the folder, its op the prefix; so does the package, and says so."""
    save_some(tmp_path / "p", 1)
    save_some(tmp_path / "p/inside", 2)
    state_file(tmp_path / "p", "inside")
    path = f"{tmp_path}/p"
    with tfckpt.open(path) as ckpt:
        assert readers.restore(path, b"v0", 9) == value_of(ckpt["v0"]) != readers.get(path, b"v0")
        assert "folder" in ckpt.notes[0]


def test_saved_model(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    tf = tensorflow()
    module = tf.Module()
    module.v = tf.Variable([[1.0, 2.0]], name="v")
    tf.saved_model.save(module, str(tmp_path))
    assert_alike(readers, f"{tmp_path}/variables/variables")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        with tfckpt.open(path) as ckpt:
            assert value_of(ckpt["v/.ATTRIBUTES/VARIABLE_VALUE"]) == value_of(module.v.numpy())


@pytest.mark.parametrize(
    ("saved", "path"),
    [
        ("p", "p.index"),
        ("p", "p.data-00000-of-00001"),
        ("p", "."),
        ("a[b]", "a[b]"),
        ("a\\b", "a\\b"),
        ("f-00000-of-00001", "f"),
    ],
)
def test_paths_that_tensorflow_does_not_take(
    readers: tf_oracle.Readers, tmp_path: Path, saved: str, path: str
) -> None:
    save_some(tmp_path / saved, 1, v1=saved.startswith("f-"))
    with suppress(tensorflow().errors.OpError, ValueError, RuntimeError):
        assert readers.listing(f"{tmp_path}/{path}") == {}
    with tfckpt.open(f"{tmp_path}/{path}") as ckpt:
        for name, value in some_tensors(1).items():
            assert value_of(ckpt[name]) == value_of(value.array)


def test_globs_are_names(readers: tf_oracle.Readers, tmp_path: Path) -> None:
    """TensorFlow takes a V1 path for a glob; the package never."""
    save_some(tmp_path / "file", 1, v1=True)
    assert readers.listing(f"{tmp_path}/f*")
    with pytest.raises(tfckpt.CheckpointNotFoundError):
        tfckpt.open(f"{tmp_path}/f*")
