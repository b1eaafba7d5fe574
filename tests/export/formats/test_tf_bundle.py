"""A checkpoint as the target: the same bytes where all stays, the same values where it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import LARGE
from defects import DATA, bundle, poke
from hypothesis import given, settings
from hypothesis import strategies as st
from project import FIXTURES
from random_tensors import ALL, V1, Plan, plans
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.objects.paths import OBJECT_GRAPH

INDEXES = sorted(FIXTURES.rglob("*.index"))
PREFIXES = [path.with_suffix("") for path in INDEXES]
V1_PATHS = ["v1/model.ckpt", "v1_sharded", "v1_sliced/one_file.ckpt", "v1_sliced/two_files.ckpt"]


def values(ckpt: tfckpt.Checkpoint) -> dict[str, tuple[str, Any]]:
    return {name: (str(ckpt.specs[name].dtype), comparable(ckpt[name])) for name in ckpt}


def comparable(array: Any) -> Any:
    if array.dtype.kind == "O" and array.size and isinstance(array.flat[0], tfckpt.Variant):
        return [
            (each.type_name, each.metadata, list(map(comparable, each.tensors)))
            for each in array.flat
        ]
    return value_of(array)


def assert_same(source: Path | str, target: Path | str) -> None:
    with tfckpt.open(source) as before, tfckpt.open(target) as after:
        assert values(after) == values(before)
    report = tfckpt.verify(target)
    assert report.ok, report.problems


def files(prefix: Path) -> dict[str, bytes]:
    found = prefix.parent.glob(f"{prefix.name}.*")
    return {path.name.removeprefix(prefix.name): path.read_bytes() for path in found}


ODD = {
    "registered_merge_oddity": "its header counts a file that is not there",
}


@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda p: str(p.relative_to(FIXTURES)))
def test_what_stays_keeps_its_bytes(prefix: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    tfckpt.convert(prefix, target, format="tf")
    one_file = files(prefix).keys() >= {".data-00000-of-00001"}
    if one_file and not ODD.keys() & set(prefix.parts):
        assert files(target) == {k: v for k, v in files(prefix).items() if k != ".meta"}
    if "every_dtype" in prefix.parts:
        pytest.importorskip("ml_dtypes")
    assert_same(prefix, target)


@pytest.mark.parametrize("source", V1_PATHS)
def test_v1_becomes_v2(source: str, tmp_path: Path) -> None:
    tfckpt.convert(FIXTURES / source, tmp_path / "out.ckpt")
    assert_same(FIXTURES / source, tmp_path / "out.ckpt")
    assert tfckpt.open(tmp_path / "out.ckpt").version == "V2"


OPTIONS: list[dict[str, Any]] = [
    {},
    {"shards": 3},
    {"partitions": {"*": (0, 1)}},
    {"partitions": {"re:(?s).*": (0, 1)}, "shards": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["V1", "V2", "big-endian"])
@settings(max_examples=15)
@given(data=st.data())
def test_other_files_same_values(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: str, options: Any
) -> None:
    if kind != "V1":
        pytest.importorskip("ml_dtypes")
    folder = tmp_path_factory.mktemp("x")
    plan: Plan = data.draw(plans(V1 if kind == "V1" else ALL))
    tensors = {
        name: w.Sliced(w.Typed(item.dtype, item.array), item.pieces)
        if item.sliced
        else w.Typed(item.dtype, item.array)
        for name, item in plan.tensors.items()
        if not name.startswith("\0")  # verification takes it for a slice
    }
    if options.get("partitions"):  # a scalar has no axis to join
        tensors = {n: t for n, t in tensors.items() if plan.tensors[n].array.ndim}
    if not tensors:
        return
    if kind == "V1":
        w.write_v1(folder / "in", tensors)
    else:
        w.write_bundle(folder / "in", tensors, big_endian=kind == "big-endian", shards=2)
    tfckpt.convert(folder / "in", folder / "out", format="tf", **options)
    assert_same(folder / "in", folder / "out")
    with tfckpt.open(folder / "out") as ckpt:
        for name, spec in ckpt.specs.items():
            assert bool(spec.slices) == (
                isinstance(tensors[name], w.Sliced) and not options.get("partitions")
            )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("source", ["whole", "slices", "V1"])
def test_cut_along_any_axis(tmp_path: Path, axis: int, source: str) -> None:
    array = LARGE["float64"]
    pieces = [[(0, 2), (0, 40), (0, -1)], [(0, 2), (40, 43), (0, -1)], [(2, 3), (0, -1), (0, -1)]]
    tensor: Any = w.Sliced(array, pieces) if source == "slices" else array
    (w.write_v1 if source == "V1" else w.write_bundle)(tmp_path / "in", {"t": tensor})
    tfckpt.convert(tmp_path / "in", tmp_path / "out", format="tf", partitions={"t": (axis, 4)})
    assert_same(tmp_path / "in", tmp_path / "out")
    sizes = [s.shape[axis] for s in tfckpt.open(tmp_path / "out").specs["t"].slices]
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= 1
    tfckpt.save(tmp_path / "saved", {"t": array}, partitions={"t": (axis, 4)})
    assert files(tmp_path / "saved") == files(tmp_path / "out")


def test_damage_is_found_where_a_tensor_is_cut(tmp_path: Path) -> None:
    source = bundle(tmp_path, {"a": np.ones(3), "t": LARGE["float64"]})
    poke(source, DATA, LARGE["float64"].nbytes, 1)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(tfckpt.ChecksumError):
        tfckpt.convert(source, tmp_path / "out", format="tf", partitions={"t": (1, 3)})
    assert sorted(os.listdir(tmp_path)) == before


def test_cast_renamed_and_stripped(tmp_path: Path) -> None:
    w.write_bundle(
        tmp_path / "in",
        {
            "m/w": w.Sliced(np.linspace(0, 1, 8).astype("f4"), [[(0, 5)], [(5, 3)]]),
            "m/w/Adam": np.zeros(8, "f4"),
            "m/step": np.array(7, "i8"),
        },
    )
    tfckpt.convert(
        tmp_path / "in",
        tmp_path / "out",
        format="tf",
        exclude=["*/Adam"],
        rename=["^m/=>n/"],
        cast="bfloat16",
    )
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with tfckpt.open(tmp_path / "out") as ckpt:
        assert list(ckpt) == ["n/step", "n/w"]
        assert len(ckpt.specs["n/w"].slices) == 2
        assert ckpt["n/w"].tolist() == np.linspace(0, 1, 8).astype(ml_dtypes.bfloat16).tolist()


def test_names_of_any_bytes(tmp_path: Path) -> None:
    w.write_bundle(tmp_path / "in", {b"\xff/\0": np.ones(2), "é\n": np.zeros(1)})
    tfckpt.convert(tmp_path / "in", tmp_path / "out", format="tf")
    assert_same(tmp_path / "in", tmp_path / "out")


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "exists": ({}, FileExistsError, r"out\.index exists already"),
    "cannot be cut": (
        {"partitions": {"f": (1, 2)}},
        tfckpt.UnsupportedError,
        "'f': there is no axis 1",
    ),
    "no shards": ({"shards": 0}, ValueError, "one shard or more"),
    "clash": ({"rename": ["^.*=>x"]}, tfckpt.UnsupportedError, "would be called 'x'"),
    "empty name": ({"rename": [".*=>"]}, tfckpt.UnsupportedError, "name is empty"),
    "compressed": ({"compress": True}, ValueError, "compress needs --format npz or h5 or zarr"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    options, error, text = REFUSED[case]
    source = bundle(tmp_path, {"f": np.ones(3), "g": np.ones(3)})
    if case == "exists":
        (tmp_path / "out.index").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(error, match=text):
        tfckpt.convert(source, tmp_path / "out", format="tf", **options)
    assert sorted(os.listdir(tmp_path)) == before


def test_the_source_is_never_the_target(tmp_path: Path) -> None:
    source = bundle(tmp_path)
    with pytest.raises(FileExistsError, match="choose another"):
        tfckpt.convert(source, source, format="tf", force=True)
    model = FIXTURES / "saved_model"
    with pytest.raises(FileExistsError, match="lies in the SavedModel"):
        tfckpt.convert(model, model / "variables" / "other", format="tf")


@pytest.mark.parametrize("option", [{"shards": 2}, {"partitions": {"*": (0, 2)}}])
def test_only_checkpoints_have_shards(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="--format tf"):
        tfckpt.convert(bundle(tmp_path), tmp_path / "out.npz", **option)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = bundle(tmp_path, {"emb": np.arange(12.0).reshape(6, 2), "b": np.ones(2)})
    command = ["convert", str(source), str(tmp_path / "out.ckpt"), "--json"]
    assert main([*command, "--shards", "2", "--partition", "e*=0:3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["written"] == ["b", "emb"]
    assert [each["name"] for each in printed["arrays"]] == ["b", "emb", "emb", "emb"]
    assert_same(source, tmp_path / "out.ckpt")
    for wrong in ("emb", "emb=0", "=0:1", "emb=x:1"):
        assert main([*command, "--force", "--partition", wrong]) == 2
        assert "GLOB=AXIS:N" in capsys.readouterr().err


def test_a_pattern_without_a_tensor(tmp_path: Path) -> None:
    done = tfckpt.convert(
        bundle(tmp_path), tmp_path / "out", format="tf", partitions={"no*": (0, 2)}
    )
    assert done.notes == ("no tensor matches 'no*'",)


def test_chosen_by_their_roles(tmp_path: Path) -> None:
    """The options of every conversion: here roles, averages in place of weights, and names."""
    tensors = {
        "m/w": np.ones((2, 2), "f4"),
        "m/w/Adam": np.zeros((2, 2), "f4"),
        "m/w/ExponentialMovingAverage": np.full((2, 2), 7, "f4"),
        "global_step": np.array(3, "i8"),
    }
    source = bundle(tmp_path, tensors)
    tfckpt.convert(source, tmp_path / "w.ckpt", only="weights")
    assert list(tfckpt.open(tmp_path / "w.ckpt")) == ["m/w"]
    tfckpt.convert(source, tmp_path / "e.ckpt", ema=True, partitions={"m/w*": (0, 2)})
    with tfckpt.open(tmp_path / "e.ckpt") as ckpt:
        assert ckpt["m/w"].tolist() == [[7, 7], [7, 7]]
        assert len(ckpt.specs["m/w"].slices) == 2
    assert tfckpt.verify(tmp_path / "e.ckpt").ok


def test_full_names_of_a_checkpoint_of_objects(tmp_path: Path) -> None:
    """What a Saver of names restores; where two share a name they keep their keys."""
    source = FIXTURES / "tf2_checkpoint"
    tfckpt.convert(source, tmp_path / "o.ckpt", names="full_name", only="weights")
    with tfckpt.open(tmp_path / "o.ckpt") as after, tfckpt.open(source) as before:
        names = before.renamed("full_name")
        found = {name: value_of(after[name]) for name in after if name != OBJECT_GRAPH}
        assert found == {name: value_of(names[name]) for name in found}
        assert len(found) == 4
