"""Frozen graphs as OpenVINO takes them; OpenVINO itself is not needed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from freezing import STRING, W, frozen, ops, typed, variable
from graphs import FLOAT, INT, attr, dtype_attr, node, text

import tfckpt_reader as tfckpt
from tfckpt_reader.frameworks.openvino_graphs import (
    behind_strings,
    with_known_sizes,
    with_uniform_draws,
)
from tfckpt_reader.graph.freeze.frozen import FrozenGraph

INT64 = 9


def strings(name: str, *values: str) -> bytes:
    shape = text(2, text(2, bytes([8, len(values)])))
    proto = b"\x08\x07" + shape + b"".join(text(8, value) for value in values)
    return node(name, "Const", [], dtype_attr(STRING), attr("value", text(8, proto)))


WORDS = [
    node("words", "Placeholder", [], dtype_attr(STRING)),
    node("t", "HashTableV2", [], dtype_attr(STRING, "key_dtype"), dtype_attr(INT64, "value_dtype")),
    strings("keys", "a", "b", "b"),
    node("fill", "LookupTableImportV2", ["t", "keys", "keys"]),
    node("low", "StringLower", ["words"]),
    node(
        "ids",
        "LookupTableFindV2",
        ["t", "low", "keys"],
        dtype_attr(STRING, "Tin"),
        dtype_attr(INT64, "Tout"),
    ),
    variable(),
    node("dense", "RaggedTensorToTensor", ["ids"], dtype_attr(INT64, "T")),
    node("y", "GatherV2", ["w", "dense"], dtype_attr(FLOAT, "Tparams")),
]


def kept(tmp_path: Path, nodes: list[bytes], *outputs: str) -> FrozenGraph:
    return frozen(tmp_path, nodes, *outputs, keep_tables=True)


def test_a_model_begins_behind_its_strings(tmp_path: Path) -> None:
    graph = kept(tmp_path, WORDS, "y")
    assert behind_strings(graph) == ["ids"]
    assert behind_strings(graph, ["RaggedTensorToTensor"]) == ["dense"]
    # Behind weights nothing is cut: what comes there is the model.
    assert behind_strings(graph, ["GatherV2"]) == ["ids"]
    assert behind_strings(kept(tmp_path, WORDS, "ids")) == []


def test_numbers_made_into_strings_are_an_output(tmp_path: Path) -> None:
    nodes = [variable(), node("y", "AsString", ["w"], dtype_attr(FLOAT, "T"))]
    assert behind_strings(kept(tmp_path, nodes, "y")) == []


def test_lists_of_strings_are_strings(tmp_path: Path) -> None:
    """A loop over images that it decodes takes them as a list."""
    types = attr("T", text(1, b"\x30\x15"))
    nodes = [
        node("files", "Placeholder", [], dtype_attr(STRING)),
        node("list", "TensorListFromTensor", ["files"]),
        node("loop", "IdentityN", ["list"], types),
        node("images", "TensorListStack", ["loop"], dtype_attr(FLOAT, "element_dtype")),
        typed("y", "Neg", "images"),
    ]
    assert behind_strings(kept(tmp_path, nodes, "y")) == ["images"]


def test_sizes_of_tables_are_numbers(tmp_path: Path) -> None:
    nodes = [*WORDS, node("n", "LookupTableSizeV2", ["t"])]
    graph = with_known_sizes(kept(tmp_path, nodes, "n"))
    assert graph.initializers == ()
    assert ops(graph) == {"n": "Const"}
    assert graph.nodes["n"].attr("value") == 2
    graph = with_known_sizes(kept(tmp_path, nodes, "n", "y"))
    assert graph.initializers == ("fill",)


def test_tables_of_unknown_size(tmp_path: Path) -> None:
    size = node("n", "LookupTableSizeV2", ["t"])
    odd = [text(8, b""), b"\x18\x01"]
    for keys in (*(node("keys", "Const", [], attr("value", value)) for value in odd), None):
        filling = ["t", "keys", "keys"] if keys else ["t"]
        nodes = [WORDS[1], node("fill", "LookupTableImportV2", filling), size]
        graph = kept(tmp_path, [*nodes, *([keys] if keys else [])], "n")
        with suppress(tfckpt.CheckpointError):
            assert ops(with_known_sizes(graph))["n"] in ("LookupTableSizeV2", "Const")


def test_normal_numbers_from_uniform_ones(tmp_path: Path) -> None:
    nodes = [
        node("shape", "Placeholder", [], dtype_attr(INT)),
        node("seed", "Placeholder", [], dtype_attr(INT)),
        node("key", "StatelessRandomGetKeyCounter", ["seed"]),
        node("y", "StatelessRandomNormalV2", ["shape", "key", "key:1", "shape"], dtype_attr(FLOAT)),
        node("z", "RandomStandardNormal", ["shape"], dtype_attr(FLOAT), dtype_attr(INT, "T")),
    ]
    graph = kept(tmp_path, nodes, "y", "z")
    drawn = with_uniform_draws(graph)
    assert "2 nodes draw random numbers as OpenVINO does" in drawn.changes
    found = set(ops(drawn).values())
    assert "RandomUniform" in found
    assert not found & {"StatelessRandomNormalV2", "RandomStandardNormal"}
    assert "key" not in drawn.nodes
    plain = kept(tmp_path, [variable()], "w")
    assert with_uniform_draws(plain) is plain
    np.testing.assert_array_equal(plain.weights[0].shape, W.shape)
