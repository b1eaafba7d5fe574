"""Frozen graphs: what they hold, what they are cut to, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import writers as w
from freezing import BOOL, SHAPE, W, again, frozen, inputs, ops, truth, typed, variable, x
from graphs import FLOAT, INT, attr, dtype_attr, function, meta_bytes, node, read, text
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph.writing import LARGEST

RESOURCE = 20


class Described(dict[str, Any]):
    """Values with a description, as a checkpoint has one."""

    def __init__(self, shape: tuple[int, ...], **values: Any) -> None:
        super().__init__(values)
        self.specs = {"w": SimpleNamespace(dtype=tfckpt.DataType.FLOAT32, shape=shape)}


def test_variables_become_constants(tmp_path: Path) -> None:
    nodes = [x(), variable(), typed("read", "Identity", "w"), typed("y", "AddV2", "x", "read")]
    graph = frozen(tmp_path, [*nodes, typed("aside", "Neg", "x")], "y")
    meta = again(tmp_path, graph)
    assert meta.op_counts == {"AddV2": 1, "Const": 1, "Identity": 1, "Placeholder": 1}
    value = meta.operation("w").attrs["value"]
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, W)
    assert [(each.name, each.shape) for each in graph.inputs] == [("x:0", (3, 2))]
    assert [each.name for each in graph.outputs] == ["y:0"]
    assert meta.problems == ()


def test_a_model_of_the_fixtures(tmp_path: Path) -> None:
    with tfckpt.open(FIXTURES / "saved_model_tf1") as ckpt:
        assert ckpt.meta_graph is not None
        graph = ckpt.meta_graph.freeze(values=ckpt)
        assert [each.alias for each in (*graph.inputs, *graph.outputs)] == ["x", "y"]
        meta = again(tmp_path, graph)
        assert meta.of_types(["VarHandleOp", "VariableV2"]) == []
        for weight in graph.weights:
            value = meta.operation(weight.name).attrs["value"]
            assert value.tobytes() == ckpt[weight.key].tobytes()


def test_unchanged_nodes_keep_their_bytes(tmp_path: Path) -> None:
    odd = typed("y", "Neg", "x") + text(6, text(1, "where it was made"))
    clean = frozen(tmp_path, [x(), odd], "y").to_bytes()
    assert odd in clean
    assert x() in clean
    placed = odd + text(4, "/job:ps/task:3") + attr("_class", text(1, text(2, "loc:@gone")))
    assert frozen(tmp_path, [x(), placed], "y").nodes["y"].stored == placed
    again_bytes = frozen(tmp_path, [x(), placed], "y").to_bytes()
    assert b"ps" not in again_bytes
    assert b"_class" not in again_bytes
    assert b"where it was made" in again_bytes


def test_checks_and_idle_control_inputs_go(tmp_path: Path) -> None:
    nodes = [
        x(),
        node("assert", "Assert", ["x"]),
        node("group", "NoOp", ["^assert"]),
        typed("checked", "CheckNumerics", "x"),
        typed("shown", "Print", "checked", "x"),
        typed("y", "Neg", "shown", "^group"),
    ]
    graph = frozen(tmp_path, nodes, "y")
    assert ops(graph) == {"x": "Placeholder", "y": "Neg"}
    assert inputs(graph, "y") == ["x:0"]
    assert "removed 1 node: Print" in graph.changes
    assert ops(frozen(tmp_path, nodes, "shown")) == {"x": "Placeholder", "shown": "Identity"}


def test_reading_resource_variables(tmp_path: Path) -> None:
    handle = node("v", "VarHandleOp", [], attr("shape", SHAPE), dtype_attr(FLOAT))
    handle += attr("shared_name", text(2, "w"))
    nodes = [
        handle,
        x(),
        typed("same", "Identity", "v", dtype=RESOURCE),
        node("read", "ReadVariableOp", ["same"], dtype_attr(FLOAT)),
        node("size", "VariableShape", ["v"], dtype_attr(INT, "out_type")),
        node("rows", "ResourceGather", ["v", "x"], dtype_attr(FLOAT), dtype_attr(INT, "Tindices")),
        node("ready", "VarIsInitializedOp", ["v"]),
    ]
    graph = frozen(tmp_path, nodes, "read", "size", "rows", "ready")
    assert ops(graph) == {
        "v": "Const",
        "x": "Placeholder",
        "same": "Identity",
        "read": "Identity",
        "size": "Shape",
        "rows": "GatherV2",
        "ready": "Const",
        "rows/axis": "Const",
    }
    assert inputs(graph, "rows") == ["v", "x", "rows/axis"]
    meta = again(tmp_path, graph)
    assert meta.operation("same").attrs["T"] == FLOAT
    assert meta.operation("ready").attrs["value"]
    assert meta.operation("rows/axis").attrs["value"] == 0


def test_a_handle_that_is_not_read_is_refused(tmp_path: Path) -> None:
    handle = node("w", "VarHandleOp", [], attr("shape", SHAPE), dtype_attr(FLOAT))
    with pytest.raises(tfckpt.UnsupportedError, match=r"node 'y' \(Pack\) uses the variable 'w'"):
        frozen(tmp_path, [handle, typed("y", "Pack", "w")], "y")


@pytest.mark.parametrize("name", ["w/ExponentialMovingAverage", "w/EMA"])
def test_moving_averages(tmp_path: Path, name: str) -> None:
    values = {"w": W, name: W + 1}
    graph = frozen(tmp_path, [variable()], "w", values=values, average=True)
    np.testing.assert_array_equal(again(tmp_path, graph).operation("w").attrs["value"], W + 1)
    assert "1 value taken from moving averages" in graph.changes
    graph = frozen(tmp_path, [variable()], "w", values=values)
    np.testing.assert_array_equal(again(tmp_path, graph).operation("w").attrs["value"], W)


def test_an_average_of_another_shape_is_none(tmp_path: Path) -> None:
    graph = frozen(tmp_path, [variable()], "w", values={"w": W, "w/EMA": W[:1]}, average=True)
    np.testing.assert_array_equal(again(tmp_path, graph).operation("w").attrs["value"], W)
    assert "0 values taken from moving averages" in graph.changes


def test_weights_of_another_type(tmp_path: Path) -> None:
    half = tfckpt.DataType.FLOAT16
    graph = frozen(tmp_path, [variable()], "w", cast=half)
    meta = again(tmp_path, graph)
    assert meta.operation("w").type == "Cast"
    assert meta.operation("w").attrs["DstT"] == FLOAT
    np.testing.assert_array_equal(meta.operation("w/float16").attrs["value"], W.astype("f2"))
    large = frozen(tmp_path, [variable()], "w", cast=half, values={"w": W * 1e6})
    with pytest.raises(tfckpt.UnsupportedError, match="too large for float16"):
        large.to_bytes()


def test_cut_at_a_tensor(tmp_path: Path) -> None:
    split = node("s", "Split", ["x"], dtype_attr(FLOAT, "T"), attr("num_split", w.int_field(3, 3)))
    nodes = [x(), split, typed("a", "Neg", "s"), typed("b", "Neg", "s:1"), typed("c", "Neg", "s:2")]
    nodes += [typed("y", "AddN", "a", "b", "c")]
    graph = frozen(tmp_path, nodes, "y", inputs=["s:1"])
    assert inputs(graph, "b") == ["s_1:0"]
    assert ops(graph)["s"] == "Split"
    assert [each.name for each in graph.inputs] == ["s_1:0", "x:0"]
    graph = frozen(tmp_path, nodes, "y", inputs=["s"])
    assert (ops(graph)["s"], inputs(graph, "a")) == ("Placeholder", ["s"])
    assert inputs(graph, "b") == ["s/uncut:1"]
    graph = frozen(tmp_path, nodes, "y", inputs=["s:0", "s:1", "s:2"])
    assert "x" not in graph.nodes
    assert {each.dtype for each in graph.inputs} == {tfckpt.DataType.FLOAT32}
    graph = frozen(tmp_path, nodes, "a", inputs=["s:0", "b:0"])
    assert "input 'b:0' is left out: no output needs it" in graph.changes


def test_the_input_pipeline_is_cut_off(tmp_path: Path) -> None:
    types = attr("output_types", text(1, w.int_field(6, FLOAT) + w.int_field(6, INT)))
    shapes = attr("output_shapes", text(1, text(7, w.shape_proto([3, 2])) + text(7, b"")))
    nodes = [
        node("set", "RangeDataset"),
        node("it", "OneShotIterator", ["set"]),
        node("next", "IteratorGetNext", ["it"], types, shapes, dtype_attr(FLOAT, "T")),
        typed("y", "Neg", "next"),
    ]
    graph = frozen(tmp_path, nodes, "y")
    assert ops(graph) == {"next": "Placeholder", "y": "Neg"}
    assert graph.inputs[0].shape == (3, 2)


def test_defaults_are_folded_on_request(tmp_path: Path) -> None:
    nodes = [
        truth("no", 0),
        node("training", "PlaceholderWithDefault", ["no"], dtype_attr(BOOL)),
        x(),
        node("switch", "Switch", ["x", "training"], dtype_attr(FLOAT, "T")),
        typed("train", "Neg", "switch:1"),
        typed("predict", "Exp", "switch"),
        typed("y", "Merge", "train", "predict"),
    ]
    assert "switch" in frozen(tmp_path, nodes, "y").nodes
    graph = frozen(tmp_path, nodes, "y", fold_defaults=True)
    assert ops(graph) == {"x": "Placeholder", "predict": "Exp", "y": "Identity"}
    assert inputs(graph, "predict") == ["x:0"]


def test_numbers_in_place_of_placeholders(tmp_path: Path) -> None:
    nodes = [
        node("training", "Placeholder", [], dtype_attr(BOOL)),
        node("keep", "Placeholder", [], dtype_attr(FLOAT)),
        x(),
        variable(),
        typed("update", "Assign", "w", "x"),
        node("switch", "Switch", ["x", "training"], dtype_attr(FLOAT, "T")),
        typed("new", "Identity", "w", "^update", "^switch"),
        typed("train", "Mul", "switch:1", "new"),
        typed("predict", "RealDiv", "switch", "keep"),
        typed("y", "Merge", "train", "predict"),
    ]
    with pytest.raises(tfckpt.UnsupportedError, match="'new' reads the variable 'w' after"):
        frozen(tmp_path, nodes, "y")
    graph = frozen(tmp_path, nodes, "y", given={"training": False, "keep:0": 0.5})
    assert ops(graph) == {
        "keep": "Const",
        "x": "Placeholder",
        "predict": "RealDiv",
        "y": "Identity",
    }
    assert again(tmp_path, graph).operation("keep").attrs["value"] == 0.5
    for given, problem in (
        ({"no": 1}, "need no placeholder 'no'"),
        ({"x": "a"}, "is float32, whi"),
    ):
        with pytest.raises((tfckpt.TensorNotFoundError, ValueError), match=problem):
            frozen(tmp_path, nodes, "y", given=given)


def test_branches_of_a_constant_condition(tmp_path: Path) -> None:
    nodes = [
        truth("yes", 1),
        node("no", "LogicalNot", ["yes"]),
        x(),
        node("outer", "Switch", ["x", "yes"], dtype_attr(FLOAT, "T")),
        node("inner", "Switch", ["outer", "no"], dtype_attr(FLOAT, "T")),
        typed("first", "Neg", "inner"),
        typed("second", "Abs", "inner:1"),
        typed("join", "Merge", "first", "second"),
        typed("then", "Exp", "outer:1"),
        typed("y", "Merge", "join", "then"),
        typed("z", "Cast", "y:1"),
    ]
    graph = frozen(tmp_path, nodes, "y", "z")
    assert ops(graph)["y"] == "Identity"
    assert not {"Switch", "Merge"} & set(ops(graph).values())
    assert inputs(graph, "y") == ["then"]
    value = again(tmp_path, graph).operation(inputs(graph, "z")[0].removesuffix(":0"))
    assert value.attrs["value"] == 1


LOOP = [
    x(),
    node("enter", "Enter", ["x"], attr("frame_name", text(2, "loop")), dtype_attr(FLOAT, "T")),
    typed("merge", "Merge", "enter", "next"),
    node("cond", "LoopCond", ["merge"]),
    node("switch", "Switch", ["merge", "cond"], dtype_attr(FLOAT, "T")),
    node("one", "Const", ["^switch"], dtype_attr(FLOAT), attr("value", text(8, b"\x08\x01"))),
    typed("body", "AddV2", "switch:1", "one"),
    typed("next", "NextIteration", "body"),
    typed("exit", "Exit", "switch"),
    typed("y", "Neg", "exit"),
]


def test_while_loops_stay_whole(tmp_path: Path) -> None:
    graph = frozen(tmp_path, LOOP, "y")
    assert len(graph.nodes) == len(LOOP)
    assert inputs(graph, "one") == ["^switch"]
    for outputs, cuts in (
        (["body"], []),
        (["y"], ["body:0"]),
        (["y"], ["exit"]),
        (["y"], ["merge"]),
    ):
        if cuts == ["exit"]:
            assert len(frozen(tmp_path, LOOP, *outputs, inputs=cuts).nodes) == 2
            continue
        with pytest.raises(tfckpt.UnsupportedError, match="a while loop is cut in the middle"):
            frozen(tmp_path, LOOP, *outputs, inputs=cuts)


def test_cycles_are_refused(tmp_path: Path) -> None:
    nodes = [typed("a", "Neg", "b"), typed("b", "Neg", "a")]
    with pytest.raises(tfckpt.CorruptCheckpointError, match="a cycle that is no while loop"):
        frozen(tmp_path, nodes, "a")
    nodes = [typed("a", "CheckNumerics", "b"), typed("b", "CheckNumerics", "a")]
    with pytest.raises(tfckpt.CorruptCheckpointError, match="depends only on itself"):
        frozen(tmp_path, nodes, "a")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"w1": W}, r"variable 'w' needs the tensor 'w', which the values lack.*Nearest: w1"),
        (
            {"w": W.T},
            r"does not fit the variable 'w' \(expected float32 \[3, 2\], found .*\[2, 3\]",
        ),
        ({"w": W.astype("f8")}, r"expected float32 .* found float64"),
        ({}, r"variable 'w' needs the tensor 'w'"),
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, values: Any, problem: str) -> None:
    with pytest.raises(tfckpt.CheckpointError, match=problem) as caught:
        frozen(tmp_path, [variable()], "w", values=values)
    assert caught.value.file == str(tmp_path / "x.meta")


@pytest.mark.parametrize(
    ("nodes", "output", "problem"),
    [
        ([x()], "deep/y", "there is no operation 'deep/y'"),
        ([x(), node("y", "NoOp")], "y", "operation 'y' has no output 0"),
        ([typed("y", "Neg", "lost")], "y", "node 'y' has an input that names nothing: 'lost'"),
        ([x(), typed("y", "AssignAdd", "x")], "y", "changes variables while the graph runs"),
        ([node("t", "HashTableV2"), typed("y", "Neg", "t")], "y", "uses a lookup table"),
        ([x(), node("y", "PyFunc", ["x"])], "y", "calls Python code"),
        ([node("y", "PartitionedCall")], "y", "calls the function '', which is nowhere"),
    ],
)
def test_what_cannot_be_frozen(
    tmp_path: Path, nodes: list[bytes], output: str, problem: str
) -> None:
    with pytest.raises(tfckpt.CheckpointError, match=problem):
        frozen(tmp_path, nodes, output)


def test_nothing_to_freeze(tmp_path: Path) -> None:
    meta = read(tmp_path, meta_bytes([variable()]))
    with pytest.raises(tfckpt.TensorNotFoundError, match="Name one with --output"):
        meta.freeze(values={})
    with pytest.raises(tfckpt.TensorNotFoundError, match="there is no signature 'k'"):
        meta.freeze(values={}, signature="k")


def call(name: str, called: str, *inputs: str) -> bytes:
    return node(name, "PartitionedCall", inputs, attr("f", text(10, text(1, called))))


def test_functions_become_nodes(tmp_path: Path) -> None:
    result = text(4, text(1, "out") + text(2, "half:output:1"))
    split = node("half", "Split", ["a"], attr("num_split", w.int_field(3, 2)))
    inner = function("f", text(3, split), text(3, node("idle", "NoOp")), result, arguments="a")
    passed = text(4, text(1, "out") + text(2, "again:out:0"))
    outer = function("g", text(3, node("again", "f", ["a"])), passed, arguments="a")
    graph = frozen(tmp_path, [x(), call("y", "g", "x")], "y", library=[inner, outer])
    assert ops(graph) == {"x": "Placeholder", "y/again/half": "Split", "y": "Identity"}
    assert inputs(graph, "y") == ["y/again/half:1"]
    assert inputs(graph, "y/again/half") == ["x"]
    assert graph.library == b""


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    passed = text(4, text(1, "out") + text(2, "again:out:0"))
    own = function("f", text(3, node("again", "f", ["a"])), passed, arguments="a")
    with pytest.raises(tfckpt.UnsupportedError, match="function 'f' calls itself"):
        frozen(tmp_path, [x(), call("y", "f", "x")], "y", library=[own])


def test_functions_that_grow_without_end(tmp_path: Path) -> None:
    passed = text(4, text(1, "out") + text(2, "b:out:0"))
    library = [
        function(
            f"f{n}",
            text(3, node("a", f"f{n + 1}", ["a"])) + text(3, node("b", f"f{n + 1}", ["a:out:0"])),
            passed,
            arguments="x",
        ).replace(b"\x0a\x01x", b"\x0a\x01x")
        for n in range(60)
    ]
    with pytest.raises(tfckpt.CheckpointError):
        frozen(tmp_path, [x(), call("y", "f0", "x")], "y", library=library)


def test_two_gibibytes_are_refused(tmp_path: Path) -> None:
    shape = w.bytes_field(7, w.shape_proto([1 << 29, 1]))
    large = node("w", "VariableV2", [], attr("shape", shape), dtype_attr(FLOAT))

    values = Described((1 << 29, 1))
    graph = frozen(tmp_path, [large], "w", values=values)
    assert graph.nbytes == 1 << 31 > LARGEST
    with pytest.raises(tfckpt.UnsupportedError, match=r"less than 2 GiB.*--cast float16"):
        graph.write(tmp_path / "out.pb")
    assert not (tmp_path / "out.pb").exists()
    smaller = frozen(tmp_path, [large], "w", values=values, cast=tfckpt.DataType.FLOAT16)
    assert smaller.nbytes == 1 << 30


def test_a_value_that_fails_leaves_no_file(tmp_path: Path) -> None:
    graph = frozen(tmp_path, [variable()], "w", values=Described((3, 2), w=W[:2]))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="another shape than its description"):
        graph.write(tmp_path / "out.pb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.meta"]


def stored(tmp_path: Path, **tensors: Any) -> str:
    w.write_bundle(tmp_path / "model", tensors)
    return str(tmp_path / "model")


@pytest.mark.parametrize("check", [True, False])
def test_values_of_a_checkpoint_are_copied(tmp_path: Path, *, check: bool) -> None:
    """Large ones in several windows, with small parts of the graph between them."""
    large = np.arange(700_000, dtype=np.float32)
    values: dict[str, Any] = {"a": large, "b": large[:3], "c": large[::-1].copy(), "d": large[:0]}
    halves = [[(0, 200_000), (0, -1)], [(200_000, 150_000), (0, -1)]]
    values["e"] = w.Sliced(large.reshape(-1, 2), halves)
    nodes = [node(name, "VariableV2", [], dtype_attr(FLOAT)) for name in values]
    nodes += [node("y", "Pack", list(values), dtype_attr(FLOAT, "T"))]
    with tfckpt.open(stored(tmp_path, **values), check=check) as ckpt:
        graph = frozen(tmp_path, nodes, "y", values=ckpt)
        meta = again(tmp_path, graph)
        assert graph.to_bytes() == frozen(tmp_path, nodes, "y", values=dict(ckpt)).to_bytes()
        for name in values:
            np.testing.assert_array_equal(meta.operation(name).attrs["value"], ckpt[name])


@pytest.mark.parametrize("at", [0, 2_000_000, 2_799_999])
def test_a_damaged_value_leaves_no_file(tmp_path: Path, at: int) -> None:
    prefix = stored(tmp_path, w=np.zeros((350_000, 2), np.float32))
    data = bytearray((tmp_path / "model.data-00000-of-00001").read_bytes())
    data[at] ^= 1
    (tmp_path / "model.data-00000-of-00001").write_bytes(data)
    nodes = [node("w", "VariableV2", [], dtype_attr(FLOAT)), typed("y", "Neg", "w")]
    with tfckpt.open(prefix) as ckpt:
        graph = frozen(tmp_path, nodes, "y", values=ckpt)
        with pytest.raises(tfckpt.ChecksumError) as caught:
            graph.write(tmp_path / "out.pb")
        assert caught.value.tensor == "w"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.data-00000-of-00001",
        "model.index",
        "x.meta",
    ]
    with tfckpt.open(prefix, check=False) as ckpt:
        frozen(tmp_path, nodes, "y", values=ckpt).write(tmp_path / "out.pb")
    assert bytes(data) in (tmp_path / "out.pb").read_bytes()


def test_an_entry_of_another_size_leaves_no_file(tmp_path: Path) -> None:
    """Its bytes would run over those of the next node."""
    prefix = stored(tmp_path, w=W)
    entry = w.entry(FLOAT, (3, 2), size=28, crc=w.mask(w.crc(W.tobytes() + bytes(4))))
    (tmp_path / "model.index").write_bytes(w.table([(b"", w.header()), (b"w", entry)]))
    (tmp_path / "model.data-00000-of-00001").write_bytes(W.tobytes() + bytes(4))
    nodes = [variable(), typed("y", "Neg", "w")]
    with tfckpt.open(prefix) as ckpt:
        graph = frozen(tmp_path, nodes, "y", values=ckpt)
        with pytest.raises(tfckpt.CorruptCheckpointError):
            graph.write(tmp_path / "out.pb")
    assert not (tmp_path / "out.pb").exists()


def test_reads_after_updates_are_refused(tmp_path: Path) -> None:
    nodes = [
        x(),
        variable(),
        typed("update", "AssignAdd", "w", "x"),
        node("group", "NoOp", ["^update"]),
        typed("old", "Identity", "w"),
        typed("new", "Identity", "w", "^group"),
        typed("y", "Neg", "x", "^group"),
    ]
    with pytest.raises(
        tfckpt.UnsupportedError, match="'new' reads the variable 'w' after 'update'"
    ):
        frozen(tmp_path, nodes, "new")
    graph = frozen(tmp_path, nodes, "old", "y")
    assert "left out 1 update of variables, such as 'update'" in graph.changes
    assert set(graph.nodes) == {"x", "w", "old", "y"}


def test_ranks_by_use(tmp_path: Path) -> None:
    unknown = attr("shape", w.bytes_field(7, w.int_field(3, 1)))
    open_rank = [node(n, "Placeholder", [], dtype_attr(FLOAT), unknown) for n in "abcdefg"]
    nodes = [
        *open_rank,
        variable(),
        typed("scaled", "Mul", "a", "w"),
        typed("product", "MatMul", "b", "w"),
        typed("rate", "Sub", "c", "c"),
        typed("less", "RealDiv", "product", "rate"),
        typed("pair", "RealDiv", "d", "e"),
        node("drawn", "RandomUniform", []),
        typed("kept", "GreaterEqual", "drawn", "f"),
        typed("masked", "Mul", "product", "g"),
        typed("y", "AddN", "less", "pair", "scaled", "kept", "masked"),
    ]
    graph = frozen(tmp_path, nodes, "y")
    shapes = {end.name[0]: end.shape for end in graph.inputs if end.shape is not None}
    assert shapes == {"b": (None, None), "c": (), "f": ()}
    assert len(graph.inputs) == 7
    assert "input 'c' of unknown shape is a single value, by its use" in graph.changes


def test_old_placeholders_without_dimensions(tmp_path: Path) -> None:
    scalar = attr("shape", w.bytes_field(7, b""))
    nodes = [node("x", "Placeholder", [], dtype_attr(FLOAT), scalar), typed("y", "Neg", "x")]
    graph = b"".join(text(1, each) for each in nodes)
    for version, shape in ((21, None), (22, ())):
        (tmp_path / "x.pb").write_bytes(graph + text(4, w.int_field(1, version)))
        meta = tfckpt.read_meta_graph(tmp_path / "x.pb")
        assert meta.freeze(["y"], values={}).inputs[0].shape == shape


def test_extended(tmp_path: Path) -> None:
    graph = frozen(tmp_path, [variable()], "w").extended("p", "Softmax", ["w"])
    assert [end.name for end in graph.outputs] == ["w:0", "p:0"]
    assert again(tmp_path, graph).operation("p").attrs["T"] == FLOAT
    with pytest.raises(ValueError, match="there is a node 'w' already"):
        graph.extended("w", "Neg", ["w"])
    with pytest.raises(tfckpt.TensorNotFoundError, match="there is no node 'v'"):
        graph.extended("q", "Neg", ["v"])
    with pytest.raises(tfckpt.UnsupportedError, match="does not define the op 'Nothing'"):
        graph.extended("q", "Nothing", ["w"])


def test_outputs_and_inputs_inside_of_functions(tmp_path: Path) -> None:
    result = text(4, text(1, "out") + text(2, "b:y:0"))
    inner = [typed("a", "Neg", "arg"), typed("b", "Exp", "a:y:0")]
    library = [function("f", *(text(3, each) for each in inner), result, arguments=["arg"])]
    nodes = [x(), call("y", "f", "x")]
    meta = read(tmp_path, meta_bytes(nodes, library=library))
    with pytest.raises(tfckpt.TensorNotFoundError, match="there is no operation 'y/c'"):
        meta.freeze(["y/c"], values={})
    graph = frozen(tmp_path, nodes, "y", inputs=["y/a:0"], library=library)
    assert set(graph.nodes) == {"y/a", "y/b", "y"}
    assert graph.nodes["y/a"].op == "Placeholder"


SPECIAL = [
    *("CheckNumerics", "Print", "PlaceholderWithDefault", "Switch", "Merge", "Enter", "Exit"),
    *("NextIteration", "RefSwitch", "ReadVariableOp", "ResourceGather", "VarIsInitializedOp"),
    *("VariableV2", "VarHandleOp", "While", "If", "Case", "PartitionedCall", "IteratorGetNext"),
    *("QueueDequeueV2", "Const", "LogicalNot", "Add", "Placeholder", "Assign", "Split", "f"),
]
"""Ops that freezing knows."""


@pytest.mark.parametrize("op", SPECIAL)
@pytest.mark.parametrize("given", [[], ["w"], ["x"], ["x", "w"], ["v", "x"], ["v", "yes"]])
def test_nodes_that_lack_what_their_op_needs(tmp_path: Path, op: str, given: list[str]) -> None:
    handle = node("v", "VarHandleOp", [], attr("shape", SHAPE), dtype_attr(FLOAT))
    around = [x(), variable(), handle, truth("yes", 1)]
    library = [function("f", arguments=["a"])]
    for attrs in ([], [dtype_attr(FLOAT, "T")], [attr("f", text(10, text(1, "f")))]):
        nodes = [*around, node("n", op, given, *attrs), typed("y", "Neg", "n")]
        for how in ({}, {"fold_defaults": True}, {"inputs": ["n"]}, {"inputs": ["n:1"]}):
            with suppress(tfckpt.CheckpointError):
                values = {"w": W, "v": W, "n": W}
                graph = frozen(tmp_path, nodes, "y", values=values, library=library, **how)
                assert b"Neg" in graph.to_bytes()


def test_a_dtype_that_the_file_leaves_to_the_op(tmp_path: Path) -> None:
    nodes = [
        node("bytes", "Placeholder", [], dtype_attr(7)),
        node("image", "DecodeImage", ["bytes"]),
        typed("y", "Neg", "image"),
    ]
    graph = frozen(tmp_path, nodes, "y", inputs=["image"])
    assert [end.dtype for end in graph.inputs] == [tfckpt.DataType.UINT8]
