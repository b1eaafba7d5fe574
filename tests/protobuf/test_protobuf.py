"""Our protobuf messages: compiled from protos/, alone in their pool, and failing as ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import writers as w
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT

import tfckpt_reader as tfckpt
from tfckpt_reader.protobuf import message_class, parse, parse_text
from tfckpt_reader.tensor.dtypes import DataType
from tfckpt_reader.tensor.proto_fields import check_version, data_type, dims, extents

PACKAGE = Path(tfckpt.__file__).parent
MESSAGES = ["Version", "BundleHeader", "Shape", "Slice", "BundleEntry"]
MESSAGES += ["TensorMeta", "SlicesMeta", "SlicesHeader", "CheckpointState"]
MESSAGES += ["Graph", "Node", "AttrValue", "FunctionDef", "Op", "Saver", "Collection", "Variable"]
MESSAGES += ["TensorInfo", "Signature", "SavedObjects", "TextSavedModel"]


def build_module() -> Any:
    path = ROOT / "protos" / "build.py"
    spec = importlib.util.spec_from_file_location("build_protos", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_descriptors_are_up_to_date() -> None:
    pytest.importorskip("grpc_tools")
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    compiled = FileDescriptorSet.FromString(build_module().compile_protos())
    shipped = FileDescriptorSet.FromString(
        (PACKAGE / "protobuf" / "descriptors.binpb").read_bytes()
    )
    assert shipped == compiled
    assert {file.name.split("/")[-1] for file in shipped.file} == {
        path.name for path in (ROOT / "protos").glob("*.proto")
    }


def test_names_are_our_own() -> None:
    """In one pool, a second file of TensorFlow's path or package would be refused."""
    for name in MESSAGES:
        descriptor = message_class(name).DESCRIPTOR
        assert descriptor.full_name == f"tfckpt_reader.{name}"
        assert descriptor.file.name.startswith("tfckpt_reader/")
        assert descriptor.file.package == "tfckpt_reader"


def test_default_pool_is_left_alone() -> None:
    from google.protobuf.descriptor_pool import Default

    parse("BundleEntry", b"")
    with pytest.raises(KeyError):
        Default().FindMessageTypeByName("tfckpt_reader.BundleEntry")


def test_classes_are_made_once() -> None:
    assert message_class("Shape") is message_class("Shape")
    with pytest.raises(KeyError):
        message_class("NoSuchMessage")


