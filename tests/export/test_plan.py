"""Tensors chosen, left out and refused: all refusals come at once, before a byte is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import writers as w
from conversions import FLOATS, assert_same_bytes, left, out_of
from defects import bundle, poke, v1_without_shard

import tfckpt_reader as tfckpt
from tfckpt_reader.errors import ErrorKind
from tfckpt_reader.export import convert as write
from tfckpt_reader.objects.paths import OBJECT_GRAPH


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


CONFIG = "/.ATTRIBUTES/OBJECT_CONFIG_JSON"


@pytest.mark.parametrize("name", ["out.npz", "out.safetensors", "out/"])
def test_texts_of_the_object_graph_are_left_out_and_counted(name: str, tmp_path: Path) -> None:
    """As Keras of TensorFlow 1.13 to 2.0 saves weights; the model's own key has no name before."""
    value = "dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    texts = {key + CONFIG: w.Strings([b"{}"], ()) for key in ("", "dense", "layer-1")}
    state = "counter/.ATTRIBUTES/py_state"
    tensors = {value: FLOATS, **texts, state: w.Strings([b"7"], ())}
    done = write(bundle(tmp_path, tensors), f"{tmp_path}/{name}")
    assert done.written == (value,)
    configs, states = done.notes
    assert configs.startswith("3 tensors left out: configurations of Keras layers")
    assert states == f"1 tensor left out: state of Python objects: {state}"


def test_texts_with_such_names_are_kept_where_they_are_values(tmp_path: Path) -> None:
    names = [f"a{CONFIG}/b", CONFIG.removeprefix("/"), "a/.ATTRIBUTES/table-keys", f"n{CONFIG}"]
    tensors: dict[str, Any] = dict.fromkeys(names[:3], w.Strings([b"ab"], ()))
    found, done = out_of(bundle(tmp_path, {**tensors, names[3]: FLOATS}))
    assert done.notes == ()
    assert set(found) == set(names)


def test_a_checkpoint_without_weights(tmp_path: Path) -> None:
    source = bundle(tmp_path, {OBJECT_GRAPH: w.Strings([b"\n\0"], ())})
    for name in ("out.npz", "out.safetensors", "out/"):
        for skip in (False, True):
            with pytest.raises(tfckpt.TensorNotFoundError) as caught:
                write(source, f"{tmp_path}/{name}", skip_unsupported=skip)
            assert "has no weights" in str(caught.value)
            assert "tfckpt ls" not in str(caught.value)
    assert left(tmp_path) == []


def shards_removed(folder: Path, *numbers: int) -> Path:
    """A bundle with a tensor in each of four data files, some of which are removed."""
    names = ["a", "b", "c", "d"]
    tensors: dict[str, Any] = {**dict.fromkeys(names[:3], FLOATS), "d": w.Strings([b"x"], ())}
    placement = {name: number for number, name in enumerate(names)}
    source = bundle(folder, tensors, shards=4, placement=placement)
    for number in numbers:
        Path(f"{source}.data-{number:05d}-of-00004").unlink()
    return source


def test_all_missing_files_come_at_once_with_all_refusals(tmp_path: Path) -> None:
    source = shards_removed(tmp_path, 0, 2)
    with pytest.raises(tfckpt.UnsupportedError) as refused:
        write(source, tmp_path / "out.safetensors")
    for dry_run in (False, True):
        with pytest.raises(tfckpt.CheckpointNotFoundError) as missing:
            write(source, tmp_path / "out.npz", dry_run=dry_run)
        for error in (refused.value, missing.value):
            assert "data-00000-of-00004" in str(error)
            assert "data-00002-of-00004" in str(error)
            assert "data-00001" not in str(error)
        assert missing.value.kind is ErrorKind.INCOMPLETE
    assert "'d': " in str(refused.value)
    assert left(tmp_path) == []
    assert write(source, tmp_path / "out.npz", include=["b"]).written == ("b",)


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    tensors = {str(number): FLOATS for number in range(20)}
    placement = {str(number): number for number in range(20)}
    source = bundle(tmp_path, tensors, shards=20, placement=placement)
    for path in tmp_path.glob("p.data*"):
        path.unlink()
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="and 10 more"):
        write(source, tmp_path / "out.npz")


def test_a_v1_set_without_a_shard(tmp_path: Path) -> None:
    source = v1_without_shard(tmp_path)
    with pytest.raises(tfckpt.CheckpointNotFoundError, match="shard 1 of 2") as caught:
        write(source, tmp_path / "out.npz")
    assert caught.value.kind is ErrorKind.INCOMPLETE
    done = write(source, tmp_path / "out.npz", include=["*"])
    assert len(done.written) == 1
    assert any("shard 1 of 2 is missing" in note for note in done.notes)


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

    monkeypatch.setattr("tfckpt_reader.export.formats.base.new_file", never)
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
