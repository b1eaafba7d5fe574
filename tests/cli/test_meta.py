"""The command ``meta``: its lines and its JSON, against the corpus and graphs made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import writers as w
from commands import NASTY, Run
from described import Facts, each_graph, tensor_facts
from graphs import attr, dtype_attr, info, meta_bytes, node, signature, text
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.objects.paths import OBJECT_GRAPH

SAVER = FIXTURES / "saver_tf1"


@each_graph
def test_the_summary_agrees_with_tensorflow(path: Path, facts: Facts, run: Run) -> None:
    done = run("meta", path, "--json")
    assert done.code == 0
    found = done.json
    assert found["ops"] == facts["ops"]
    assert found["nodes"] == facts["node_count"]
    assert found["collections"] == facts["collections"]
    assert found["signatures"] == sorted(facts["signatures"])
    assert found["tensorflow_version"] == facts["tensorflow_version"]
    assert found["undefined_ops"] == []
    lines = run("meta", path).lines
    assert f"{facts['node_count']:,} of" in lines[1]
    assert facts["tensorflow_version"] in lines[0]


@each_graph
def test_signatures(path: Path, facts: Facts, run: Run) -> None:
    found = run("meta", path, "--signatures", "--json").json["signatures"]
    expected = tfckpt.read_meta_graph(path).signatures
    assert set(found) == set(facts["signatures"])
    for name, each in found.items():
        assert list(each["inputs"]) == list(expected[name].inputs)
        for alias, (tensor, _, shape) in tensor_facts(expected[name].inputs).items():
            given = each["inputs"][alias]
            assert ("coo_sparse" if "sparse" in given else given["tensor"]) == tensor
            assert given["shape"] == (shape and [None if n < 0 else n for n in shape])
    assert run("meta", path, "--signatures").lines[-1].startswith(str(len(facts["signatures"])))


def test_a_graph_without_lists_of_variables(tmp_path: Path, run: Run) -> None:
    graph = text(1, text(1, "v") + text(2, "VariableV2"))
    (tmp_path / "graph.pb").write_bytes(graph)
    assert any("1 made by nodes" in line for line in run("meta", tmp_path / "graph.pb").lines)
    assert run("meta", tmp_path / "graph.pb", "--variables").lines[-1] == "1 variable"
    done = run("meta", tmp_path / "graph.pb", "--trainable")
    assert (done.code, done.lines) == (0, ["0 variables"])
    assert "does not list its variables" in done.err


def test_an_operation_in_a_signature_has_no_type(tmp_path: Path, run: Run) -> None:
    output = text(2, text(1, "init") + text(2, info("NoOp", 0)))
    (tmp_path / "x.meta").write_bytes(meta_bytes([], more=signature(output)))
    lines = run("meta", tmp_path / "x.meta", "--signatures").lines
    assert lines == ["s", "  output init  NoOp, an operation to run", "1 signature"]
    found = run("meta", tmp_path / "x.meta", "--signatures", "--json").json["signatures"]["s"]
    assert found["outputs"]["init"]["dtype"] is None
    assert "unknown_0" not in run("meta", tmp_path / "x.meta").out


def test_signatures_of_every_kind(tmp_path: Path, run: Run) -> None:
    rows = text(3, text(2, w.int_field(1, -1)))
    spec = text(1, text(3, "RaggedTensorSpec"))
    ragged = text(5, spec + text(2, info("f:0", 3)) + text(2, info("r:0", 9, rows)))
    sparse = w.int_field(2, 7) + text(4, text(1, "v:0") + text(2, "i:0") + text(3, "d:0"))
    default = w.int_field(1, 1) + text(2, b"") + w.fixed32_field(5, 0x40000000)
    inputs = {"x": info("x:0", 1, text(3, b"")), "s": sparse, "r": ragged}
    more = signature(
        *(text(1, text(1, alias) + text(2, value)) for alias, value in inputs.items()),
        text(4, text(1, "x") + text(2, default)),
    )
    (tmp_path / "x.meta").write_bytes(meta_bytes([], more=more))
    assert run("meta", tmp_path / "x.meta", "--signatures").lines == [
        "s",
        "  input  x  float32 scalar  x:0",
        "  input  s  string ?  sparse: v:0 i:0 d:0",
        "  input  r  RaggedTensorSpec of int32 ?  f:0, int64 [?]  r:0",
        "  default of x: [2.0]",
        "1 signature",
    ]
    found = run("meta", tmp_path / "x.meta", "--signatures", "--json").json["signatures"]["s"]
    assert found["inputs"]["r"]["components"][1] == {
        "tensor": "r:0",
        "dtype": "int64",
        "shape": [None],
    }
    assert found["inputs"]["s"]["sparse"] == ["v:0", "i:0", "d:0"]
    assert found["defaults"]["x"]["first"] == [2.0]


@pytest.mark.parametrize("path", [SAVER, SAVER / "model.ckpt-1", SAVER / "model.ckpt-1.meta"])
def test_every_path_of_a_graph(path: Path, run: Run) -> None:
    assert run("meta", path, "--json").json["path"] == str(SAVER / "model.ckpt-1.meta")


def test_variables(run: Run) -> None:
    path = FIXTURES / "sliced" / "saver"
    found = run("meta", path, "--variables", "--json").json["variables"]
    with tfckpt.open(path) as ckpt:
        specs = {name: [str(spec.dtype), list(spec.shape)] for name, spec in ckpt.specs.items()}
    assert {each["key"]: [each["dtype"], each["shape"]] for each in found} == specs
    assert run("meta", path, "--variables").lines[-1] == f"{len(specs)} variables"
    every = run("meta", SAVER, "--variables", "--json").json["variables"]
    trained = run("meta", SAVER, "--trainable", "--json").json["variables"]
    assert {each["name"] for each in every} - {each["name"] for each in trained} == {
        "global_step:0"
    }


def test_operations(run: Run) -> None:
    graph = tfckpt.read_meta_graph(SAVER / "model.ckpt-1")
    everything = run("meta", SAVER, "--ops", "--json").json["operations"]
    assert [each["name"] for each in everything] == [op.name for op in graph.operations]
    some = run("meta", SAVER, "--ops", "save/*", "--json").json["operations"]
    assert [e["name"] for e in some] == [
        op.name for op in graph.operations if op.name.startswith("save/")
    ]
    lines = run("meta", SAVER, "--ops", "save/*").lines
    assert len(lines) == len(some) + 1


def test_one_operation(tmp_path: Path, run: Run) -> None:
    nan = w.int_field(1, 1) + text(2, b"") + w.fixed32_field(5, 0x7FC00000)
    nodes = [
        node("in", "Placeholder", [], dtype_attr(1)),
        node("nan", "Const", [], dtype_attr(1), attr("value", text(8, nan))),
        node("use", "Custom", ["in", "nan", "gone", "^in"], attr("s", text(2, b"a\xff"))),
        node("many", "Two", [], attr("N", w.int_field(3, 1 << 30))),
    ]
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))

    def facts(name: str) -> Any:
        done = run("meta", tmp_path / "x.meta", "--op", name, "--json")
        assert run("meta", tmp_path / "x.meta", "--op", name).code == done.code == 0
        return done.json

    use = facts("use")
    assert [each["dtype"] for each in use["inputs"]] == ["float32", "float32", None]
    assert (use["control_inputs"], use["output_count"]) == (["in"], None)
    assert use["attrs"] == {"s": "a\\xff"}
    assert facts("nan")["attrs"]["value"]["first"] == ["nan"]
    assert facts("in")["outputs"][0]["consumers"] == ["use"]
    many = facts("many")
    assert many["output_count"] == (1 << 30) + 1
    assert len(many["outputs"]) == 100
    done = run("meta", tmp_path / "x.meta", "--op", "uses")
    assert (done.code, done.out) == (2, "")
    assert "Nearest: use" in done.err


def test_values_of_attributes(tmp_path: Path, run: Run) -> None:
    words = w.int_field(1, 7) + text(2, text(2, w.int_field(1, 9)))
    words += b"".join(text(8, f"w{i}") for i in range(9))
    scalar = w.int_field(1, 1) + text(2, b"") + w.fixed32_field(5, 0x3FC00000)
    many = b"".join(w.int_field(3, i) for i in range(12))
    values = {
        "words": text(8, words), "scalar": text(8, scalar),
        "shape": text(7, text(2, w.int_field(1, -1))), "any": text(7, w.int_field(3, 1)),
        "shapes": text(1, text(7, b"") + text(7, w.int_field(3, 1))),
        "many": text(1, many), "call": text(10, text(1, "f")), "type": w.int_field(6, 14),
        "long": text(2, "x" * 1000), "none": b"", "on": w.int_field(5, 1),
    }  # fmt: skip
    nodes = [
        node(
            "n", "Two", [], attr("N", w.int_field(3, 199)), *(attr(k, v) for k, v in values.items())
        )
    ]
    nodes += [node(f"use{i}", "Custom", ["n:0"]) for i in range(9)]
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))
    lines = run("meta", tmp_path / "x.meta", "--op", "n").lines
    assert lines[2] == "output   float32 ?  n:0  -> use0, use1, use2, use3, use4 and 4 more"
    assert lines[102] == "         and 100 more outputs"
    assert dict(line[9:].split(" = ") for line in lines[103:]) == {
        "N": "199",
        "words": "string [9]: w0, w1, w2, w3, w4, w5, w6, w7, …",
        "scalar": "float32 scalar: 1.5",
        "shape": "[?]",
        "any": "?",
        "shapes": "[[], ?]",
        "many": "[0, 1, 2, 3, 4, 5, 6, 7, … 12 in all]",
        "call": "function f",
        "type": "bfloat16",
        "long": "x" * 300 + "… (1,000 letters)",
        "none": "?",
        "on": "True",
    }
    facts = run("meta", tmp_path / "x.meta", "--op", "n", "--json").json
    assert facts["attrs"]["many"] == list(range(12))
    assert facts["attrs"]["words"]["dtype"] == "string"
    assert len(facts["outputs"][0]["consumers"]) == 9


def test_a_damaged_attribute_does_not_hide_the_others(tmp_path: Path, run: Run) -> None:
    bad = [
        attr("T", text(8, b"\xff")),
        attr("num_split", w.int_field(3, 2)),
        attr("x", text(8, b"")),
    ]
    (tmp_path / "x.meta").write_bytes(meta_bytes([node("n", "Split", ["n:7"], *bad)]))
    done = run("meta", tmp_path / "x.meta", "--op", "n")
    assert done.code == 1
    assert "attr     num_split = 2" in done.lines
    assert sum("= cannot be read: " in line for line in done.lines) == 2
    found = run("meta", tmp_path / "x.meta", "--op", "n", "--json").json
    assert found["output_count"] is None
    assert "outputs  ? (the file does not say how many)" in done.lines
    assert "node 'n': attribute 'T'" in found["attrs"]["T"]["error"]


@pytest.mark.parametrize(
    "options", [("--op", "v1", "--ops"), ("--variables", "--signatures"), ("--op",),
                ("--trainable", "--op", "v1"), ("--trainable", "--signatures"),
                ("--trainable", "--ops")],
)  # fmt: skip
def test_options_that_exclude_each_other(options: tuple[str, ...], run: Run) -> None:
    done = run("meta", SAVER, *options)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_nothing_matches(run: Run) -> None:
    done = run("meta", SAVER, "--ops", "zzz*")
    assert (done.code, done.out) == (2, "")
    assert "no operation matches zzz*" in done.err


@pytest.mark.parametrize("size", [1, 300, 5000])
def test_a_file_that_was_cut_off(size: int, tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.meta").write_bytes((SAVER / "model.ckpt-1.meta").read_bytes()[:size])
    done = run("meta", tmp_path / "x.meta")
    assert (done.code, done.out) == (1, "")
    assert "was cut off: copy or download it again" in done.err
    frozen = b"".join(text(1, node(f"n{i}", "Custom", ["x" * 500])) for i in range(20))
    (tmp_path / "x.pb").write_bytes(frozen[:-size])
    done = run("meta", tmp_path / "x.pb")
    assert (done.code, done.out) == (1, "")
    assert "x.pb: graph_def: " in done.err
    assert "was cut off: copy or download it again" in done.err


def test_a_meta_file_without_a_checkpoint(tmp_path: Path, run: Run) -> None:
    """By its folder, by its prefix, and under any name; of several one must be named."""
    data = (SAVER / "model.ckpt-1.meta").read_bytes()
    (tmp_path / "a.meta").write_bytes(data)
    for path in (tmp_path, tmp_path / "a", tmp_path / "a.meta"):
        assert run("meta", path, "--json").json["path"] == str(tmp_path / "a.meta")
    assert "a.meta is the only graph in" in run("meta", tmp_path).err
    (tmp_path / "frozen.dat").write_bytes(text(1, node("n", "NoOp")))
    assert run("meta", tmp_path / "frozen.dat", "--json").json["nodes"] == 1
    (tmp_path / "b.meta").write_bytes(data)
    done = run("meta", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert (
        "there are 2 graphs in this folder, and no checkpoint. Name one: a.meta, b.meta" in done.err
    )
    (tmp_path / "none").mkdir()
    assert run("meta", tmp_path / "none").code == 2
    done = run("meta", FIXTURES / "README.md")
    assert (done.code, done.out) == (1, "")
    assert "README.md: " in done.err


def test_problems_are_findings(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.meta").write_bytes(meta_bytes([node("a", "NoOp", ["gone"])] * 2))
    done = run("meta", tmp_path / "x.meta")
    assert done.code == 1
    assert "problem      node 'a' is there 2 times" in done.out
    assert len(run("meta", tmp_path / "x.meta", "--json").json["problems"]) == 3


def test_names_cannot_drive_the_terminal(tmp_path: Path, run: Run) -> None:
    names = [*(name.encode() for name in NASTY), b"\xff\xfe"]
    (tmp_path / "x.meta").write_bytes(meta_bytes([node(name, "NoOp") for name in names]))
    for more in (["--ops"], []):
        done = run("meta", tmp_path / "x.meta", *more)
        assert done.code == 0
        assert all(line.isprintable() for line in done.lines)
    assert len(run("meta", tmp_path / "x.meta", "--ops").lines) == len(names) + 1


def test_paths_without_a_graph(tmp_path: Path, run: Run) -> None:
    done = run("meta", FIXTURES / "strings" / "model.ckpt")
    assert done.code == 2
    assert "there is no graph beside this checkpoint" in done.err
    (tmp_path / "x.meta").write_bytes(b"\xff" * 20)
    done = run("meta", tmp_path / "x.meta")
    assert (done.code, done.out) == (1, "")
    assert str(tmp_path / "x.meta") in done.err
    assert run("meta", tmp_path / "none.meta").code == 2


def ends(nodes: list[bytes], tmp_path: Path, run: Run) -> tuple[Any, list[str]]:
    (tmp_path / "x.meta").write_bytes(meta_bytes(nodes))
    return run("meta", tmp_path / "x.meta", "--json").json, run("meta", tmp_path / "x.meta").lines


def test_guesses_have_reasons(tmp_path: Path, run: Run) -> None:
    nodes = [node("x", "Placeholder", [], dtype_attr(1)), node("y", "Zzz", ["x"])]
    document, lines = ends(nodes, tmp_path, run)
    (x,), (y,) = document["inputs"], document["outputs"]
    assert (x["name"], x["dtype"], x["shape"], x["alias"], x["guess"]) == (
        "x:0", "float32", None, None, True,
    )  # fmt: skip
    assert (y["name"], y["dtype"], y["guess"]) == ("y:0", None, True)
    assert f"input?       float32 ?  x:0  - {x['reason']}" in lines
    assert f"output?      ? ?  y:0  - {y['reason']}" in lines
    assert document["custom_ops"] == {"Zzz": {"count": 1, "defined": False}}
    assert f"custom op    Zzz (1): not among the ops of {document['known_ops']}" in "\n".join(lines)


def test_signatures_need_no_reason(run: Run) -> None:
    document = run("meta", FIXTURES / "saved_model", "--json").json
    assert [(e["alias"], e["name"], e["guess"]) for e in document["inputs"]] == [
        ("x", "serving_default_x:0", False)
    ]
    lines = run("meta", FIXTURES / "saved_model").lines
    assert "input        x  float32 [?, 3]  serving_default_x:0" in lines
    assert "output       y  float32 [?, 2]  StatefulPartitionedCall:0" in lines


def test_a_graph_without_inputs_and_outputs(tmp_path: Path, run: Run) -> None:
    document, lines = ends([node("c", "Const")], tmp_path, run)
    assert (document["inputs"], document["outputs"]) == ([], [])
    assert [line.split()[1] for line in lines if line.startswith(("inputs", "outputs"))] == [
        "?"
    ] * 2


def test_a_signature_without_inputs(tmp_path: Path, run: Run) -> None:
    more = signature(text(2, text(1, "y") + text(2, info("c:0", 1))))
    (tmp_path / "x.meta").write_bytes(meta_bytes([node("c", "Const")], more=more))
    lines = run("meta", tmp_path / "x.meta").lines
    assert "inputs       none, by the signature" in lines
    assert "output       y  float32 ?  c:0" in lines


def test_long_lists_are_cut(tmp_path: Path, run: Run) -> None:
    nodes = [node(f"x{i}", "Placeholder") for i in range(20)]
    nodes += [node(f"f{i}", f"Zzz{i}") for i in range(20)] + [node("r", "ReadFile")]
    document, lines = ends(nodes, tmp_path, run)
    assert len(document["inputs"]) == len(document["custom_ops"]) == 20
    assert len([line for line in lines if line.startswith("input?")]) == 8
    assert len([line for line in lines if line.startswith("custom op")]) == 12
    assert [line.strip() for line in lines if "more: --json" in line] == [
        "and 12 more: --json has all", "and 8 more: --json has all",
    ]  # fmt: skip
    assert "unusual op   ReadFile (1): reads files" in lines


def test_ops_without_a_definition(tmp_path: Path, run: Run) -> None:
    nodes = [node("a", "Const"), node("b", "Zzz"), node("c", "Yyy")]
    assert "not defined  Yyy, Zzz" in ends(nodes, tmp_path, run)[1]
    assert "not defined  all ops, so most dtypes are unknown" in ends(nodes[1:], tmp_path, run)[1]
    assert not [line for line in ends(nodes[:1], tmp_path, run)[1] if line.startswith("not")]


def test_a_checkpoint_of_objects_has_no_graph(tmp_path: Path, run: Run) -> None:
    for tensors, advice in (
        ({OBJECT_GRAPH: w.Strings([b""], ())}, "has none"),
        ({"v": w.Strings([b""], ())}, "Copy the .meta file too"),
    ):
        w.write_bundle(tmp_path / "x", tensors)
        done = run("meta", tmp_path / "x")
        assert (done.code, advice in done.err) == (2, True)


def test_a_graph_beside_no_checkpoint_is_named(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.meta").write_bytes(meta_bytes([]))
    done = run("ls", tmp_path / "x")
    assert (done.code, "x.meta is there" in done.err) == (2, True)