# FORMAT 7.
FIELDS: dict[str, dict[str, int]] = {
    "BundleHeader": {"num_shards": 1, "endianness": 2, "version": 3},
    "BundleEntry": {
        "dtype": 1, "shape": 2, "shard_id": 3, "offset": 4, "size": 5, "crc32c": 6, "slices": 7,
    },
    "Slice": {"extent": 1},
    "Shape": {"dim": 2, "unknown_rank": 3},
    "Version": {"producer": 1, "min_consumer": 2, "bad_consumers": 3},
    "TensorMeta": {"name": 1, "shape": 2, "type": 3, "slice": 4},
    "SlicesMeta": {"tensor": 1, "versions": 2},
    "SlicesHeader": {"meta": 1},
    "CheckpointState": {
        "model_checkpoint_path": 1, "all_model_checkpoint_paths": 2,
        "all_model_checkpoint_timestamps": 3, "last_preserved_timestamp": 4,
    },
    "Graph": {"version": 3, "versions": 4},
    "GraphNodes": {"node": 1},
    "FunctionNodes": {"node": 3},
    "FunctionDef": {"signature": 1, "ret": 4, "attr": 5},
    "Node": {"name": 1, "op": 2, "input": 3, "device": 4, "attr": 5},
    "AttrValue": {
        "list": 1, "s": 2, "i": 3, "f": 4, "b": 5, "type": 6, "shape": 7, "tensor": 8,
        "placeholder": 9, "func": 10,
    },
    "Saver": {
        "filename_tensor_name": 1, "save_tensor_name": 2, "restore_op_name": 3, "max_to_keep": 4,
        "sharded": 5, "keep_checkpoint_every_n_hours": 6, "version": 7,
    },
    "Collection": {
        "node_list": 1, "bytes_list": 2, "int64_list": 3, "float_list": 4, "any_list": 5,
    },
    "Variable": {
        "variable_name": 1, "initializer_name": 2, "snapshot_name": 3, "save_slice_info_def": 4,
        "is_resource": 5, "initial_value_name": 6, "trainable": 7,
    },
    "TextMetaGraph": {
        "meta_info_def": 1, "graph_def": 2, "saver_def": 3, "collection_def": 4,
        "signature_def": 5, "asset_file_def": 6, "object_graph_def": 7,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_field_numbers(name: str) -> None:
    found = {field.name: field.number for field in message_class(name).DESCRIPTOR.fields}
    assert found == FIELDS[name]


JUNK = [
    b"\xff",
    b"\x08",
    b"\x12\x7f",
    b"\x0b",
    b"\x0c",
    b"\x12\x02\x12\xff",
    b"\x07\x00",
    b"\x00\x00",
]


@pytest.mark.parametrize("data", JUNK)
def test_bytes_that_are_no_message(data: bytes) -> None:
    for buffer in (data, memoryview(data)):
        with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
            parse("BundleEntry", buffer)
        assert caught.value.structure == "BundleEntry"


@given(st.sampled_from(MESSAGES), st.binary(max_size=60))
def test_any_bytes(name: str, data: bytes) -> None:
    try:
        message = parse(name, data)
    except tfckpt.CorruptCheckpointError:
        return
    assert message.DESCRIPTOR.name == name


def test_deep_nesting() -> None:
    """Groups within groups, and submessages of unknown fields, to any depth."""
    for data in (b"\x4b" * 100_000 + b"\x4c" * 100_000, b"\x4b" * 100_000):
        with pytest.raises(tfckpt.CorruptCheckpointError):
            parse("BundleEntry", data)
    nested = b""
    for _ in range(3000):
        nested = w.bytes_field(9, nested)
    assert parse("BundleEntry", nested).size == 0


LACKING = """
import resource, sys
from google import protobuf
from tfckpt_reader.protobuf import message_class, parse
from tfckpt_reader.errors import CheckpointError

slices = bytes.fromhex("3a060a0408011001") * 500_000  # of a BundleEntry: 4 MB, a few hundred parsed
message_class("BundleEntry")
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (20 << 20),) * 2)
try:
    parse("BundleEntry", slices)
except (CheckpointError, MemoryError) as error:
    print(protobuf.__version__.split(".")[0], type(error).__name__)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no such limit")
@pytest.mark.skipif(
    os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION") == "python",
    reason="there Python itself says so",
)
def test_a_lack_of_memory_is_no_damage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LACKING], capture_output=True, text=True, check=True
    )
    version, error = done.stdout.split()
    told = {"UnsupportedError", "MemoryError"}
    assert error in (told if version != "4" else told | {"CorruptCheckpointError"})


def test_unknown_fields_are_skipped() -> None:
    data = (
        w.int_field(1, 3)
        + w.bytes_field(50, b"new")
        + w.fixed32_field(51, 1)
        + b"\xa1\x06"
        + bytes(8)
    )
    assert parse("BundleEntry", data).dtype == 3


def test_names_need_not_be_utf_8() -> None:
    assert parse("TensorMeta", w.bytes_field(1, b"\xff\x00")).name == b"\xff\x00"
    state = parse_text("CheckpointState", b'model_checkpoint_path: "\\377\\000x"')
    assert state.model_checkpoint_path == b"\xff\x00x"


@pytest.mark.parametrize("length", [2, 2000])
def test_long_lines(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are broken between tokens: protobuf copies the rest of the line at each."""
    from google.protobuf import text_format

    merge, longest = text_format.Merge, []

    def measured(text: str, *args: Any, **options: Any) -> Any:
        longest.append(max(map(len, text.split("\n"))))
        return merge(text, *args, **options)

    monkeypatch.setattr(text_format, "Merge", measured)
    paths = ", ".join([r'"a, b;\"#"', r"'c [{\''"] * length)
    text = f'model_checkpoint_path:"x"\'y\' all_model_checkpoint_paths : [{paths}] # "of ['
    state = parse_text("CheckpointState", text.encode())
    assert state.model_checkpoint_path == b"xy"
    assert list(state.all_model_checkpoint_paths) == [b'a, b;"#', b"c [{'"] * length
    assert longest[0] < 200


def test_an_error_quotes_no_long_line() -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        parse_text("CheckpointState", b'model_checkpoint_path:"x" ' + b"@" * 10**6)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text", [b"a: ", b"{", b'model_checkpoint_path: "', b"\xff", b"unknown: 1"]
)
def test_text_that_is_no_message(text: bytes) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError, match="CheckpointState") as caught:
        parse_text("CheckpointState", text)
    assert "\n" not in str(caught.value)


# Values


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), ()),
        ((0,), (0,)),
        ((3, 0, 2), (3, 0, 2)),
        ((1 << 62, 1), (1 << 62, 1)),
        ((1,) * 254,) * 2,
    ],
)
def test_dims(sizes: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert dims(parse("Shape", w.shape_proto(sizes))) == expected


@pytest.mark.parametrize(
    "sizes", [(-1,), (2, -5), (1 << 32, 1 << 31), ((1 << 62), 2), (1,) * 255, (1,) * 300]
)
def test_impossible_dims(sizes: tuple[int, ...]) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        dims(parse("Shape", w.shape_proto(sizes)))
    assert caught.value.structure == "shape"
    assert len(str(caught.value)) < 300


def test_unknown_rank() -> None:
    assert dims(parse("Shape", w.int_field(3, 1))) == ()


def test_data_type() -> None:
    assert data_type(14) is DataType.BFLOAT16
    for number, name in (
        (0, "unknown_0"),
        (101, "float32_ref"),
        (99, "unknown_99"),
        (-1, "unknown_-1"),
    ):
        found = data_type(number)
        assert int(found) == number
        assert str(found) == name
        assert (found.itemsize, found.numpy_name) == (0, "")


@pytest.mark.parametrize("axes", [[], [(0, -1)], [(0, 5), (3, 1)], [(7, (1 << 63) - 8)]])
def test_extents(axes: list[tuple[int, int]]) -> None:
    for explicit in (False, True):
        message = parse("Slice", w.slice_proto(axes, explicit_zeros=explicit))
        assert extents(message) == tuple(axes)


@pytest.mark.parametrize(
    ("version", "error"),
    [
        ({}, None),
        ({"producer": 1}, None),
        ({"producer": 99, "min_consumer": 1, "bad_consumers": [0, 2, 99]}, None),
        ({"producer": -1}, tfckpt.CorruptCheckpointError),
        ({"min_consumer": 2}, tfckpt.UnsupportedError),
        ({"bad_consumers": [2, 1]}, tfckpt.UnsupportedError),
    ],
)
def test_check_version(version: dict[str, Any], error: type[Exception] | None) -> None:
    message = SimpleNamespace(**({"producer": 0, "min_consumer": 0, "bad_consumers": []} | version))
    if error is None:
        check_version(message)
        return
    with pytest.raises(error):
        check_version(message)


BESIDE = """
import sys
for name in sys.argv[2:]:
    __import__(name)
import tfckpt_reader
with tfckpt_reader.open(sys.argv[1]) as ckpt:
    print(sorted(ckpt)[0], ckpt[sorted(ckpt)[0]].shape)
"""


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "order", [["tensorflow", "tfckpt_reader"], ["tfckpt_reader.formats.v2.bundle", "tensorflow"]]
)
def test_beside_tensorflow(order: list[str]) -> None:
    """In either order, in one process."""
    pytest.importorskip("tensorflow")
    path = str(ROOT / "fixtures" / "saver_tf1" / "model.ckpt-1")
    run = subprocess.run(
        [sys.executable, "-c", BESIDE, path, *order],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("global_step ()")


def test_pure_python_protobuf() -> None:
    """Its backend in Python, which raises other things."""
    code = (
        "from google.protobuf.internal import api_implementation as a\n"
        "assert a.Type() == 'python', a.Type()\n"
        "import tfckpt_reader as t\n"
        "from tfckpt_reader.protobuf import parse\n"
        "from tfckpt_reader.errors import CorruptCheckpointError\n"
        f"for data in {[*JUNK, bytes([0x4B]) * 5000]!r}:\n"
        "    try:\n"
        "        parse('BundleEntry', data)\n"
        "    except CorruptCheckpointError:\n"
        "        continue\n"
        "    raise SystemExit(repr(data[:9]))\n"
        f"print(sorted(t.open({str(ROOT / 'fixtures/sliced/raw')!r}))[:2])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONPATH": str(PACKAGE.parent), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "['bool', 'grid']\n"
