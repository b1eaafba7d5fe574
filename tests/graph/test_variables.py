"""Variables of graphs, and their values in checkpoints."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import writers as w
from described import Facts, each_graph
from graphs import attr, dtype_attr, meta_bytes, node, read, text
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.saved_kinds import read_saved_kinds

META_ONLY = "meta_only_kmeans__SciSharp_TFNET"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
NOT_SAVED = "v1_sharded_export__tensorflow_serving"
"""Its Saver saves only the other two variables, as TensorFlow's listing of the checkpoint shows."""


@each_graph
def test_variables_are_those_of_the_collections(path: Path, facts: Facts) -> None:
    meta = tfckpt.read_meta_graph(path)
    for name, expected in facts["variables"].items():
        names = [
            variable.get("slice", {}).get("full_name", variable["variable_name"])
            for variable in expected
        ]
        assert [found.name for found in meta.variables_of(name)] == list(dict.fromkeys(names))


@each_graph
def test_keys_are_those_of_the_checkpoint(path: Path, facts: Facts) -> None:
    if path.parent.name == META_ONLY:
        pytest.skip("no checkpoint beside this .meta")
    with tfckpt.open(path) as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        assert meta.compare_keys(ckpt) == ((), ())
        assert {*read_saved_kinds(str(path)), OBJECTS} == {OBJECTS, *ckpt}
        assert meta.global_variables
        for variable in meta.global_variables:
            key = variable.checkpoint_key
            if key is None:
                assert (path.parent.name, variable.name) == (NOT_SAVED, "global_step:0")
                continue
            assert key in ckpt
            spec = ckpt.specs[key]
            if variable.dtype is not None and variable.shape is not None:
                assert (spec.dtype, spec.shape) == (variable.dtype, variable.shape)
            assert variable.value().shape == spec.shape


