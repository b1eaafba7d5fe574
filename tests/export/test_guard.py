"""The checkpoint that is read stays what it was, and is the same at the end as at the beginning."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import writers as w
from project import FIXTURES

import tfckpt_reader as tfckpt

FLOATS = np.array([1.5, -2.0, 3.0], np.float32)
DATA = ".data-00000-of-00002"
KINDS = ["o.npz", "o.safetensors", "o/"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    w.write_bundle(tmp_path / "p", {"a": FLOATS, "b": FLOATS + 1}, shards=2)
    (tmp_path / "p.meta").write_bytes(b"graph")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "p"\n')
    return tmp_path / "p"


# -- it changes meanwhile --------------------------------------------------------------------------


def later(path: str) -> None:
    """Move the time of the last change, and nothing else; some file systems count seconds."""
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 10**10))


def longer(path: str) -> None:
    """Make a file longer, and give it back its time."""
    before = os.stat(path).st_mtime_ns
    with open(path, "ab") as file:
        file.write(b"\0")
    os.utime(path, ns=(0, before))


def another(path: str) -> None:
    """Put another file in its place, as whoever writes aside and renames."""
    shutil.copy(path, path + "x")
    later(path + "x")
    os.replace(path + "x", path)


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("end", [".index", DATA, ".data-00001-of-00002"])
@pytest.mark.parametrize("change", [later, longer, another, os.unlink], ids=lambda f: f.__name__)
def test_a_change_is_an_error(
    change: Callable[[str], object], end: str, target: str, source: Path, tmp_path: Path
) -> None:
    told: list[int] = []

    def on_progress(done: int, total: int) -> None:
        told.append(done)
        if done == total:  # all is read: nothing but the look at the end can find out
            change(f"{source}{end}")

    before = set(os.listdir(tmp_path))
    with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while it was read") as caught:
        tfckpt.convert(source, f"{tmp_path}/{target}", on_progress=on_progress)
    assert told
    assert caught.value.file == f"{source}{end}"
    assert set(os.listdir(tmp_path)) <= before


def test_a_change_of_a_v1_shard(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "p", {"a": FLOATS, "b": FLOATS}, shards=2)
    path = str(tmp_path / "p-00001-of-00002")
    with pytest.raises(tfckpt.CorruptCheckpointError, match="changed while") as caught:
        tfckpt.convert(tmp_path / "p", tmp_path / "o.npz", on_progress=lambda *_: later(path))
    assert caught.value.file == path
    assert not list(tmp_path.glob("*o.npz*"))


def test_what_is_not_read_may_change(source: Path, tmp_path: Path) -> None:
    def change(_done: int, _total: int) -> None:
        for name in ("p.meta", "checkpoint"):
            later(str(tmp_path / name))
        (tmp_path / "p2.index").write_bytes(b"the next one")

    tfckpt.convert(source, tmp_path / "o.npz", on_progress=change)
    assert (tmp_path / "o.npz").exists()


# -- it is never written over ----------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["npz", "safetensors", "npy"])
@pytest.mark.parametrize("end", [".index", DATA, ".meta", "/../checkpoint", ".data-00007-of-00009"])
def test_no_file_of_the_checkpoint_is_a_target(
    end: str, kind: str, source: Path, tmp_path: Path
) -> None:
    before = contents(tmp_path)
    target = os.path.normpath(f"{source}{end}")
    with pytest.raises(FileExistsError, match=r"the checkpoint|not a folder"):
        tfckpt.convert(source, target, format=kind, force=True)
    assert contents(tmp_path) == before


def test_the_graph_of_a_v1_set_is_no_target(tmp_path: Path) -> None:
    w.write_v1_shards(tmp_path / "p", {"a": FLOATS, "b": FLOATS}, shards=2)
    (tmp_path / "p.meta").write_bytes(b"graph")
    with pytest.raises(FileExistsError, match="the checkpoint itself"):
        tfckpt.convert(tmp_path / "p", tmp_path / "p.meta", format="npz", force=True)
    assert (tmp_path / "p.meta").read_bytes() == b"graph"


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("end", [".index", DATA, ".meta"])
def test_a_link_to_one_is_none_either(
    end: str, link: Callable[[Any, Any], None], source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "o.npz"
    link(f"{source}{end}", target)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="the checkpoint itself"):
        tfckpt.convert(source, target, force=True)
    assert contents(tmp_path) == before


def test_by_another_path(source: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    before = (tmp_path / "p.index").read_bytes()
    for target in ("alias/p.index", "alias/p.data-00007-of-00009"):
        with pytest.raises(FileExistsError, match="checkpoint"):
            tfckpt.convert(source, tmp_path / target, format="npz", force=True)
    assert (tmp_path / "p.index").read_bytes() == before


def test_a_checkpoint_without_a_name(tmp_path: Path) -> None:
    """Its files begin with a dot: `dir/` is the prefix."""
    (tmp_path / "dir").mkdir()
    w.write_bundle(f"{tmp_path}/dir/", {"a": FLOATS})
    for name in (".index", ".data-00001-of-00002"):
        with pytest.raises(FileExistsError, match="checkpoint's own"):
            tfckpt.convert(f"{tmp_path}/dir/", f"{tmp_path}/dir/{name}", format="npz", force=True)
    tfckpt.convert(f"{tmp_path}/dir/", f"{tmp_path}/dir.index", format="safetensors")
    assert b'"source":"dir"' in (tmp_path / "dir.index").read_bytes()


@pytest.mark.parametrize("target", ["p.npz", "p.index.npz", "p.data.npz", "checkpoint.npz", "p/"])
def test_names_beside_it_are_free(target: str, source: Path, tmp_path: Path) -> None:
    done = tfckpt.convert(source, f"{tmp_path}/{target}")
    assert done.written == ("a", "b")


@pytest.mark.parametrize("given", ["", "variables/variables", "saved_model.pb"])
@pytest.mark.parametrize(
    "target", ["variables/o.npz", "o.npz", "variables/o/", "variables/variables.npz", "assets/"]
)
def test_nothing_is_written_into_a_saved_model(given: str, target: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / "saved_model", model)
    before = contents(model)
    with pytest.raises(FileExistsError, match="lies in the SavedModel"):
        tfckpt.convert(model / given, f"{model}/{target}")
    assert contents(model) == before
    tfckpt.convert(model / given, f"{model}.npz")
    assert (tmp_path / "model.npz").exists()


def test_a_saved_model_by_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FIXTURES / "saved_model", tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model" / "variables")
    with pytest.raises(FileExistsError, match="lies in the SavedModel"):
        tfckpt.convert("variables", "o.npz")
    with pytest.raises(FileExistsError, match="lies in the SavedModel"):
        tfckpt.convert("..", "../o.npz")
    tfckpt.convert("..", "../../o.safetensors")
    assert b'"source":"model"' in (tmp_path / "o.safetensors").read_bytes()


# -- where nothing can be put ----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("force", [False, True])
def test_a_pipe_is_no_target(force: bool, source: Path, tmp_path: Path) -> None:
    """Nor is a device: renaming a file to /dev/null would take it from everybody."""
    os.mkfifo(tmp_path / "o.npz")
    with pytest.raises(FileExistsError):
        tfckpt.convert(source, tmp_path / "o.npz", force=force)
    assert (tmp_path / "o.npz").is_fifo()


def test_a_link_that_leads_nowhere_is_there(source: Path, tmp_path: Path) -> None:
    (tmp_path / "o.npz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match="--force"):
        tfckpt.convert(source, tmp_path / "o.npz")
    assert (tmp_path / "o.npz").is_symlink()


@pytest.mark.parametrize("target", ["/", "o.npz/", "no/such/"])
def test_paths_that_name_no_file(target: str, source: Path, tmp_path: Path) -> None:
    kind = "npz" if target.startswith("o") else None
    place = target if target == "/" else f"{tmp_path}/{target}"
    with pytest.raises(OSError, match=r"is a folder|no folder|no conversion"):
        tfckpt.convert(source, place, format=kind, force=True)


def test_a_format_that_is_none(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no format 'zip', only npz, safetensors, h5"):
        tfckpt.convert(source, tmp_path / "o.zip", format="zip")
    with pytest.raises(ValueError, match=r"ends in \.npz, \.safetensors, \.h5, \.zarr or \.ckpt"):
        tfckpt.convert(source, tmp_path / "o.zip")
    tfckpt.convert(source, tmp_path / "o.zip", format="npz")
    with np.load(tmp_path / "o.zip") as found:
        assert found["a"].tolist() == FLOATS.tolist()
