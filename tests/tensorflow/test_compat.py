"""The functions of tf.train and those of `compat`, called by one script on the same paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES
from random_tensors import ALL, V1, Plan, examples, plans
from tensorflow_writers import write_v1, write_v2

import tfckpt_reader.compat as train
from tfckpt_reader.compat.stand_in import modules

pytestmark = pytest.mark.tensorflow

OURS: Any = modules()["tensorflow"]
"""The stand-in, not installed: TensorFlow is there too."""
FLAGS = ("bool", "complex", "floating", "integer", "quantized", "unsigned", "numeric")
Outcomes = dict[str, Any]


class Error(SimpleNamespace):
    """An exception: the classes by which a script can catch it."""


def shown(value: Any) -> Any:
    """A result as plain data that compares with its type."""
    if hasattr(value, "as_numpy_dtype"):
        numpy = None if value.name in ("variant", "resource") else value.as_numpy_dtype
        is_a = [getattr(value, f"is_{flag}") for flag in FLAGS]
        return repr(value), str(value), value.name, value.size, hash(value), numpy, *is_a
    if hasattr(value, "all_model_checkpoint_paths"):
        return (
            value.model_checkpoint_path,
            list(value.all_model_checkpoint_paths),
            repr(list(value.all_model_checkpoint_timestamps)),
            value.last_preserved_timestamp,
        )
    if isinstance(value, (np.ndarray, np.generic)):
        data = value.tolist() if value.dtype == object else value.tobytes()
        flags = value.flags
        return type(value), value.dtype, value.shape, flags.writeable, flags.c_contiguous, data
    if isinstance(value, dict):
        return {name: shown(item) for name, item in sorted(value.items())}
    return type(value), value


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return shown(function(*arguments))
    except Exception as error:  # noqa: BLE001 - its class is compared
        return Error(names={base.__name__ for base in type(error).__mro__}, text=str(error))


def script(tf: Any, path: Any) -> Iterator[tuple[str, Any]]:
    """What scripts do with a path, and what comes of it."""
    for name in ("list_variables", "latest_checkpoint", "get_checkpoint_state"):
        yield name, attempt(getattr(tf.train, name), path)
    v1 = tf.compat.v1.train
    yield "exists", attempt(v1.checkpoint_exists, path)
    yield "mtimes", attempt(v1.get_checkpoint_mtimes, [path])
    names = ["no_such_name"]
    for label, opened in (("load", tf.train.load_checkpoint), ("new", v1.NewCheckpointReader)):
        try:
            reader = opened(path)
        except Exception:  # noqa: BLE001
            yield label, attempt(opened, path)
            continue
        yield f"{label} shapes", attempt(reader.get_variable_to_shape_map)
        yield f"{label} dtypes", attempt(reader.get_variable_to_dtype_map)
        yield f"{label} text", attempt(lambda r: sorted(r.debug_string().split(b"\n")), reader)
        names = [*reader.get_variable_to_shape_map(), "no_such_name"]
        for name in names:
            for kind, spelt in (("str", name), ("bytes", name.encode()), (":0", f"{name}:0")):
                yield f"{label} has {kind} {name}", attempt(reader.has_tensor, spelt)
                yield f"{label} get {kind} {name}", attempt(reader.get_tensor, spelt)
        for wrong in (None, 5):
            yield f"{label} get {wrong}", attempt(reader.get_tensor, wrong)
    for name in names:
        yield f"variable {name}", attempt(tf.train.load_variable, path, name)
        yield f"variable {name}:0", attempt(tf.train.load_variable, path, f"{name}:0")


NOT_TOLD_APART = {"UnicodeError", "UnicodeDecodeError", "InternalError"}
"""Classes that `compat` does not raise for damaged files: its table of errors says so."""


def assert_alike(tf: Any, path: Any, more: tuple[str, ...] = ()) -> None:
    """Require the same outcomes; `more` lists the tensors that only `compat` reads."""
    theirs, ours = dict(script(tf, path)), dict(script(OURS, path))
    assert theirs.keys() == ours.keys()
    for label, expected in theirs.items():
        got = ours[label]
        if isinstance(expected, Error) and not isinstance(got, Error):
            assert any(name in label for name in more), label
        elif isinstance(expected, Error):
            assert isinstance(got, Error), label
            assert expected.names - NOT_TOLD_APART <= got.names, label
        else:
            assert got == expected, label


PATHS = sorted(
    str(path.relative_to(FIXTURES)).removesuffix(".index")
    for path in FIXTURES.rglob("*.index")
    if "many_blocks" not in str(path) and "oddity" not in str(path)
)
FOLDERS = ["saver_tf1", "saver_tf1/", "v1_sharded", "tf2_checkpoint", "saved_model", ".", "nothing"]
NO_CHECKPOINTS = ["saver_tf1/model.ckpt-1.data-00000-of-00001", "saver_tf1/model.ckpt-1.meta"]
NO_CHECKPOINTS += ["saver_tf1/checkpoint", "nothing", "nothing/x", "v1_sharded/model.ckpt"]
V1_PATHS = ["v1/model.ckpt", "v1_sharded/model.ckpt-?????-of-00002", "v1_sliced/one_file.ckpt"]
V1_PATHS += ["v1_sharded/model.ckpt-00000-of-00002", "v1_sliced/two_files.ckpt-?????-of-00002"]
MORE = {
    "sliced/raw": ("half", "string", "uint16"),
    "v1/model.ckpt": ("complex", "half", "float16", "uint16", "qint", "quint"),
    "v1_sliced/one_file.ckpt": ("floats", "half", "ints", "texts"),
    "v1_sliced/two_files.ckpt-?????-of-00002": ("floats", "half", "ints", "texts"),
}
"""Tensors that only `compat` reads: its differences on purpose."""


@pytest.mark.parametrize("path", [*PATHS, *FOLDERS, *NO_CHECKPOINTS, *V1_PATHS])
def test_same_as_tensorflow(tf: Any, path: str) -> None:
    assert_alike(tf, os.path.join(FIXTURES, path), MORE.get(path, ()))


@pytest.mark.parametrize("path", ["", None, 5, FIXTURES, FIXTURES / "tf2_checkpoint"])
def test_other_paths(tf: Any, path: Any) -> None:
    for name in ("list_variables", "load_checkpoint", "latest_checkpoint"):
        expected, got = (attempt(getattr(side.train, name), path) for side in (tf, OURS))
        if isinstance(expected, Error):
            assert expected.names <= got.names
        elif name != "load_checkpoint":
            assert got == expected


def test_relative_paths(tf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    for path in ("saver_tf1", "./saver_tf1/../saver_tf1", "v1/model.ckpt", ""):
        assert_alike(tf, path, MORE.get(path, ()))


def test_file_urls(tf: Any) -> None:
    assert_alike(tf, f"file://{FIXTURES}/saver_tf1/model.ckpt-1")
    assert_alike(tf, f"file://{FIXTURES}/tf2_checkpoint")


def test_index_file_is_not_silently_empty(tf: Any) -> None:
    path = str(FIXTURES / "saver_tf1" / "model.ckpt-1.index")
    assert tf.train.list_variables(path) == []
    with pytest.raises(train.DataLossError, match=r"Name .*model.ckpt-1 instead"):
        train.list_variables(path)


def test_part_of_a_v1_tensor_is_refused(tf: Any) -> None:
    path = str(FIXTURES / "v1_sliced" / "partial.ckpt")
    assert tf.train.load_variable(path, "floats").shape == (6, 4)  # some of it is not initialized
    with pytest.raises(train.OpError):
        train.load_variable(path, "floats")


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "data flipped": (".data-00000-of-00001", lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:]),
    "data cut": (".data-00000-of-00001", lambda b: b[:100]),
    "index flipped": (".index", lambda b: b[:5] + bytes([b[5] ^ 1]) + b[6:]),
    "index cut": (".index", lambda b: b[:50]),
    "index empty": (".index", lambda _: b""),
}


@pytest.mark.parametrize("damage", [*DAMAGE, "no data"])
def test_damage(tf: Any, tmp_path: Path, damage: str) -> None:
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(FIXTURES / "saver_tf1" / f"model.ckpt-1{ending}", tmp_path)
    ending, change = DAMAGE.get(damage, (".data-00000-of-00001", None))
    file = tmp_path / f"model.ckpt-1{ending}"
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    assert_alike(tf, str(tmp_path / "model.ckpt-1"))


@pytest.mark.parametrize("size", [0, 10, 100, 1000])
def test_damaged_v1(tf: Any, tmp_path: Path, size: int) -> None:
    data = (FIXTURES / "v1" / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(data[:size])
    assert_alike(tf, str(tmp_path / "model.ckpt"))


STATES: list[bytes] = [
    b"",
    b'model_checkpoint_path: ""',
    b'all_model_checkpoint_paths: "a"',
    b'model_checkpoint_path: "a"',
    b"model_checkpoint_path: 'model.ckpt-1' # newest",
    b'model_checkpoint_path: "./model.ckpt-1"',
    b'model_checkpoint_path: "a" model_checkpoint_path: "model" ".ckpt-1"',
    b'\xef\xbb\xbfmodel_checkpoint_path: "model.ckpt-1"',
    b'model_checkpoint_path: "a\\377"',
    b'model_checkpoint_path: "\xff"',
    b'model_checkpoint_path: "\xc3\xbc"',
    b'model_checkpoint_path: "\\303\\274\\t\\"\\\\"',
    b'model_checkpoint_path: "C:\\models\\x"',
    b'model_checkpoint_path: "model.ckpt-1" unknown: 1',
    b"<html>",
    b'model_checkpoint_path: "a"; all_model_checkpoint_paths: ["b", "/c"]',
    b'model_checkpoint_path: "a" all_model_checkpoint_timestamps: [1, 2.5, inf, nan]',
]


@pytest.mark.parametrize("text", STATES, ids=repr)
def test_state_files(tf: Any, tmp_path: Path, text: bytes) -> None:
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(FIXTURES / "saver_tf1" / f"model.ckpt-1{ending}", tmp_path)
    for name in ("checkpoint", "second"):
        (tmp_path / name).write_bytes(text)
    assert_alike(tf, str(tmp_path))
    for function in ("latest_checkpoint", "get_checkpoint_state"):
        for second in ("second", "third", None):
            expected, got = (
                attempt(getattr(side.train, function), str(tmp_path), second) for side in (tf, OURS)
            )
            assert got == expected or expected.names - NOT_TOLD_APART <= got.names


def test_state_text(tf: Any) -> None:
    folder = str(FIXTURES / "tf2_checkpoint")
    assert str(train.get_checkpoint_state(folder)) == str(tf.train.get_checkpoint_state(folder))


def test_dtypes(tf: Any) -> None:
    values: list[Any] = [
        "float",
        "half",
        "double",
        "float32_ref",
        "int",
        "resource",
        "variant",
        "qint8",
        "no",
    ]
    values += [int, float, bool, object, str, bytes, np.str_, np.bytes_, np.int64, np.zeros(3)]
    values += [np.dtype(">f4"), np.dtype("S3"), np.dtype("U2"), 1, 7, 21, 23, 99, 101, None, 0]
    values += [tf.bfloat16.as_numpy_dtype, "bfloat16", "string", "uint16"]
    for value in values:
        expected, got = attempt(tf.as_dtype, value), attempt(train.as_dtype, value)
        if isinstance(expected, Error):
            assert expected.names <= got.names, value
            assert got.text == expected.text
            continue
        assert got == expected, value
        theirs, ours = tf.as_dtype(value), train.as_dtype(value)
        for other in values:
            assert (ours == other) == (theirs == other), (value, other)
        for other in ("float32", "string", "float32_ref"):
            assert ours.is_compatible_with(other) == theirs.is_compatible_with(other)
        for name in ("base_dtype", "real_dtype"):
            assert shown(getattr(ours, name)) == shown(getattr(theirs, name))
        assert ours.is_numpy_compatible == theirs.is_numpy_compatible


PRINTING = """
import sys
import tensorflow as tf
from tensorflow.python.training import checkpoint_utils, py_checkpoint_reader
for path in sys.argv[1:]:
    try:
        reader = tf.train.load_checkpoint(path)
        dtypes = reader.get_variable_to_dtype_map()
        for name, shape in tf.train.list_variables(path):
            value = checkpoint_utils.load_variable(path, name)
            print(repr(name), shape, dtypes[name].name, dtypes[name].is_floating, repr(value))
    except (ValueError, tf.errors.OpError) as error:
        caught = (ValueError, tf.errors.NotFoundError, tf.errors.DataLossError)
        print(path, [isinstance(error, kind) for kind in caught[:2]])
