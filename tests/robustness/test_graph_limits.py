"""Graphs that ask for too much: each ends in an answer or one of our errors, in little memory.

A child process reads them under 1 GiB of address space and a limit of processor time; it must end
well, whatever is in the file. Linux alone keeps such limits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import writers as w
from graphs import attr, function, info, meta_bytes, node, op, signature, text
from project import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS"),
    pytest.mark.slow,
]
MEMORY, SECONDS = 1 << 30, 120
CHILD = """
import json, resource, sys
import numpy
import tfckpt_reader as tfckpt

path, memory, seconds, *questions = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
meta = None

for question in ["tfckpt.read_meta_graph(path)", *questions]:
    try:
        answer = eval(question)
        if meta is None:
            meta = answer
            answer = len(meta)
    except tfckpt.CheckpointError as error:
        answer = type(error).__name__
        assert len(str(error)) < 5000
    print(json.dumps(answer), flush=True)
    if meta is None:
        break
"""
QUESTIONS = {
    "counts": "sum(meta.op_counts.values())",
    "operations": "len(meta.operations)",
    "problems": "len(meta.problems)",
    "ops": "len(meta.ops)",
    "functions": "len(meta.functions)",
    "collections": "sum(len(values) for values in meta.collections.values())",
    "signatures": "len(meta.signatures)",
    "variables": "[v.checkpoint_key for v in meta.global_variables][:1]",
    "saved": "len(meta.saved)",
    "needed": "[len(meta.subgraph([op.name])) for op in meta.operations[-1:]]",
    "consumers": "len(meta.consumers('n0'))",
    "tensors": "[meta.tensor(op.name).index for op in meta.operations[:1]]",
    "values": "[op.attrs.get('value') is None for op in meta.operations[:1]]",
    "ends": "len(meta.outputs)",
}
UNSUPPORTED, CORRUPT = "UnsupportedError", "CorruptCheckpointError"


def asked(path: Path) -> dict[str, Any]:
    """Ask the questions in a child process: each with its answer, or the name of our error."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(MEMORY), str(SECONDS), *QUESTIONS.values()],
        capture_output=True,
        text=True,
        env=env,
        timeout=4 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr[-2000:]}"
    said = map(json.loads, done.stdout.splitlines())
    return dict(zip(["open", *QUESTIONS], said, strict=False))


def collection(name: str, *values: bytes) -> bytes:
    return text(4, text(1, name) + text(2, text(2, b"".join(text(1, v) for v in values))))


def strings(count: int) -> bytes:
    """A constant with that many empty strings."""
    shape = text(2, text(2, w.int_field(1, count)))
    return attr("value", text(8, w.int_field(1, 7) + shape + text(8, b"") * count))


MANY = 1 << 20
EVERY = dict.fromkeys(("counts", "operations", "problems", "saved", "tensors"), UNSUPPORTED)


def lists(outputs: int) -> bytes:
    """An op with that many outputs, each a list as long as the same attribute."""
    return text(
        1, text(2, text(1, op("A", *(text(1, f"o{i}") + text(6, "T") for i in range(outputs)))))
    )


def chain(count: int, *attrs: bytes) -> bytes:
    nodes = [node(f"n{i}", "A", [f"n{i - 1}:7"] if i else [], *attrs) for i in range(count)]
    return text(2, b"".join(text(1, each) for each in nodes))


def objects(data: bytes) -> bytes:
    return w.int_field(1, 1) + text(2, meta_bytes([], more=text(7, data)))


def nodes_of_two_bytes() -> bytes:
    return text(2, text(1, b"") * (8 * MANY))


def a_million_small_nodes() -> bytes:
    return meta_bytes([node(f"n{i}", "A") for i in range(MANY)])


def inputs_of_two_bytes() -> bytes:
    return meta_bytes([node("n", "A") + text(3, b"") * (8 * MANY)])


def attributes_of_two_bytes() -> bytes:
    return meta_bytes([node("n", "A") + text(5, b"") * (8 * MANY)])


def inputs_of_two_bytes_in_many_nodes() -> bytes:
    return meta_bytes([text(3, b"") * 1000] * 8000)


def a_long_name_in_many_problems() -> bytes:
    return meta_bytes([node("n" * (20 << 20), "A", [f"gone{i}" for i in range(3000)])])


def functions_of_two_bytes() -> bytes:
    return text(2, text(2, text(1, b"") * (8 * MANY)))


