"""Inputs and outputs of models: those of signatures, and guesses with the signatures hidden.

The graphs of ``fixtures/graphs_*`` are real models. Their signatures are what is true; they are
cut out of the files, byte by byte, and what is found then is compared. The figures here are those
of the README; a better ranking may raise them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import writers as w
from described import DESCRIBED
from graphs import attr, dtype_attr, meta_bytes, node, shape_attr, text
from hypothesis import given
from hypothesis import strategies as st
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.encoding.wire_format import split_fields
from tfckpt_reader.graph.decode.node_store import StoredNodes
from tfckpt_reader.graph.graph import Graph
from tfckpt_reader.graph.infer.dataflow import Flow

SETS = {name: json.loads((FIXTURES / f"{name}.json").read_text("ascii"))["graphs"]
        for name in ("graphs_1", "graphs_2", "graphs_3")}  # fmt: skip
META_GRAPH, SIGNATURE = 2, 5
Truth = Mapping[str, Any]

# What is not found exactly: the first outputs, as many as there are true ones, are not those.
MISSED = {
    "classes_of_examples.pb": "an Estimator's head also serves what its own outputs are made from",
    "adversaries.pb": "a generator's images go on into the discriminator",
    "policy.pb": "a column is cut out of the value that is served before it meets the reward",
    "faces.pb": "the served vectors are taken apart before they meet in the loss",
}
FIRST_IS_WRONG = {"adversaries.pb", "faces.pb"}


def contents(folder: str, file: str) -> bytes:
    return gzip.decompress((FIXTURES / folder / f"{file}.gz").read_bytes())


def without(data: bytes, number: int) -> bytes:
    """A message without a field."""
    return b"".join(raw for n, raw in w.split_fields(data) if n != number)


def hidden(data: bytes) -> bytes:
    """A SavedModel without its signatures."""
    return b"".join(
        raw if number != META_GRAPH else w.bytes_field(META_GRAPH, without(payload(raw), SIGNATURE))
        for number, raw in w.split_fields(data)
    )


def payload(field: bytes) -> bytes:
    """The bytes inside a field of bytes: after its tag and its length."""
    start = 1
    while field[start] >= 0x80:
        start += 1
    return field[start + 1 :]


def hide(tmp_path: Path, data: bytes, file: str) -> tfckpt.MetaGraph:
    path = tmp_path / file
    path.write_bytes(hidden(data) if has_signatures(data) else data)
    meta = tfckpt.read_meta_graph(path)
    assert meta.signatures == {}
    return meta


def has_signatures(data: bytes) -> bool:
    """Whether it is a SavedModel: that begins with a number, its version."""
    return data[0] == 0x08


ALL = [(folder, file, truth) for folder, answers in SETS.items() for file, truth in answers.items()]


def cases(some: Sequence[tuple[str, str, Truth]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("folder", "file", "truth"), some, ids=[f for _, f, _ in some])


@cases(ALL)
def test_true_ends_are_found(folder: str, file: str, truth: Truth, tmp_path: Path) -> None:
    meta = hide(tmp_path, contents(folder, file), file)
    for side, found in (("inputs", meta.inputs), ("outputs", meta.outputs)):
        names, true = [end.name for end in found], set(truth[side])
        missed = side == "outputs" and file in MISSED
        assert (set(names[: len(true)]) == true) != missed, found[:9]
        assert (names[0] in true) != (side == "outputs" and file in FIRST_IS_WRONG)
        assert len(names) == len(set(names))
        assert all(end.alias == "" and end.reason for end in found)


def test_the_figures() -> None:
    assert {name: len(answers) for name, answers in SETS.items()} == {
        "graphs_1": 15, "graphs_2": 15, "graphs_3": 11,
    }  # fmt: skip
    assert {file for answers in SETS.values() for file in answers} > set(MISSED)
    assert len(MISSED) == 4


SAVED_MODELS = [
    (path, facts)
    for path, facts in DESCRIBED
    if path.name == "saved_model.pb"
    and path.parent.name != "sm_2shards_snappy_tfma__tensorflow_tfx"
]
"""Of the corpus; one is left out: its signature gives what evaluates it, not the model."""


@pytest.mark.parametrize("path", [path for path, _ in SAVED_MODELS], ids=lambda p: p.parent.name)
def test_real_models(path: Path, tmp_path: Path) -> None:
    signatures = tfckpt.read_meta_graph(path).signatures
    meta = hide(tmp_path, path.read_bytes(), "saved_model.pb")
    used = [each for name, each in signatures.items() if not name.startswith("__")]
    for side, found in (("inputs", meta.inputs), ("outputs", meta.outputs)):
        true = {info.name for each in used for info in getattr(each, side).values()}
        assert {end.name for end in found[: len(true)]} == true


def test_real_models_are_here() -> None:
    if not DESCRIBED:
        pytest.skip("the corpus of real checkpoints is not here")
    assert len(SAVED_MODELS) == 4


@cases([case for case in ALL if "source" not in case[2]])
def test_signatures_come_first(folder: str, file: str, truth: Truth, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(contents(folder, file))
    meta = tfckpt.read_meta_graph(tmp_path / file)
    named = {n: s for n, s in meta.signatures.items() if not n.startswith("__")}
    for side in ("inputs", "outputs"):
        found = getattr(meta, side)
        assert all(end.alias and "signature" in end.reason for end in found)
        names = [end.name for end in found]
        if "serving_default" in named:
            infos = getattr(named["serving_default"], side)
            assert list(dict.fromkeys(end.alias for end in found)) == list(infos)
            assert set(names) >= {info.name for info in infos.values()} - {""}
            assert set(names) <= set(truth[side])
        else:
            assert sorted(names) == truth[side]


# What a person reads beside each.
REASONS = {
    "mnist_mlp.pb": {
        "Placeholder:0": "the likeliest outputs need", "Placeholder_2:0": "a rate, perhaps",
        "Placeholder_1:0": "labels, perhaps", "Softmax:0": "losses and metrics are computed from",
    },
    "cnn_batch_norm.pb": {
        "is_training:0": "a switch", "learning_rate:0": "only training uses",
        "labels:0": "labels, perhaps", "logits/add:0": "losses and metrics are computed from",
        "cond/switch_t:0": "truth value",
    },
    "queue_training.meta": {
        "shuffle_batch:0": "input pipeline gives it", "shuffle_batch:1": "only losses and metrics",
    },
    "iterator_training.meta": {"features:0": "only the graph's own input pipeline uses"},
    "rnn_loop.pb": {"score:0": "nothing uses it further", "loss:0": "a loss or a metric"},
    "decoder.pb": {"while/Identity_3:0": "another result of that loop"},
    "mixer.pb": {"serving_default_training:0": "a switch"},
    "detector.pb": {"num_detections:0": "no more than the shape"},
    "raw_columns.pb": {"key_out:0": "without any variable"},
    "skip_gram.pb": {"context:0": "less likely outputs need"},
}  # fmt: skip


@pytest.mark.parametrize("file", REASONS)
def test_reasons(file: str, tmp_path: Path) -> None:
    (folder,) = (name for name, answers in SETS.items() if file in answers)
    meta = hide(tmp_path, contents(folder, file), file)
    found = {end.name: end.reason for end in (*meta.inputs, *meta.outputs)}
    for name, part in REASONS[file].items():
        assert part in found[name]


def test_auxiliary_operations_are_left_out(tmp_path: Path) -> None:
    """Likely outputs contain none of the Saver, the optimizer or the summaries."""
    for folder, answers in SETS.items():
        for file in answers:
            meta = hide(tmp_path, contents(folder, file), file)
            ends = [*meta.inputs, *meta.outputs]
            types = {meta.tensor(end.name).operation.type for end in ends}  # type: ignore[union-attr]
            assert not any(t.endswith("Summary") or "Apply" in t or t == "SaveV2" for t in types)
            if meta.saver is not None:
                saving = (meta.saver.filename_tensor_name, meta.saver.save_tensor_name)
                assert not {end.name for end in ends} & set(saving)


def guess(tmp_path: Path, nodes: Sequence[bytes], **more: Any) -> tfckpt.MetaGraph:
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes, **more))
    return tfckpt.read_meta_graph(tmp_path / "x.meta")


def names(ends: Sequence[Any]) -> list[str]:
    return [end.name for end in ends]


def test_undefined_ops_leave_dtypes_unknown(tmp_path: Path) -> None:
    meta = guess(tmp_path, [node("x", "Placeholder"), node("y", "Custom", ["x", "gone"])])
    (x,), (y,) = meta.inputs, meta.outputs
    assert (x.name, x.dtype, x.shape) == ("x:0", None, None)
    assert (y.name, y.dtype, y.shape) == ("y:0", None, None)
    bad = attr("_output_shapes", text(1, b"\xff"))
    meta = guess(tmp_path, [node("x", "Placeholder", [], bad), node("y", "Split", ["x"], bad)])
    assert (names(meta.inputs), names(meta.outputs)) == (["x:0"], ["y:0"])
    assert (meta.inputs[0].shape, meta.outputs[0].shape) == (None, None)


@pytest.mark.parametrize("nodes", [[], [node("w", "VarHandleOp")], [node("c", "Const")] * 2])
def test_graphs_without_endpoints(nodes: list[bytes], tmp_path: Path) -> None:
    meta = guess(tmp_path, nodes)
    assert (meta.inputs, meta.outputs) == ((), ())


def test_every_output_of_the_last_op(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1)),
        node("two", "Two", ["x"], attr("N", w.int_field(3, 2)), shape_attr(4)),
        node("none", "NoOp", ["x"]),
    ]
    meta = guess(tmp_path, nodes)
    assert [(e.name, str(e.dtype), e.shape) for e in meta.outputs] == [
        ("two:0", "float32", (4,)), ("two:1", "float32", None), ("two:2", "int32", None),
    ]  # fmt: skip


def test_a_claim_of_many_outputs_is_cut(tmp_path: Path) -> None:
    many = attr("num_split", w.int_field(3, (1 << 31) - 1))
    splits = [node(f"n{i}", "Split", ["x"], dtype_attr(1, "T"), many) for i in range(3)]
    meta = guess(tmp_path, [node("x", "Placeholder"), *splits])
    assert len(meta.outputs) == 1000
    assert meta.outputs[-1].name == "n0:999"
    meta = guess(tmp_path, [node(f"x{i}", "Placeholder") for i in range(1001)])
    assert len(meta.inputs) == 1000


def test_no_placeholder_at_all(tmp_path: Path) -> None:
    """The output of such a model depends on variables alone."""
    nodes = [node("v", "VariableV2"), node("n", "RandomNormal"), node("y", "MatMul", ["n", "v"])]
    meta = guess(tmp_path, nodes)
    assert (meta.inputs, names(meta.outputs)) == ((), ["y:0"])


def test_saver_defs_name_the_save_ops(tmp_path: Path) -> None:
    """A call of a function does not show that it saves; the SaverDef does."""
    nodes = [
        node("v", "VarHandleOp"),
        node("file", "Placeholder", [], dtype_attr(7)),
        node("x", "Placeholder", [], dtype_attr(1)),
        node("saving", "StatefulPartitionedCall", ["file", "v"]),
        node("y", "StatefulPartitionedCall", ["x", "v"]),
    ]
    saver = text(3, text(1, "file:0") + text(2, "saving:0") + text(3, "gone"))
    meta = guess(tmp_path, nodes, more=saver)
    assert (names(meta.inputs), names(meta.outputs)) == (["x:0"], ["y:0"])
    meta = guess(tmp_path, nodes)
    assert names(meta.inputs) == ["file:0", "x:0"]


def test_file_names_of_a_saver_without_its_definition(tmp_path: Path) -> None:
    """As in the graph.pbtxt of an Estimator with a sharded Saver."""
    nodes = [
        node("v", "VariableV2"),
        node("x", "Placeholder", [], dtype_attr(1)),
        node("y", "MatMul", ["x", "v"]),
        node("default", "Const"),
        node("save/filename", "PlaceholderWithDefault", ["default"], dtype_attr(7)),
        node("save/Const", "PlaceholderWithDefault", ["save/filename"], dtype_attr(7)),
        node("save/join", "StringJoin", ["save/Const", "default"]),
        node("save/file", "ShardedFilename", ["save/join"]),
        node("save/SaveV2", "SaveV2", ["save/file", "names", "specs", "v"]),
        node("save/pack", "Pack", ["save/file", "^save/SaveV2"]),
        node("save/merge", "MergeV2Checkpoints", ["save/pack", "save/Const"]),
        node("save/Identity", "Identity", ["save/Const", "^save/merge"]),
        node("save/RestoreV2", "RestoreV2", ["save/Const", "names", "specs"]),
        node("save/Assign", "Assign", ["v", "save/RestoreV2"]),
    ]
    meta = guess(tmp_path, nodes)
    assert (names(meta.inputs), names(meta.outputs)) == (["x:0"], ["y:0"])


def test_results_that_the_author_named(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1), shape_attr(-1, 2)),
        node("v", "VariableV2"),
        node("scope/product", "MatMul", ["x", "v"]),
        node("scope/inner", "Identity", ["scope/product"]),
        node("Identity_1", "Identity", ["scope/inner"]),
        node("action", "Identity", ["Identity_1"]),
        node("copy", "Identity", ["x"]),
        node("end", "Custom", ["action", "copy"]),
    ]
    meta = guess(tmp_path, nodes)
    assert names(meta.outputs) == ["end:0", "action:0"]
    assert "gave a name of its own" in meta.outputs[1].reason


def test_a_named_result_that_only_the_loss_uses(tmp_path: Path) -> None:
    """It is an output, though plain arithmetic; what depends on labels is none."""
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1), shape_attr(-1, 2)),
        node("y", "Placeholder", [], dtype_attr(1), shape_attr(-1)),
        node("v", "VariableV2"),
        node("scope/product", "MatMul", ["x", "v"]),
        node("value", "Identity", ["scope/product"]),
        node("sum", "Sum", ["value"]),
        node("apart", "SquaredDifference", ["sum", "y"]),
        node("error", "Identity", ["apart"]),
        node("mean", "Mean", ["error"], shape_attr()),
        node("loss", "Identity", ["mean"], shape_attr()),
    ]
    found = names(guess(tmp_path, nodes, more=collection("losses", "loss:0")).outputs)
    assert "value:0" in found
    assert "error:0" not in found
    assert found[-1] == "loss:0"


@pytest.mark.parametrize("shape", [(), None], ids=["scalar", "unknown"])
def test_the_only_input_is_no_rate(shape: tuple[int, ...] | None, tmp_path: Path) -> None:
    given = [] if shape is None else [shape_attr(*shape)]
    nodes = [
        node("x", "Placeholder", [], dtype_attr(1), *given),
        node("v", "VariableV2"),
        node("y", "Mul", ["x", "v"]),
    ]
    (x,) = guess(tmp_path, nodes).inputs
    assert x.reason == "a placeholder that the likeliest outputs need"


def collection(name: str, *nodes: str) -> bytes:
    values = text(1, b"".join(text(1, each) for each in nodes))
    return text(4, text(1, name) + text(2, values))


def _model(*more: bytes) -> list[bytes]:
    """A model in a bare graph, with a variable, and with a loss that needs labels."""
    return [
        node(
            "x", "Placeholder", [], dtype_attr(1), attr("shape", w.bytes_field(7, b"\x12\0\x12\0"))
        ),
        node("labels", "Placeholder", [], dtype_attr(1)),
        node("w", "VariableV2", [], dtype_attr(1)),
        node("hidden", "MatMul", ["x", "w"]),
        *more,
        node("loss/sub", "Sub", ["action", "labels"]),
        node("loss/mean", "Mean", ["loss/sub"]),
        node("train", "ApplyAdam", ["w", "loss/mean"]),
    ]


def test_names_that_authors_gave_are_likely(tmp_path: Path) -> None:
    nodes = _model(
        node("hidden/copy", "Identity", ["hidden"]),
        node("Identity_1", "Identity", ["hidden/copy"]),
        node("action", "Identity", ["Identity_1"]),
        node("value", "Tanh", ["action"]),
        node("train/value", "ApplyAdam", ["w", "value"]),
    )
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))
    outputs = tfckpt.read_meta_graph(tmp_path / "x.meta").outputs
    reasons = {end.name: end.reason for end in outputs}
    assert "a name of its own" in reasons["action:0"]
    assert {"hidden/copy:0", "Identity_1:0"}.isdisjoint(reasons)


def test_a_variable_left_unused_is_no_output(tmp_path: Path) -> None:
    nodes = _model(node("action", "Softmax", ["hidden"]))
    nodes.append(node("cond/read", "ReadVariableOp", ["x"], dtype_attr(1)))
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))
    names = [end.name for end in tfckpt.read_meta_graph(tmp_path / "x.meta").outputs]
    assert names[0] == "action:0"
    assert "cond/read:0" not in names


def test_a_saver_in_a_bare_graph(tmp_path: Path) -> None:
    nodes = _model(node("action", "Softmax", ["hidden"]))
    nodes += [
        node("save/filename/input", "Const", [], dtype_attr(7)),
        node("save/filename", "PlaceholderWithDefault", ["save/filename/input"], dtype_attr(7)),
        node("save/Const", "PlaceholderWithDefault", ["save/filename"], dtype_attr(7)),
        node("save/SaveV2", "SaveV2", ["save/Const", "names", "slices", "w"]),
        node("save/control", "Identity", ["save/Const", "^save/SaveV2"]),
        node("save/Identity", "Identity", ["save/control"]),
    ]
    (tmp_path / "graph.pb").write_bytes(b"".join(text(1, each) for each in nodes))
    meta = tfckpt.read_meta_graph(tmp_path / "graph.pb")
    assert not [e for e in (*meta.inputs, *meta.outputs) if e.name.startswith("save/")]
    assert meta.outputs[0].name == "action:0"
    assert [variable.name for variable in meta.global_variables] == ["w:0"]
    assert meta.trainable_variables == ()


def test_collections_name_losses_and_training(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder"),
        node("v", "VariableV2"),
        node("out", "MatMul", ["x", "v"], shape_attr(2, 2)),
        node("sum", "Sum", ["out"], shape_attr()),
        node("step", "Custom", ["sum"]),
    ]
    assert names(guess(tmp_path, nodes[:4]).outputs) == ["sum:0"]
    meta = guess(tmp_path, nodes[:4], more=collection("losses", "sum:0"))
    assert names(meta.outputs) == ["out:0", "sum:0"]
    assert names(guess(tmp_path, nodes).outputs) == ["step:0"]
    meta = guess(tmp_path, nodes, more=collection("train_op", "step"))
    assert names(meta.outputs) == ["out:0", "sum:0"]
    damaged = text(4, text(1, "losses") + text(2, b"\xff"))
    assert names(guess(tmp_path, nodes, more=damaged).outputs) == ["step:0"]


def test_a_hinge_is_of_the_loss_and_a_layer_is_not(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder"),
        node("y", "Placeholder"),
        node("v", "VariableV2"),
        node("one", "Const"),
        node("out", "Relu", ["product"]),
        node("product", "MatMul", ["x", "v"]),
        node("agreement", "Mul", ["out", "y"]),
        node("margin", "Sub", ["one", "agreement"]),
        node("hinge", "Relu", ["margin"]),
        node("loss", "Mean", ["hinge"], shape_attr()),
    ]
    meta = guess(tmp_path, nodes)
    assert (names(meta.inputs), names(meta.outputs)) == (["x:0", "y:0"], ["out:0", "loss:0"])
    assert "labels" in meta.inputs[1].reason


def test_the_last_layer_is_not_in_the_loss(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder"),
        node("v", "VariableV2"),
        node("product", "MatMul", ["x", "v"]),
        node("again", "Relu", ["product"]),
        node("apart", "SquaredDifference", ["again", "x"]),
        node("loss", "Mean", ["apart"], shape_attr()),
        node("told", "ScalarSummary", ["loss"]),
    ]
    assert names(guess(tmp_path, nodes).outputs) == ["again:0", "loss:0"]


def test_single_values_come_last(tmp_path: Path) -> None:
    nodes = [
        node("size", "Placeholder", [], dtype_attr(3), shape_attr()),
        node("train", "Placeholder", [], dtype_attr(10)),
        node("mask", "Placeholder", [], dtype_attr(10), shape_attr(-1, 4)),
        node("x", "Placeholder", [], dtype_attr(1)),
        node("y", "Custom", ["train", "x", "mask", "size"]),
    ]
    meta = guess(tmp_path, nodes)
    assert names(meta.inputs) == ["mask:0", "x:0", "size:0", "train:0"]
    assert all("a switch, a size" in end.reason for end in meta.inputs[2:])


def test_derivatives_are_outputs_where_nothing_is_trained(tmp_path: Path) -> None:
    nodes = [
        node("x", "Placeholder"),
        node("v", "VariableV2"),
        node("score", "MatMul", ["x", "v"]),
        node("gradients/g", "MatMul", ["score", "v"]),
        node("saliency", "Abs", ["gradients/g"]),
    ]
    assert names(guess(tmp_path, nodes).outputs) == ["saliency:0"]
    nodes.append(node("step", "ApplyGradientDescent", ["v", "gradients/g"]))
    assert names(guess(tmp_path, nodes).outputs) == ["score:0"]


def signature(name: str, inputs: Mapping[str, bytes], outputs: Mapping[str, bytes]) -> bytes:
    sides = b"".join(
        text(number, text(1, alias) + text(2, info))
        for number, side in ((1, inputs), (2, outputs))
        for alias, info in side.items()
    )
    return text(5, text(1, name) + text(2, sides))


def test_sparse_and_composite_tensors(tmp_path: Path) -> None:
    shape = text(3, text(2, w.int_field(1, -1)) + text(2, w.int_field(1, 9)))
    sparse = w.int_field(2, 1) + shape + text(4, text(1, "v") + text(2, "i") + text(3, "s"))
    inner = text(1, "flat:0") + w.int_field(2, 3)
    composite = w.int_field(2, 21) + text(5, text(2, inner) + text(2, w.int_field(2, 9)))
    plain = text(1, "y:0") + w.int_field(2, 1)
    more = signature("only", {"a": sparse, "b": composite}, {"c": plain})
    more += signature("__saved_model_init_op", {}, {"init": text(1, "init")})
    meta = guess(tmp_path, [], more=more)
    assert [(e.name, str(e.dtype), e.shape, e.alias) for e in meta.inputs] == [
        ("v", "float32", (None,), "a"), ("i", "int64", (None, 2), "a"), ("s", "int64", (2,), "a"),
        ("flat:0", "int32", None, "b"), ("", "int64", None, "b"),
    ]  # fmt: skip
    assert names(meta.outputs) == ["y:0"]
    assert meta.outputs[0].reason == "signature only"


def test_a_damaged_composite_tensor_is_named(tmp_path: Path) -> None:
    composite = text(5, text(2, b"\xff"))
    meta = guess(tmp_path, [], more=signature("s", {"a": composite}, {}))
    with pytest.raises(tfckpt.CorruptCheckpointError) as caught:
        _ = meta.inputs
    assert caught.value.file == str(tmp_path / "x.meta")


OPS = "Placeholder VarHandleOp MatMul Mul Log Mean Relu Sub Exit Switch LoopCond Merge Identity"
OPS += " While Shape SaveV2 ApplyAdam Assign ScalarSummary IteratorGetNext Const NoOp Custom"


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, str, list[str]]]:
    """Any ops, connected in any way: cycles, repeated names, absent inputs."""
    count = draw(st.integers(1, 14))
    labels = [f"{draw(st.sampled_from(['', 'gradients/']))}n{i % 12}" for i in range(count)]
    tensors = st.sampled_from([*labels, "gone", *(f"{each}:1" for each in labels)])
    return [
        (name, draw(st.sampled_from(OPS.split())), draw(st.lists(tensors, max_size=3)))
        for name in labels
    ]


@given(graph=graphs(), scalars=st.booleans())
def test_any_graph_has_an_answer(
    graph: list[tuple[str, str, list[str]]], scalars: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = [shape_attr()] if scalars else []
    nodes = [node(name, op, inputs, *shape) for name, op, inputs in graph]
    meta = guess(tmp_path_factory.getbasetemp(), nodes)
    own = {name for name, _, _ in graph}
    placeholders = {name for name, op, _ in graph if op in ("Placeholder", "IteratorGetNext")}
    assert {end.name.split(":")[0] for end in meta.inputs} <= placeholders
    assert {end.name.split(":")[0] for end in meta.outputs} <= own


def flow_of(nodes: Sequence[bytes]) -> Flow:
    data = memoryview(b"".join(text(1, each) for each in nodes))
    (spans,), _ = split_fields(data, (1,), len(nodes))
    return Flow(Graph(StoredNodes(data, spans, 1, "x"), dict))


@given(graph=graphs(), data=st.data())
def test_flow_against_plain_definitions(
    graph: list[tuple[str, str, list[str]]], data: st.DataObject
) -> None:
    flow = flow_of([node(name, op, inputs) for name, op, inputs in graph])
    numbers = range(len(graph))
    first = {name: number for number, (name, _, _) in reversed(list(enumerate(graph)))}
    edges = {
        (first[origin], number)
        for number, (_, _, inputs) in enumerate(graph)
        for name in inputs
        if (origin := name.split(":")[0]) in first
    }
    start = data.draw(st.sets(st.sampled_from(numbers)))
    allowed = data.draw(st.sets(st.sampled_from(numbers)))
    cut = data.draw(st.sets(st.sampled_from(numbers)))
    flow.cut(cut)
    edges = {(source, user) for source, user in edges if user not in cut}

    def grown(grows: Any) -> set[int]:
        found = set(start)
        while more := {n for n in numbers if n not in found and n in allowed and grows(n, found)}:
            found |= more
        return found

    def users(number: int) -> set[int]:
        return {user for source, user in edges if source == number}

    assert flow.reach(start, flow.users, allowed.__contains__) == grown(
        lambda n, found: any((source, n) in edges for source in found)
    )
    assert flow.only_for(start, allowed.__contains__) == grown(
        lambda n, found: users(n) and users(n) <= found
    )


def wide(kind: str, count: int) -> Iterator[bytes]:
    """Graphs in which something quadratic would take minutes."""
    every = [f"n{i}" for i in range(count)]
    yield node("x", "Placeholder", [], dtype_attr(1))
    yield node("v", "VarHandleOp")
    if kind == "chain":
        yield from (node(f"n{i}", "Log", [f"n{i - 1}" if i else "v", "x"]) for i in range(count))
        yield node("loss", "Sum", [every[-1]], shape_attr())
        yield node("told", "ScalarSummary", ["loss"])
    elif kind == "ends":
        yield from (node(name, "Mean", ["x"], shape_attr()) for name in every)
    elif kind == "loops":
        yield from (node(name, "Exit", ["switch"]) for name in every)
        yield node("switch", "Switch", ["x", "v", *(f"c{i}" for i in range(count))])
        yield from (node(f"c{i}", "Const") for i in range(count))
    elif kind == "margins":
        yield from (node(name, "Relu", ["a"], shape_attr()) for name in every)
        yield node("a", "Sub", ["x", "v", *(f"p{i}" for i in range(count))])
        yield from (node(f"p{i}", "Placeholder") for i in range(count))
    else:
        yield from (node(name, "IteratorGetNext") for name in every)
        yield node("all", "Mul", every)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["chain", "ends", "loops", "margins", "pipeline"])
def test_time_is_linear_in_edges(kind: str, tmp_path: Path) -> None:
    meta = guess(tmp_path, list(wide(kind, 50_000)))
    assert meta.inputs
    assert meta.outputs
