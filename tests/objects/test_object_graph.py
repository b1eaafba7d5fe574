"""The object graph of a checkpoint: what it holds, and faults in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from defects import bundle
from graphs import text
from objects import KEY, VALUE, graph, save, thing, variable
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.object_graph import ObjectGraph, tracked_keys


def described() -> Iterator[tuple[Path, dict[str, Any]]]:
    for facts in sorted(FIXTURES.glob("*.json")):
        for each in json.loads(facts.read_text("utf-8")).get("checkpoints", ()):
            if "object_graph" in each:
                yield FIXTURES / facts.stem / each["prefix"], each["object_graph"]


DESCRIBED = list(described())


@pytest.mark.parametrize(
    ("path", "facts"), DESCRIBED, ids=[str(path.relative_to(FIXTURES)) for path, _ in DESCRIBED]
)
def test_it_is_the_one_that_tensorflow_sees(path: Path, facts: dict[str, Any]) -> None:
    with tfckpt.open(path) as ckpt:
        objects = ckpt.object_graph
        assert objects is not None
        nodes = list(objects)
        assert len(nodes) == len(objects) == facts["nodes"]
        assert [
            [number, child.local_name, child.node_id]
            for number, node in enumerate(nodes)
            for child in node.children
        ] == facts["children"]
        assert [
            [number, *value] for number, node in enumerate(nodes) for value in node.attributes
        ] == facts["attributes"]
        assert [
            [number, *slot] for number, node in enumerate(nodes) for slot in node.slot_variables
        ] == facts["slot_variables"]
        assert [node.has_checkpoint_values for node in nodes] == facts["has_checkpoint_values"]
        assert objects.problems == ()
        assert ckpt.notes == tuple(note for note in ckpt.notes if "SavedModel" in note)


def test_a_checkpoint_by_names_has_none() -> None:
    with tfckpt.open(FIXTURES / "saver_tf1" / "model.ckpt-1") as ckpt:
        assert ckpt.object_graph is None


def test_a_tensor_under_its_key_that_is_no_string(tmp_path: Path) -> None:
    with tfckpt.open(bundle(tmp_path, {KEY: np.arange(3)})) as ckpt:
        assert ckpt.object_graph is None


def test_a_registered_saver() -> None:
    more = text(4, text(1, "Package.Saver") + text(2, "root/m"))
    (node,) = ObjectGraph(graph(thing(more=more)))
    assert node.registered_saver == ("Package.Saver", "root/m")
    assert node.has_checkpoint_values is None


def test_nodes_are_a_sequence() -> None:
    objects = ObjectGraph(graph(*[thing({str(n): n}) for n in range(4)]))
    assert objects[-1] == objects[3]
    assert list(objects[1:3]) == [objects[1], objects[2]]
    for number in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            _ = objects[number]


def test_cycles_and_shared_objects() -> None:
    """An object has a path by each parent, the shortest first."""
    objects = ObjectGraph(
        graph(
            thing({"a": 1, "b.c": 2}),
            thing({"up": 0, "me": 1, "w": 3}),
            thing({"x/y": 3, "down": 4}),
            variable("w", "a/w"),
            thing({"w": 3, "up": 2}),
        )
    )
    assert objects.problems == ()
    assert objects.paths == {3: ("a/w", "b..c/x.Sy", "b..c/down/w")}


def test_references_to_nothing_are_counted() -> None:
    objects = ObjectGraph(
        graph(
            thing({"gone": 9, "below": (1 << 64) - 1, "w": 1}, slots=[(1, "m", 7), (8, "m", 1)]),
            variable("w", "w"),
            variable("w", "w"),
        )
    )
    assert objects.problems == (
        "the object graph has children without an object: 2",
        "the object graph has slots without a variable: 2",
        "the object graph has repeated keys: 1",
    )
    assert objects.values["w" + VALUE].node == 1
    assert objects.slots == {}


def test_a_chain_of_objects(tmp_path: Path) -> None:
    """Of 10^5 objects one below the other: the last has no path but the one in its key."""
    chain = [thing({"n": number + 1}) for number in range(100_000)]
    prefix = save(tmp_path, graph(*chain, variable("v", "end")), {"end": np.zeros(2)})
    with tfckpt.open(prefix) as ckpt:
        (found,) = ckpt.find("v")
        assert found.object_paths == ("end",)


@pytest.mark.slow
def test_a_million_objects() -> None:
    leaves = graph(*[variable(f"v{n}", f"l/{n}") for n in range(1_000_000)])
    objects = ObjectGraph(leaves)
    assert len(objects.values) == 1_000_000


def test_many_objects_on_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths with quadratically many letters are left out, and a note says so."""
    monkeypatch.setattr("tfckpt_reader.objects.paths.MOST_LETTERS", 100_000)
    leaves = thing({str(n): n + 2 for n in range(1000)})
    values = [variable(f"v{n}", f"k/{n}") for n in range(1000)]
    objects = graph(thing({"n" * 1000: 1}), leaves, *values)
    with tfckpt.open(save(tmp_path, objects, {"k/1": np.zeros(2)})) as ckpt:
        (found,) = ckpt.find("v1")
        assert found.object_paths == ("k/1",)
        assert [note for note in ckpt.notes if "longer together" in note]


def test_more_objects_than_a_graph_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfckpt_reader.objects.object_graph.MOST_OBJECTS", 10)
    with pytest.raises(tfckpt.UnsupportedError):
        ObjectGraph(graph(*[b""] * 11))


DAMAGED = [b"\x0a", b"\xff" * 9, graph(b"\x12\x7f"), graph(thing(), b"\x0a\x02\x08")]


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_graph_leaves_the_tensors(data: bytes, tmp_path: Path) -> None:
    with tfckpt.open(save(tmp_path, data, {"d/kernel": np.ones((2, 2), np.float32)})) as ckpt:
        key = "d/kernel" + VALUE
        assert ckpt[key].tolist() == [[1, 1], [1, 1]]
        assert list(ckpt.renamed("full_name")) == list(ckpt)
        assert list(ckpt.renamed("object_path")) == [KEY, "d/kernel"]
        assert [each.key for each in ckpt.find("kernel")] == [key]
        assert ckpt.roles[key].kind == "weight"
        (note,) = ckpt.notes
        assert note.startswith("names come from the keys alone: ")
        assert KEY in note


def test_damaged_bytes_of_the_graph(tmp_path: Path) -> None:
    prefix = save(tmp_path, graph(variable("w", "w")), {"w": np.ones(2)})
    data = Path(f"{prefix}.data-00000-of-00001")
    stored = bytearray(data.read_bytes())
    stored[8] ^= 1
    data.write_bytes(stored)
    with tfckpt.open(prefix) as ckpt:
        with pytest.raises(tfckpt.ChecksumError):
            _ = ckpt.object_graph
        assert list(ckpt.renamed("full_name")) == list(ckpt)
        assert "names come from the keys alone" in ckpt.notes[-1]


def test_tracked_keys() -> None:
    data = graph(thing(), variable("v", "a"), w.int_field(9, 1), variable("v", "b"))
    assert list(tracked_keys(memoryview(data))) == ["a" + VALUE, "b" + VALUE]