def a_million_small_functions() -> bytes:
    return meta_bytes([], library=[function(f"f{i}") for i in range(MANY)])


def nodes_of_two_bytes_in_functions() -> bytes:
    return meta_bytes([], library=[function(f"f{i}", text(3, b"") * 100_000) for i in range(80)])


def ops_of_two_bytes() -> bytes:
    return text(1, text(2, text(1, b"") * (8 * MANY)))


def outputs_of_two_bytes() -> bytes:
    return text(1, text(2, text(1, op("A", *[b""] * (4 * MANY))))) + chain(2)


def lists_that_are_shared() -> bytes:
    return lists(64) + chain(1000, attr("T", text(1, text(6, b"\1" * 10_000))))


def too_many_lists() -> bytes:
    return lists(20_000) + chain(20_000)


def lists_of_which_nothing_is_known() -> bytes:
    return lists(200_000) + chain(3000)


def collections_of_two_bytes() -> bytes:
    return text(4, b"") * (8 * MANY)


def values_of_two_bytes() -> bytes:
    return meta_bytes([], more=collection("variables", *[b""] * (8 * MANY)))


def a_constant_of_which_there_is_no_room_for_three() -> bytes:
    shape = text(2, text(2, w.int_field(1, 300 * MANY)))
    tensor = w.int_field(1, 4) + shape + text(4, bytes(300 * MANY))
    return meta_bytes([node("n0", "Const", [], attr("value", text(8, tensor)))])


def an_op_with_a_long_name() -> bytes:
    names = ["Summary" * MANY + "!", "Initialize" + "Table" * MANY + "!"]
    return meta_bytes([node(f"n{i}", name) for i, name in enumerate(names)])


def inputs_of_a_signature() -> bytes:
    inputs = (text(1, text(1, f"i{i}") + text(2, info("x:0", 1))) for i in range(MANY))
    return meta_bytes([], more=signature(*inputs))


def a_long_circle() -> bytes:
    return meta_bytes([node(f"n{i}", "A", [f"n{(i + 1) % MANY}"]) for i in range(MANY)])