FOLDERS = [
    "saver_tf1/model.ckpt-1",
    "v1_sharded/model.ckpt",
    "sliced/saver",
    "saved_model_tf1",
    "saved_model",
    "saved_model_keras",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_fixtures(name: str) -> None:
    with tfckpt.open(FIXTURES / name) as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        assert meta is ckpt.meta_graph
        assert meta.compare_keys(ckpt) == ((), ())
        found = dict(ckpt.variables())
        assert found
        for variable in meta.global_variables:
            assert variable.checkpoint_key is not None
            np.testing.assert_array_equal(found[variable.name], ckpt[variable.checkpoint_key])
        assert set(dict(ckpt.variables(trainable=True))) <= set(found)


def test_slices_are_one_variable() -> None:
    with tfckpt.open(FIXTURES / "sliced" / "saver") as ckpt:
        meta = ckpt.meta_graph
        assert meta is not None
        (joined, *_) = [v for v in meta.global_variables if len(v.pieces) > 1]
        assert joined.shape == ckpt[joined.name].shape
        assert joined.value().shape == joined.shape
        assert all(piece.startswith(f"{joined.name}/part_") for piece in joined.pieces)


def test_without_a_graph() -> None:
    with tfckpt.open(FIXTURES / "strings" / "model.ckpt") as ckpt:
        assert ckpt.meta_graph is None
        with pytest.raises(tfckpt.CheckpointNotFoundError, match="no graph beside"):
            list(ckpt.variables())
    meta = tfckpt.read_meta_graph(FIXTURES / "saver_tf1" / "model.ckpt-1.meta")
    with pytest.raises(ValueError, match="in a checkpoint"):
        meta.global_variables[0].value()


def strings(*values: str) -> bytes:
    shape = text(2, text(2, w.int_field(1, len(values))))
    return w.int_field(1, 7) + shape + b"".join(text(8, value) for value in values)


def saver(prefix: str, keys: Sequence[str], tensors: Sequence[str]) -> list[bytes]:
    names, specs = f"{prefix}/names", f"{prefix}/specs"
    return [
        node(names, "Const", [], dtype_attr(7), attr("value", text(8, strings(*keys)))),
        node(specs, "Const", [], dtype_attr(7), attr("value", text(8, strings(*[""] * len(keys))))),
        node(f"{prefix}/SaveV2", "SaveV2", [f"{prefix}/Const", names, specs, *tensors]),
        node(f"{prefix}/done", "Identity", [f"{prefix}/Const", f"^{prefix}/SaveV2"]),
    ]


def variable(name: str) -> bytes:
    shape = text(7, text(2, w.int_field(1, 2)))
    return node(name, "VariableV2", [], dtype_attr(1), attr("shape", shape))


def collection(name: str, *variables: str) -> bytes:
    values = b"".join(text(1, text(1, f"{each}:0")) for each in variables)
    return text(4, text(1, name) + text(2, text(2, values)))


def test_a_saver_may_rename(tmp_path: Path) -> None:
    """The keys are the constants of the save ops, of the Saver that the file names."""
    nodes = [
        *(variable(name) for name in ("v", "w", "local")),
        node("v/read", "Identity", ["v"]),
        *saver("other", ["wrong/v"], ["v"]),
        *saver("save", ["new/v", "new/w"], ["v/read", "w"]),
    ]
    saver_def = text(3, text(2, "save/done:0"))
    more = saver_def + collection("variables", "v", "w", "local")
    meta = read(tmp_path, meta_bytes(nodes, more=more))
    keys = {each.name: each.checkpoint_key for each in meta.global_variables}
    assert keys == {"v:0": "new/v", "w:0": "new/w", "local:0": None}
    assert meta.compare_keys(["new/v", "else"]) == (("new/w",), ("else",))
    w.write_bundle(tmp_path / "x", {"new/v": np.ones(2, np.float32)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        assert ckpt.meta_graph is not None
        first, second, third = ckpt.meta_graph.global_variables
        assert first.value().tolist() == [1, 1]
        for lost in (second, third):
            with pytest.raises(tfckpt.TensorNotFoundError):
                lost.value()


def test_without_save_ops_the_name_is_the_key(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([variable("a/v")], more=collection("variables", "a/v")))
    (found,) = meta.global_variables
    assert (found.checkpoint_key, found.shape, str(found.dtype)) == ("a/v", (2,), "float32")


def test_very_old_lists_hold_names(tmp_path: Path) -> None:
    names = text(4, text(1, "variables") + text(2, text(1, text(1, "v:0"))))
    (found,) = read(tmp_path, meta_bytes([variable("v")], more=names)).global_variables
    assert (found.name, found.checkpoint_key, found.shape) == ("v:0", "v", (2,))


def test_invalid_key_lists(tmp_path: Path) -> None:
    """Absent inputs, inputs other than constants; a billion keys with one stored."""
    many = w.int_field(1, 7) + text(2, text(2, w.int_field(1, 1 << 30))) + text(8, "k")
    nodes = [
        variable("v"),
        node("many", "Const", [], attr("value", text(8, many))),
        node("number", "Const", [], attr("value", text(8, w.int_field(1, 1)))),
        node("round", "Identity", ["round"]),
        *(node(f"s{i}", "SaveV2", inputs) for i, inputs in enumerate(
            ([], ["v"], ["v", "many", "many", "number"], ["v", "number", "number", "v"],
             ["v", "v", "gone", "v"], ["v", "gone", "gone"])
        )),
        *saver("loop", ["k"], ["round"]),
    ]  # fmt: skip
    meta = read(tmp_path, meta_bytes(nodes, more=collection("variables", "v")))
    assert [saved.key for saved in meta.saved] == ["k", "k"]
    assert meta.global_variables[0].checkpoint_key is None


def partitioned(prefix: str, key: str, tensors: Sequence[str], specs: Sequence[str]) -> list[bytes]:
    """A save op that stores all its tensors as slices of one."""
    keys, slices = [f"{prefix}/names"], [f"{prefix}/specs"]
    lists = ((keys[0], [key] * len(tensors)), (slices[0], specs))
    constants = [
        node(name, "Const", [], dtype_attr(7), attr("value", text(8, strings(*values))))
        for name, values in lists
    ]
    return [*constants, node(f"{prefix}/SaveV2", "SaveV2", ["file", *keys, *slices, *tensors])]


def test_variables_of_a_graph_without_lists(tmp_path: Path) -> None:
    """As the graph.pbtxt of an Estimator, which is a GraphDef: the nodes and the save ops tell."""
    nodes = [
        *(variable(name) for name in ("v", "w/part_0", "w/part_1", "local")),
        node("v/read", "Identity", ["v"]),
        *saver("save", ["new/v"], ["v/read"]),
        *partitioned("more", "w", ["w/part_0", "w/part_1"], ["4 0,2", "4 2,2"]),
    ]
    graph = b"".join(text(1, each) for each in nodes)
    meta = read(tmp_path, graph, "graph.pb")
    v, w_, local = meta.global_variables
    assert (v.name, v.checkpoint_key, v.shape, str(v.dtype)) == ("v:0", "new/v", (2,), "float32")
    assert (w_.name, w_.checkpoint_key, w_.shape) == ("w", "w", (4,))
    assert w_.pieces == ("w/part_0:0", "w/part_1:0")
    assert (local.name, local.checkpoint_key) == ("local:0", None)
    assert meta.trainable_variables == ()


def test_shapes_beside_the_attribute(tmp_path: Path) -> None:
    """An old graph has no scalar in the attribute; a handle is a scalar, whatever its variable."""
    scalar, beside = attr("shape", text(7, b"")), attr("_output_shapes", text(1, text(7, b"")))
    unknown = attr("shape", text(7, w.int_field(3, 1)))
    nodes = [
        node("old", "Variable", [], dtype_attr(1), scalar, beside),
        node("older", "Variable", [], dtype_attr(1), scalar),
        node("handle", "VarHandleOp", [], dtype_attr(1), unknown, beside),
    ]
    names = collection("variables", "old", "older", "handle")
    meta = read(tmp_path, meta_bytes(nodes, more=names))
    assert [each.shape for each in meta.global_variables] == [(), None, None]


def test_a_variable_that_is_saved_in_another_form(tmp_path: Path) -> None:
    """As the opaque parameters of a CudnnLSTM: the keys are those of what is computed from it."""
    nodes = [
        *(variable(name) for name in ("opaque", "plain", "unused")),
        node("canonical", "CudnnRNNParamsToCanonical", ["opaque", "size"]),
        node("size", "Const"),
        node("weights", "Transpose", ["canonical:0", "size"]),
        node("loop", "Merge", ["loop", "canonical:1"]),
        node("both", "Add", ["opaque", "plain"]),
        *saver("save", ["kernel", "bias", "plain", "sum"], ["weights", "loop", "plain", "both"]),
    ]
    names = collection("variables", "opaque", "plain", "unused")
    meta = read(tmp_path, meta_bytes(nodes, more=names))
    opaque, plain, unused = meta.global_variables
    assert (opaque.checkpoint_key, opaque.computed_keys) == (None, ("kernel", "bias", "sum"))
    assert (plain.checkpoint_key, plain.computed_keys) == ("plain", ())
    assert (unused.checkpoint_key, unused.computed_keys) == (None, ())
    w.write_bundle(tmp_path / "x", {"plain": np.ones(2, np.float32)})
    with tfckpt.open(tmp_path / "x") as ckpt:
        assert ckpt.meta_graph is not None
        with pytest.raises(tfckpt.TensorNotFoundError, match="kernel, bias, sum"):
            ckpt.meta_graph.global_variables[0].value()


def child(number: int, name: str) -> bytes:
    return text(1, w.int_field(1, number) + text(2, name))


def saved(*nodes: bytes) -> bytes:
    graph = text(7, b"".join(text(1, each) for each in nodes))
    return w.int_field(1, 1) + text(2, meta_bytes([], more=graph))


def test_object_graph(tmp_path: Path) -> None:
    """Keys by the shortest path; cycles, slots, and absent nodes."""
    shape = text(2, text(2, w.int_field(1, 3)))
    float_variable = text(7, w.int_field(1, 1) + shape + w.int_field(3, 1) + text(6, "v"))
    data = saved(
        child(1, "a.b") + child(2, "opt") + child(99, "gone") + child(0, "me"),
        child(0, "up") + child(3, "x/y"),
        child(3, "far") + text(3, w.int_field(1, 3) + text(2, "m") + w.int_field(3, 4)),
        float_variable,
        text(7, w.int_field(1, 1)),
        text(7, w.int_field(1, 9)),
    )
    meta = read(tmp_path, data, "saved_model.pb")
    value = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert [each.checkpoint_key for each in meta.global_variables] == [
        f"a..b/x.Sy{value}",
        f"a..b/x.Sy/.OPTIMIZER_SLOT/opt/m{value}",
        None,
    ]
    (found,) = meta.trainable_variables
    assert (found.name, found.shape, str(found.dtype)) == ("v:0", (3,), "float32")
    assert meta.local_variables == ()


def test_a_long_chain_of_objects_ends(tmp_path: Path) -> None:
    nodes = [child(i + 1, "n" * 100) for i in range(20_000)]
    meta = read(tmp_path, saved(*nodes, text(7, b"")), "saved_model.pb")
    assert [each.checkpoint_key for each in meta.global_variables] == [None]


def test_many_objects_on_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths with quadratically many letters are refused."""
    monkeypatch.setattr("tfckpt_reader.objects.paths.MOST_LETTERS", 100_000)
    leaves = b"".join(child(i + 2, str(i)) for i in range(1000))
    data = saved(child(1, "n" * 1000), leaves, *[text(7, b"")] * 1000)
    meta = read(tmp_path, data, "saved_model.pb")
    with pytest.raises(tfckpt.UnsupportedError, match="longer together"):
        _ = meta.global_variables


def damaged() -> Iterator[bytes]:
    """A saved_model.pb cut off at every fiftieth of it, with bytes changed, and of random bytes."""
    good = (FIXTURES / "saved_model" / "saved_model.pb").read_bytes()
    yield from (good[: len(good) * part // 50] for part in range(50))
    rng = random.Random(4)  # noqa: S311 - to repeat is the point
    for _ in range(50):
        bad = bytearray(good)
        for _ in range(rng.choice((1, 3, 30))):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        yield bytes(bad)
    yield from (rng.randbytes(size) for size in (1, 9, 1000, 100_000))


def test_a_damaged_graph_leaves_the_variables(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "saved_model", tmp_path / "m")
    with tfckpt.open(FIXTURES / "saved_model") as ckpt:
        expected = {name: array.tolist() for name, array in ckpt.items()}
    told = []
    for data in damaged():
        (tmp_path / "m" / "saved_model.pb").write_bytes(data)
        with tfckpt.open(tmp_path / "m") as ckpt:
            assert {name: array.tolist() for name, array in ckpt.items()} == expected
            try:
                meta = ckpt.meta_graph
                assert meta is not None
                for variable in meta.global_variables:
                    if variable.checkpoint_key in ckpt:
                        assert variable.value().tolist() == expected[variable.checkpoint_key or ""]
            except tfckpt.CheckpointError as error:
                told.append(error.file)
    assert len(told) > 50
    assert set(told) == {str(tmp_path / "m" / "saved_model.pb")}
