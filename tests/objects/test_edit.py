"""Object graphs that were edited: who is whose child, and who holds values. TensorFlow's own
answers are in ``tests/tensorflow/test_saved_objects.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import CorruptCheckpointError, UnsupportedError
from tfckpt_reader.objects.edit import edited_graph, new_graph
from tfckpt_reader.objects.object_graph import tracked_keys
from tfckpt_reader.objects.paths import OBJECT_GRAPH
from tfckpt_reader.protobuf import parse

END = "/.ATTRIBUTES/VARIABLE_VALUE"
TREE = {"a": {"x": 1, "y": 2}, "b": {"x": 3}, "c": 4}
KEYS = [f"{path}{END}" for path in ("a/x", "a/y", "b/x", "c")]
GRAPH, LEAVES = new_graph(TREE)


def paths(data: bytes) -> dict[str, str]:
    """Path -> key of a value, and "values" or "" of other objects, by a walk from the root."""
    nodes, found = parse("TrackedObjects", data).nodes, {}

    def walk(number: int, path: str) -> None:
        node = nodes[number]
        has = "values" if node.has_checkpoint_values.value else ""
        found[path] = node.attributes[0].checkpoint_key.decode() if node.attributes else has
        for child in node.children:
            walk(child.node_id, f"{path}/{child.local_name.decode()}")

    walk(0, "")
    return found


def edited(**changes: str | None) -> dict[str, str]:
    """Paths after changes: key, with _ for /, to the new path or None."""
    new_keys = {key: key for key in KEYS}
    for name, path in changes.items():
        key = name.replace("_", "/") + END
        del new_keys[key]
        if path is not None:
            new_keys[key] = path + END if path else "plain"
    return paths(edited_graph(GRAPH, KEYS, new_keys))


WHOLE = {"": "values", "/a": "values", "/b": "values"}
WHOLE |= {f"/{key.removesuffix(END)}": key for key in KEYS}


def test_a_new_graph() -> None:
    assert paths(GRAPH) == WHOLE
    assert dict(zip(KEYS, (1, 2, 3, 4), strict=True)) == LEAVES


def test_nothing_changes() -> None:
    assert edited() == WHOLE


def test_a_value_leaves() -> None:
    assert edited(a_x=None) == {k: v for k, v in WHOLE.items() if k != "/a/x"}
    assert edited(b_x=None) == {k: v for k, v in WHOLE.items() if k != "/b/x"} | {"/b": ""}
    assert edited(c="") == {k: v for k, v in WHOLE.items() if k != "/c"}


def test_an_object_moves() -> None:
    found = edited(a_x="n/x", a_y="n/y")
    assert found == {
        "": "values",
        "/n": "values",
        "/n/x": "n/x" + END,
        "/n/y": "n/y" + END,
        "/b": "values",
        "/b/x": "b/x" + END,
        "/c": "c" + END,
    }
    deep = edited(c="new/deep..er/c")
    assert deep["/new/deep.er/c"] == "new/deep..er/c" + END
    assert "/c" not in deep


def test_a_part_of_an_object_moves() -> None:
    found = edited(a_x="b/z")
    assert found["/b/z"] == "b/z" + END
    assert set(found) == {*WHOLE, "/b/z"} - {"/a/x"}


def test_objects_change_places() -> None:
    found = edited(a_x="b/x", b_x="a/x")
    assert found["/b/x"] == "b/x" + END
    assert set(found) == set(WHOLE)


def test_a_place_that_is_taken() -> None:
    data, _ = new_graph({"a": 1, "b": {"c": {}}})
    with pytest.raises(UnsupportedError, match="another object at 'b/c'"):
        edited_graph(data, ["a" + END], {"a" + END: "b/c" + END})


def test_the_keys_of_a_table_have_one_beginning() -> None:
    data, _ = new_graph({"t": 1, "t2": 2})
    start = "t" + END
    keys = [f"{start}-keys", f"{start}-values", "t2" + END]
    same = {key: key for key in keys}
    assert list(tracked_keys(memoryview(edited_graph(data, keys, same)))) == [start, "t2" + END]
    moved = {key: key.replace("t/", "u/") for key in keys}
    assert paths(edited_graph(data, keys, moved))["/u"] == "u" + END
    gone = {keys[2]: keys[2]}
    assert list(tracked_keys(memoryview(edited_graph(data, keys, gone)))) == ["t2" + END]
    with pytest.raises(UnsupportedError, match="do not agree"):
        edited_graph(data, keys, same | {keys[0]: "other"})


def test_one_variable_in_two_places() -> None:
    data, leaves = new_graph({"a": "w", "b": {"c": "w"}})
    assert leaves == {"a" + END: "w"}
    assert paths(data) == {"": "values", "/a": "a" + END, "/b": "values", "/b/c": "a" + END}


@pytest.mark.parametrize("number", [-1, 7, 1 << 20])
def test_an_object_that_is_not_there(number: int) -> None:
    graph = parse("TrackedObjects", GRAPH)
    graph.nodes[0].children[0].node_id = number
    with pytest.raises(CorruptCheckpointError, match="does not have"):
        edited_graph(graph.SerializeToString(), KEYS, {})


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05abc"])
def test_no_graph(data: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        edited_graph(data, [], {})
    assert edited_graph(b"", [], {}) == b""


def converted(tmp_path: Path, **options: Any) -> tuple[tfckpt.Checkpoint, tuple[str, ...]]:
    done = tfckpt.convert(FIXTURES / "tf2_checkpoint", tmp_path / "o.ckpt", force=True, **options)
    return tfckpt.open(tmp_path / "o.ckpt"), done.notes


def test_a_conversion_keeps_the_graph(tmp_path: Path) -> None:
    with tfckpt.open(FIXTURES / "tf2_checkpoint") as before:
        names = [name for name in before if name != OBJECT_GRAPH]
    ckpt, notes = converted(tmp_path, include=[names[0]])
    assert (list(ckpt), notes) == ([OBJECT_GRAPH, names[0]], ())
    assert list(tracked_keys(memoryview(ckpt[OBJECT_GRAPH].item()))) == [names[0]]
    ckpt, _ = converted(tmp_path, exclude=[OBJECT_GRAPH])
    assert list(ckpt) == names
    ckpt, notes = converted(tmp_path, rename=["/.ATTRIBUTES/.*=>"], include=[names[-1]])
    assert OBJECT_GRAPH not in ckpt
    assert notes == ("1 tensor left the object graph: the new names are no paths of objects",)
    with pytest.raises(tfckpt.TensorNotFoundError, match="none is left"):
        converted(tmp_path, include=["nothing"])


def test_a_graph_that_is_none(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "p", {OBJECT_GRAPH: w.Strings([b"\xff"], ()), "a": np.ones(1)})
    tfckpt.convert(tmp_path / "p", tmp_path / "same.ckpt")
    with pytest.raises(tfckpt.CorruptCheckpointError, match="not the protobuf message"):
        tfckpt.convert(tmp_path / "p", tmp_path / "o.ckpt", rename=["a=>b"])