def save_ops_that_share_their_keys() -> bytes:
    savers = [node(f"s{i}", "SaveV2", ["k", "k", "k"]) for i in range(3000)]
    return meta_bytes([node("k", "Const", [], strings(MANY // 2)), *savers])


def long_ways_to_variables() -> bytes:
    nodes = [node("n0", "VariableV2")]
    nodes += [node(f"n{i}", "Identity", [f"n{i - 1}"]) for i in range(1, 100_000)]
    nodes.append(node("k", "Const", [], strings(10_000)))
    tensors = [f"n{99_999 - i}" for i in range(10_000)]
    nodes.append(node("s", "SaveV2", ["k", "k", "k", *tensors]))
    return meta_bytes(nodes, more=collection("variables", text(1, "n0:0")))


def objects_of_two_bytes() -> bytes:
    return objects(text(1, b"") * (8 * MANY))


def children_of_two_bytes() -> bytes:
    return objects(text(1, text(1, b"") * (8 * MANY)))


def shapes_of_two_bytes() -> bytes:
    shapes = attr("_output_shapes", text(1, text(7, b"") * (8 * MANY)))
    return meta_bytes([node("n0", "Placeholder", [], shapes)])


def deep_text() -> bytes:
    return b"graph_def { " + b"a { " * MANY


def deep_attributes_in_text() -> bytes:
    return b"node { attr { value { func { " * 20_000


def small_nodes_in_text() -> bytes:
    return b"graph_def { " + b"node{}" * 200_000 + b"}"


CASES: list[tuple[Callable[[], bytes], dict[str, Any]]] = [
    (nodes_of_two_bytes, {"open": UNSUPPORTED}),
    (a_million_small_nodes, {"counts": MANY, "operations": MANY, "problems": 0}),
    (inputs_of_two_bytes, EVERY),
    (attributes_of_two_bytes, EVERY),
    (inputs_of_two_bytes_in_many_nodes, {"operations": 8000, "problems": 2}),
    (a_long_name_in_many_problems, {"problems": 1001}),
    (functions_of_two_bytes, {"functions": UNSUPPORTED}),
    (a_million_small_functions, {"functions": UNSUPPORTED}),
    (nodes_of_two_bytes_in_functions, {"functions": UNSUPPORTED}),
    (ops_of_two_bytes, {"ops": UNSUPPORTED}),
    (outputs_of_two_bytes, {"ops": UNSUPPORTED, "tensors": UNSUPPORTED}),
    (lists_that_are_shared, {"problems": 0, "tensors": [0], "needed": [1000]}),
    (too_many_lists, {"problems": 1001, "tensors": UNSUPPORTED, "needed": [20_000]}),
    (lists_of_which_nothing_is_known, {"problems": 1001, "tensors": UNSUPPORTED}),
    (a_constant_of_which_there_is_no_room_for_three, {"operations": 1, "values": UNSUPPORTED}),
    (an_op_with_a_long_name, {"counts": 2, "ends": 0}),
    (collections_of_two_bytes, {"open": UNSUPPORTED}),
    (values_of_two_bytes, {"collections": UNSUPPORTED, "variables": UNSUPPORTED, "problems": 1}),
    (inputs_of_a_signature, {"signatures": UNSUPPORTED}),
    (a_long_circle, {"problems": 1, "needed": [MANY]}),
    (save_ops_that_share_their_keys, {"saved": UNSUPPORTED}),
    (long_ways_to_variables, {"saved": 10_000, "variables": [""], "needed": [100_002]}),
    (objects_of_two_bytes, {"variables": UNSUPPORTED}),
    (children_of_two_bytes, {"operations": 0}),
    (shapes_of_two_bytes, {"tensors": [0]}),
    (deep_text, {"open": CORRUPT}),
    (deep_attributes_in_text, {"open": CORRUPT}),
    (small_nodes_in_text, {"operations": 200_000}),
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_it_ends(make: Callable[[], bytes], expected: dict[str, Any], tmp_path: Path) -> None:
    is_saved_model = make in (objects_of_two_bytes, children_of_two_bytes)
    path = tmp_path / ("saved_model.pb" if is_saved_model else "x.meta")
    path.write_bytes(make())
    said = asked(path)
    assert {question: said[question] for question in expected} == expected
    errors = [answer for answer in said.values() if isinstance(answer, str)]
    assert set(errors) <= {UNSUPPORTED, CORRUPT}


MEASURE = r"""
import re, sys
import numpy
import tfckpt_reader as tfckpt
from tfckpt_reader.protobuf import message_class

path, how = sys.argv[1:]
whole = message_class("TextMetaGraph")  # all that a MetaGraphDef has
whole.FromString(b"")
def peak():  # what `resource` says is, at first, that of the parent
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1])

before = peak()
if how == "protobuf":
    with open(path, "rb") as file:
        message = whole.FromString(file.read())
else:
    meta = tfckpt.read_meta_graph(path)
    found = eval(how)
print(peak() - before)
"""


def peak(path: Path, how: str) -> int:
    """Kilobytes that it took at most, over what the interpreter and the modules take."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), how],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
    )
    return int(done.stdout)


def many_nodes() -> bytes:
    """As TensorFlow 1 writes them: a few inputs, a few attributes, shapes."""
    shape = text(2, w.int_field(1, 64)) + text(2, w.int_field(1, 32))
    attrs = [
        attr("T", w.int_field(6, 1)),
        attr("_output_shapes", text(1, text(7, shape))),
        attr("_class", text(1, text(2, "loc:@tower/layer/kernel"))),
    ]
    name, source = "tower/layer_{}/kernel/Adam/update", "tower/layer_{}/kernel/gradient"
    nodes = (node(name.format(i), "Custom", [source.format(i)] * 2, *attrs) for i in range(200_000))
    return meta_bytes(list(nodes))


def large_constants() -> bytes:
    shape = text(2, text(2, w.int_field(1, 1 << 20)))
    tensor = w.int_field(1, 1) + shape + text(4, bytes(4 << 20))
    value = attr("value", text(8, tensor))
    return meta_bytes([node(f"w{i}", "Const", [], value) for i in range(10)])


@pytest.mark.parametrize("make", [many_nodes, large_constants])
@pytest.mark.parametrize("how", ["len(meta)", "meta.op_counts", "meta.operations", "meta.problems"])
def test_memory_is_that_of_protobuf(make: Callable[[], bytes], how: str, tmp_path: Path) -> None:
    """At most twice what protobuf takes for the same file, in the same run."""
    path = tmp_path / "x.meta"
    path.write_bytes(make())
    assert path.stat().st_size > 30 << 20
    assert peak(path, how) < 2 * peak(path, "protobuf")
