"""The command ``convert``: its options, refusals and JSON."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import writers as w
from commands import Run, one_line, tensors
from defects import DATA, FLOATS, bundle, poke

from tfckpt_reader.export import Conversion
from tfckpt_reader.objects.paths import OBJECT_GRAPH


def test_convert(run: Run, tmp_path: Path) -> None:
    prefix, target = bundle(tmp_path), tmp_path / "out.npz"
    done = run("convert", prefix, target)
    assert (done.code, done.err) == (0, "")
    assert len(done.lines) == 1
    assert done.lines[0].startswith(f"wrote {target}: 4 tensors, ")
    with np.load(target) as found:
        assert sorted(found.files) == ["f", "i", "s", "zero"]


def test_convert_options(run: Run, tmp_path: Path) -> None:
    prefix, target = bundle(tmp_path, tensors()), tmp_path / "out.npz"
    chosen = ["--include", "dense/*", "--include", "b*", "--exclude", "*kernel", "--exclude", "x"]
    done = run("convert", prefix, target, *chosen)
    assert done.code == 1  # a pattern left a weight out
    assert "1 weight left out by patterns or roles" in done.err
    assert run("convert", prefix, target, *chosen, "--force", "--allow-no-weights").code == 0
    with np.load(target) as found:
        assert sorted(found.files) == ["bool", "dense/bias"]
    again = run("convert", prefix, target)
    assert (again.code, again.out) == (2, "")
    assert "--force" in one_line(again.err)
    assert run("convert", prefix, target, "--force").code == 0
    with np.load(target) as found:
        assert sorted(found.files) == sorted(tensors())


def test_convert_raw(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path, {"b": w.Raw(14, (1,), b"\xc0\x3f")})
    for more, expected in (((), 1.5), (("--raw",), 0x3FC0)):
        assert run("convert", prefix, tmp_path / "out.npz", "--force", *more).code == 0
        with np.load(tmp_path / "out.npz") as found:
            assert found["b"].tolist() == [expected]


def test_convert_unsupported_tensors(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, "/abs": FLOATS, "v": w.Variants([(b"T", b"", [])], ())}
    prefix, target = bundle(tmp_path, tensors), tmp_path / "out.npz"
    done = run("convert", prefix, target)
    assert (done.code, done.out) == (1, "")
    line = one_line(done.err)
    for part in ("'/abs'", "'v'", "--skip-unsupported"):
        assert part in line
    assert not target.exists()
    done = run("convert", prefix, target, "--skip-unsupported")
    assert done.code == 1
    assert sorted(line.split(":")[0] for line in done.lines[:-1]) == ["skipped /abs", "skipped v"]
    assert "1 tensor," in done.lines[-1]
    with np.load(target) as found:
        assert found.files == ["f"]


def test_convert_notes_left_out_tensors(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, OBJECT_GRAPH: w.Strings([b"\n\0"], ()), "s": w.Strings([b"a\0"], (1,))}
    done = run("convert", bundle(tmp_path, tensors), tmp_path / "out.npz")
    assert done.code == 0
    notes = [line for line in done.err.splitlines() if line.startswith("tfckpt: note: ")]
    assert len(notes) == len(done.err.splitlines()) == 2
    assert any("1 tensor left out" in note and OBJECT_GRAPH in note for note in notes)
    assert any("s/__bytes__" in note and "s/__offsets__" in note for note in notes)


def test_convert_json(run: Run, tmp_path: Path) -> None:
    tensors = {"f": FLOATS, "v": w.Variants([(b"T", b"", [])], ())}
    target = tmp_path / "out.npz"
    done = run("convert", bundle(tmp_path, tensors), target, "--json", "--skip-unsupported")
    assert done.code == 1
    names = {field.name for field in fields(Conversion)}
    assert set(done.json) == {"schema", "bytes", *names} - {"nbytes"}
    assert done.json["path"] == str(target)
    assert done.json["written"] == ["f"]
    assert list(done.json["skipped"]) == ["v"]
    assert done.json["bytes"] == 16


def test_convert_of_damage(run: Run, tmp_path: Path) -> None:
    done = run("convert", poke(bundle(tmp_path), DATA, 1), tmp_path / "out.npz")
    assert (done.code, done.out) == (1, "")
    assert "'f'" in one_line(done.err)
    assert not (tmp_path / "out.npz").exists()


def test_convert_with_a_missing_shard(run: Run, tmp_path: Path) -> None:
    prefix = bundle(tmp_path)
    Path(f"{prefix}{DATA}").unlink()
    done = run("convert", prefix, tmp_path / "out.npz")
    assert (done.code, done.out) == (1, "")
    assert f"p{DATA}" in one_line(done.err)


@pytest.mark.parametrize("name", ["no/such/out.npz", "out.txt", "out", "folder.npz"])
def test_convert_to_impossible_paths(run: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    done = run("convert", bundle(tmp_path), tmp_path / name, "--force")
    assert (done.code, done.out) == (2, "")
    line = one_line(done.err)
    assert name.partition("/")[0] in line
    assert "unfinished" not in line


def test_convert_with_a_full_disk(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = run("convert", bundle(tmp_path), tmp_path / "out.npz")
    assert (done.code, done.out) == (2, "")
    line = one_line(done.err)
    assert "No space left" in line
    assert "out.npz" in line
    assert "unfinished" not in line
