"""Tensors chosen, left out and refused: all refusals come at once, before a byte is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import writers as w
from conversions import FLOATS, assert_same_bytes, left, out_of
from defects import bundle, poke

import tfckpt_reader as tfckpt
from tfckpt_reader.export import convert as write
from tfckpt_reader.objects.object_graph import OBJECT_GRAPH


def test_include_and_exclude(tmp_path: Path) -> None:
    source = bundle(tmp_path, dict.fromkeys(["a/w", "a/w/adam", "b/w", "c[0]"], FLOATS))
    assert set(out_of(source, include=["*/w"])[0]) == {"a/w", "b/w"}
    assert set(out_of(source, exclude=["*adam*"])[0]) == {"a/w", "b/w", "c[0]"}
    assert set(out_of(source, include=["a*"], exclude=["*/adam"])[0]) == {"a/w"}
    found, done = out_of(source, include=["b*", "c[0]", "nothing*"])
    assert set(found) == {"b/w", "c[0]"}
    assert [note for note in done.notes if "nothing*" in note] == list(done.notes)


def test_nothing_chosen(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    for options in ({"include": ["x*"]}, {"exclude": ["*"]}, {"include": ["f"], "exclude": ["f"]}):
        with pytest.raises(tfckpt.TensorNotFoundError):
            write(source, tmp_path / "out.npz", **options)  # type: ignore[arg-type]
    assert left(tmp_path) == []


def test_object_graph_is_left_out_and_counted(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"\n\0"], ())})
    found, done = out_of(source)
    assert list(found) == ["f"]
    assert done.written == ("f",)
    assert done.skipped == {}
    (note,) = done.notes
    assert note.startswith("1 tensor left out")
    assert OBJECT_GRAPH in note


STATE = "iterator/.ATTRIBUTES/ITERATOR_STATE"


def test_state_of_an_iterator_is_left_out_and_counted(tmp_path: Path) -> None:
    states = {STATE: w.Variants([(b"k", b"", [])], (1,)), f"b/{STATE}": w.Variants([], (0,))}
    source = bundle(tmp_path, {"f": FLOATS, **states})
    for name in ("out.npz", "out.safetensors", "out/"):
        done = write(source, f"{tmp_path}/{name}")
        assert done.written == ("f",)
        (note,) = done.notes
        assert note.startswith("2 tensors left out")
        assert STATE in note
    with pytest.raises(tfckpt.UnsupportedError):
        write(source, tmp_path / "named.npz", include=[STATE])


def test_object_graph_by_its_name(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"ab"], ())})
    found, _ = out_of(source, include=[OBJECT_GRAPH])
    assert found[OBJECT_GRAPH].tolist() == b"ab"


def test_only_the_object_graph_chosen_by_a_glob(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"ab"], ())})
    with pytest.raises(tfckpt.TensorNotFoundError) as caught:
        write(source, tmp_path / "out.npz", include=["_CHECK*"])
    assert OBJECT_GRAPH in str(caught.value)
    assert "no tensor matches" not in str(caught.value)


def test_strings_in_two_members_are_told(tmp_path: Path) -> None:
    tensors = {"a": w.Strings([b"x"], (1,)), "b": w.Strings([b"x\0"], (1, 1))}
    found, done = out_of(bundle(tmp_path, tensors))
    (note,) = done.notes
    for part in ("b/__bytes__", "b/__offsets__", "[1, 1]"):
        assert part in note
    assert set(found) == {"a", "b/__bytes__", "b/__offsets__"}
    assert set(done.written) == {"a", "b"}


BAD: dict[Any, Any] = {
    "a.npy": FLOATS,
    "/abs": FLOATS,
    "a/../b": FLOATS,
    "nul\0": FLOATS,
    b"\xff": FLOATS,
    "n" * 65600: FLOATS,
    "v": w.Variants([(b"T", b"", [])], ()),
    "deep": w.Raw(4, (1,) * 65, b"\1"),
}


def test_all_refusals_come_at_once_before_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bundle(tmp_path, {"a": FLOATS, **BAD})
    opened: list[str] = []

    def never(path: str) -> Any:
        opened.append(path)

    monkeypatch.setattr("tfckpt_reader.export.formats.base.atomic_file", never)
    with pytest.raises(tfckpt.UnsupportedError) as caught:
        write(source, tmp_path / "out.npz")
    text = str(caught.value)
    for name in ("a.npy", "/abs", "a/../b", "nul\\x00", "\\udcff", "'v'", "'deep'", "n" * 65600):
        assert name in text
    assert "'a'" not in text
    assert f"{len(BAD)} tensors" in text
    assert text.isprintable()
    assert opened == left(tmp_path) == []


def test_unsupported_ones_are_skipped_when_asked(tmp_path: Path) -> None:
    found, done = out_of(bundle(tmp_path, {"a": FLOATS, **BAD}), skip_unsupported=True)
    assert set(found) == {"a"} == set(done.written)
    assert set(done.skipped) == {k if isinstance(k, str) else "\udcff" for k in BAD}
    assert all(done.skipped.values())
    assert_same_bytes(found["a"], FLOATS)


@pytest.mark.parametrize("name", ["out", "out.txt", "out.npz.bak", "out.npy", ".NPZ"])
def test_unknown_format(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.npz") as caught:
        write(bundle(tmp_path), tmp_path / name)
    assert not isinstance(caught.value, tfckpt.CheckpointError)
    assert left(tmp_path) == []


def test_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tfckpt.CorruptCheckpointError):
        write(poke(bundle(tmp_path), ".index", 3), tmp_path / "out.npz")
    assert left(tmp_path) == []