print(tf.train.latest_checkpoint(path), tf.io.gfile.isdir(path))
"""


def test_one_script_run_twice(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PRINTING)
    names = ["saver_tf1", "tf2_checkpoint", "strings/model.ckpt", "sliced/saver", "nothing"]
    names += ["v1_sharded", "every_dtype/model.ckpt", "saved_model", "multi_shard/model.ckpt"]
    paths = [str(FIXTURES / name) for name in names]
    runs = [
        subprocess.run(
            [sys.executable, *options, script, *paths], capture_output=True, text=True, check=True
        )
        for options in ((), ("-m", "tfckpt_reader.compat", "--force"))
    ]
    assert runs[1].stdout == runs[0].stdout
    assert runs[1].stdout.count("\n") > 100


def test_files(tf: Any, tmp_path: Path) -> None:
    text = "é 1\r\nsecond\n\nlast"
    for side, folder in ((tf, tmp_path / "theirs"), (OURS, tmp_path / "ours")):
        gfile = side.io.gfile
        gfile.makedirs(str(folder / "a" / "b"))
        with gfile.GFile(str(folder / "a" / "t"), "w") as file:
            file.write(text)
    found = []
    for side, folder in ((tf, tmp_path / "theirs"), (OURS, tmp_path / "ours")):
        gfile, name = side.io.gfile, str(folder / "a" / "t")
        (folder / "binary").write_bytes(bytes(range(256)))
        os.utime(name, (1_600_000_000.5, 1_600_000_000.5))
        with gfile.GFile(name) as file, gfile.GFile(f"file://{folder}/binary", "rb") as binary:
            results = [file.size(), file.readline(), file.tell(), file.read(3), file.readlines()]
            results += [list(gfile.GFile(name)), binary.read(5), binary.read()]
        results += [gfile.exists(name), gfile.isdir(name), gfile.listdir(str(folder / "a"))]
        results += [gfile.stat(name).length, gfile.stat(name).mtime_nsec]
        results += [[os.path.relpath(p, folder) for p in gfile.glob(str(folder / "*" / "*"))]]
        results += [side.compat.v1.gfile.Exists(name), side.compat.v1.gfile.ListDirectory(folder)]
        calls: list[tuple[Any, ...]] = [
            (gfile.listdir, str(folder / "no")),
            (gfile.stat, str(folder / "no")),
            (gfile.remove, str(folder / "no")),
            (lambda path, open_it=gfile.GFile: open_it(path).read(), str(folder / "no")),
            (lambda path, copy=gfile.copy: copy(path, path), name),
            (gfile.GFile, name, "x"),
        ]
        errors = [attempt(call, *arguments) for call, *arguments in calls]
        gfile.copy(name, f"{name}2")
        gfile.rename(f"{name}2", f"{name}3")
        gfile.remove(f"{name}3")
        gfile.rmtree(str(folder / "a" / "b"))
        walked = [(os.path.relpath(a, folder), b, c) for a, b, c in gfile.walk(str(folder))]
        found.append(([sorted(r) if isinstance(r, list) else r for r in results], walked, errors))
    assert found[1][:2] == found[0][:2]
    for expected, got in zip(found[0][2], found[1][2], strict=True):
        assert expected.names <= got.names


@examples(60)
@given(plan=plans(ALL), old=st.booleans())
def test_random_checkpoints(tf: Any, plan: Plan, old: bool) -> None:
    kept = {name: item for name, item in plan.tensors.items() if item.dtype in V1 or not old}
    if not kept:
        return
    with tempfile.TemporaryDirectory() as folder:
        write = write_v1 if old else write_v2
        path = write(Path(folder), replace(plan, tensors=kept))
        assert_alike(tf, str(path), tuple(kept))
