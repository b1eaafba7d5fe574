"""Checkpoints out of others: merged, averaged, with some tensors replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from conversions import LARGE
from defects import DATA, poke
from project import FIXTURES
from tf_oracle import value_of

import tfckpt_reader as tfckpt
from tfckpt_reader.cli import main
from tfckpt_reader.export.plan import Options
from tfckpt_reader.saving.average import average
from tfckpt_reader.saving.edits import merge, replace

A = {"a": np.arange(6, dtype="f4").reshape(3, 2), "s": w.Strings([b"x", b""], (2,))}
B = {"b": np.ones(4, "i2"), "t": w.Sliced(np.arange(8.0), [[(0, 3)], [(3, 5)]])}


def made(folder: Path, name: str, tensors: Any, **options: Any) -> Path:
    w.write_bundle(folder / name, tensors, **options)
    return folder / name


def values(path: Path) -> dict[str, Any]:
    report = tfckpt.verify(path)
    assert report.ok, report.problems
    with tfckpt.open(path) as ckpt:
        return {name: value_of(ckpt[name]) for name in ckpt}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Merging.


def test_merge(tmp_path: Path) -> None:
    sources = [made(tmp_path, "x", A, shards=2), made(tmp_path, "y", B, shards=3)]
    done = merge(sources, tmp_path / "out", Options(format="tf", shards=2))
    assert done.written == ("a", "b", "s", "t")
    assert values(tmp_path / "out") == values(sources[0]) | values(sources[1])
    with tfckpt.open(tmp_path / "out") as ckpt:
        assert len(ckpt.specs["t"].slices) == 2


def test_merge_of_any_kind(tmp_path: Path) -> None:
    w.write_v1(tmp_path / "v1", {"v": w.Sliced(np.arange(6.0), [[(0, 2)], [(2, 4)]])})
    swapped = made(tmp_path, "big", A, big_endian=True)
    np.savez(tmp_path / "z.npz", z=np.ones(2))
    sources = [tmp_path / "v1", swapped, tmp_path / "z.npz"]
    merge(sources, tmp_path / "out")
    expected = values(tmp_path / "v1") | values(swapped) | {"z": value_of(np.ones(2))}
    assert values(tmp_path / "out") == expected


def test_the_parts_of_a_save(tmp_path: Path) -> None:
    """Both have slices of the same tensors."""
    parts = [
        made(tmp_path, "part-0", {"t": w.Sliced(np.arange(8.0), [[(0, 3)]]), "a": np.ones(1)}),
        made(tmp_path, "part-1", {"t": w.Sliced(np.arange(8.0), [[(3, 5)]])}),
    ]
    merge(parts, tmp_path / "out")
    with tfckpt.open(tmp_path / "out") as ckpt:
        assert ckpt["t"].tolist() == list(range(8))
        assert len(ckpt.specs["t"].slices) == 2
    fixture = FIXTURES / "temp_parts" / "model.ckpt_temp"
    merge([fixture / f"part-0000{i}-of-00002" for i in range(2)], tmp_path / "fixture")
    assert len(values(tmp_path / "fixture")) == 24


def test_merge_conflicts(tmp_path: Path) -> None:
    sources = [made(tmp_path, "x", A), made(tmp_path, "y", {**A, "b": np.ones(1)})]
    before = files(tmp_path)
    with pytest.raises(tfckpt.UnsupportedError, match="more than one checkpoint: 'a', 's'"):
        merge(sources, tmp_path / "out")
    same = [made(tmp_path, "z", B), made(tmp_path, "zz", B)]
    before = files(tmp_path)
    with pytest.raises(tfckpt.UnsupportedError, match="'b', 't'"):
        merge(same, tmp_path / "out")
    assert files(tmp_path) == before


def test_never_over_a_source(tmp_path: Path) -> None:
    sources = [made(tmp_path, "x", A), made(tmp_path, "y", B)]
    for source in sources:
        with pytest.raises(FileExistsError):
            merge(sources, source, Options(format="tf", force=True))


# Averaging.


def run_of(folder: Path, *steps: int, **more: Any) -> list[Path]:
    """Checkpoints of a run: the step, weights of it, and something else that has it."""
    return [
        made(
            folder,
            f"m-{step}",
            {
                "global_step": np.array(step, "i8"),
                "w": np.full((3, 2), step, "f4"),
                "h": np.array([step, 0.5], "f2"),
                "c": np.array([step + 1j], "c8"),
                "text": w.Strings([b"%d" % step], ()),
                "cut": w.Sliced(np.full(5, step, "f8"), [[(0, 2)], [(2, 3)]]),
                **more,
            },
        )
        for step in steps
    ]


def test_average(tmp_path: Path) -> None:
    done = average(run_of(tmp_path, 30, 40, 20), tmp_path / "out")
    with tfckpt.open(tmp_path / "out") as ckpt:
        found = {name: ckpt[name].tolist() for name in ckpt}
        assert len(ckpt.specs["cut"].slices) == 2
        assert [str(s.dtype) for s in ckpt.specs.values()][:3] == ["complex64", "float64", "int64"]
    assert found == {
        "c": [30 + 1j],
        "cut": [30.0] * 5,
        "global_step": 40,
        "h": [30.0, 0.5],
        "text": b"40",
        "w": [[30.0] * 2] * 3,
    }
    assert tfckpt.verify(tmp_path / "out").ok
    assert done.notes == ("counters and text are those of the newest, m-40 (step 40)",)


@pytest.mark.parametrize("dtype", ["f4", "f2", "f8", "bfloat16", "float8_e4m3fn"])
def test_it_is_rounded_once(tmp_path: Path, dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    numpy_type = np.dtype(getattr(ml_dtypes, dtype, dtype))
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(700, 1001)).astype("f4").astype(numpy_type) for _ in range(3)]
    sources = [made(tmp_path, f"x-{i}", {"w": array}) for i, array in enumerate(arrays)]
    average(sources, tmp_path / "out")
    mean = (arrays[0].astype("f8") + arrays[1].astype("f8") + arrays[2].astype("f8")) / 3
    assert value_of(tfckpt.open(tmp_path / "out")["w"]) == value_of(mean.astype(numpy_type))


def test_average_of_large_tensors_in_other_slices(tmp_path: Path) -> None:
    array = LARGE["float64"].copy()
    array[~np.isfinite(array)] = 0
    cut = w.Sliced(array, [[(0, 2), (0, -1), (0, -1)], [(2, 3), (0, -1), (0, -1)]])
    sources = [made(tmp_path, "x-1", {"w": array}), made(tmp_path, "x-2", {"w": cut})]
    average(sources, tmp_path / "out")
    assert np.array_equal(tfckpt.open(tmp_path / "out")["w"], array)  # also where sums are infinite


def test_warnings(tmp_path: Path) -> None:
    ema = {"w/ExponentialMovingAverage": np.ones(2, "f4")}
    done = average(run_of(tmp_path, 1000, 2000, 2001, 3000, **ema), tmp_path / "out")
    assert [note.split(":")[0] for note in done.notes] == [
        "counters and text are those of the newest, m-3000 (step 3000)",
        "m-2000 and m-2001 are nearly the same",
        "1 moving average lie among the weights; each was averaged by itself",
    ]
    unnamed = [made(tmp_path, name, {"w": np.ones(1)}) for name in ("x", "y")]
    done = average(unnamed, tmp_path / "other")
    assert done.notes == ("counters and text are those of the last one, y",)


def test_what_has_no_average(tmp_path: Path) -> None:
    x = made(tmp_path, "x", {"a": np.ones(2), "b": np.ones(1)})
    with pytest.raises(ValueError, match="two checkpoints or more"):
        average([x], tmp_path / "out")
    for other in ({"a": np.ones(3), "b": np.ones(1)}, {"a": np.ones(2)}, {"a": np.ones(2, "f4")}):
        y = made(tmp_path, "y", other)
        with pytest.raises(tfckpt.UnsupportedError, match="another type or shape") as caught:
            average([x, y], tmp_path / "out")
        assert "'a'" in str(caught.value) or "'b'" in str(caught.value)
    assert not (tmp_path / "out.index").exists()


def test_damage_in_any_of_them(tmp_path: Path) -> None:
    sources = run_of(tmp_path, 1, 2, 3)
    poke(sources[1], DATA, 20, 1)
    before = files(tmp_path)
    with pytest.raises(tfckpt.ChecksumError):
        average(sources, tmp_path / "out")
    assert files(tmp_path) == before


# Replacing.


def test_replace(tmp_path: Path) -> None:
    source = made(tmp_path, "x", A | B)
    np.save(tmp_path / "n.npy", np.arange(8.0)[::-1])
    np.save(tmp_path / "a.npy", np.asfortranarray(np.full((3, 2), 7)))  # int64: exact in float32
    np.save(tmp_path / "s.npy", np.array([b"new", b"er"]))
    new = {"t": tmp_path / "n.npy", "a": tmp_path / "a.npy", "s": tmp_path / "s.npy"}
    replace(source, new, tmp_path / "out")
    assert tfckpt.verify(tmp_path / "out").ok
    with tfckpt.open(tmp_path / "out") as ckpt:
        assert ckpt["t"].tolist() == list(range(7, -1, -1))
        assert [str(each) for each in ckpt.specs["t"].slices] == ["0,3", "3,5"]
        assert (str(ckpt["a"].dtype), ckpt["a"].tolist()) == ("float32", [[7.0, 7.0]] * 3)
        assert ckpt["s"].tolist() == [b"new", b"er"]
        assert ckpt["b"].tolist() == [1] * 4


REFUSED: dict[str, tuple[str, Any, type[Exception], str]] = {
    "no tensor": ("aa", np.ones((3, 2)), tfckpt.TensorNotFoundError, "'aa' to replace"),
    "shape": ("a", np.ones((2, 3)), ValueError, "its shape is"),
    "inexact": ("a", np.full((3, 2), 0.1), ValueError, "float32 does not hold"),
    "too large": ("b", np.full(4, 40000), ValueError, "int16 does not hold"),
    "strings": ("b", np.array([b"a"] * 4), ValueError, "int16 does not hold"),
    "dates": ("b", np.zeros(4, "M8[s]"), tfckpt.UnsupportedError, "no type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_replace(tmp_path: Path, case: str) -> None:
    name, array, error, text = REFUSED[case]
    source = made(tmp_path, "x", A | B)
    np.save(tmp_path / "v.npy", array)
    before = files(tmp_path)
    with pytest.raises(error, match=text):
        replace(source, {name: tmp_path / "v.npy"}, tmp_path / "out")
    with pytest.raises(OSError, match="none"):
        replace(source, {"a": tmp_path / "none.npy"}, tmp_path / "out")
    assert files(tmp_path) == before


# Commands.


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = map(str, run_of(tmp_path, 1, 3))
    assert main(["average", x, y, str(tmp_path / "avg")]) == 0
    assert "wrote" in capsys.readouterr().out
    assert tfckpt.open(tmp_path / "avg")["w"].tolist() == [[2.0] * 2] * 3
    z = str(made(tmp_path, "z", B))
    assert main(["merge", x, z, str(tmp_path / "both"), "--shards", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["written"]) == 8
    np.save(tmp_path / "v=1.npy", np.zeros((3, 2), "f4"))
    assert main(["set", x, f"w={tmp_path}/v=1.npy", str(tmp_path / "out")]) == 2
    np.save(tmp_path / "v.npy", np.zeros((3, 2), "f4"))
    assert main(["set", x, f"w={tmp_path}/v.npy", str(tmp_path / "out")]) == 0
    assert tfckpt.open(tmp_path / "out")["w"].tolist() == [[0.0] * 2] * 3
    assert main(["set", x, f"w={tmp_path}/v.npy", str(tmp_path / "out")]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["set", x, "w", str(tmp_path / "out")]) == 2
    assert "NAME=FILE.npy" in capsys.readouterr().err
    assert main(["merge", x, y, str(tmp_path / "no")]) == 1
    assert "more than one checkpoint" in capsys.readouterr().err
    assert "no.index" not in os.listdir(tmp_path)
