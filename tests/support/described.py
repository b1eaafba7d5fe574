"""The graphs of the corpus, each with TensorFlow's description of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from project import CORPUS

from tfckpt_reader.graph.decode.signatures import TensorInfo

NAMES = {1: "DT_FLOAT", 3: "DT_INT32", 7: "DT_STRING", 9: "DT_INT64", 0: "DT_INVALID"}
Facts = Mapping[str, Any]


def described() -> Iterator[tuple[Path, Facts]]:
    """The files of the corpus that hold graphs, each with TensorFlow's description of it."""
    for oracle in sorted((CORPUS / "oracle").glob("*.json")):
        answers = json.loads(oracle.read_text("utf-8"))
        folder = CORPUS / "files" / oracle.stem
        for name, facts in answers.get("meta", {}).items():
            yield folder / name, facts
        for name, facts in answers.get("saved_model", {}).items():
            (graph,) = facts["meta_graphs"]
            yield folder / name, graph


DESCRIBED = list(described())
each_graph = pytest.mark.parametrize(
    ("path", "facts"), DESCRIBED, ids=[path.parent.name for path, _ in DESCRIBED]
)


def tensor_facts(tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
    return {
        alias: [
            info.name if info.sparse is None else "coo_sparse",
            NAMES[int(info.dtype)],
            None if info.shape is None else [-1 if n is None else n for n in info.shape],
        ]
        for alias, info in tensors.items()
    }
