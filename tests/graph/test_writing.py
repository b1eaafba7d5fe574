"""Graphs written again: as a MetaGraphDef, and as a GraphDef of some nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import FLOAT, dtype_attr, facts, function, meta_bytes, node, read, text
from project import FIXTURES

import tfckpt_reader as tfckpt
from tfckpt_reader.graph import writing

METAS = sorted(FIXTURES.rglob("*.meta"))


@pytest.mark.parametrize("path", METAS, ids=lambda path: path.parent.name)
def test_a_meta_file_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    tfckpt.read_meta_graph(path).write(tmp_path / path.name)
    again = tfckpt.read_meta_graph(tmp_path / path.name)
    assert facts(again) == facts(tfckpt.read_meta_graph(path))
    assert sorted((tmp_path / path.name).read_bytes()) == sorted(path.read_bytes())


def test_a_saved_model_becomes_a_meta_file(tmp_path: Path) -> None:
    meta = tfckpt.read_meta_graph(FIXTURES / "saved_model")
    meta.write(tmp_path / "x.meta")
    assert facts(tfckpt.read_meta_graph(tmp_path / "x.meta"))[1:] == facts(meta)[1:]


def test_some_nodes(tmp_path: Path) -> None:
    nodes = [node("x", "Placeholder", [], dtype_attr(FLOAT)), node("y", "Neg", ["x"], b"\x32\x01a")]
    versions = text(4, b"\x08\x15")
    meta = read(tmp_path, meta_bytes([*nodes, node("z", "Neg", ["y"])], library=[function("f")]))
    assert meta.write_graph(tmp_path / "some.pb", outputs=["y"]) == 2
    data = (tmp_path / "some.pb").read_bytes()
    assert data == text(1, nodes[0]) + text(1, nodes[1]) + text(2, text(1, function("f")))
    (tmp_path / "v.pb").write_bytes(data + versions)
    again = tfckpt.read_meta_graph(tmp_path / "v.pb")
    assert again.write_graph(tmp_path / "again.pb") == 2
    assert (tmp_path / "again.pb").read_bytes() == data + versions
    with pytest.raises(tfckpt.TensorNotFoundError, match="there is no operation 'no'"):
        meta.write_graph(tmp_path / "no.pb", outputs=["no"])
    assert not (tmp_path / "no.pb").exists()


def test_messages_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGEST", 100)
    meta = read(tmp_path, meta_bytes([node("x" * 100, "NoOp")]))
    with pytest.raises(tfckpt.UnsupportedError, match="less than 2 GiB"):
        meta.write_graph(tmp_path / "out.pb")
    assert not (tmp_path / "out.pb").exists()
